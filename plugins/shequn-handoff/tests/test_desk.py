"""Tasks in a folder: whole or not there, the same key the same task, and results that people tell."""

from __future__ import annotations

import csv
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_handoff.adapter import HandoffAdapter
from shequn_handoff.desk import Desk
from shequn_handoff.manifest import PLACES, manifest_for
from shequn_handoff.results import import_results, read_result, safe_cell, write_form
from shequn_handoff.tasks import NewTask, Result, TaskFile, Verdict, task_id
from shequn_sdk.domain import Account, Media, MediaKind, Piece
from shequn_sdk.errors import (
    ConfigError,
    Conflict,
    InvalidContent,
    InvalidInput,
    NotSupported,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import ManualClock

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
NASTY = '<script>alert(1)</script>\u202e今晚 & "引号"'


@pytest.fixture
def desk_clock():
    return ManualClock(NOW)


@pytest.fixture
def desk(tmp_path, desk_clock):
    return Desk(tmp_path / "desk", clock=desk_clock)


def new(key="k", **more):
    given = {
        "id": task_id("a", "一群", key),
        "account": "a",
        "channel": "一群",
        "place": "wechat_group",
        "text": f"共读 {key}",
        "checklist": ("粘贴",),
    }
    return NewTask(**{**given, **more})


def confirmed(now, **numbers):
    return Result(verdict=Verdict.CONFIRMED, at=now, told_at=now, **numbers)


@pytest.fixture
async def folder_adapter(tmp_path, desk_clock):
    account = Account(
        name="a", platform="handoff", options={"place": "xiaohongshu", "folder": str(tmp_path / "desk")}
    )
    async with HandoffAdapter(account, AdapterContext(clock=desk_clock)) as adapter:
        yield adapter


def test_a_task_is_ready_to_copy(desk):
    task = desk.add(
        new(text=NASTY, files=(TaskFile(name="../../éà 图 1.PNG", data=PNG), TaskFile(name="", data=b"x")))
    )
    place = desk.folder / task.id
    assert (place / "text.txt").read_text() == NASTY
    page = (place / "task.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert 'type="checkbox"' in page
    assert [path.parent for path in map(place.joinpath, task.files)] == [place, place]
    assert (place / task.files[0]).read_bytes() == PNG
    assert task.files[0].endswith(".png")


def test_the_same_key_is_the_same_task_even_at_once(desk):
    made, errors = [], []

    def add():
        try:
            made.append(desk.add(new(files=(TaskFile(name="a.png", data=PNG),))).id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(set(made)) == 1
    assert [path.name for path in desk.folder.iterdir()] == [made[0]]


def test_a_failed_write_leaves_nothing(desk, monkeypatch):
    import shequn_handoff.desk as module

    real = module._write

    def full(path, data):
        if path.name == "task.json":
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(Unavailable, match="No space left"):
        desk.add(new())
    assert list(desk.folder.iterdir()) == []
    monkeypatch.setattr(module, "_write", real)
    assert desk.add(new()).result is None


def test_results_do_not_contradict_each_other(desk, desk_clock):
    task = desk.add(new()).id
    desk.conclude(task, confirmed(NOW, views=10, link="https://e.org/1"))
    desk_clock.advance(timedelta(days=1))
    later = desk.conclude(task, confirmed(desk_clock.now(), views=99, likes=3)).result
    assert (later.views, later.likes, later.link, later.at) == (99, 3, "https://e.org/1", NOW)
    assert later.told_at == desk_clock.now()
    with pytest.raises(Conflict):
        desk.cancel(task)
    other = desk.add(new("other")).id
    desk.cancel(other)
    desk.cancel(other)
    with pytest.raises(Conflict):
        desk.conclude(other, confirmed(NOW))
    assert desk.list(waiting=True) == []
    assert [task.result.verdict for task in desk.list()] == [Verdict.CONFIRMED, Verdict.CANCELLED]


@pytest.mark.parametrize(
    "name", ["..", "../x", "", "0" * 19, "g" * 20, "0" * 20, "/etc/passwd", "0" * 20 + "\n"]
)
def test_ids_reach_no_other_folder(desk, name):
    desk.add(new())
    with pytest.raises(TargetNotFound):
        desk.get(name)
    with pytest.raises(TargetNotFound):
        desk.file(desk.list()[0].id, "../task.json")


def test_damaged_files_are_named(desk):
    task = desk.add(new()).id
    (desk.folder / task / "result.json").write_text("{")
    with pytest.raises(InvalidInput, match="by the form"):
        desk.get(task)
    (desk.folder / task / "task.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        desk.get(task)


def test_a_damaged_task_holds_up_no_other_and_its_result_is_told_again(desk, desk_clock, caplog):
    first, second, third = (desk.add(new(key)).id for key in ("1", "2", "3"))
    desk.conclude(third, confirmed(desk_clock.now()))
    (desk.folder / first / "task.json").write_text("{")
    (desk.folder / third / "result.json").write_text("{")
    assert [task.id for task in desk.list(waiting=True)] == sorted([second, third])
    assert first in caplog.text
    desk.conclude(third, confirmed(desk_clock.now(), views=3))
    assert desk.get(third).result.views == 3


def test_a_table_goes_out_and_comes_back(desk, tmp_path, desk_clock):
    ids = [desk.add(new(key, text="=HYPERLINK(1)")).id for key in "abcdef"]
    form = tmp_path / "form.csv"
    assert write_form(desk, form) == 6
    rows = list(csv.DictReader(form.read_text("utf-8-sig").splitlines()))
    assert {row["text"] for row in rows} == {"'=HYPERLINK(1)"}
    told = [
        {
            "task": ids[0],
            "verdict": "confirmed",
            "at": "2026-03-02 11:30",
            "views": "1,234",
            "link": "https://e.org/a",
        },
        {"task": ids[1], "verdict": "未发布", "reason": "群主没有同意"},
        {"task": ids[2], "verdict": "confirmed", "views": "很多"},
        {"task": ids[3], "verdict": "confirmed", "link": "javascript:alert(1)"},
        {"task": "=cmd|' /C calc'!A0", "verdict": "confirmed"},
        {"task": ids[4], "verdict": ""},
        {"task": ids[5], "verdict": "confirmed", "at": "2026-03-03 11:30"},
    ]
    table = tmp_path / "results.csv"
    with table.open("w", encoding="gb18030", newline="") as file:
        writer = csv.DictWriter(
            file, ["task", "verdict", "at", "link", "views", "likes", "comments", "shares", "reason"]
        )
        writer.writeheader()
        writer.writerows(told)
    report = tmp_path / "report.csv"
    outcomes = import_results(desk, table, report=report)
    assert [one.taken for one in outcomes] == [True, True, False, False, False, False, False]
    assert "views" in outcomes[2].why
    assert "将来" in outcomes[6].why
    result = desk.get(ids[0]).result
    assert (result.views, result.likes, result.at) == (1234, None, datetime(2026, 3, 2, 3, 30, tzinfo=UTC))
    assert desk.get(ids[1]).result.reason == "群主没有同意"
    cells = [cell for row in csv.reader(report.read_text("utf-8-sig").splitlines()) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert import_results(desk, table)[0].taken, "importing again is no error"


@pytest.mark.parametrize(
    "data", [b"", b"a,b\n1,2", b"\xff\xff\xff", b'task,verdict\n"' + b"x" * 200_000, b"\x00" * 10]
)
def test_files_that_are_no_table_are_refused(desk, tmp_path, data):
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises(InvalidInput):
        import_results(desk, path)
    with pytest.raises(InvalidInput):
        import_results(desk, tmp_path / "missing.csv")


@given(st.text(max_size=30))
def test_no_cell_is_a_formula(text):
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.dictionaries(st.sampled_from(["at", "link", "views", "likes", "reason"]), st.text(max_size=40)))
def test_whatever_people_write_is_read_or_refused(fields):
    try:
        result = read_result({"verdict": "confirmed", **fields}, now=NOW)
    except InvalidInput:
        return
    assert result.at.tzinfo is not None
    assert not result.link or result.link.startswith(("http://", "https://"))


async def test_folder_adapter_from_task_to_numbers(folder_adapter, desk, desk_clock):
    photo = Media(kind=MediaKind.PHOTO, data=PNG)
    piece = Piece(text="早安", media=(photo, photo))
    post = await folder_adapter.publish("账号", piece, idempotency_key="k")
    again = await folder_adapter.publish("账号", piece, idempotency_key="k")
    assert again.native_id == post.native_id
    page = (desk.folder / post.native_id / "task.html").read_text()
    assert "2026-03-03 12:00</time>（北京时间）" in page
    kept = desk.get(post.native_id)
    assert kept.deadline == NOW + timedelta(days=1)
    assert len(kept.files) == 2
    found = await folder_adapter.find_landed("账号", piece, idempotency_key="k", since=NOW)
    assert found == post
    assert await folder_adapter.find_landed("账号", piece, idempotency_key="other", since=NOW) is None
    await folder_adapter.remind("账号", post.native_id)
    assert desk.get(post.native_id).reminders == 1
    desk.conclude(post.native_id, confirmed(NOW, views=7, link="https://e.org/n/1"))
    told = await folder_adapter.get_confirmation("账号", post.native_id)
    assert (told.sent, told.pending, told.posts[0].url) == (1, 0, "https://e.org/n/1")
    [numbers] = await folder_adapter.get_post_numbers("账号", [post.native_id, "0" * 20, "x"])
    assert (numbers.views, numbers.reactions) == (7, None)
    with pytest.raises(Conflict):
        await folder_adapter.cancel_task("账号", post.native_id)
    with pytest.raises(TargetNotFound):
        await folder_adapter.get_confirmation("别的账号", post.native_id)
    assert "小红书" in await folder_adapter.check()


async def test_refused_and_cancelled_tasks_say_why(folder_adapter, desk):
    first = await folder_adapter.publish("账号", Piece(text="一"), idempotency_key="1")
    second = await folder_adapter.publish("账号", Piece(text="二"), idempotency_key="2")
    desk.conclude(first.native_id, Result(verdict=Verdict.REFUSED, at=NOW, told_at=NOW, reason="今天不合适"))
    await folder_adapter.cancel_task("账号", second.native_id)
    told = [await folder_adapter.get_confirmation("账号", post.native_id) for post in (first, second)]
    assert [(one.failed, dict(one.reasons)) for one in told] == [
        (1, {"今天不合适": 1}),
        (1, {"cancelled": 1}),
    ]


async def test_limits_of_a_place(folder_adapter, tmp_path):
    await folder_adapter.publish("账号", Piece(text="字" * 1000), idempotency_key="at")
    with pytest.raises(InvalidContent, match="1001"):
        await folder_adapter.publish("账号", Piece(text="字" * 1001), idempotency_key="past")
    with pytest.raises(InvalidContent):
        await folder_adapter.publish("账号", Piece(), idempotency_key="empty")
    photos = (Media(kind=MediaKind.PHOTO, data=PNG),) * 19
    with pytest.raises(InvalidContent, match="18 files"):
        await folder_adapter.publish("账号", Piece(media=photos), idempotency_key="many")
    with pytest.raises(NotSupported):
        await folder_adapter.publish(
            "账号", Piece(media=(Media(kind=MediaKind.AUDIO, data=b"x"),)), idempotency_key="a"
        )
    missing = Media(kind=MediaKind.PHOTO, path=tmp_path / "none.png")
    with pytest.raises(InvalidInput):
        await folder_adapter.publish("账号", Piece(media=(missing,)), idempotency_key="m")


def test_settings():
    for options in ({"place": "moon"}, {"text_limit": 0}, {"fodler": "x"}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            manifest_for(Account(name="a", platform="handoff", options=options))
    context = AdapterContext(clock=ManualClock(NOW))
    with pytest.raises(ConfigError, match="folder"):
        HandoffAdapter(Account(name="a", platform="handoff"), context)
    with pytest.raises(ConfigError, match="token"):
        HandoffAdapter(Account(name="a", platform="handoff", base_url="http://127.0.0.1:1"), context)
    for place in PLACES:
        manifest = manifest_for(
            Account(name="a", platform="handoff", options={"place": place, "text_limit": 12})
        )
        assert manifest.limits.text.maximum == 12
        assert manifest.person_must_confirm


def test_tasks_can_be_read_by_other_programs(desk):
    task = desk.add(new())
    told = json.loads((desk.folder / task.id / "task.json").read_text())
    assert (told["channel"], told["text"]) == ("一群", "共读 k")
