"""Calls beyond the shared protocols: commands and buttons, scheduled events, AutoMod, webhooks, entitlements."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from shequn_discord.api import read
from shequn_discord.base import Base
from shequn_discord.render import render
from shequn_discord.snowflake import checked, made_at
from shequn_discord.wire import AutoModRule, Entitlement, Message, ScheduledEvent, WebhookInfo
from shequn_sdk.domain import Interaction, Piece, Post
from shequn_sdk.errors import Conflict, InvalidInput

__all__ = ["Extras"]

_COMMAND = re.compile(r"^[-_'\w]{1,32}$")
_EPHEMERAL = 64


class _Application(msgspec.Struct, gc=False):
    id: str | int
    name: str = ""
    verify_key: str = ""


class _EventUserRow(msgspec.Struct, gc=False):
    user_id: str | int | None = None
    user: dict[str, Any] | None = None


class Extras(Base):
    """Part of the adapter with Discord's own calls."""

    async def _application(self) -> str:
        if self._options.application_id:
            return self._options.application_id
        found = await self._api.get(_Application, "/applications/@me", operation="get application")
        self._app_id = str(found.id)
        return self._app_id

    _app_id: str = ""

    async def _app(self) -> str:
        return self._app_id or await self._application()

    # commands and buttons

    async def set_commands(self, commands: Mapping[str, str]) -> None:
        """Publish the application's slash commands, replacing all: name to description.

        Raises:
            InvalidInput: a name is not lower case letters, digits, `-` or `_`, or a description is not 1 to 100 long.
        """
        for name, description in commands.items():
            if not _COMMAND.match(name) or name != name.lower():
                raise InvalidInput(f"command {name!r}: 1 to 32 lower-case letters, digits, - and _")
            if not 1 <= len(description) <= 100:
                raise InvalidInput(f"command {name!r}: its description must have 1 to 100 characters")
        await self._api.call(
            "PUT",
            "/applications/{application}/commands",
            operation="set commands",
            values={"application": await self._app()},
            json=[
                {"type": 1, "name": name, "description": description}
                for name, description in commands.items()
            ],
        )

    async def answer_button(self, interaction: Interaction, text: str = "") -> None:
        """Acknowledge a button or a command; the text is seen by the one who pressed only.

        Within 3 seconds for what came through the Gateway, 15 minutes for what came through the webhook.

        Raises:
            InvalidInput: the interaction is no pressed button and no command.
            Conflict: too late.
        """
        attrs = interaction.attrs
        number, token = attrs.get("interaction_id"), attrs.get("interaction_token")
        if not isinstance(number, str) or not isinstance(token, str) or not token:
            raise InvalidInput(
                f"interaction {interaction.id} is no pressed button: it has no interaction_token"
            )
        self._api.http.redact.add(token)
        application = str(attrs.get("application_id") or "") or await self._app()
        component = attrs.get("interaction_type") == 3
        if attrs.get("acknowledged") is not True:
            answer: dict[str, Any] = {"type": 6} if component else {"type": 5, "data": {"flags": _EPHEMERAL}}
            if text:
                answer = {"type": 4, "data": {**_private(text), "flags": _EPHEMERAL}}
            try:
                await self._api.call(
                    "POST",
                    "/interactions/{interaction}/{interaction_token}/callback",
                    operation="answer",
                    values={"interaction": checked(number, "interaction"), "interaction_token": token},
                    json=answer,
                    authorized=False,
                    exempt=True,
                )
            except Conflict as error:
                if error.code != "40060":
                    raise
            else:
                return
        await self._follow_up(application, token, text, component=component)

    async def _follow_up(self, application: str, token: str, text: str, *, component: bool) -> None:
        values = {"webhook": application, "token": token}
        if component:
            if text:
                await self._api.call(
                    "POST",
                    "/webhooks/{webhook}/{token}",
                    operation="follow up",
                    values=values,
                    json={**_private(text), "flags": _EPHEMERAL},
                    authorized=False,
                    exempt=True,
                )
            return
        await self._api.call(
            "PATCH" if text else "DELETE",
            "/webhooks/{webhook}/{token}/messages/@original",
            operation="follow up",
            values=values,
            json=_private(text) if text else None,
            authorized=False,
            exempt=True,
        )

    # messages in bulk

    async def bulk_delete(self, channel: str, messages: Sequence[str], *, reason: str = "") -> None:
        """Delete 2 to 100 messages that are younger than 14 days."""
        ids = list(dict.fromkeys(checked(message, "message") for message in messages))
        if not 2 <= len(ids) <= 100:
            raise InvalidInput("bulk delete takes 2 to 100 different messages")
        await self._api.call(
            "POST",
            "/channels/{channel}/messages/bulk-delete",
            operation="bulk delete",
            values=self._ids(channel=channel),
            json={"messages": ids},
            reason=reason,
            idempotent=True,
        )

    async def crosspost(self, channel: str, message: str) -> None:
        """Send a message of an announcement channel to the channels that follow it."""
        await self._api.call(
            "POST",
            "/channels/{channel}/messages/{message}/crosspost",
            operation="crosspost",
            values=self._ids(channel=channel, message=message),
        )

    # scheduled events

    async def create_scheduled_event(
        self,
        channel: str,
        *,
        name: str,
        start: datetime,
        end: datetime | None = None,
        location: str = "",
        voice_channel: str = "",
        description: str = "",
        reason: str = "",
    ) -> ScheduledEvent:
        """Announce an event, either at a `location` (then with an end) or in a voice channel.

        Raises:
            InvalidInput: neither or both were given, or the end is missing.
        """
        if bool(location) == bool(voice_channel):
            raise InvalidInput("an event takes place either at a location or in a voice_channel")
        if location and end is None:
            raise InvalidInput("an event at a location needs its end")
        body: dict[str, Any] = {
            "name": name,
            "privacy_level": 2,
            "scheduled_start_time": start.isoformat(),
            "entity_type": 3 if location else 2,
            "channel_id": voice_channel or None,
        }
        if end is not None:
            body["scheduled_end_time"] = end.isoformat()
        if description:
            body["description"] = description
        if location:
            body["entity_metadata"] = {"location": location}
        guild = await self._guild_of(channel)
        answer = await self._api.call(
            "POST",
            "/guilds/{guild}/scheduled-events",
            operation="create event",
            values=self._ids(guild=guild),
            json=body,
            reason=reason,
        )
        return read(ScheduledEvent, answer)

    async def list_scheduled_events(self, channel: str) -> Sequence[ScheduledEvent]:
        """Read the server's events with how many are interested."""
        guild = await self._guild_of(channel)
        return await self._api.get(
            list[ScheduledEvent],
            "/guilds/{guild}/scheduled-events",
            operation="list events",
            values=self._ids(guild=guild),
            params={"with_user_count": "true"},
        )

    async def set_event_status(self, channel: str, event: str, status: int) -> ScheduledEvent:
        """Start (2), complete (3) or cancel (4) an event."""
        guild = await self._guild_of(channel)
        answer = await self._api.call(
            "PATCH",
            "/guilds/{guild}/scheduled-events/{event}",
            operation="change event",
            values=self._ids(guild=guild, event=event),
            json={"status": status},
            idempotent=True,
        )
        return read(ScheduledEvent, answer)

    async def delete_scheduled_event(self, channel: str, event: str) -> None:
        """Delete an event."""
        guild = await self._guild_of(channel)
        await self._api.call(
            "DELETE",
            "/guilds/{guild}/scheduled-events/{event}",
            operation="delete event",
            values=self._ids(guild=guild, event=event),
        )

    async def iter_interested(self, channel: str, event: str) -> AsyncIterator[str]:
        """Give the ids of those who are interested in an event."""
        guild = await self._guild_of(channel)
        after = "0"
        while True:
            page = await self._api.get(
                list[_EventUserRow],
                "/guilds/{guild}/scheduled-events/{event}/users",
                operation="list interested",
                values=self._ids(guild=guild, event=event),
                params={"limit": 100, "after": after},
            )
            for row in page:
                after = str(row.user_id or (row.user or {}).get("id", ""))
                yield after
            if len(page) < 100:
                return

    # AutoMod

    async def list_automod_rules(self, channel: str) -> Sequence[AutoModRule]:
        """Read the server's AutoMod rules; needs Manage Server."""
        guild = await self._guild_of(channel)
        return await self._api.get(
            list[AutoModRule],
            "/guilds/{guild}/auto-moderation/rules",
            operation="list automod rules",
            values=self._ids(guild=guild),
        )

    async def create_keyword_rule(
        self,
        channel: str,
        *,
        name: str,
        words: Sequence[str] = (),
        patterns: Sequence[str] = (),
        alert_channel: str = "",
        message: str = "",
        enabled: bool = True,
    ) -> AutoModRule:
        """Block messages with certain words (`*` at an end matches parts) or Rust-flavoured patterns.

        At most 6 such rules per server, 1000 words of 60 and 10 patterns of 260 characters.
        """
        block: dict[str, Any] = {"type": 1}
        if message:
            block["metadata"] = {"custom_message": message[:150]}
        actions = [block]
        if alert_channel:
            actions.append({"type": 2, "metadata": {"channel_id": checked(alert_channel, "channel")}})
        guild = await self._guild_of(channel)
        answer = await self._api.call(
            "POST",
            "/guilds/{guild}/auto-moderation/rules",
            operation="create automod rule",
            values=self._ids(guild=guild),
            json={
                "name": name,
                "event_type": 1,
                "trigger_type": 1,
                "trigger_metadata": {"keyword_filter": list(words), "regex_patterns": list(patterns)},
                "actions": actions,
                "enabled": enabled,
            },
        )
        return read(AutoModRule, answer)

    async def delete_automod_rule(self, channel: str, rule: str) -> None:
        """Delete a rule."""
        guild = await self._guild_of(channel)
        await self._api.call(
            "DELETE",
            "/guilds/{guild}/auto-moderation/rules/{rule}",
            operation="delete automod rule",
            values=self._ids(guild=guild, rule=rule),
        )

    # webhooks

    async def create_webhook(self, channel: str, *, name: str, reason: str = "") -> WebhookInfo:
        """Make a webhook; its token is a secret."""
        answer = await self._api.call(
            "POST",
            "/channels/{channel}/webhooks",
            operation="create webhook",
            values=self._ids(channel=channel),
            json={"name": name},
            reason=reason,
        )
        found = read(WebhookInfo, answer)
        self._api.http.redact.add(found.token or "")
        return found

    async def execute_webhook(
        self, webhook: WebhookInfo, piece: Piece, *, username: str = "", thread: str = ""
    ) -> Post:
        """Write under another name through a webhook. There is no key that makes repeating it safe."""
        rendered = await render(piece)
        body = rendered.body
        if username:
            body["username"] = username
        params: dict[str, str | int | float | bool] = {"wait": "true"}
        if thread:
            params["thread_id"] = checked(thread, "thread")
        answer = await self._api.call(
            "POST",
            "/webhooks/{webhook}/{token}",
            operation="execute webhook",
            values={"webhook": str(webhook.id), "token": webhook.token or ""},
            params=params,
            json=body,
            files=rendered.files,
            authorized=False,
        )
        message = read(Message, answer)
        number = str(message.id)
        return Post(
            channel=self._ref(str(message.channel_id)),
            native_id=number,
            landed_at=made_at(number, message.timestamp),
            text=message.content,
        )

    # payments

    async def iter_entitlements(self, *, member: str = "", active: bool = True) -> AsyncIterator[Entitlement]:
        """Give what was bought from the application, ascending; `active` leaves ended ones out."""
        application = await self._app()
        after = "0"
        while True:
            params: dict[str, str | int | float | bool] = {
                "limit": 100,
                "after": after,
                "exclude_ended": "true" if active else "false",
            }
            if member:
                params["user_id"] = checked(member, "member")
            page = await self._api.get(
                list[Entitlement],
                "/applications/{application}/entitlements",
                operation="list entitlements",
                values={"application": application},
                params=params,
            )
            for entitlement in sorted(page, key=lambda item: int(item.id)):
                after = str(entitlement.id)
                yield entitlement
            if len(page) < 100:
                return


def _private(text: str) -> dict[str, Any]:
    return {"content": text[:2000], "allowed_mentions": {"parse": []}}
