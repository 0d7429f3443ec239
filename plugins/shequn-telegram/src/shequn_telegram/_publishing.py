"""Speaking: publish, edit, delete, pin, react, polls, buttons, invoices."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import anyio.to_thread

from shequn_sdk.domain import ChannelRef, Interaction, Media, Piece, PollResult, Post
from shequn_sdk.errors import Conflict, InvalidContent, TargetNotFound, Unavailable
from shequn_sdk.platforms.http import FilePart
from shequn_sdk.platforms.manifest import Capability
from shequn_telegram import wire
from shequn_telegram._base import AdapterBase, number
from shequn_telegram.errors import PLATFORM
from shequn_telegram.render import Request, read_file, render, render_caption, render_edit, split_channel

__all__ = ["Publishing", "message_url"]

_UPLOAD_TIMEOUT = 120.0


def message_url(chat: wire.Chat, message: int, thread: int | None = None) -> str:
    """Give the address of a message, "" where Telegram has none (private chats and basic groups)."""
    if chat.username and chat.type != "private":
        place = chat.username
    elif chat.id < -1_000_000_000_000:
        place = f"c/{-chat.id - 1_000_000_000_000}"
    else:
        return ""
    return f"https://t.me/{place}/{thread}/{message}" if thread else f"https://t.me/{place}/{message}"


class Publishing(AdapterBase):
    """PUBLISH_*, BUTTONS, REPLY, MENTION, EDIT, DELETE, PIN, REACT, CLOSE_POLL, COMMANDS, ANSWER_BUTTON, PAYMENTS."""

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Send `piece` to `channel` (`chat` or `chat/thread`) in one request that is never repeated here.

        Telegram has no key against duplicates, so `idempotency_key` is not sent.
        """
        if piece.article is not None:
            self.manifest.require(Capability.PUBLISH_ARTICLE)
        request = render(channel, piece)
        files = await self._files(request.uploads)
        timeout = _UPLOAD_TIMEOUT if files else None
        if request.method == "sendMediaGroup":
            sent = await self.api.call(
                request.method,
                request.parameters,
                result=list[wire.SentMessage],
                files=files,
                timeout=timeout,
            )
            if not sent:
                raise Unavailable(
                    "telegram answered sendMediaGroup with no message; the album may stand there",
                    platform=PLATFORM,
                    operation=request.method,
                )
        else:
            one = await self.api.call(
                request.method, request.parameters, result=wire.SentMessage, files=files, timeout=timeout
            )
            sent = [one]
        return self._post(channel, sent)

    def _post(self, channel: str, sent: Sequence[wire.SentMessage]) -> Post:
        first = sent[0]
        ids = tuple(str(message.message_id) for message in sent)
        thread = first.message_thread_id if first.is_topic_message else None
        attrs: dict[str, Any] = {}
        if first.media_group_id is not None:
            attrs["media_group_id"] = first.media_group_id
        if first.poll is not None:
            attrs["poll_id"] = first.poll.id
            chat = str(first.chat.id) if first.chat is not None else channel.partition("/")[0]
            self._remember_poll(first.poll, chat, ids[0])
        return Post(
            channel=ChannelRef(account=self._account.name, native_id=channel),
            native_id=ids[0],
            native_ids=ids,
            landed_at=self._landed_at(first.date),
            url=message_url(first.chat, first.message_id, thread) if first.chat is not None else "",
            text=first.text or first.caption or "",
            attrs=attrs,
        )

    def _landed_at(self, date: int) -> datetime:
        if date > 0:
            with contextlib.suppress(OverflowError, ValueError, OSError):
                return datetime.fromtimestamp(date, UTC)
        return self._clock.now()

    async def _files(self, uploads: Mapping[str, Media]) -> dict[str, FilePart]:
        found: dict[str, FilePart] = {}
        for part, media in uploads.items():
            found[part] = await anyio.to_thread.run_sync(functools.partial(read_file, media))
            limit = self.manifest.limits.media_bytes.get(media.kind)
            size = len(found[part].data)
            if limit is not None and size > limit:
                raise InvalidContent(
                    f"{found[part].filename} has {size} bytes; Telegram takes {limit} of a {media.kind} at most",
                    platform=PLATFORM,
                    operation="render",
                )
        return found

    async def edit(self, channel: str, message: str, piece: Piece) -> None:
        """Replace the content; unchanged content is no error. Text alone becomes the caption where media are shown."""
        request = render_edit(channel, number(message, "message"), piece)
        files = await self._files(request.uploads)
        try:
            await self._change(request, files)
        except InvalidContent as error:
            if "no text in the message" not in str(error):
                raise
            await self._change(
                render_caption(request), files
            )  # the message shows media: its text is a caption

    async def _change(self, request: Request, files: Mapping[str, FilePart]) -> None:
        try:
            if files:
                await self.api.call(
                    request.method, request.parameters, result=object, files=files, timeout=_UPLOAD_TIMEOUT
                )
            else:
                await self._do(request.method, request.parameters)
        except Conflict as error:
            if "message is not modified" not in str(error):
                raise

    async def delete(self, channel: str, message: str) -> None:
        """Delete; a message that is gone already is no error."""
        try:
            await self._do("deleteMessage", self._at(channel, message))
        except TargetNotFound as error:
            if "message to delete not found" not in str(error):
                raise

    async def pin(self, channel: str, message: str) -> None:
        """Pin without ringing."""
        await self._do("pinChatMessage", {**self._at(channel, message), "disable_notification": True})

    async def unpin(self, channel: str, message: str) -> None:
        """Take the pin away."""
        await self._do("unpinChatMessage", self._at(channel, message))

    async def react(self, channel: str, message: str, emoji: str) -> None:
        """Set our own reaction, one of `shequn_telegram.manifest.REACTIONS`; "" takes it away."""
        reaction = [{"type": "emoji", "emoji": emoji.replace("\ufe0f", "")}] if emoji else []
        await self._do("setMessageReaction", {**self._at(channel, message), "reaction": reaction})

    async def close_poll(self, channel: str, message: str) -> PollResult:
        """End the poll now; only polls that this bot sent."""
        poll = await self.api.call("stopPoll", self._at(channel, message), result=wire.Poll)
        return PollResult(
            native_id=message,
            votes=tuple(option.voter_count for option in poll.options),
            voters=poll.total_voter_count,
            closed=poll.is_closed,
        )

    async def get_poll(self, channel: str, message: str) -> PollResult:
        """Refuse: a bot cannot ask for a poll without ending it."""
        self.manifest.require(Capability.POLL_RESULTS)
        raise AssertionError

    async def forward(self, channel: str, from_channel: str, message: str) -> Post:
        """Forward a message with its origin shown (extra)."""
        chat, thread = split_channel(channel)
        parameters: dict[str, Any] = {
            "chat_id": chat,
            "from_chat_id": split_channel(from_channel)[0],
            "message_id": number(message, "message"),
        }
        if thread is not None:
            parameters["message_thread_id"] = thread
        sent = await self.api.call("forwardMessage", parameters, result=wire.SentMessage)
        return self._post(channel, [sent])

    # commands and buttons

    async def set_commands(self, commands: Mapping[str, str]) -> None:
        """Publish the bot's commands: name (`[a-z0-9_]`, 32 at most) to description (256 at most)."""
        listed = [{"command": name, "description": text} for name, text in commands.items()]
        await self._do(
            "setMyCommands" if listed else "deleteMyCommands", {"commands": listed} if listed else {}
        )

    async def answer_button(self, interaction: Interaction, text: str = "") -> None:
        """Acknowledge a pressed button within seconds; `text` (200 at most) is shown to the person."""
        query = interaction.attrs.get("callback_query_id")
        if not isinstance(query, str):
            raise InvalidContent(
                "this interaction is no pressed button: it has no callback_query_id",
                platform=PLATFORM,
                operation="answerCallbackQuery",
            )
        parameters: dict[str, Any] = {"callback_query_id": query}
        if text:
            parameters["text"] = text
        await self._do("answerCallbackQuery", parameters)

    # Stars

    async def send_invoice(
        self, channel: str, *, title: str, description: str, payload: str, stars: int, silent: bool = False
    ) -> Post:
        """Send an invoice in Stars (extra, PAYMENTS); paying it becomes a PURCHASE with `payload` in its attrs."""
        chat, thread = split_channel(channel)
        parameters = {**_invoice(title, description, payload, stars), "chat_id": chat}
        if thread is not None:
            parameters["message_thread_id"] = thread
        if silent:
            parameters["disable_notification"] = True
        sent = await self.api.call("sendInvoice", parameters, result=wire.SentMessage)
        return self._post(channel, [sent])

    async def create_invoice_link(
        self, *, title: str, description: str, payload: str, stars: int, monthly: bool = False
    ) -> str:
        """Make a link to an invoice in Stars (extra, PAYMENTS); `monthly` makes it a subscription of 30 days."""
        parameters = _invoice(title, description, payload, stars)
        if monthly:
            parameters["subscription_period"] = 2_592_000
        return await self.api.call("createInvoiceLink", parameters, result=str)

    async def answer_pre_checkout(self, interaction: Interaction, *, refusal: str = "") -> None:
        """Let a payment go on, or refuse it with a reason, within 10 s of the query (extra, PAYMENTS)."""
        query = interaction.attrs.get("pre_checkout_query_id")
        parameters: dict[str, Any] = {"pre_checkout_query_id": query, "ok": not refusal}
        if refusal:
            parameters["error_message"] = refusal
        await self._do("answerPreCheckoutQuery", parameters)

    async def refund(self, member: str, charge: str) -> None:
        """Give the Stars of a payment back; refunded already is no error (extra, PAYMENTS)."""
        parameters = {"user_id": number(member, "member"), "telegram_payment_charge_id": charge}
        try:
            await self._do("refundStarPayment", parameters)
        except Conflict as error:
            if "REFUNDED" not in str(error):
                raise

    async def star_balance(self) -> int:
        """Read how many Stars the bot holds (extra, PAYMENTS)."""
        balance = await self.api.call("getMyStarBalance", result=dict[str, Any], idempotent=True)
        return int(balance.get("amount", 0))

    def _at(self, channel: str, message: str) -> dict[str, Any]:
        return {"chat_id": split_channel(channel)[0], "message_id": number(message, "message")}


def _invoice(title: str, description: str, payload: str, stars: int) -> dict[str, Any]:
    return {
        "title": title,
        "description": description,
        "payload": payload,
        "currency": "XTR",
        "provider_token": "",
        "prices": [{"label": title[:32], "amount": stars}],
    }
