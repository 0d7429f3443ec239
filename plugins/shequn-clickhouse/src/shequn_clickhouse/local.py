"""ClickHouse's HTTP interface over the engine in process (chDB): for tests, and to try things out without a server.

It answers one request at a time and keeps its data in memory. It is no server for production.
"""

from __future__ import annotations

import base64
import gzip
import re
import tempfile
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlsplit

__all__ = ["LocalServer", "main"]

_OWN = frozenset(
    {
        "query",
        "database",
        "query_id",
        "session_id",
        "default_format",
        "compress",
        "decompress",
        "wait_end_of_query",
        "enable_http_compression",
        "client_protocol_version",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "user",
        "password",
        "quota_key",
        "buffer_size",
        "role",
    }
)
_INSERT = re.compile(rb"^\s*insert\s+into\s.*?\sformat\s+(\w+)\s*\n", re.IGNORECASE | re.DOTALL)
_FORMAT = re.compile(r"\bformat\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_WORD = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_CODE = re.compile(r"Code: (\d+)")
_LARGEST = 256 * 1024 * 1024


class LocalServer:
    """Serves ClickHouse's HTTP interface on loopback while it is open; `url` is what `events` takes."""

    def __init__(self, *, port: int = 0, user: str = "default", password: str = "") -> None:
        """Choose the port (0 is any free one) and who may enter."""
        self._user = user
        self._password = password
        self._port = port
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._engine: Any = None
        self._thread: threading.Thread | None = None
        self.requests: list[str] = []
        """Beginnings of the statements that came, for tests."""

    @property
    def url(self) -> str:
        """Where it listens, without a database."""
        secret = f":{quote(self._password, safe='')}" if self._password else ""
        return f"clickhouse://{self._user}{secret}@127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start to listen."""
        import chdb  # noqa: PLC0415

        self._engine = chdb.connect(":memory:")
        server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self._answer))
        server.daemon_threads = True
        self._server = server
        self._port = server.server_address[1]
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and forget all data."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        with self._lock:
            self._engine.close()

    def _answer(
        self, arguments: dict[str, str], body: bytes, authorization: str
    ) -> tuple[int, dict[str, str], bytes]:
        wanted = "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        if authorization != wanted and (authorization or self._password):
            return _refusal(
                516, f"{self._user}: Authentication failed: password is incorrect, or there is no such user"
            )
        text = arguments.get("query", "").encode()
        if text and body:
            text += b"\n"
        text += body
        if not text.strip():
            return 200, {}, b"Ok.\n"
        self.requests.append(text[:200].decode("utf-8", "replace"))
        with self._lock:
            try:
                return self._run(arguments, text)
            except RuntimeError as error:
                found = _CODE.search(str(error))
                return _refusal(int(found[1]) if found else 1000, str(error)[str(error).find("Code:") :])

    def _run(self, arguments: dict[str, str], text: bytes) -> tuple[int, dict[str, str], bytes]:
        import chdb  # noqa: PLC0415

        handle: Any = chdb.connect(":memory:")  # a session of its own on the one engine
        try:
            if database := arguments.get("database"):
                handle.query(f"use `{database.replace('`', '')}`", "TabSeparated")
            for name, value in arguments.items():
                if name not in _OWN and not name.startswith("param_") and _WORD.match(name):
                    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                    handle.query(f"set {name} = '{quoted}'", "TabSeparated")
            if (insert := _INSERT.match(text)) is not None:
                self._insert(
                    handle, text[: insert.start(1)].decode(), insert[1].decode(), text[insert.end() :]
                )
                return 200, {}, b""
            statement = text.decode()
            asked = _FORMAT.search(statement)
            form = asked[1] if asked else arguments.get("default_format", "TabSeparated")
            parameters = {name[6:]: value for name, value in arguments.items() if name.startswith("param_")}
            result = handle.query(statement, form, params=parameters)
            return 200, {"X-ClickHouse-Format": form, "X-ClickHouse-Timezone": "UTC"}, result.bytes() or b""
        finally:
            handle.close()

    @staticmethod
    def _insert(handle: Any, statement: str, form: str, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(prefix="shequn-", suffix=".block") as file:
            file.write(data)
            file.flush()
            head = statement.rstrip()
            head = head[: head.lower().rfind("format")] if head.lower().endswith("format") else head
            handle.query(f"{head} from infile '{file.name}' format {form}", "TabSeparated")


def _refusal(code: int, text: str) -> tuple[int, dict[str, str], bytes]:
    status = {516: 403, 57: 500, 60: 404, 62: 400}.get(code, 500)
    message = text if text.startswith("Code:") else f"Code: {code}. DB::Exception: {text}"
    return status, {"X-ClickHouse-Exception-Code": str(code)}, message.encode()


def _plain(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding == "lz4":
        import lz4.frame  # noqa: PLC0415 - comes with the driver

        return bytes(lz4.frame.decompress(body))
    if encoding == "zstd":
        from backports import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

        return bytes(zstd.decompress(body))
    return body


def _handler(answer: Callable[[dict[str, str], bytes, str], tuple[int, dict[str, str], bytes]]) -> Any:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        wbufsize = -1  # head and body in one packet: two small ones wait for each other's acknowledgement
        disable_nagle_algorithm = True

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _LARGEST))
            parts: list[bytes] = []
            while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def do_POST(self) -> None:
            arguments = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            body = _plain(self._body(), self.headers.get("Content-Encoding", ""))
            status, headers, data = answer(arguments, body, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST  # noqa: N815 - the base class calls it so

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    return Handler


def main() -> None:
    """Serve on port 8123 until interrupted."""
    with LocalServer(port=8123) as server:
        print(f'events = "{server.url}/community"   (in memory, until Ctrl-C)', flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
