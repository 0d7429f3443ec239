from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from shequn_sdk.errors import StoreBusy
from shequn_sdk.reports import build_report
from shequn_sdk.reports.dashboard import dashboard_app


@pytest.fixture
def dashboard_client(report_context):
    calls = []

    async def build():
        calls.append(1)
        if len(calls) == 3:
            raise StoreBusy("another process holds the event store; try again")
        return await build_report(report_context())

    def connect(*, host="127.0.0.1:8000", client=("127.0.0.1", 5), max_age=60.0):
        transport = httpx.ASGITransport(dashboard_app(build, max_age=max_age), client=client)
        return httpx.AsyncClient(transport=transport, base_url=f"http://{host}"), calls

    return connect


async def test_it_serves_the_live_report(dashboard_client):
    client, calls = dashboard_client()
    async with client:
        page = await client.get("/")
        assert page.status_code == 200
        assert "意见领袖" in page.text
        assert page.headers["refresh"] == "60"
        assert page.headers["cache-control"] == "no-store"
        assert (await client.get("/report.md")).text.startswith("# ")
        assert (await client.get("/members.total.csv")).status_code == 200
        assert (await client.get("/../secret")).status_code == 404
        assert (await client.post("/")).status_code == 405
    assert len(calls) == 1


async def test_old_pages_are_built_again_and_a_busy_store_is_told(dashboard_client):
    client, calls = dashboard_client(max_age=0.0)
    async with client:
        assert [(await client.get("/")).status_code for _ in range(3)] == [200, 200, 503]
        assert (await client.get("/")).status_code == 200
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("host", "address", "status"),
    [
        ("localhost:8000", "127.0.0.1", 200),
        ("[::1]:8000", "::1", 200),
        ("evil.example", "127.0.0.1", 403),
        ("127.0.0.1.evil.example", "127.0.0.1", 403),
        ("127.0.0.1:8000", "192.0.2.7", 403),
    ],
)
async def test_only_this_machine_is_answered(dashboard_client, host, address, status):
    client, _ = dashboard_client(host=host, client=(address, 5))
    async with client:
        assert (await client.get("/report.md")).status_code == status


def test_importing_reports_loads_nothing_heavy():
    code = (
        "import sys, shequn_sdk.reports, shequn_sdk.reports.markdown, shequn_sdk.reports.csvs, "
        "shequn_sdk.reports.dashboard, shequn_sdk.reports.png, shequn_sdk.reports.html\n"
        "print([n for n in ('altair','vl_convert','jinja2','fontTools','pyarrow','duckdb') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
