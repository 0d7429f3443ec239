"""What a running workspace serves: webhooks, health, readiness, and numbers for Prometheus."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from shequn_sdk.client.workspace import Workspace
from shequn_sdk.errors import ConfigError, MissingExtra, ShequnError

if TYPE_CHECKING:
    from shequn_sdk.listening.webhooks import WebhookApp

__all__ = ["OperationsApp", "serve"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class OperationsApp:
    """An ASGI app: `/hooks/{account}`, `/healthz`, `/readyz`, `/metrics`; all else is not found.

    `/healthz` answers 200 while the process works. `/readyz` answers 200 when the stores open and no source has failed
    for good, else 503 with what is wrong. `/metrics` needs the extra `observability`.
    """

    def __init__(self, workspace: Workspace, webhooks: WebhookApp) -> None:
        """Serve `workspace`."""
        self._workspace = workspace
        self._webhooks = webhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        pages = {"/healthz": self._health, "/readyz": self._ready, "/metrics": self._numbers}
        page = pages.get(path) if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} else None
        if page is None:
            await self._webhooks(scope, receive, send)
            return
        status, content_type, body = await page()
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})

    async def _health(self) -> tuple[int, str, bytes]:
        return 200, "application/json", b'{"ok":true}'

    async def _ready(self) -> tuple[int, str, bytes]:
        problems: dict[str, str] = {}
        for name, look in (("store", self._look_at_store), ("inbox", self._look_at_inbox)):
            try:
                await look()
            except ShequnError as error:
                problems[name] = str(error)
        for account, health in (await self._workspace.sources()).health().items():
            if health.state.value == "failed":
                problems[f"source {account}"] = health.error
        body = json.dumps({"ok": not problems, "problems": problems}, ensure_ascii=False).encode()
        return (503 if problems else 200), "application/json", body

    async def _look_at_store(self) -> None:
        await (await self._workspace.publishing()).counts()

    async def _look_at_inbox(self) -> None:
        await (await self._workspace.inbox()).stats()

    async def _numbers(self) -> tuple[int, str, bytes]:
        try:
            from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        except ImportError:
            return 404, "text/plain", b"install the extra: pip install 'shequn-sdk[observability]'\n"
        families = [family async for family in self._families()]

        class Collected:
            def collect(self) -> Iterator[Any]:
                yield from families

        registry = CollectorRegistry()
        registry.register(Collected())
        return 200, CONTENT_TYPE_LATEST, generate_latest(registry)

    async def _families(self) -> AsyncIterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        deliveries = GaugeMetricFamily(
            "shequn_deliveries", "Deliveries in the ledger by state.", labels=["state"]
        )
        for state, count in (await (await self._workspace.publishing()).counts()).items():
            deliveries.add_metric([str(state)], count)
        yield deliveries
        stats = await (await self._workspace.inbox()).stats()
        yield GaugeMetricFamily("shequn_inbox_events", "Events kept in the inbox.", value=stats.events)
        yield GaugeMetricFamily(
            "shequn_inbox_dead_letters", "Events that could not be handled.", value=stats.dead
        )
        unknown = CounterMetricFamily(
            "shequn_unknown_events", "Events of types we do not know.", labels=["account", "type"]
        )
        for (account, kind), count in stats.unknown.items():
            unknown.add_metric([account, kind], count)
        yield unknown
        received = CounterMetricFamily("shequn_source_events", "Events received.", labels=["account"])
        up = GaugeMetricFamily("shequn_source_up", "1 while a source listens.", labels=["account"])
        for account, health in (await self._workspace.sources()).health().items():
            received.add_metric([account], health.events)
            up.add_metric([account], float(health.state.value == "listening"))
        yield received
        yield up
        hooks = CounterMetricFamily(
            "shequn_webhooks", "Webhook requests by outcome.", labels=["account", "outcome"]
        )
        for account, counts in self._webhooks.counts.items():
            for outcome in ("accepted", "duplicates", "not_verified", "too_large", "bad", "failed"):
                hooks.add_metric([account, outcome], getattr(counts, outcome))
        yield hooks


async def serve(app: Any, *, host: str, port: int) -> None:
    """Serve an ASGI app with uvicorn until cancelled; signals are left to the caller.

    Raises:
        MissingExtra: uvicorn is not installed.
        ConfigError: the address is taken.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra("serving needs uvicorn", "webhook") from error
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign]
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's way to say that it cannot listen
        raise ConfigError(f"cannot listen on {host}:{port}: choose another --port") from error
