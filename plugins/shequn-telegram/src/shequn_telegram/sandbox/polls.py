"""Polls and quizzes."""

from __future__ import annotations

from typing import Any

from shequn_telegram.sandbox.calls import Call, method
from shequn_telegram.sandbox.markup_reply import read_markup
from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import bad
from shequn_telegram.sandbox.send import begin, finish
from shequn_telegram.sandbox.state import Poll
from shequn_telegram.sandbox.text import formatted
from shequn_telegram.sandbox.world import World

__all__: list[str] = []


@method("sendPoll")
def send_poll(call: Call) -> Any:
    """Post a poll or quiz."""
    params, world = call.params, call.world
    draft = begin(call, "poll")
    question, question_entities = formatted(
        params.text("question"),
        mode=params.text("question_parse_mode"),
        given=params.nested("question_entities"),
        users=world.user_json,
    )
    if not question:
        raise bad("poll question must be non-empty")
    if len(question) > 300:
        raise bad("poll question length must not exceed 300")
    options = _options(params.nested("options"))
    anonymous = params.flag("is_anonymous") if "is_anonymous" in params else True
    if draft.chat.type == "channel" and not anonymous:
        raise bad("non-anonymous polls can't be sent to channel chats")
    quiz = params.text("type") == "quiz"
    fixed: dict[str, Any] = {"type": "quiz" if quiz else "regular"}
    if question_entities:
        fixed["question_entities"] = question_entities
    if quiz:
        fixed.update(_quiz(params, world, len(options)))
    description, description_entities = formatted(
        params.text("description"),
        mode=params.text("description_parse_mode"),
        given=params.nested("description_entities"),
        users=world.user_json,
    )
    if len(description) > 1024:
        raise bad("poll description length must not exceed 1024")
    if description:
        fixed["description"] = description
        if description_entities:
            fixed["description_entities"] = description_entities
    period, close = params.integer("open_period") or 0, params.integer("close_date") or 0
    now = world.now()
    seconds = period or (close - now if close else 0)
    if (period or close) and not 5 <= seconds <= 2_628_000:
        raise bad("poll open period must be between 5 and 2628000 seconds")
    if seconds:
        fixed.update(open_period=seconds, close_date=now + seconds)
    world.spend(call.bot, draft.chat)
    multiple = params.flag("allows_multiple_answers")
    poll = Poll(
        id=str(5_400_000_000_000_000_000 + world.serial()),
        owner=call.bot.user.id,
        chat=draft.chat.id,
        message=0,
        question=question,
        options=options,
        fixed=fixed,
        anonymous=anonymous,
        multiple=multiple,
        revoting=params.flag("allows_revoting") if "allows_revoting" in params else not quiz,
        closed=params.flag("is_closed"),
        close_at=now + seconds if seconds else 0,
    )
    message = finish(draft, {}, poll=poll)
    poll.message = message.id
    world.polls[poll.id] = poll
    if poll.close_at:
        world.close_later(poll)
    return message.json()


def _options(given: Any) -> list[str]:
    if not isinstance(given, list):
        raise bad("can't parse options JSON object")
    options: list[str] = []
    for option in given:
        text = str(option.get("text", "") if isinstance(option, dict) else option).strip()
        if not text:
            raise bad("poll options must be non-empty")
        if len(text) > 100:
            raise bad("poll options length must not exceed 100")
        options.append(text)
    if not options:
        raise bad("poll must have at least 1 option")
    if len(options) > 12:
        raise bad("poll can't have more than 12 options")
    return options


def _quiz(params: Parameters, world: World, options: int) -> dict[str, Any]:
    correct = params.nested("correct_option_ids")
    if correct is None and (one := params.integer("correct_option_id")) is not None:
        correct = [one]
    if not isinstance(correct, list) or not correct or not all(isinstance(index, int) for index in correct):
        raise bad("quiz must have a correct option")
    if not all(0 <= index < options for index in correct):
        raise bad("wrong correct option ID specified")
    made: dict[str, Any] = {"correct_option_ids": sorted(set(correct)), "correct_option_id": correct[0]}
    explanation, entities = formatted(
        params.text("explanation"),
        mode=params.text("explanation_parse_mode"),
        given=params.nested("explanation_entities"),
        users=world.user_json,
    )
    if len(explanation) > 200 or explanation.count("\n") > 2:
        raise bad(
            "message is too long" if len(explanation) > 200 else "too many line feeds in the explanation"
        )
    if explanation:
        made["explanation"] = explanation
        if entities:
            made["explanation_entities"] = entities
    return made


@method("stopPoll")
def stop_poll(call: Call) -> Any:
    """End a poll."""
    _, _, message = call.message("message with poll to stop not found")
    poll = message.poll
    if poll is None or poll.owner != call.bot.user.id:
        raise bad("poll can't be stopped")
    if poll.closed:
        raise bad("poll has already been closed")
    markup = read_markup(call.params)
    if markup is not None:
        message.data["reply_markup"] = markup
    call.world.close_poll(poll)
    return poll.json()
