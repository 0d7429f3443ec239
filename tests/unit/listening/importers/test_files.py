"""Each format, on small files that hold what real exports hold."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.listening.importers.base import ImportOptions
from shequn_sdk.listening.importers.registry import BUILT_IN, Importers
from shequn_sdk.platforms.hooks import ImporterSpec

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def read(name: str, path: Path, **options):
    """Give rows as dicts, skips, and the last chunk."""
    rows: list[dict] = []
    skips: list[tuple[int, str]] = []
    total = 0
    chunk = None
    importer = Importers().create(name)
    for chunk in importer.read(path, options=ImportOptions(now=NOW, **options), resume=None):
        columns = dict(chunk.batch.columns())
        assert {len(values) for values in columns.values()} == {len(chunk.batch)}
        rows += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        skips += [(one.line, str(one.reason)) for one in chunk.skips.examples]
        total += chunk.read
    assert chunk is not None
    assert chunk.position.offset <= path.stat().st_size
    return rows, skips, total, chunk


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)


def test_telegram_chat():
    rows, skips, total, chunk = read("telegram", DATA / "telegram_chat.json")
    assert total == 16
    assert skips == [(9, "unsupported"), (15, "before_1970"), (16, "in_the_future")]
    assert chunk.warning == ""
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["channel"] for row in rows} == {"-1001500000001"}
    kinds = Counter(row["kind"] for row in rows)
    assert kinds == {
        "message": 6, "other": 2, "join": 4, "leave": 2, "edit": 1, "reaction": 3, "share": 1, "vote": 3,
    }  # fmt: skip
    by_id = {row["id"]: row for row in rows}
    told = by_id["message:-1001500000001:4"]
    assert told["text"] == "今天的早餐 燕麦 和 https://example.org"
    assert (told["member"], told["member_name"], told["occurred_at"]) == (
        "12",
        "李雷",
        1767225780 * 1_000_000,
    )
    assert by_id["message:-1001500000001:-3"]["text"] == "旧群的最后一句", (
        "old group's messages keep negative ids"
    )
    deleted = by_id["message:-1001500000001:5"]
    assert (deleted["member"], deleted["member_name"], deleted["parent"]) == ("15", "", "4")
    edit = next(row for row in rows if row["kind"] == "edit")
    assert (edit["message"], edit["occurred_at"]) == ("4", 1767225900 * 1_000_000)
    reactions = [row for row in rows if row["kind"] == "reaction"]
    assert [row["member"] for row in reactions] == ["14", "15", ""], "the third one is counted, not named"
    assert reactions[0]["occurred_at"] == (1767225780 + 7 * 60) * 1_000_000
    assert json.loads(reactions[0]["attrs"]) == {"emoji": "👍"}
    share = next(row for row in rows if row["kind"] == "share")
    assert json.loads(share["attrs"]) == {"media": "photo", "forwarded_from": "营养师频道"}
    poll = json.loads(by_id["message:-1001500000001:7"]["attrs"])
    assert (poll["question"], poll["choices"]) == ("几点运动？", ["早上", "晚上"])
    joins = [row["member"] for row in rows if row["kind"] == "join"]
    # one name is resolved, one is borne by two members, one account is deleted, one came by link
    assert joins == ["12", "name:小明", "", "14"]
    assert [(row["member"], json.loads(row["attrs"]).get("by")) for row in rows if row["kind"] == "leave"] == [
        ("12", "11"), ("14", None),
    ]  # fmt: skip


def test_telegram_full_export_reuses_ids_over_chats():
    rows, _, total, _ = read("telegram", DATA / "telegram_full.json", zone="Asia/Shanghai")
    assert total == 3
    assert [(row["id"], row["channel"], row["member"]) for row in rows] == [
        ("message:-700:1", "-700", "11"),
        ("message:11:1", "11", "11"),
        ("message:-100900:1", "-100900", "4295000012"),
    ]
    assert rows[0]["occurred_at"] == seconds("2026-01-01T08:00:00+08:00")


DAYS = [19900101, 20260105, 20240229, 20261120]


def day_table(form: str, values: list, tmp_path: Path) -> Path:
    path = tmp_path / f"days.{form}"
    if form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"user_id": [f"m{v}" for v in values], "date": values}), path)
    elif form == "csv":
        path.write_text("user_id,date\n" + "".join(f"m{v},{v}\n" for v in values))
    else:
        path.write_text("src dst time\n" + "".join(f"m{v} n {v}\n" for v in values))
    return path


@pytest.mark.parametrize("form", ["csv", "parquet", "edges"])
def test_a_column_of_days_as_numbers_is_no_second_of_august_1970(form, tmp_path):
    def times(values, **options):
        return [row["occurred_at"] for row in read(form, day_table(form, values, tmp_path), **options)[0]]

    midnight = [
        seconds(f"{day}T00:00:00+08:00") for day in ("1990-01-01", "2026-01-05", "2024-02-29", "2026-11-20")
    ]
    assert times(DAYS, zone="Asia/Shanghai") == midnight
    assert times(DAYS[1:2], zone="Asia/Shanghai") == midnight[1:2]
    assert times(DAYS, time_format="iso", zone="Asia/Shanghai") == midnight
    assert times(DAYS, time_format="seconds") == [day * 1_000_000 for day in DAYS]
    for other in (20260230, 20261301, 19891231, 1772000000, 7):
        assert times([*DAYS, other]) == [value * 1_000_000 for value in (*DAYS, other)]


@pytest.mark.parametrize("form", ["csv", "edges"])
def test_what_is_no_day_among_days_is_skipped(form, tmp_path):
    path = day_table(form, [20260105] * 300 + [20260230, 20260106], tmp_path)
    rows, skips, _, _ = read(form, path)
    assert rows[-1]["occurred_at"] == seconds("2026-01-06T00:00:00+00:00")
    assert (len(rows), skips) == (301, [(302, "bad_time")])


def test_days_are_days_also_when_an_import_goes_on(tmp_path):
    path = day_table("csv", [20260105] * 30, tmp_path)
    options = ImportOptions(now=NOW, batch_rows=10)
    importer = Importers().create("csv")
    first = next(iter(importer.read(path, options=options, resume=None)))
    rest = [
        time
        for chunk in importer.read(path, options=options, resume=first.position)
        for time in chunk.batch.occurred_at
    ]
    assert rest == [seconds("2026-01-05T00:00:00+00:00")] * 20


def test_discord_thread():
    rows, skips, total, _ = read("discord", DATA / "discord_thread.json")
    assert (total, skips) == (8, [(8, "malformed")])
    assert {row["channel"] for row in rows} == {"31"}, "a thread is a channel of its own, as when listening"
    kinds = Counter(row["kind"] for row in rows)
    assert kinds == {"join": 2, "message": 3, "edit": 1, "reaction": 3, "command": 1, "other": 1, "share": 1}
    by_id = {row["id"]: row for row in rows}
    told = by_id["message:101"]
    attrs = json.loads(told["attrs"])
    assert attrs == {
        "thread": "31",
        "username": "anna",
        "stickers": ["party"],
        "attachments": 1,
        "mentions": ["2"],
    }
    assert told["occurred_at"] == seconds("2026-01-01T08:01:00.123+08:00")
    assert by_id["message:102"]["parent"] == "101"
    assert by_id["message:103"]["is_bot"] is True
    assert by_id["interaction:555"]["member"] == "2"
    assert by_id["join:104:3"]["member"] == "3"
    assert by_id["message:106"]["text"] == "来自别处"
    assert [row["member"] for row in rows if row["kind"] == "reaction"] == ["2", "", ""]


def test_whatsapp_android():
    rows, skips, total, _ = read(
        "whatsapp", DATA / "whatsapp_android.txt", zone="Europe/Berlin", channel="club"
    )
    assert (total, skips) == (9, [(11, "bad_time")])
    got = [(row["kind"], row["member"], row["text"]) for row in rows]
    assert got == [
        ("other", "", "Messages and calls are end-to-end encrypted."),
        ("join", "name:Bob", ""),
        ("join", "name:Carl", ""),
        ("join", "name:Dora", ""),
        ("message", "name:Anna", "新年快乐\n第二行: with a colon"),
        ("message", "name:Bob", "ok"),
        ("message", "name:Bob", "ok"),
        ("leave", "name:Carl", ""),
        ("leave", "name:Dora", ""),
        ("join", "name:Eve", ""),
    ]
    assert len({row["id"] for row in rows}) == len(rows), "the same words twice in a minute are two messages"
    assert rows[0]["occurred_at"] == seconds("2025-12-31T23:59:00+01:00")


def test_whatsapp_ios_with_marks_and_month_first():
    rows, skips, _, _ = read("whatsapp", DATA / "whatsapp_ios_us.txt")
    assert skips == []
    assert [(row["member_name"], row["text"]) for row in rows] == [
        ("Anna", "hello"), ("Bob", "image omitted"), ("Club", "noon"),
    ]  # fmt: skip
    assert [row["occurred_at"] for row in rows] == [
        seconds("2026-01-13T21:05:07+00:00"), seconds("2026-01-13T00:00:00+00:00"), seconds("2026-01-14T12:30:00+00:00"),
    ]  # fmt: skip


def test_whatsapp_chinese():
    rows, _, _, _ = read("whatsapp", DATA / "whatsapp_zh.txt", zone="Asia/Shanghai")
    assert [(row["kind"], row["member_name"]) for row in rows] == [
        ("message", "小红"), ("join", "小红"), ("join", "李雷"), ("leave", "李雷"),
    ]  # fmt: skip
    assert rows[0]["occurred_at"] == seconds("2026-01-03T15:04:00+08:00")
    assert rows[1]["occurred_at"] == seconds("2026-01-03T00:05:00+08:00")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["[05.03.26, 21:10:11] Ann: hi"], "2026-03-05T21:10:11+00:00"),
        (["3/5/26, 9:10 p.m. - Ann: hi", "3/15/26, 9:10 p.m. - Ann: hi"], "2026-03-05T21:10:00+00:00"),
        (["12.3.2026 klo 14.08 - Ann: hi", "13.3.2026 klo 14.08 - Ann: hi"], "2026-03-12T14:08:00+00:00"),
        (["2026-03-05 07:08 - Ann: hi"], "2026-03-05T07:08:00+00:00"),
        (["[2026/3/5, 下午9:10:11] Ann: hi"], "2026-03-05T21:10:11+00:00"),
        # only the order of time tells that the month comes first
        (
            ["1/9/26, 10:00 - Ann: hi", "2/1/26, 10:00 - Ann: hi", "3/1/26, 10:00 - Ann: hi"],
            "2026-01-09T10:00:00+00:00",
        ),
    ],
)
def test_whatsapp_locales(tmp_path, lines, expected):
    path = tmp_path / "chat.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    rows, skips, _, _ = read("whatsapp", path)
    assert skips == []
    assert rows[0]["occurred_at"] == seconds(expected)
    assert rows[0]["member_name"] == "Ann"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_in_many_encodings(tmp_path, encoding, end):
    path = tmp_path / "log.csv"
    text = (
        end.join(
            [
                "用户,时间,内容,金额",
                '张三,2026-01-01T08:00:00,"他说 ""好"", 真的",12.5',
                "李四,1767225600,=1+2,",
            ]
        )
        + end
    )
    path.write_bytes(text.encode(encoding))
    rows, skips, total, chunk = read("csv", path, zone="Asia/Shanghai")
    assert (skips, total) == ([], 2)
    assert [(row["member"], row["text"], row["value"]) for row in rows] == [
        ("张三", '他说 "好", 真的', 12.5), ("李四", "=1+2", None),
    ]  # fmt: skip
    assert [row["occurred_at"] for row in rows] == [
        seconds("2026-01-01T08:00:00+08:00"),
        1767225600 * 1_000_000,
    ]
    assert chunk.position.offset == path.stat().st_size


def test_csv_column_map_kinds_and_attrs(tmp_path):
    path = tmp_path / "log.tsv"
    path.write_text(
        "who\twhat\tat\tshop\nann\t签到\t1767225600000\tA\nbob\tbuy\t1767225600001\t\nbob\tjump\t1767225600002\t\n",
        encoding="utf-8",
    )
    rows, skips, _, _ = read(
        "csv",
        path,
        columns={"member": "who", "kind": "what", "occurred_at": "3", "attrs.shop": "shop"},
        kinds={"签到": "check_in", "buy": "purchase"},
        channel="c",
    )
    assert skips == [(4, "unknown_kind")]
    assert [(row["kind"], row["member"], row["channel"], row["attrs"]) for row in rows] == [
        ("check_in", "ann", "c", '{"shop":"A"}'), ("purchase", "bob", "c", ""),
    ]  # fmt: skip
    assert rows[1]["occurred_at"] == 1767225600001 * 1000


def test_csv_skips_are_counted_with_their_lines(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(
        b"member,time,text\n"
        b"a,1767225600,ok\n"
        b"a,yesterday,no time\n"  # 3
        b"a,-5,too early\n"  # 4
        b"a,99999999999,too late\n"  # 5
        b",1767225600,nobody\n"  # 6
        b"a,1767225600,one,too many\n"  # 7
        b"a,1767225600,\xff\xfe\n"  # 8
        b'a,1767225600,"two\nlines"\n'  # 9, 10
        b"a,1767225600,nul\x00byte\n"  # 11
        b"a\n"  # 12
        b"\n"
        b"a,1767225600," + b"x" * 5000 + b"\n"  # 14
        b'a,1767225600,"never closed\n'  # 15
        b"a,1767225600,still read\n"
    )
    rows, skips, total, _ = read("csv", path, max_line=2000, encoding="utf-8")
    assert skips == [
        (3, "bad_time"), (4, "before_1970"), (5, "in_the_future"), (6, "missing_member"), (7, "malformed"),
        (8, "bad_encoding"), (11, "malformed"), (12, "malformed"), (14, "too_large"), (15, "malformed"),
    ]  # fmt: skip
    assert [row["text"] for row in rows] == ["ok", "two\nlines", "still read"]
    assert total == len(rows) + len(skips)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, "empty"),
        (b"a,b\n1,2\n", {}, "no column tells the time"),
        (b"member,time\n1,2\n", {"columns": {"member": "nobody"}}, "no column 'nobody'"),
        (b"member,time\n1,2\n", {"columns": {"flavour": "time"}}, "no field 'flavour'"),
        (b"member,time\n1,2\n", {"delimiter": "ab"}, "one character"),
        (b"member,time\n1,2\n", {"encoding": "klingon"}, "no encoding"),
    ],
)
def test_csv_refusals(tmp_path, content, options, message):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read("csv", path, **options)


def test_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "log.parquet"
    when = [datetime(2026, 1, 1, 8), datetime(1960, 1, 1), None]
    table = pa.table(
        {
            "uid": [1.0, 2.0, 3.0],
            "time": pa.array(when, pa.timestamp("ns")),
            "content": ["a", "b", None],
            "unused": [b"x", b"y", b"z"],
        }
    )
    pq.write_table(table, path)
    rows, skips, total, chunk = read(
        "parquet", path, columns={"member": "uid"}, zone="Asia/Shanghai", batch_rows=2
    )
    assert (total, skips) == (3, [(2, "before_1970"), (3, "bad_time")])
    assert [(row["member"], row["text"], row["occurred_at"]) for row in rows] == [
        ("1", "a", seconds("2026-01-01T08:00:00+08:00"))
    ]
    assert chunk.position.offset == path.stat().st_size
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidInput, match="no readable Parquet"):
        read("parquet", path)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("src dst time\n1 2 10\n1 2 10\n", 2),
        ("# comment\n1\t2\t10\n", 1),
        ("a,b,1767225600000\n", 1),
        ("a, b ,2026-01-01T00:00:00Z\n", 1),
        ("a b 5\n1 2 10\n", 2),
        ("张三 李四 10\n\n  \n1 2 10", 2),
    ],
)
def test_edge_forms(tmp_path, text, kept):
    path = tmp_path / "edges.txt"
    path.write_text(text, encoding="utf-8")
    rows, skips, _, chunk = read("edges", path)
    assert skips == []
    assert len(rows) == kept == len({row["id"] for row in rows})
    assert all(
        row["member"] == row["member"].strip() and row["target"] == row["target"].strip() for row in rows
    )
    assert chunk.position.offset == len(text.encode())


def test_edges_with_a_header_that_looks_like_a_row(tmp_path):
    path = tmp_path / "edges.txt"
    path.write_text("1 2 3\n1 2 10\n", encoding="utf-8")
    rows, _, total, _ = read("edges", path, header=True)
    assert [row["occurred_at"] for row in rows] == [10_000_000]
    assert total == 1


def test_edge_skips(tmp_path):
    path = tmp_path / "edges.txt"
    path.write_bytes(
        b"src dst time\n1 2 10\n1 2\n1 2 3 4\n1 2 x\n1 2 -1\n1 2 99999999999\n1 2 1_0\n"
        b"\xff\xff 2 10\nN\x00L 2 10\n" + b"9" * 3000 + b"\n3 4 11\n"
    )
    rows, skips, total, _ = read("edges", path, max_line=1000, encoding="utf-8")
    assert skips == [
        (3, "malformed"), (4, "malformed"), (5, "bad_time"), (6, "before_1970"), (7, "in_the_future"),
        (8, "bad_time"), (9, "bad_encoding"), (10, "malformed"), (11, "too_large"),
    ]  # fmt: skip
    assert [row["member"] for row in rows] == ["1", "3"]
    assert total == 11


def test_ten_megabyte_lines_need_little_memory(tmp_path):
    import tracemalloc

    path = tmp_path / "edges.txt"
    path.write_bytes(b"1 2 10\n" + b"x" * 10_000_000 + b"\n3 4 11\n" + b"y" * 10_000_000)
    tracemalloc.start()
    rows, skips, _, _ = read("edges", path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 2
    assert skips == [(2, "too_large"), (4, "too_large")]
    assert peak < 9_000_000


@pytest.mark.parametrize("cut", [3, 200, 700, 1500, 2600])
def test_a_cut_off_export_gives_everything_before(tmp_path, cut):
    whole = (DATA / "telegram_chat.json").read_bytes()
    rows, _, _, _ = read("telegram", DATA / "telegram_chat.json")
    path = tmp_path / "result.json"
    path.write_bytes(whole[:-cut])
    part, _, _, chunk = read("telegram", path)
    assert "cut off" in chunk.warning
    assert "at byte" in chunk.warning
    assert [row["id"] for row in part] == [row["id"] for row in rows[: len(part)]]
    assert len(part) > 5


def test_utf16_without_a_mark_can_be_named(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("用户,时间\n张三,1767225600\n".encode("utf-16-le"))
    rows, _, _, _ = read("csv", path, encoding="utf-16-le")
    assert rows[0]["member"] == "张三"


def test_a_broken_export_says_where(tmp_path):
    path = tmp_path / "result.json"
    whole = (DATA / "telegram_chat.json").read_bytes()
    at = whole.index(b'{"id": 6,')
    path.write_bytes(whole[:at] + b"!!" + whole[at:])
    rows, _, _, chunk = read("telegram", path)
    assert chunk.warning.endswith(f"the JSON is broken at byte {at}; everything before it was read")
    assert rows[-1]["message"] == "5"


@pytest.mark.parametrize("name", ["telegram", "discord"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"no json",
        b'{"a": 1',
        b"\xff\xfe\x00\x00",
        b"[" * 100_000,
        b'{"x":' + b"9" * 6000 + b"}",
    ],
)
def test_what_is_no_export_is_refused(tmp_path, name, content):
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        read(name, path)


def test_a_huge_message_is_passed_over(tmp_path):
    path = tmp_path / "result.json"
    message = {"type": "message", "date_unixtime": "1767225600", "from_id": "user1"}
    huge = json.dumps({**message, "id": 2, "text": 'x"\\{[' * 2_000_000}).encode()
    one, three = (json.dumps({**message, "id": n, "text": "ok"}).encode() for n in (1, 3))
    path.write_bytes(
        b'{"type":"personal_chat","id":5,"messages":[' + one + b"," + huge + b"," + three + b"]}"
    )
    rows, skips, total, chunk = read("telegram", path, max_line=1 << 20)
    assert chunk.warning == ""
    assert [row["message"] for row in rows] == ["1", "3"]
    assert (skips, total) == ([(2, "too_large")], 3)


def test_formats_are_recognised():
    importers = Importers()
    found = {path.name: importers.detect(path) for path in DATA.iterdir() if path.suffix != ".md"}
    assert found == {
        "telegram_chat.json": "telegram",
        "telegram_full.json": "telegram",
        "discord_thread.json": "discord",
        "whatsapp_android.txt": "whatsapp",
        "whatsapp_ios_us.txt": "whatsapp",
        "whatsapp_zh.txt": "whatsapp",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("src dst time\n1 2 10\n", "edges"),
        ("1 2 10\n3 4 11\n", "edges"),
        ("source,target,time\na,b,10\n", "edges"),
        ("member,channel,time\na,b,10\n", "csv"),
        ("member,time\na,10\n", "csv"),
    ],
)
def test_edges_and_tables_are_told_apart(tmp_path, text, expected):
    path = tmp_path / "log.csv"
    path.write_text(text, encoding="utf-8")
    assert Importers().detect(path) == expected


def test_registry(tmp_path):
    class Mine:
        def read(self, source, *, options, resume):
            return iter(())

    spec = ImporterSpec("mine", "Mine", Mine, (".mine",), None)
    importers = Importers([spec])
    assert isinstance(importers.create("mine"), Mine)
    path = tmp_path / "log.mine"
    path.write_bytes(b"\x01\x02")
    assert importers.detect(path) == "mine"
    with pytest.raises(UnknownName, match="edges"):
        importers.create("edge")
    with pytest.raises(InvalidInput, match="cannot tell the format"):
        Importers().detect(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Importers().detect(tmp_path / "missing.csv")
    assert list(BUILT_IN) == [spec.name for spec in Importers().list()]


def whatsapp(tmp_path: Path, *written: str):
    """Give kind, member, text and instant of what a chat's lines become."""
    path = tmp_path / "_chat.txt"
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
    rows, skips, _, _ = read("whatsapp", path)
    assert skips == []
    return [
        (row["kind"], row["member_name"], row["text"], f"{datetime.fromtimestamp(row['occurred_at'] / 1e6, UTC):%m-%d %H:%M}")
        for row in rows
    ]  # fmt: skip


def test_an_iphone_writes_notices_under_a_name_with_a_mark(tmp_path):
    found = whatsapp(
        tmp_path,
        "[1/13/26, 9:03:12\u202fAM] Club: \u200eMessages and calls are end-to-end encrypted.",
        "[1/13/26, 9:03:13\u202fAM] Anna: \u200eAnna created this group",
        "\u200e[1/13/26, 9:04:13\u202fPM] Anna: \u200eAnna added you and Carl",
        "[1/13/26, 9:05:13\u202fPM] Bob: \u200eBob left",
        "[1/13/26, 9:06:13\u202fPM] Bob: Bob left",
        "\u200e[1/13/26, 12:06:13\u202fPM] ~\u202fDora: \u200eimage omitted",
    )
    assert [row[:2] for row in found] == [
        ("other", ""),
        ("other", ""),
        ("join", "You"),
        ("join", "Carl"),
        ("leave", "Bob"),
        ("message", "Bob"),
        ("message", "Dora"),
    ]
    assert found[-1][2:] == ("image omitted", "01-13 12:06")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('13/01/2026, 21:03 - Anna created group "Fun: club"', ("other", "")),
        ('13/01/2026, 21:09 - Anna changed the subject from "A: b" to "C: d"', ("other", "")),
        ('13/01/2026, 21:09 - Anna: Bob created group "A: b"', ("message", "Anna")),
        ("13.01.26, 21:06 - Anna hat Bob hinzugefügt", ("join", "Bob")),
        ("13.01.26, 21:07 - Bob hat die Gruppe verlassen", ("leave", "Bob")),
        ("13.01.26, 21:08 - Anna hat Bob entfernt.", ("leave", "Bob")),
        ("2026/1/13 21:06 - 安娜邀请韩梅加入了群组", ("join", "韩梅")),
        ("2026/1/13 21:07 - 韩梅使用此群组的邀请链接加入了", ("join", "韩梅")),
        ("2026/1/13 21:07 - 安娜将韩梅添加到群组", ("join", "韩梅")),
        ("2026/1/13 21:07 - 安娜将群组名称更改为“早餐: 群”", ("other", "")),
        ("2026/1/13 21:08 - 安娜将韩梅移出了群组", ("leave", "韩梅")),
        ("13/1/2026 下午9:06 - 李雷 使用此群組的邀請連結加入", ("join", "李雷")),
    ],
)
def test_notices_of_phones_in_many_tongues(tmp_path, line, wanted):
    ((kind, member, *_),) = whatsapp(tmp_path, line)
    assert (kind, member) == wanted


@pytest.mark.parametrize(
    ("stamp", "wanted"),
    [
        ("[2026/1/13 中午1:30:12]", "13:30"),
        ("[2026/1/13 中午11:30:12]", "11:30"),
        ("[2026/1/13 中午12:30:12]", "12:30"),
        ("[2026/1/13 半夜12:30:12]", "00:30"),
        ("[2026/1/13 清晨5:30:12]", "05:30"),
        ("[2026/1/13 傍晚6:30:12]", "18:30"),
        ("[2026. 1. 13. 오후 9:05:03]", "21:05"),
        ("١٣\u200f/١\u200f/٢٠٢٦، ٩:٠٥ م -", "21:05"),
        ("١٣\u200f/١\u200f/٢٠٢٦، ٩:٠٥ ص -", "09:05"),
    ],
)
def test_hours_as_phones_write_them(tmp_path, stamp, wanted):
    assert whatsapp(tmp_path, f"{stamp} 安娜: 好") == [("message", "安娜", "好", f"01-13 {wanted}")]


def telegram(tmp_path: Path, *messages: dict, batch_rows: int = 1000):
    path = tmp_path / "result.json"
    made = [
        {"type": "message", "date_unixtime": "1767225600", "from_id": "user1", "text": "x", **one}
        for one in messages
    ]
    chat = {"name": "Club", "type": "private_supergroup", "id": 5, "messages": made}
    path.write_text("\ufeff" + json.dumps(chat), encoding="utf-8")
    return read("telegram", path, batch_rows=batch_rows)[0]


@pytest.mark.parametrize("batch_rows", [1, 1000])
def test_what_is_said_in_a_topic_answers_only_what_it_answers(tmp_path, batch_rows):
    rows = telegram(
        tmp_path,
        {"id": 7, "type": "service", "action": "topic_created", "title": "早餐", "actor_id": "user1"},
        {"id": 8, "reply_to_message_id": 7},
        {"id": 9, "reply_to_message_id": 8},
        {"id": 10, "reply_to_message_id": 3, "reply_to_peer_id": "channel77"},
        batch_rows=batch_rows,
    )
    found = [(row["message"], row["parent"], json.loads(row["attrs"] or "{}")) for row in rows[1:]]
    assert found == [("8", "", {"thread": "7"}), ("9", "8", {}), ("10", "3", {"parent_channel": "-10077"})]


def test_two_emojis_that_were_not_exported_stay_two(tmp_path):
    gone = "(File not included. Change data exporting settings to download.)"
    rows = telegram(
        tmp_path,
        {"id": 8, "reactions": [{"type": "custom_emoji", "count": 2, "document_id": gone}] * 2},
    )
    reactions = [row for row in rows if row["kind"] == "reaction"]
    assert len({row["id"] for row in reactions}) == 4
    assert {json.loads(row["attrs"])["emoji"] for row in reactions} == {"custom_emoji:1", "custom_emoji:2"}


@pytest.mark.parametrize(
    ("field", "media"),
    [
        ({"giveaway_information": {"quantity": 3}}, "giveaway"),
        ({"todo_list": {"title": "t", "answers": []}}, "todo_list"),
        ({"paid_stars_amount": 50}, "paid_stars_amount"),
    ],
)
def test_newer_kinds_of_telegram_messages(tmp_path, field, media):
    (row,) = telegram(tmp_path, {"id": 8, **field})
    assert (row["kind"], json.loads(row["attrs"])) == ("message", {"media": media})


def test_a_discord_message_may_answer_another_channel(tmp_path):
    path = tmp_path / "thread.json"
    made = [
        {"id": str(number), "type": "Reply", "timestamp": "2026-01-01T08:00:00.1234567+08:00", "author": {"id": "1"}}
        | {"reference": {"messageId": "1", "channelId": channel}}
        for number, channel in enumerate(["31", "30", None], 10)
    ]  # fmt: skip
    channel = {"id": "31", "type": "GuildPublicThread", "categoryId": "30"}
    path.write_text(
        json.dumps({"guild": {"id": "10"}, "channel": channel, "messages": made}), encoding="utf-8"
    )
    rows = read("discord", path)[0]
    assert [json.loads(row["attrs"]).get("parent_channel") for row in rows] == [None, "30", None]
    assert {(row["channel"], row["parent"]) for row in rows} == {("31", "1")}


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("2026/01/05 10:00", "2026-01-05T10:00:00+00:00"),
        ("2026-1-5 9:03", "2026-01-05T09:03:00+00:00"),
        ("2026年1月5日 9时03分", "2026-01-05T09:03:00+00:00"),
        ("2026.01.05", "2026-01-05T00:00:00+00:00"),
        ("05.01.2026 21:03:04", "2026-01-05T21:03:04+00:00"),
        ("2026-01-05 10:00:00 UTC", "2026-01-05T10:00:00+00:00"),
        ("2026/01/05 10:00:00 +0800", "2026-01-05T10:00:00+08:00"),
        ("Mon, 05 Jan 2026 10:00:00 GMT", "2026-01-05T10:00:00+00:00"),
        ("5/1/2026 9:03 PM", "2026-01-05T21:03:00+00:00"),
    ],
)
def test_times_as_spreadsheets_write_them(tmp_path, written, wanted):
    path = tmp_path / "a.csv"
    path.write_text(f'user,time,text\n1,"{written}",x\n', encoding="utf-8")
    rows, skips, *_ = read("csv", path, date_order="day_first")
    assert (skips, [row["occurred_at"] for row in rows]) == ([], [seconds(wanted)])


@pytest.mark.parametrize(
    "written", ["5/1/2026 9:03", "2026/13/05 10:00", "2026/1/5 25:00", "soon", "x" * 500]
)
def test_a_time_that_may_mean_two_days_or_none_is_no_time(tmp_path, written):
    path = tmp_path / "a.csv"
    path.write_text(f"user,time,text\n1,{written},x\n", encoding="utf-8")
    rows, skips, *_ = read("csv", path)
    assert (rows, skips) == ([], [(2, "bad_time")])


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("user,time,message", "text"),
        ("user,time,message,kind", "message"),
        ("user,time,message,text", "message"),
    ],
)
def test_a_column_message_is_what_was_said_where_nothing_else_is(tmp_path, header, field):
    path = tmp_path / "a.csv"
    path.write_text(
        f"{header}\n1,1767225600,hello{',message' * header.endswith(('kind', 'text'))}\n", encoding="utf-8"
    )
    ((row,), *_) = read("csv", path)
    assert row[field] == "hello"


def test_between_tabs_a_time_may_hold_a_blank(tmp_path):
    path = tmp_path / "edges.tsv"
    path.write_text("source\ttarget\ttime\n1\t2\t2026-01-05 10:00:00\n3\t4\t1767225600\n", encoding="utf-8")
    rows, skips, *_ = read("edges", path)
    assert [(row["member"], row["target"]) for row in rows] == [("1", "2"), ("3", "4")]
    assert (skips, rows[0]["occurred_at"]) == ([], seconds("2026-01-05T10:00:00+00:00"))


def test_an_edit_before_its_message_is_none(tmp_path):
    """Old exports of Telegram say 1970 of what was never edited, in the exporter's zone."""
    rows = telegram(
        tmp_path,
        {"id": 1, "date": "2026-01-01T01:00:00", "edited": "1970-01-01T01:00:00"},
        {"id": 2, "edited": "1970-01-01T01:00:00", "edited_unixtime": "0"},
        {"id": 3, "date": "2026-01-01T01:00:00", "edited": "2026-01-01T01:00:05"},
    )
    assert [(row["kind"], row["message"]) for row in rows] == [
        ("message", "1"), ("message", "2"), ("message", "3"), ("edit", "3"),
    ]  # fmt: skip
    assert rows[3]["occurred_at"] == seconds("2026-01-01T00:00:05+00:00")
    assert rows[3]["id"] == f"edit:-1005:3:1767225605:{zlib.crc32(b'x'):x}", "as a listening bot names it"


def test_accounts_that_are_gone_stay_apart(tmp_path):
    gone = {"from": None, "from_id": None, "date": "2026-01-01T01:00:00"}
    rows = telegram(
        tmp_path,
        {"id": 1, "from": "Deleted Account", "from_id": "deleted_account"},
        {"id": 2, "date": "2026-01-01T01:00:00", "reactions": [
            {"type": "emoji", "emoji": "👍", "count": 3, "recent": [gone, gone, {**gone, "from_id": "user7"}]},
        ]},
    )  # fmt: skip
    assert [(row["kind"], row["member"]) for row in rows] == [
        ("message", ""), ("message", "1"), ("reaction", "7"), ("reaction", ""), ("reaction", ""),
    ]  # fmt: skip
    assert len({row["id"] for row in rows}) == 5


def test_texts_as_one_part_or_only_as_entities(tmp_path):
    rows = telegram(
        tmp_path,
        {"id": 1, "text": {"type": "bold", "text": "one"}},
        {"id": 2, "text": "", "text_entities": [{"type": "plain", "text": "two "}, {"type": "bold", "text": "parts"}]},
    )  # fmt: skip
    assert [row["text"] for row in rows] == ["one", "two parts"]


def test_a_service_message_that_names_nobody_is_kept(tmp_path):
    rows = telegram(
        tmp_path,
        {"id": 1, "type": "service", "action": "invite_members", "actor_id": "user2", "members": []},
        {"id": 2, "type": "service", "action": "remove_members", "actor_id": "user2"},
    )
    assert [(row["kind"], json.loads(row["attrs"])["service"]) for row in rows] == [
        ("other", "invite_members"), ("other", "remove_members"),
    ]  # fmt: skip


def test_ids_of_channels_beyond_ten_digits_are_as_bots_see_them(tmp_path):
    rows = telegram(
        tmp_path, {"id": 1, "from_id": "channel1234567890"}, {"id": 2, "from_id": "channel10123456789"}
    )
    assert [row["member"] for row in rows] == ["-1001234567890", "-1010123456789"]


def test_a_poll_with_too_many_votes_is_named_by_its_place(tmp_path):
    path = tmp_path / "result.json"
    message = {"id": 9, "type": "message", "date_unixtime": "1767225600", "text": "",
               "poll": {"question": "Q", "answers": [{"text": "A", "voters": 10**9}]}}  # fmt: skip
    path.write_text(json.dumps({"name": "x", "messages": [message]}), encoding="utf-8")
    assert read("telegram", path)[1] == [(1, "malformed")]


def test_discord_shows_all_erased_accounts_as_one(tmp_path):
    gone = {"id": "456226577798135808", "name": "Deleted User"}
    path = tmp_path / "d.json"
    message = {"id": "1", "type": "Default", "timestamp": "2026-01-01T00:00:00Z", "content": "a", "author": gone,
               "timestampEdited": "2025-12-31T00:00:00Z",
               "reactions": [{"emoji": {"name": "x"}, "count": 2, "users": [gone, {"id": None, "name": "b"}]}]}  # fmt: skip
    path.write_text(
        json.dumps({"guild": {}, "channel": {"id": "5"}, "messages": [message]}), encoding="utf-8"
    )
    rows = read("discord", path)[0]
    assert [(row["kind"], row["member"], row["member_name"]) for row in rows] == [
        ("message", "", ""), ("reaction", "", ""), ("reaction", "", ""),
    ]  # fmt: skip
    assert len({row["id"] for row in rows}) == 3


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("13/01/2026 à 21:03 - Anna: salut", ("message", "Anna")),
        ("[13/01/2026 à 21:03:00] Anna: salut", ("message", "Anna")),
        ("13.01.2026 г., 21:03 - Анна: да", ("message", "Анна")),
        ("13/1/2569 21:03 น. - Anna: Thai year", ("message", "Anna")),
        ("13/01/2026, 21h03 - Anna: Canada", ("message", "Anna")),
        ("13/01/2026, 21:03 - Anna: This message was deleted", ("other", "Anna")),
        ("13/01/2026, 21:03 - Anna: You deleted this message.", ("other", "Anna")),
        ("13.01.26, 21:03 - Anna: Diese Nachricht wurde gelöscht.", ("other", "Anna")),
        ("2026/1/13 21:03 - 安娜: 此消息已删除", ("other", "安娜")),
        ("13/01/2026, 21:03 - Anna: I deleted this message", ("message", "Anna")),
        ("13/01/2026, 21:03 - You were added", ("join", "You")),
        ("13/01/2026, 21:03 - Anna ha aggiunto Bob", ("join", "Bob")),
        ("13/01/2026, 21:03 - Bob ha abbandonato", ("leave", "Bob")),
        ("13/01/2026, 21:03 - Anna menambahkan Bob", ("join", "Bob")),
        ("13/01/2026, 21:03 - Bob keluar", ("leave", "Bob")),
        ("13.01.2026, 21:03 - Anna добавил(а) Bob", ("join", "Bob")),
        ("13.01.2026, 21:03 - Bob вышел(-ла)", ("leave", "Bob")),
        ("13.01.2026, 21:03 - Bob вышла", ("leave", "Bob")),
        ("13.01.2026, 21:03 - Anna удалил(-а) Bob", ("leave", "Bob")),
        ("13-01-2026 21:03 - Anna heeft Bob toegevoegd", ("join", "Bob")),
        ("13-01-2026 21:03 - Bob heeft de groep verlaten", ("leave", "Bob")),
    ],
)
def test_more_of_what_phones_write(tmp_path, line, wanted):
    ((kind, member, _, at),) = whatsapp(tmp_path, line)
    assert (kind, member, at) == (*wanted, "01-13 21:03")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("9,90", 9.9),
        ("1.234,50", 1234.5),
        ("1,234.50", 1234.5),
        ("1,234,567", 1234567.0),
        ("1.234.567,8", 1234567.8),
        ("0,125", 0.125),
        ("-3", -3.0),
        ("1e3", 1000.0),
        ("1,2,3", None),
        ("¥9.9", None),
        ("nan", None),
    ],
)
def test_amounts_with_a_decimal_comma_are_no_hundredfold(tmp_path, written, value):
    path = tmp_path / "sales.csv"
    path.write_text(f"time;user_id;kind;amount\n2026-01-05;u;purchase;{written}\n", encoding="utf-8")
    rows, skips, total, _ = read("csv", path)
    assert total == 1
    assert [row["value"] for row in rows] == ([] if value is None else [value])
    assert skips == ([(2, "malformed")] if value is None else [])


def test_ids_that_went_through_a_dataframe_are_whole_numbers_again(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text(
        "time,user_id,message_id,parent_id,text\n2026-01-05,7,12,,2.0\n2026-01-05,8.0,13,12.0,v1.0\n",
        encoding="utf-8",
    )
    rows = read("csv", path)[0]
    assert [(row["member"], row["message"], row["parent"], row["text"]) for row in rows] == [
        ("7", "12", "", "2.0"), ("8", "13", "12", "v1.0"),
    ]  # fmt: skip


@pytest.mark.parametrize("mark", [";", "|", "\t", ","])
def test_a_first_line_may_tell_the_delimiter(tmp_path, mark):
    path = tmp_path / "sheet.csv"
    rows = [["time", "user_id", "text"], ["20260105", "u", "a"], ["20260106", "v", "b"]]
    lines = [f"sep={mark}", *(mark.join(row) for row in rows)]
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    found, skips, total, _ = read("csv", path)
    assert [(row["member"], row["text"]) for row in found] == [("u", "a"), ("v", "b")]
    assert found[0]["occurred_at"] == seconds("2026-01-05T00:00:00+00:00")
    assert (skips, total) == ([], 2)


@pytest.mark.parametrize("batch_rows", [1000, 1])
def test_a_pasted_quotation_is_part_of_what_was_said(tmp_path, batch_rows):
    """Copied messages begin as an iPhone's lines do, with another order of the day perhaps."""
    path = tmp_path / "chat.txt"
    path.write_text(
        "13/01/2026, 21:03 - Anna: look:\n[1/14/2026, 21:06] Zed: pasted\n13/01/2026, 21:07 - Bob: ok\n",
        encoding="utf-8",
    )
    rows, skips, total, _ = read("whatsapp", path, batch_rows=batch_rows)
    assert [(row["member_name"], row["text"]) for row in rows] == [
        ("Anna", "look:\n[1/14/2026, 21:06] Zed: pasted"), ("Bob", "ok"),
    ]  # fmt: skip
    assert (skips, total) == ([], 2)
    first = next(
        Importers().create("whatsapp").read(path, options=ImportOptions(now=NOW, batch_rows=1), resume=None)
    )
    again = Importers().create("whatsapp").read(path, options=ImportOptions(now=NOW), resume=first.position)
    assert [name for chunk in again for name in chunk.batch.member_name] == ["Bob"]


def test_what_a_channel_says_itself_is_by_no_member(tmp_path):
    """As a bot sees it: else the channel would be its own most active member, and overlap would count twice."""
    path = tmp_path / "result.json"
    plain = {"type": "message", "date_unixtime": "1767225600", "text": "x"}
    messages = [
        {**plain, "id": 1, "from": "News", "from_id": "channel5", "author": "Ann"},
        {**plain, "id": 2, "from": "Bob", "from_id": "user2"},
    ]
    chat = {"name": "News", "type": "public_channel", "id": 5, "messages": messages}
    path.write_text(json.dumps(chat), encoding="utf-8")
    rows = read("telegram", path)[0]
    assert [(row["member"], row["member_name"]) for row in rows] == [("", "Ann"), ("2", "Bob")]


def test_a_channels_post_in_its_discussion_group_is_shared_by_nobody(tmp_path):
    rows = telegram(
        tmp_path,
        {"id": 1, "from": "News", "from_id": "channel6", "forwarded_from": "News", "forwarded_from_id": "channel6"},
        {"id": 2, "from": "News", "from_id": "channel6", "forwarded_from": "News"},
        {"id": 3, "from": "News", "from_id": "channel6", "forwarded_from": "Else", "forwarded_from_id": "channel7"},
        {"id": 4, "from": "Ann", "from_id": "user1", "forwarded_from": "News", "forwarded_from_id": "channel6"},
    )  # fmt: skip
    assert [row["kind"] for row in rows] == ["other", "other", "share", "share"]
    assert json.loads(rows[0]["attrs"])["service"] == "automatic_forward"


def test_commands_are_commands_as_a_bot_sees_them(tmp_path):
    command = {"type": "bot_command", "text": "/vote@helper"}
    rows = telegram(
        tmp_path,
        {"id": 1, "text": [command, " tea now"]},
        {"id": 2, "text": ["see ", command]},
        {"id": 3, "text": [command], "forwarded_from": "Ann"},
        {"id": 4, "text": "/not marked"},
    )
    assert [row["kind"] for row in rows] == ["command", "message", "share", "message"]
    assert json.loads(rows[0]["attrs"]) == {"command": "vote", "to": "helper", "arguments": "tea now"}
    assert rows[0]["text"] == "/vote@helper tea now"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("2026-01-01T08:00:05.123+08:00", "2026-01-01T00:00:05.123000+00:00"),
        ("2026-01-01T00:00:05Z", "2026-01-01T00:00:05+00:00"),
    ],
)
def test_an_edit_on_discord_is_named_as_a_listening_bot_names_it(tmp_path, written, named):
    path = tmp_path / "d.json"
    message = {"id": "1", "type": "Default", "timestamp": "2026-01-01T00:00:00Z", "timestampEdited": written,
               "content": "a", "author": {"id": "2", "name": "ann"}}  # fmt: skip
    path.write_text(
        json.dumps({"guild": {}, "channel": {"id": "5"}, "messages": [message]}), encoding="utf-8"
    )
    assert [row["id"] for row in read("discord", path)[0]] == ["message:1", f"edit:1:{named}"]
