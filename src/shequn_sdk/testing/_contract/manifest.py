"""Manifest against code."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from shequn_sdk.domain import (
    Article,
    Button,
    Interaction,
    InteractionKind,
    Link,
    Media,
    MediaKind,
    Piece,
    Poll,
)
from shequn_sdk.errors import NotSupported
from shequn_sdk.platforms.manifest import API_VERSION, Capability, Manifest
from shequn_sdk.platforms.ports import CAPABILITY_PROTOCOLS, Adapter, WebhookRequest
from shequn_sdk.testing._contract.hooks import ContractHooks
from shequn_sdk.testing._contract.rig import Rig, within

__all__ = ["ManifestContract"]

_C = Capability
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
PHOTO = Media(kind=MediaKind.PHOTO, data=_PNG, filename="dot.png", mime="image/png")
"""The smallest picture."""


def _media(kind: MediaKind) -> Media:
    return Media(kind=kind, data=b"0" * 64, filename=f"file.{kind}")


_FORMS: Mapping[Capability, Piece] = {
    _C.PUBLISH_PHOTO: Piece(text="x", media=(PHOTO,)),
    _C.PUBLISH_VIDEO: Piece(text="x", media=(_media(MediaKind.VIDEO),)),
    _C.PUBLISH_AUDIO: Piece(text="x", media=(_media(MediaKind.AUDIO),)),
    _C.PUBLISH_DOCUMENT: Piece(text="x", media=(_media(MediaKind.DOCUMENT),)),
    _C.PUBLISH_ALBUM: Piece(text="x", media=(PHOTO, PHOTO)),
    _C.PUBLISH_POLL: Piece(poll=Poll(question="x", choices=("a", "b"))),
    _C.PUBLISH_ARTICLE: Piece(article=Article(title="x", body="x")),
    _C.PUBLISH_LINK: Piece(link=Link.model_validate({"url": "https://example.org/", "title": "x"})),
    _C.BUTTONS: Piece(text="x", buttons=((Button(label="x", data="x"),),)),
    _C.REPLY: Piece(text="x", reply_to="1"),
}


def _calls(rig: Rig) -> Mapping[Capability, tuple[str, Callable[[Any], Any]]]:
    """Give, for every capability, the method that it promises and a call of it."""
    channel, now = rig.channel, rig.clock.now()
    member = rig.sandbox.member_id(rig.person())
    pressed = Interaction(id="x", kind=InteractionKind.BUTTON, platform=rig.spec.name, occurred_at=now)
    hook = WebhookRequest(method="POST", path="/", query={}, headers={}, body=b"{}", received_at=now)
    text = Piece(text="x")
    calls: dict[Capability, tuple[str, Callable[[Any], Any]]] = {
        _C.PUBLISH_TEXT: ("publish", lambda a: a.publish(channel, text, idempotency_key="x")),
        _C.EDIT: ("edit", lambda a: a.edit(channel, "1", text)),
        _C.DELETE: ("delete", lambda a: a.delete(channel, "1")),
        _C.PIN: ("pin", lambda a: a.pin(channel, "1")),
        _C.REACT: ("react", lambda a: a.react(channel, "1", "👍")),
        _C.CLOSE_POLL: ("close_poll", lambda a: a.close_poll(channel, "1")),
        _C.POLL_RESULTS: ("get_poll", lambda a: a.get_poll(channel, "1")),
        _C.RECONCILE: ("find_landed", lambda a: a.find_landed(channel, text, idempotency_key="x", since=now)),
        _C.POST_METRICS: ("get_post_numbers", lambda a: a.get_post_numbers(channel, ["1"])),
        _C.READ_HISTORY: ("iter_history", lambda a: a.iter_history(channel)),
        _C.COMMENTS: ("comment", lambda a: a.comment(channel, "1", "x")),
        _C.CHANNEL_INFO: ("get_channel", lambda a: a.get_channel(channel)),
        _C.LIST_CHANNELS: ("iter_channels", lambda a: a.iter_channels()),
        _C.MEMBER_COUNT: ("count_members", lambda a: a.count_members(channel)),
        _C.TOPICS: ("open_topic", lambda a: a.open_topic(channel, "x")),
        _C.SLOW_MODE: ("set_slow_mode", lambda a: a.set_slow_mode(channel, timedelta(seconds=10))),
        _C.PICTURES: ("load_picture", lambda a: a.load_picture("x", most_bytes=1)),
        _C.GET_MEMBER: ("get_member", lambda a: a.get_member(channel, member)),
        _C.LIST_MEMBERS: ("iter_members", lambda a: a.iter_members(channel)),
        _C.DIRECT_MESSAGE: ("direct_channel", lambda a: a.direct_channel(member)),
        _C.RESTRICT: ("restrict", lambda a: a.restrict(channel, member, until=None)),
        _C.KICK: ("kick", lambda a: a.kick(channel, member)),
        _C.BAN: ("ban", lambda a: a.ban(channel, member)),
        _C.ROLES: ("grant_role", lambda a: a.grant_role(channel, member, "1")),
        _C.TAGS: ("tag", lambda a: a.tag(member, add=["1"])),
        _C.INVITES: ("create_invite", lambda a: a.create_invite(channel, name="x")),
        _C.INVITE_USES: ("list_invites", lambda a: a.list_invites(channel)),
        _C.JOIN_REQUESTS: ("approve_join", lambda a: a.approve_join(channel, member)),
        _C.WEBHOOK: ("verify", lambda a: a.verify(hook)),
        _C.COMMANDS: ("set_commands", lambda a: a.set_commands({"x": "x"})),
        _C.ANSWER_BUTTON: ("answer_button", lambda a: a.answer_button(pressed)),
        _C.SEARCH: ("search", lambda a: a.search(channel, "x")),
        _C.WELCOME: ("welcome", lambda a: a.welcome(pressed, text)),
    }
    if not rig.manifest.person_must_confirm:
        calls[_C.MASS_MESSAGE] = ("get_confirmation", lambda a: a.get_confirmation(channel, "1"))
    if not {_C.POLL_EVENTS, _C.GATEWAY} & rig.manifest.capabilities:
        calls[_C.POLL_EVENTS] = ("receive", lambda a: a.receive(None))
    for capability, piece in _FORMS.items():
        calls[capability] = (
            "publish",
            lambda a, piece=piece: a.publish(channel, piece, idempotency_key="x"),
        )
    return calls


async def _finish(result: Any) -> None:
    if isinstance(result, AsyncIterator):
        async for _ in result:
            return
    elif isinstance(result, Awaitable):
        await result


class ManifestContract(ContractHooks):
    """The manifest says what is there, and what is there is in the manifest."""

    async def test_manifest_belongs_to_the_platform(self, rig: Rig) -> None:
        """Adapter, specification and manifest name the same platform, and the port's version is known."""
        assert isinstance(rig.adapter, Adapter)
        assert rig.adapter.platform == rig.spec.name == rig.manifest.platform
        assert rig.sandbox.platform == rig.spec.name
        assert rig.manifest == rig.spec.manifest(rig.account), (
            "PlatformSpec.manifest differs from the adapter's"
        )
        assert rig.manifest.api_version <= API_VERSION
        assert Manifest.model_validate_json(rig.manifest.model_dump_json()) == rig.manifest
        modes = {manifest.mode for manifest in rig.spec.manifests}
        assert rig.manifest.mode in modes, f"PlatformSpec.manifests lacks mode {rig.manifest.mode!r}"

    async def test_manifest_is_consistent(self, rig: Rig) -> None:
        """Limits, idempotency and reasons fit the declared capabilities."""
        manifest, limits = rig.manifest, rig.manifest.limits
        assert manifest.capabilities, "an adapter that can do nothing is of no use"
        assert not manifest.capabilities & manifest.missing.keys(), (
            "a capability is both declared and missing"
        )
        assert manifest.supports(_C.RECONCILE) == manifest.idempotency.reconcile
        if manifest.supports(_C.PUBLISH_POLL):
            assert limits.poll_question is not None, "say how long a poll's question may be"
            assert limits.poll_choice is not None, "say how long a poll's choice may be"
        if manifest.supports(_C.PUBLISH_PHOTO):
            assert limits.media_per_post >= 1, "say how many files one message takes"
        if manifest.supports(_C.PUBLISH_ALBUM):
            assert limits.media_per_post > 1, "an album has more than one file"
        if manifest.supports(_C.BUTTONS):
            assert limits.buttons >= 1, "say how many buttons one message takes"
        for capability in Capability:
            assert manifest.platform in manifest.explain(capability)

    async def test_declared_capabilities_are_implemented(self, rig: Rig) -> None:
        """Every declared capability's protocol is there: methods, sync or async as promised, arguments by name."""
        for capability in sorted(rig.manifest.capabilities & CAPABILITY_PROTOCOLS.keys()):
            protocol = CAPABILITY_PROTOCOLS[capability]
            for name, promised in inspect.getmembers(protocol, inspect.isfunction):
                if name.startswith("_"):
                    continue
                real = getattr(rig.adapter, name, None)
                assert callable(real), f"{capability} is declared, but the adapter has no {name}()"
                assert inspect.iscoroutinefunction(promised) == inspect.iscoroutinefunction(real), (
                    f"{name}() must be {'async' if inspect.iscoroutinefunction(promised) else 'no coroutine'}"
                )
                wanted = [key for key in inspect.signature(promised).parameters if key != "self"]
                taken = inspect.signature(real).parameters
                assert set(wanted) <= set(taken), f"{name}() lacks arguments {set(wanted) - set(taken)}"

    async def test_undeclared_capabilities_are_refused_before_any_request(self, rig: Rig) -> None:
        """What is not declared raises NotSupported, and nothing is sent."""
        wrong: list[str] = []
        before = rig.recorder.requests
        for capability, (name, call) in _calls(rig).items():
            if capability in rig.manifest.capabilities or not hasattr(rig.adapter, name):
                continue
            try:
                await within(_finish(call(rig.adapter)))
            except NotSupported as error:
                if error.platform != rig.spec.name:
                    wrong.append(f"{capability}: NotSupported without the platform's name")
            except Exception as error:  # noqa: BLE001 - every other error is the finding
                wrong.append(f"{capability}: {name}() raised {type(error).__name__}: {error}")
            else:
                wrong.append(f"{capability}: {name}() did not raise")
        assert not wrong, "\n".join(wrong)
        assert rig.recorder.requests == before, "a request was sent for something that is not declared"

    async def test_opening_makes_no_request(self, rig: Rig) -> None:
        """Entering the context manager asks the platform nothing."""
        assert rig.recorder.requests == 0

    async def test_check_says_who_the_account_is(self, rig: Rig) -> None:
        """`check` asks the platform and gives one line for people."""
        line = await within(rig.adapter.check())
        assert line.strip()
        assert "\n" not in line
