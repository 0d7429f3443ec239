"""Secrets stay secret: in logs, reprs and errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import traceback
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

import pytest

from shequn_sdk.errors import ShequnError
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.testing._contract.hooks import ContractHooks
from shequn_sdk.testing._contract.rig import HastyClock, Rig, within
from shequn_sdk.testing.sandbox.api import FaultKind
from shequn_sdk.testing.sandbox.faults import FaultRule

__all__ = ["SecrecyContract"]

_SHORT = 6
_TELLING = ("message", "errmsg", "error", "description", "error_description", "detail", "request", "title")
"""Where platforms write what went wrong."""


def _whole(error: BaseException) -> str:
    """Give all that can be read of an error and of the chain behind it, also what its attributes hold."""
    parts = ["".join(traceback.format_exception(error))]
    link: BaseException | None = error
    while link is not None:
        parts += [repr(link), repr(link.args), repr(vars(link))]
        link = link.__cause__ or link.__context__
    return "".join(parts)


@asynccontextmanager
async def _echo(status: int, *, page: bool) -> AsyncGenerator[int]:
    """Serve answers that quote their requests, as some gateways' error pages do; gives the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, ValueError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            quoted = head + unquote(head)
            text = f"<html>{quoted}" if page else json.dumps(dict.fromkeys(_TELLING, quoted))
            body = text.encode()
            lines = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(lines.encode() + body)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


class SecrecyContract(ContractHooks):
    """Whatever happens, no secret is shown."""

    async def test_secrets_are_in_no_repr(self, rig: Rig) -> None:
        """Neither adapter nor account show them."""
        for thing in (rig.adapter, rig.account, rig.manifest):
            self._clean(rig, repr(thing) + str(thing), f"repr of {type(thing).__name__}")

    async def test_secrets_are_in_no_log(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        """With every logger at DEBUG, no record of a good or a bad call shows them."""
        with caplog.at_level(logging.DEBUG):
            await self._errors(rig)
            line = await within(rig.adapter.check())
        self._clean(rig, line, "what check() says")
        for record in caplog.records:
            told = record.getMessage() + repr(record.args) + (record.exc_text or "")
            extra = {key: value for key, value in vars(record).items() if key not in {"msg", "args"}}
            self._clean(rig, told + repr(extra), f"a record of logger {record.name}")

    async def test_secrets_are_in_no_error(self, rig: Rig) -> None:
        """No error, its attributes, nor the chain behind it show them."""
        errors = await self._errors(rig)
        assert errors, "none of the calls that must fail did"
        for error in errors:
            self._clean(rig, _whole(error), f"{type(error).__name__}")

    async def test_what_is_told_back_shows_no_secret(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A gateway that quotes the whole request, as a page or as JSON, makes no error and no record show it."""
        kept: list[ShequnError] = []
        with caplog.at_level(logging.DEBUG):
            for status, page in ((200, True), (400, True), (400, False), (500, False)):
                async with _echo(status, page=page) as port:
                    parts = urlsplit(rig.account.base_url or "")
                    base = urlunsplit(parts._replace(scheme="http", netloc=f"127.0.0.1:{port}"))
                    async with rig.another(base_url=base, clock=HastyClock(rig.clock)) as adapter:
                        kept += await self._error(rig, adapter)
        for error in kept:
            self._clean(rig, _whole(error), f"{type(error).__name__}")
        for record in caplog.records:
            self._clean(rig, record.getMessage() + repr(record.args), f"a record of logger {record.name}")

    async def _errors(self, rig: Rig) -> Sequence[ShequnError]:
        """Make calls that fail in different ways, and give their errors."""
        errors: list[ShequnError] = []
        clock = HastyClock(rig.clock)
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            closed = f"http://127.0.0.1:{sock.getsockname()[1]}"
            async with (
                rig.another(base_url=closed, clock=clock) as lost,
                rig.another(secrets=self.wrong_secrets(rig), clock=clock) as stranger,
                rig.another(clock=clock) as adapter,
            ):
                for failing in (lost, stranger):
                    errors += await self._error(rig, failing)
                for kind in (
                    FaultKind.RESET_AFTER,
                    FaultKind.SERVER_ERROR,
                    FaultKind.MALFORMED,
                    FaultKind.RATE_LIMIT,
                ):
                    rig.faults.set([FaultRule(kind, times=5, delay=1.0)])
                    errors += await self._error(rig, adapter)
                rig.faults.clear()
                if rig.manifest.supports(Capability.PUBLISH_TEXT):
                    errors += await self._error(rig, adapter, channel=self.missing_channel(rig))
        return errors

    async def _error(self, rig: Rig, adapter: Any, *, channel: str = "") -> list[ShequnError]:
        errors: list[ShequnError] = []
        calls = [adapter.check()] if not channel else []
        if rig.manifest.supports(Capability.PUBLISH_TEXT):
            publish = adapter.publish
            calls.append(publish(channel or rig.channel, self.piece("secret?"), idempotency_key="s"))
        for call in calls:
            try:
                await within(call)
            except ShequnError as error:
                errors.append(error)
        return errors

    def _clean(self, rig: Rig, text: str, where: str) -> None:
        secrets = {name: value.get_secret_value() for name, value in rig.account.secrets.items()}
        secrets |= {f"wrong {name}": value for name, value in self.wrong_secrets(rig).items()}
        for name, secret in secrets.items():
            if len(secret) < _SHORT:
                continue
            for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
                assert form not in text, f"{where} shows the secret {name!r}"
