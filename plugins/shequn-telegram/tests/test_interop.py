"""Third-party clients, unchanged, against the sandbox."""

from __future__ import annotations

import asyncio
import io
import warnings

import pytest

from .conftest import HAN, LI, NEW, Place

pytestmark = pytest.mark.interop


async def test_aiogram_polls_answers_and_shows_keyboards(tg: Place):
    aiogram = pytest.importorskip("aiogram")
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.types import (
        BufferedInputFile,
        ChatMemberUpdated,
        ChatPermissions,
        InlineKeyboardButton,
        InlineKeyboardMarkup,
        InputMediaPhoto,
        MessageReactionUpdated,
        ReactionTypeEmoji,
    )

    described = tg.sandbox.describe()
    session = AiohttpSession(api=TelegramAPIServer.from_base(described["base_url"]))
    bot = aiogram.Bot(described["token"], session=session)
    dispatcher = aiogram.Dispatcher()
    seen: dict[str, object] = {}
    done = asyncio.Event()
    keyboard = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="好", callback_data="ok")]])

    @dispatcher.message()
    async def on_message(message: aiogram.types.Message) -> None:
        if message.new_chat_members:
            seen["service"] = message.new_chat_members[0].first_name
            return
        answer = await message.reply(
            f"<b>{message.text}</b> 👨‍👩‍👧", parse_mode="HTML", reply_markup=keyboard
        )
        seen["answer"] = answer
        tg.sandbox.react(tg.group, HAN, str(answer.message_id), "🎉")
        tg.sandbox.press(tg.group, LI, str(answer.message_id), "ok")

    @dispatcher.callback_query()
    async def on_press(query: aiogram.types.CallbackQuery) -> None:
        await query.answer("收到")
        seen["pressed"] = query.data
        done.set()

    @dispatcher.chat_member()
    async def on_member(change: ChatMemberUpdated) -> None:
        seen["joined"] = change.new_chat_member.user.first_name

    @dispatcher.message_reaction()
    async def on_reaction(change: MessageReactionUpdated) -> None:
        seen["reaction"] = change.new_reaction[0].emoji

    async def poll() -> None:
        await dispatcher.start_polling(bot, handle_signals=False, close_bot_session=False, polling_timeout=2)

    task = asyncio.create_task(poll())
    try:
        while (  # noqa: ASYNC110 - the library tells nobody that it polls
            not tg.sandbox.bot.queue.allowed_named
            or "chat_member" not in tg.sandbox.bot.queue.allowed_named
            or (tg.sandbox.bot.queue._poll is None)
        ):
            await asyncio.sleep(0.01)
        tg.sandbox.join(tg.group, NEW)
        tg.sandbox.say(tg.group, LI, "你好")
        async with asyncio.timeout(300):
            await done.wait()
        answer = seen["answer"]
        assert answer.entities[0].type == "bold"
        assert (seen["joined"], seen["service"], seen["pressed"], seen["reaction"]) == (
            "新人",
            "新人",
            "ok",
            "🎉",
        )
        photo = BufferedInputFile(b"picture", "a.jpg")
        sent = await bot.send_photo(tg.group, photo, caption="*c*", parse_mode="MarkdownV2")
        assert sent.photo[-1].file_id
        file = await bot.get_file(sent.photo[-1].file_id)
        loaded = io.BytesIO()
        await bot.download_file(file.file_path, loaded)
        assert loaded.getvalue() == b"picture"
        album = await bot.send_media_group(
            tg.group, [InputMediaPhoto(media=photo), InputMediaPhoto(media=sent.photo[-1].file_id)]
        )
        assert len({message.media_group_id for message in album}) == 1
        voted = await bot.send_poll(tg.group, "q", ["a", "b"], is_anonymous=False)
        assert (await bot.stop_poll(tg.group, voted.message_id)).is_closed
        await bot.set_message_reaction(tg.group, voted.message_id, [ReactionTypeEmoji(emoji="👍")])
        han = int(tg.sandbox.member_id(HAN))
        await bot.restrict_chat_member(tg.group, han, ChatPermissions(can_send_messages=False))
        assert (await bot.get_chat_member(tg.group, han)).status == "restricted"
        assert len(await bot.get_chat_administrators(tg.group)) == 2
        assert (await bot.get_chat(tg.channel)).linked_chat_id == int(tg.discussion)
        link = await bot.create_chat_invite_link(tg.group, name="k", member_limit=3)
        assert (await bot.revoke_chat_invite_link(tg.group, link.invite_link)).is_revoked
        topic = await bot.create_forum_topic(tg.forum, "t")
        assert (
            await bot.send_message(tg.forum, "x", message_thread_id=topic.message_thread_id)
        ).is_topic_message
        with pytest.raises(aiogram.exceptions.TelegramBadRequest, match="Unsupported start tag"):
            await bot.send_message(tg.group, "<x>", parse_mode="HTML")
        tg.sandbox.migrate(tg.basic)
        with pytest.raises(aiogram.exceptions.TelegramMigrateToChat):
            await bot.send_message(tg.basic, "x")
    finally:
        await dispatcher.stop_polling()
        await task
        await session.close()


async def test_python_telegram_bot(tg: Place):
    telegram = pytest.importorskip("telegram")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from telegram.request import HTTPXRequest

        described = tg.sandbox.describe()
        base = described["base_url"]
        bot = telegram.Bot(
            described["token"],
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=HTTPXRequest(),
            get_updates_request=HTTPXRequest(),
        )
        async with bot:
            assert (await bot.get_me()).username == "shequn_bot"
            sent = await bot.send_message(tg.group, "hi _there_", parse_mode="Markdown")
            assert sent.entities[0].type == "italic"
            document = await bot.send_document(tg.group, io.BytesIO(b"doc"), filename="a.txt", caption="c")
            file = await bot.get_file(document.document.file_id)
            assert bytes(await file.download_as_bytearray()) == b"doc"
            poll = await bot.send_poll(tg.group, "q", ["a", "b"], is_anonymous=False)
            tg.sandbox.vote(tg.group, LI, str(poll.message_id), 0)
            tg.sandbox.say(tg.group, HAN, "嗨 #话题")
            updates = await bot.get_updates(timeout=0, allowed_updates=["message", "poll_answer"])
            assert [u.effective_user.first_name for u in updates if u.message or u.poll_answer] == [
                "李雷",
                "韩梅梅",
            ]
            chat = await bot.get_chat(tg.group)
            assert chat.permissions.can_send_messages
            tg.sandbox.migrate(tg.basic)
            with pytest.raises(telegram.error.ChatMigrated):
                await bot.send_message(tg.basic, "x")
            with pytest.raises(telegram.error.BadRequest, match=r"[Tt]oo long"):
                await bot.send_message(tg.group, "x" * 4097)
