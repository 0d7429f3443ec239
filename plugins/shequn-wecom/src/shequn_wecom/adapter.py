"""What all four modes of a WeCom account share, and the choice between them."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from shequn_sdk.domain import Account, ChannelRef, Identity, MediaKind, MemberRef, Piece, Post
from shequn_sdk.errors import ConfigError, InvalidContent, NotSupported
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart, HttpClient
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import Adapter, Parsed, RawEvent, WebhookReply, WebhookRequest
from shequn_wecom import wire
from shequn_wecom.api import Api
from shequn_wecom.callbacks import CallbackReceiver
from shequn_wecom.crypto import CallbackCrypto
from shequn_wecom.errors import PLATFORM
from shequn_wecom.events import parse_event
from shequn_wecom.manifest import manifest_for, options_of
from shequn_wecom.media import MediaShelf

__all__ = ["ApiAdapter", "BaseAdapter", "create"]

_FORMS = {
    MediaKind.PHOTO: Capability.PUBLISH_PHOTO,
    MediaKind.VIDEO: Capability.PUBLISH_VIDEO,
    MediaKind.AUDIO: Capability.PUBLISH_AUDIO,
    MediaKind.VOICE: Capability.PUBLISH_AUDIO,
    MediaKind.ANIMATION: Capability.PUBLISH_DOCUMENT,
    MediaKind.DOCUMENT: Capability.PUBLISH_DOCUMENT,
}


def create(account: Account, context: AdapterContext) -> Adapter:
    """Make the adapter of an account, by its option `mode`.

    Raises:
        ConfigError: an option or a secret is missing or wrong.
    """
    mode = options_of(account).mode
    if mode == "robot":
        from shequn_wecom.robot import RobotAdapter  # noqa: PLC0415 - one mode is used at a time

        return RobotAdapter(account, context)
    if mode == "appchat":
        from shequn_wecom.appchat import AppChatAdapter  # noqa: PLC0415

        return AppChatAdapter(account, context)
    if mode == "customer":
        from shequn_wecom.customer import CustomerAdapter  # noqa: PLC0415

        return CustomerAdapter(account, context)
    from shequn_wecom.app import AppAdapter  # noqa: PLC0415

    return AppAdapter(account, context)


class BaseAdapter:
    """Account, manifest and connection of one mode."""

    def __init__(self, account: Account, context: AdapterContext) -> None:
        self.account = account
        self.clock = context.clock
        self.options = options_of(account)
        self._manifest = manifest_for(account)

    @property
    def platform(self) -> str:
        """Name of the platform."""
        return PLATFORM

    @property
    def manifest(self) -> Manifest:
        """What this account can do in its mode."""
        return self._manifest

    @property
    def _http(self) -> HttpClient:
        raise AssertionError

    async def __aenter__(self) -> Self:
        """Open connections; makes no request."""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._http.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.account.name!r})"

    def _post(
        self, channel: str, native_id: str, piece: Piece, *, attrs: dict[str, object] | None = None
    ) -> Post:
        return Post.model_validate(
            {
                "channel": ChannelRef(account=self.account.name, native_id=channel),
                "native_id": native_id,
                "landed_at": self.clock.now(),
                "text": piece.text,
                "attrs": attrs or {},
            }
        )

    def _ref(self, channel: str) -> ChannelRef:
        return ChannelRef(account=self.account.name, native_id=channel)

    def _identity(self, userid: str, name: str = "") -> Identity:
        return Identity(ref=MemberRef(platform=PLATFORM, native_id=userid), display_name=name)

    def _needs(self, piece: Piece) -> None:
        """Refuse content that the manifest does not declare.

        Raises:
            NotSupported: the manifest says why.
        """
        needed: list[Capability] = []
        if piece.reply_to is not None:
            needed.append(Capability.REPLY)
        if piece.poll is not None:
            needed.append(Capability.PUBLISH_POLL)
        if piece.buttons:
            needed.append(Capability.BUTTONS)
        if piece.article is not None:
            needed.append(Capability.PUBLISH_ARTICLE)
        if piece.link is not None:
            needed.append(Capability.PUBLISH_LINK)
        needed += [_FORMS[media.kind] for media in piece.media]
        if len(piece.media) > 1:
            needed.append(Capability.PUBLISH_ALBUM)
        for capability in needed:
            self.manifest.require(capability)
        if len(piece.media) > self.manifest.limits.media_per_post:
            raise InvalidContent(
                f"wecom takes {self.manifest.limits.media_per_post} file(s) in one message, not {len(piece.media)}",
                platform=PLATFORM,
                operation="publish",
            )
        if piece.media and piece.text.strip() and not self.manifest.limits.caption_with_media:
            raise InvalidContent(
                "wecom sends text and a file as two messages; give them as two pieces",
                platform=PLATFORM,
                operation="publish",
            )


class ApiAdapter(BaseAdapter):
    """A mode that speaks with an access token, and may hear callbacks."""

    def __init__(self, account: Account, context: AdapterContext) -> None:
        super().__init__(account, context)
        secret = account.secret("corp_secret")
        for given, name, where in (
            (self.options.corp_id, "option corp_id", "我的企业 → 企业信息 → 企业ID"),
            (secret, "secret corp_secret", "the application's page"),
        ):
            if not given:
                raise ConfigError(
                    f"the wecom account {account.name!r} needs {name}: copy it from {where} in the console, "
                    "or run `shequn sandbox` to try without an account"
                )
        token, key = account.secret("callback_token"), account.secret("encoding_aes_key")
        if bool(token) != bool(key):
            raise ConfigError(
                f"the wecom account {account.name!r} has only one of callback_token and encoding_aes_key; give both"
            )
        self.api = Api(
            corp_id=self.options.corp_id,
            corp_secret=secret,
            base_url=account.base_url,
            context=context,
            max_connections=self._manifest.max_concurrency,
            secrets=(token, key),
        )
        self._receiver: CallbackReceiver | None = None
        if token and key:
            meant_for = self.options.corp_id if self.options.receive_id is None else self.options.receive_id
            crypto = CallbackCrypto(token=token, encoding_aes_key=key, receive_id=meant_for)
            self._receiver = CallbackReceiver(
                crypto, max_age=timedelta(minutes=self.options.callback_minutes)
            )
        self._shelf = MediaShelf(self._upload, context=context, limits=self._manifest.limits.media_bytes)

    @property
    def _http(self) -> HttpClient:
        return self.api.http

    async def check(self) -> str:
        """Ask WeCom who this application is; gives a line for people."""
        if self.options.agent_id:
            agent = await self.api.get("agent/get", wire.Agent, {"agentid": self.options.agent_id})
            return f"wecom {self.options.mode}: application {agent.name or self.options.agent_id} of {self.options.corp_id}"
        await self.api.get("getcallbackip", wire.Answer)
        return f"wecom {self.options.mode}: {self.options.corp_id} accepted the secret"

    async def _upload(self, part: FilePart, kind: str) -> str:
        answer = await self.api.upload("media/upload", part, {"type": kind})
        return answer.media_id

    def verify(self, request: WebhookRequest) -> WebhookReply:
        """Check a callback: signature, age, replay, size, receiver; see `WebhookSource`.

        Raises:
            VerificationFailed: forged, replayed, too old, too large, or unreadable.
            NotSupported: the account has no callback secrets, or its mode hears nothing.
        """
        self.manifest.require(Capability.WEBHOOK)
        if self._receiver is None:
            raise NotSupported(
                self.manifest.explain(Capability.WEBHOOK), platform=PLATFORM, capability=Capability.WEBHOOK
            )
        return self._receiver.verify(request)

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one event; see `WebhookSource`."""
        received = raw.headers.get("received-at")
        return parse_event(
            raw.payload,
            account=self.account.name,
            home=self.options.home,
            members_from_events=self.options.group_events == "callback",
            received_at=datetime.fromisoformat(received) if received else None,
        )
