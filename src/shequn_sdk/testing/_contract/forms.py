"""Forms of content beside plain text: each lands as one message that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from shequn_sdk.domain import Article, Content, Link, Media, MediaKind, Piece, Post
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.testing._contract.hooks import ContractHooks
from shequn_sdk.testing._contract.manifest import PHOTO
from shequn_sdk.testing._contract.rig import Rig, within
from shequn_sdk.testing.sandbox.api import SandboxMessage

__all__ = ["FormContract"]

_FILES: Mapping[str, tuple[str, bytes]] = MappingProxyType(
    {
        "video/mp4": ("film.mp4", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"),
        "audio/mpeg": ("talk.mp3", b"ID3\x04\x00\x00\x00\x00\x00\x00"),
        "audio/amr": ("talk.amr", b"#!AMR\n"),
        "application/pdf": ("plan.pdf", b"%PDF-1.4\n"),
        "text/plain": ("plan.txt", b"plan\n"),
    }
)
_TYPES: Mapping[MediaKind, tuple[str, ...]] = MappingProxyType(
    {
        MediaKind.VIDEO: ("video/mp4",),
        MediaKind.AUDIO: ("audio/mpeg", "audio/amr"),
        MediaKind.DOCUMENT: ("application/pdf", "text/plain"),
    }
)


def _file(rig: Rig, kind: MediaKind) -> Media:
    taken = rig.manifest.limits.media_mime.get(kind)
    mime = next(one for one in _TYPES[kind] if taken is None or one in taken)
    name, head = _FILES[mime]
    return Media(kind=kind, data=head + b"\x00" * 256, filename=name, mime=mime)


async def _landed(rig: Rig, piece: Piece) -> tuple[Post, str]:
    """Publish one piece, and give its post and the text of the one message that it made."""
    before = len(rig.texts())
    post = await within(rig.adapter.publish(rig.channel, piece, idempotency_key="form"))
    texts = rig.texts()
    assert post.native_id
    assert len(texts) == before + 1, f"one piece made {len(texts) - before} messages"
    return post, texts[-1]


def _newest(rig: Rig) -> SandboxMessage:
    return next(one for one in rig.sandbox.messages(rig.channel) if one.by_account)


class FormContract(ContractHooks):
    """Files, articles, links and mentions stand on the platform as they were given."""

    @pytest.mark.requires(Capability.PUBLISH_PHOTO)
    async def test_a_photo_lands(self, rig: Rig) -> None:
        """A picture is one message that holds it."""
        await self._file_lands(rig, PHOTO)

    @pytest.mark.requires(Capability.PUBLISH_VIDEO)
    async def test_a_video_lands(self, rig: Rig) -> None:
        """A video is one message that holds it."""
        await self._file_lands(rig, _file(rig, MediaKind.VIDEO))

    @pytest.mark.requires(Capability.PUBLISH_AUDIO)
    async def test_an_audio_file_lands(self, rig: Rig) -> None:
        """Audio is one message that holds it."""
        await self._file_lands(rig, _file(rig, MediaKind.AUDIO))

    @pytest.mark.requires(Capability.PUBLISH_DOCUMENT)
    async def test_a_document_lands(self, rig: Rig) -> None:
        """A document is one message that holds it."""
        await self._file_lands(rig, _file(rig, MediaKind.DOCUMENT))

    async def _file_lands(self, rig: Rig, file: Media) -> None:
        text = "form-file" if rig.manifest.limits.caption_with_media else ""
        piece = (self.piece(text) if text else Piece()).model_copy(update={"media": (file,)})
        _, stands = await _landed(rig, piece)
        assert text in stands
        assert _newest(rig).attachments == 1

    @pytest.mark.requires(Capability.PUBLISH_ARTICLE)
    async def test_an_article_lands(self, rig: Rig) -> None:
        """An article is one message, which shows its title or its body."""
        article = Article.model_validate(
            {"title": "form-article", "body": "**Body** 正文", "url": "https://club.example.com/article"}
        )
        _, stands = await _landed(rig, Piece(article=article))
        assert "form-article" in stands or "正文" in stands

    @pytest.mark.requires(Capability.PUBLISH_LINK)
    async def test_a_link_lands(self, rig: Rig) -> None:
        """A link is one message, which shows its address or its title, or holds it as a card."""
        link = Link.model_validate({"url": "https://club.example.com/form-link", "title": "form-link"})
        _, stands = await _landed(rig, Piece(link=link))
        assert "form-link" in stands or _newest(rig).attachments == 1

    @pytest.mark.requires(Capability.MENTION, Capability.PUBLISH_TEXT)
    async def test_a_mention_lands(self, rig: Rig) -> None:
        """A member whom the content mentions is named in the message; the composer loses nothing."""
        from shequn_sdk.publishing.compose import compose

        person = rig.person()
        member = rig.sandbox.member_id(person)
        words = self.piece("mentioned").text
        content = Content(text=f"[{person.name}](member:{rig.spec.name}:{member}) {words}")
        variant = compose(content, rig.manifest)
        assert not variant.changes, "MENTION is declared, but the composer could not mention"
        (piece,) = variant.pieces
        _, stands = await _landed(rig, piece)
        assert "mentioned" in stands
        assert person.name in stands or member in stands
