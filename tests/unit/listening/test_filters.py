"""Handlers that hear by words, functions and segments; and events made up to test them with."""

import pytest

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind, InvalidInput
from shequn_sdk.errors import UnknownName
from shequn_sdk.listening.filters import narrowed
from shequn_sdk.members.filters import Tagged
from shequn_sdk.testing import heard

TEXTS = ["报名 5 公里", "Sign me UP", "hello", ""]


async def who_hears(**filters):
    said = []

    async def handler(event):
        said.append(event.interaction.text)

    function = narrowed(handler, **filters)
    for text in TEXTS:
        await function(heard(text=text))
    return said


async def test_words_patterns_and_functions_narrow_a_handler():
    assert await who_hears() == TEXTS
    assert await who_hears(keywords=("报名", "sign")) == TEXTS[:2]
    assert await who_hears(text=r"\d+ 公里") == TEXTS[:1]
    assert await who_hears(text="^sign", keywords=("up",)) == TEXTS[1:2]
    assert await who_hears(where=lambda event: not event.interaction.text) == [""]
    for bad in ({"text": "("}, {"keywords": ("",)}):
        with pytest.raises(InvalidInput):
            narrowed(print, **bad)


async def test_blocking_handlers_run_on_threads():
    import threading

    seen = []

    def handler(event):
        seen.append(threading.current_thread() is threading.main_thread())

    await narrowed(handler, keywords=("a",))(heard(text="abc"))
    assert seen == [False]


async def test_handlers_of_a_segment(tmp_path):
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club")]) as sq:
        said, all_words = [], []

        @sq.on("message", segment="gold")
        async def greet(event):
            said.append(event.interaction.member)

        @sq.on("message", keywords=("hi",), name="words")
        def words(event):
            all_words.append(event.interaction.member)

        async def says(member, number):
            event = Interaction(
                id=f"e{number}",
                kind=InteractionKind.MESSAGE,
                platform="tg",
                member=member,
                text="hi" if number % 2 else "",
                occurred_at=heard().interaction.occurred_at,
            )
            await sq._workspace.record([event], community="club")
            await sq.process()

        await sq.segments.save("gold", Tagged(tag="gold"))
        await says("1", 1)
        await sq.members.tag("tg:1", "gold", actor="lin")
        await says("1", 2)
        await says("2", 3)
        assert said == ["1"]
        assert all_words == ["1", "2"]


def test_events_are_made_up_whole():
    event = heard("member.joined", member="discord:5", entrance="poster", channel="club:42")
    assert (event.name, event.interaction.kind, str(event.channel)) == ("member.joined", "join", "club:42")
    assert event.interaction.entrance == "poster"
    assert heard().interaction.id != heard().interaction.id
    with pytest.raises(UnknownName):
        heard("mesage")
    with pytest.raises(InvalidInput, match="several"):
        heard("*")
