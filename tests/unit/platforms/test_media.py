"""Files that are to be published are read safely, wherever they are."""

from __future__ import annotations

import http.server
import threading
from datetime import UTC, datetime

import pytest

from shequn_sdk.domain import Media, MediaKind
from shequn_sdk.errors import InvalidInput, Landing, Unavailable
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.media import read_media
from shequn_sdk.scheduling.clock import ManualClock

CLOCK = ManualClock(datetime(2026, 11, 1, tzinfo=UTC))
SEEN: list[dict[str, str]] = []


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        SEEN.append(dict(self.headers))
        status = int(self.path.strip("/").partition(".")[0])
        body = b"picture" if status == 200 else b"no"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def host():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def photo(**where):
    return Media(kind=MediaKind.PHOTO, **where)


async def test_bytes_paths_and_native_ids(tmp_path):
    context = AdapterContext(clock=CLOCK)
    assert await read_media(photo(data=b"x"), context) == b"x"
    path = tmp_path / "a.png"
    path.write_bytes(b"from disk")
    assert await read_media(photo(path=path), context) == b"from disk"
    assert await read_media(photo(native_id="m1"), context) is None
    with pytest.raises(InvalidInput, match=r"b\.png cannot be read"):
        await read_media(photo(path=tmp_path / "b.png"), context)


async def test_a_private_address_is_read_only_when_it_is_named(host):
    url = f"http://{host}/200.png?token=hunter2"
    with pytest.raises(InvalidInput, match="private network") as refused:
        await read_media(photo(url=url), AdapterContext(clock=CLOCK))
    assert "hunter2" not in str(refused.value)
    assert not SEEN
    named = AdapterContext(clock=CLOCK, private_hosts=frozenset({host}))
    assert await read_media(photo(url=url), named) == b"picture"
    assert not {"authorization", "cookie"} & {name.lower() for name in SEEN[-1]}


async def test_an_address_without_a_file_is_refused_or_tried_again(host):
    named = AdapterContext(clock=CLOCK, private_hosts=frozenset({host}))
    with pytest.raises(InvalidInput, match="HTTP 404"):
        await read_media(photo(url=f"http://{host}/404"), named)
    with pytest.raises(Unavailable, match="HTTP 503") as away:
        await read_media(photo(url=f"http://{host}/503"), named)
    assert away.value.landed is Landing.SURELY_NOT
    with pytest.raises(Unavailable, match="larger than 3 bytes"):
        await read_media(photo(url=f"http://{host}/200"), named, most=3)
