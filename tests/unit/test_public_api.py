import json
import subprocess
import sys

import pytest

import shequn_sdk

HEAVY = (
    "duckdb",
    "sqlalchemy",
    "altair",
    "httpx",
    "pyarrow",
    "numpy",
    "typer",
    "pydantic",
    "alembic",
    "sqlglot",
)


def test_every_promised_name_is_there_and_documented():
    for name in shequn_sdk.__all__:
        value = getattr(shequn_sdk, name)
        assert value is not None
        if name != "__version__":
            assert value.__doc__, f"{name} has no docstring"
    assert 25 <= len(shequn_sdk.__all__) <= 40


def test_the_list_of_names_and_where_they_live_agree():
    assert {*shequn_sdk._MODULE_OF, "__version__"} == set(shequn_sdk.__all__)


def test_importing_does_no_work():
    code = (
        "import sys, json; before = set(sys.modules); import shequn_sdk; "
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules and name not in before]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        getattr(shequn_sdk, "nothing_of_the_kind")  # noqa: B009 - the access is what is tested
