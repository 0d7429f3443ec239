import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.errors import InvalidInput
from shequn_sdk.playbook.model import Playbook
from shequn_sdk.playbook.source import (
    builtin_playbook,
    load_playbook,
    parse_playbook,
    template_text,
    templates,
)

GOOD = """
name = "club"
title = "Club"
positioning = "p"
audience = "a"

[[content]]
name = "one"
title = "One"
days = ["mon"]
at = 12:00:00
"""


@pytest.mark.parametrize("name", templates())
def test_every_template_is_whole_and_says_the_same_in_yaml(name):
    import yaml

    playbook = builtin_playbook(name)
    text = yaml.safe_dump(json.loads(playbook.model_dump_json()), allow_unicode=True)
    assert parse_playbook(text, yaml=True) == playbook


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        (GOOD + "dayz = 1\n", 12, 1, "content.0.dayz: unknown key, did you mean 'days'"),
        (GOOD.replace('["mon"]', '["mon", "funday"]'), 10, 1, "content.0.days.1"),
        (GOOD.replace("12:00:00", "25:00:00"), 11, None, "no valid TOML"),
        (GOOD + "[[content]]\nname = 'two'\n", 12, 1, "content.1.title"),
        (GOOD + "\n[care]\nbirthdya = 'x'\n", 14, 1, "care.birthdya: unknown key, did you mean 'birthday'"),
        (GOOD + "\n[entry]\n  threshold = 'rich'\n", 14, 3, "entry.threshold"),
        ('nmae = "x"\n' + GOOD, 1, 1, "nmae: unknown key, did you mean 'name'"),
        (GOOD + 'texts = [\n "a",\n 3,\n]\nform = 2\n', 12, 1, "content.0.texts.1"),
        (
            GOOD + '[[journeys]]\nname="j"\n[[journeys.steps]]\nday = 1\ntext = ""\n',
            16,
            1,
            "journeys.0.steps.0.text",
        ),
        ("", 1, 1, "name"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_column(text, line, column, words):
    with pytest.raises(InvalidInput) as caught:
        parse_playbook(text, source="club.toml")
    assert words in str(caught.value)
    assert caught.value.line == line
    if column is not None:
        assert caught.value.column == column


def test_yaml_is_told_with_line_and_column(tmp_path):
    path = tmp_path / "club.yaml"
    good = (
        "name: club\ntitle: Club\npositioning: p\naudience: a\ncontent:\n"
        "  - name: one\n    title: One\n    days: [mon]\n    at: 12:30\n"
    )
    path.write_text(good, encoding="utf-8")
    assert f"{load_playbook(path).content[0].at:%H:%M}" == "12:30"
    path.write_text(good + "    dayz: 1\n", encoding="utf-8")
    with pytest.raises(
        InvalidInput, match=r"line 10, column 5: content\.0\.dayz: unknown key, did you mean 'days'"
    ):
        load_playbook(path)
    path.write_text("name: [", encoding="utf-8")
    with pytest.raises(InvalidInput, match="no valid YAML"):
        load_playbook(path)
    path.write_text("name: a\nname: b\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="twice") as caught:
        load_playbook(path)
    assert caught.value.line == 2


def test_hostile_yaml_is_refused():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    )
    for text in (
        bomb,
        "a: &a\n  b: *a\n",
        "name: !!python/object/apply:os.system ['true']\n",
        "- 1\n",
        "[" * 5000,
        "a: " + "{b: " * 40 + "1" + "}" * 40,
    ):
        with pytest.raises(InvalidInput):
            parse_playbook(text, yaml=True)


@given(st.text(max_size=200))
def test_no_text_brings_anything_but_a_clear_error(text):
    for yaml in (False, True):
        with contextlib.suppress(InvalidInput):
            parse_playbook(text, yaml=yaml)


def test_unknown_templates_and_files(tmp_path):
    with pytest.raises(InvalidInput, match="did you mean 'health'"):
        builtin_playbook("helth")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_playbook(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(InvalidInput, match="larger"):
        load_playbook(tmp_path / "large.toml")
    assert "version = 1" in template_text("health")


def test_the_published_schema_is_up_to_date():
    from pathlib import Path

    path = Path(__file__).parents[3] / "docs" / "playbook.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == Playbook.model_json_schema(), (
        "run: shequn playbook schema > docs/playbook.schema.json"
    )
