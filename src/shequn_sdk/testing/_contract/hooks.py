"""What a plugin tells the contract suite about itself, and the fixtures made from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import pytest

from shequn_sdk.domain import Account, Interaction, InteractionKind, Piece
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec, SandboxSpec
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing._contract.rig import START, Recorder, Rig, ids
from shequn_sdk.testing.sandbox.faults import SeededFaults
from shequn_sdk.testing.sandbox.server import SandboxServer

__all__ = ["SKIP_PREFIX", "ContractHooks", "every_test_requires"]

SKIP_PREFIX = "not in the manifest: "
"""How the reason of every skip begins that the suite itself makes."""

_FLAGS = {
    "native_key": lambda manifest: manifest.idempotency.native_key,
    "confirmed_by_person": lambda manifest: manifest.person_must_confirm,
    "caption_with_media": lambda manifest: manifest.limits.caption_with_media,
}


_C = TypeVar("_C", bound="type[ContractHooks]")


def every_test_requires(*capabilities: Capability) -> Callable[[_C], _C]:
    """Mark every test of a class; a mark on the class itself would spread over everything that inherits from it."""

    def mark(cls: _C) -> _C:
        for name, test in vars(cls).items():
            if name.startswith("test"):
                pytest.mark.requires(*capabilities)(test)
        return cls

    return mark


class ContractHooks:
    """Settings and hooks of the suite. `platform` and `sandbox` must be set; the rest has defaults."""

    platform: ClassVar[PlatformSpec]
    sandbox: ClassVar[SandboxSpec]
    options: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Options of the account that differ from those the sandbox describes, for example its mode."""
    sandbox_options: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Options of the sandbox."""
    auth_secret: ClassVar[str] = ""
    """Name of the secret that is made wrong to see `AuthFailed`; by default the first that the manifest names."""
    unknown_channel: ClassVar[str] = ""
    """Native id of a channel that is not there; by default the ready-made channel's with its digits changed."""
    unknown_event: ClassVar[bytes] = (
        b'{"update_id": 987654321, "type": "never_heard_of", "never_heard_of": {"x": 1}}'
    )
    """An event of a type that the platform may add tomorrow, in its form."""
    undated_webhooks: ClassVar[str] = ""
    """Why an old webhook request cannot be told from a new one, where the platform signs no time; "" where it does."""
    crowd: ClassVar[int] = 230
    """How many members or messages make several pages."""

    def make_account(self, server: SandboxServer) -> Account:
        """Make the account from what the sandbox describes."""
        account = server.account(self.platform.name, name="contract")
        return account.model_copy(update={"options": {**account.options, **self.options}})

    def pick_channel(self, described: Mapping[str, Any]) -> str:
        """Choose the channel to work in; by default the first ready-made one."""
        return ids(described["channels"])[0]

    def piece(self, text: str) -> Piece:
        """Make a piece of `text`; override it where every message needs more, for example a link."""
        return Piece(text=text)

    def sign_webhook(self, rig: Rig, body: bytes | None) -> WebhookRequest:
        """Make a webhook request as the platform would sign it; `body` None is one typical event.

        Must be overridden where WEBHOOK is declared.
        """
        raise AssertionError(f"{type(self).__name__} declares WEBHOOK: override sign_webhook()")

    def wrong_secrets(self, rig: Rig) -> dict[str, str]:
        """Give the account's secrets with the one that authenticates made wrong."""
        clear = {name: value.get_secret_value() for name, value in rig.account.secrets.items()}
        name = self.auth_secret or next(
            (key for key in rig.manifest.secrets if key in clear), next(iter(clear))
        )
        last = clear[name][-1]
        clear[name] = clear[name][:-1] + (
            "b" if last == "a" else "a" if last.isalpha() else "7" if last == "1" else "1"
        )
        return clear

    def forum(self, rig: Rig) -> str:
        """Give the native id of a channel in which topics can be opened; by default any channel is one."""
        return rig.channel

    def role(self, rig: Rig) -> str:
        """Give the native name or id of a role that the account may give to a new member.

        Must be overridden where ROLES is declared.
        """
        raise AssertionError(f"{type(self).__name__} declares ROLES: override role()")

    def tag(self, rig: Rig) -> str:
        """Give the native id of a tag that the account may put on a member.

        Must be overridden where TAGS is declared, as must `tags_of`.
        """
        raise AssertionError(f"{type(self).__name__} declares TAGS: override tag()")

    def tags_of(self, rig: Rig, member: str) -> Collection[str]:
        """Give the native ids of the tags that stand on a member in the sandbox."""
        raise AssertionError(f"{type(self).__name__} declares TAGS: override tags_of()")

    def member_to_tag(self, rig: Rig) -> str:
        """Give the native id of somebody new who can be tagged; by default a new member of the channel."""
        person = rig.person()
        rig.sandbox.join(rig.channel, person)
        return rig.sandbox.member_id(person)

    async def newcomer(self, rig: Rig) -> Interaction:
        """Let somebody come whom the platform lets us welcome, and give their joining as it is heard.

        Must be overridden where WELCOME is declared and joinings come by webhook.
        """
        self._needs_source(rig, Capability.WELCOME, "newcomer")
        return await rig.hear_one(InteractionKind.JOIN, lambda _: rig.sandbox.join(rig.channel, rig.person()))

    async def shown_picture(self, rig: Rig, picture: bytes) -> Interaction:
        """Let a member post a picture, and give the message as it is heard.

        The sandbox's `show(channel, person, picture)` posts it. Must be overridden where PICTURES is declared and
        messages come by webhook.
        """
        self._needs_source(rig, Capability.PICTURES, "shown_picture")
        person, show = rig.person(), getattr(rig.sandbox, "show", None)
        assert callable(show), f"{type(rig.sandbox).__name__} needs show(channel, person, picture)"
        rig.sandbox.join(rig.channel, person)
        return await rig.hear_one(InteractionKind.MESSAGE, lambda _: show(rig.channel, person, picture))

    def _needs_source(self, rig: Rig, capability: Capability, hook: str) -> None:
        assert {Capability.POLL_EVENTS, Capability.GATEWAY} & rig.manifest.capabilities, (
            f"{type(self).__name__} declares {capability.name} and hears by webhook: override {hook}()"
        )

    def missing_channel(self, rig: Rig) -> str:
        """Give the native id of a channel that is not there."""
        return self.unknown_channel or "".join(
            str((int(sign) + 5) % 10 or 1) if sign.isdecimal() else sign for sign in rig.channel
        )

    # fixtures

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run on asyncio."""
        return "asyncio"

    @pytest.fixture
    async def rig(self, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
        """Give an adapter on a fresh sandbox; skips what the manifest does not declare."""
        clock, faults = ManualClock(START), SeededFaults(11)
        options = {self.platform.name: dict(self.sandbox_options)}
        async with SandboxServer(
            [self.sandbox], clock=clock, seed=11, faults=faults, options=options
        ) as server:
            account, recorder = self.make_account(server), Recorder()
            manifest = self.platform.manifest(account)
            declared = sorted(map(str, manifest.capabilities))
            request.node.user_properties.append(
                ("shequn_account", (manifest.platform, manifest.mode, declared))
            )
            _skip_undeclared(request, manifest)
            sandbox = server[self.platform.name]
            described = sandbox.describe()
            context = AdapterContext(clock=clock, transport=recorder, timeout=20.0)
            async with self.platform.create(account, context) as adapter:
                yield Rig(
                    spec=self.platform,
                    server=server,
                    sandbox=sandbox,
                    account=account,
                    channel=self.pick_channel(described),
                    described=described,
                    clock=clock,
                    faults=faults,
                    recorder=recorder,
                    adapter=adapter,
                )


def _skip_undeclared(request: pytest.FixtureRequest, manifest: Manifest) -> None:
    for marker in request.node.iter_markers("requires"):
        wanted = [capability for capability in marker.args if capability not in manifest.capabilities]
        if wanted:
            pytest.skip(SKIP_PREFIX + "; ".join(manifest.explain(capability) for capability in wanted))
        any_of: tuple[Capability, ...] = marker.kwargs.get("any_of", ())
        if any_of and not manifest.capabilities.intersection(any_of):
            pytest.skip(SKIP_PREFIX + "; ".join(manifest.explain(capability) for capability in any_of))
        for flag, check in _FLAGS.items():
            if marker.kwargs.get(flag) and not check(manifest):
                pytest.skip(f"{SKIP_PREFIX}{manifest.platform} does not declare {flag.replace('_', ' ')}")
