"""What a report needs from the rest of the workspace."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shequn_sdk.client.workspace import Workspace
from shequn_sdk.domain import DeliveryState
from shequn_sdk.errors import InvalidInput, PermissionDenied, TargetNotFound

if TYPE_CHECKING:
    from shequn_sdk.metrics.diagnosis import Evidence
    from shequn_sdk.metrics.diagnosis import Finding as Diagnosis
    from shequn_sdk.reports.model import DeliveryCounts, GoalLine, Report

__all__ = ["build", "findings", "which_community"]

_WAITING = (
    DeliveryState.PLANNED, DeliveryState.BLOCKED, DeliveryState.PAUSED, DeliveryState.CLAIMED,
    DeliveryState.ATTEMPTING, DeliveryState.DEFERRED, DeliveryState.AWAITING_PERSON,
)  # fmt: skip


async def build(
    workspace: Workspace,
    *,
    community: str | None,
    language: str,
    last: timedelta | None,
    title: str,
    goals: tuple[GoalLine, ...] = (),
    until: date | None = None,
) -> Report:
    """Build a community's report from what its stores hold; it ends with the last data, or with the day `until`.

    Raises:
        InvalidInput: there is nothing to report on yet, or it is not clear on which community.
    """
    from shequn_sdk.metrics import lookup
    from shequn_sdk.reports.build import build_report
    from shequn_sdk.reports.model import Finding, Language, ReportContext

    try:
        chosen_language = Language(language)
    except ValueError:
        raise InvalidInput(f"a report is written in zh or en, not {language!r}") from None
    metrics = await workspace.metrics()
    name, zone = await which_community(workspace, community)
    events = await workspace.events()
    scope = await events.query(lambda session: lookup.scope(session, name), purpose="report")
    if scope.first is None or scope.last is None:
        raise InvalidInput(
            f"community {name!r} has no data yet: import a history (shequn import) or listen (shequn run) first"
        )
    start, end = scope.first, until or scope.last
    if end < start:
        raise InvalidInput(
            f"community {name!r} has no data before {start}, so there is nothing to say up to {end}"
        )
    if last is not None:
        start = max(start, end - last + timedelta(days=1))
    known = workspace.settings.community(name)
    return await build_report(
        ReportContext(
            compute=metrics.compute,
            title=title or (known.title if known and known.title else name),
            start=start,
            end=end,
            community=name,
            language=chosen_language,
            zone=zone,
            generated_at=workspace.clock.now(),
            deliveries=await _deliveries(workspace),
            goals=goals,
            findings=tuple(
                Finding(
                    title=getattr(item, chosen_language.value),
                    evidence="; ".join(
                        _evidence(piece, chosen_language.value) for piece in item.evidence if piece.speaks
                    ),
                    confidence=item.confidence,
                    actions=tuple(getattr(action, chosen_language.value) for action in item.actions),
                )
                for item in await findings(workspace, name, timedelta(days=56))
            ),
            meanings={item.name: item.doc.get(chosen_language.value, "") for item in metrics.list()},
            sections=tuple(workspace.plugins.report_sections.values()),
        )
    )


async def which_community(workspace: Workspace, community: str | None) -> tuple[str, str]:
    """Give name and zone of the community that is meant.

    Raises:
        InvalidInput: there are several, or none.
        UnknownName: it does not exist.
    """
    known = workspace.community(community)
    events = await workspace.events()
    found = {item.name: item.zone for item in await events.communities()}
    if known is not None:
        if known.name not in found:  # a new one of the settings is one without data, not a wrong name
            await events.ensure_community(known.name, zone=known.zone)
        return known.name, known.zone
    if community:
        return community, found.get(community, "UTC")
    if len(found) == 1:
        return next(iter(found.items()))
    if not found:
        raise InvalidInput(
            "there is no data yet: import a history (shequn import) or listen (shequn run) first"
        )
    raise InvalidInput(f"say which community: {', '.join(sorted(found))}")


async def _deliveries(workspace: Workspace) -> DeliveryCounts | None:
    from shequn_sdk.reports.model import DeliveryCounts

    if not _has_store(workspace):
        return None
    counts = await (await workspace.publishing()).counts()
    untaken = await _untaken(workspace)
    return DeliveryCounts(
        landed=counts.get(DeliveryState.LANDED, 0) + counts.get(DeliveryState.PARTLY, 0),
        refused=max(0, counts.get(DeliveryState.REFUSED, 0) - untaken),
        untaken=untaken,
        unknown=counts.get(DeliveryState.UNKNOWN, 0),
        waiting=sum(counts.get(state, 0) for state in _WAITING),
    )


async def _untaken(workspace: Workspace) -> int:
    """Count private messages of journeys to members who take none from us; the journey went another way."""
    from sqlalchemy import func, select

    from shequn_sdk.stores.tables.delivery import delivery

    query = select(func.count()).where(
        delivery.c.state == DeliveryState.REFUSED.value,
        delivery.c.batch.like("journey/%/direct"),
        delivery.c.error_type.in_((TargetNotFound.__name__, PermissionDenied.__name__)),
    )
    return int(await (await workspace.store()).read(lambda conn: conn.execute(query).scalar_one()))


async def findings(workspace: Workspace, community: str | None, last: timedelta) -> tuple[Diagnosis, ...]:
    """Diagnose a community over the days that end with its last data."""
    from shequn_sdk.metrics import lookup
    from shequn_sdk.metrics.diagnosis import diagnose

    metrics = await workspace.metrics()
    name, zone = await which_community(workspace, community)
    events = await workspace.events()
    scope = await events.query(lambda session: lookup.scope(session, name), purpose="diagnosis")
    if scope.last is None:
        return ()
    after = datetime.combine(scope.last + timedelta(days=1), time(), tzinfo=ZoneInfo(zone))
    facts = await _facts(workspace, name, after - last, after)
    return await diagnose(metrics.compute, community=name, end=scope.last, last=last, facts=facts)


async def _facts(workspace: Workspace, community: str, start: datetime, end: datetime) -> dict[str, float]:
    """Give what the diagnosis looks at and no metric counts; nothing where there is no store yet."""
    from shequn_sdk.editorial.promoting import promotional_share

    if not _has_store(workspace):
        return {}
    share = await promotional_share(await workspace.store(), community, start=start, end=end)
    return {} if share is None else {"promotional_share": share}


def _has_store(workspace: Workspace) -> bool:
    settings = workspace.settings
    return not settings.store_url.startswith("sqlite") or (settings.home / "store.db").exists()


def _evidence(piece: Evidence, language: str) -> str:
    sign = ">" if piece.worse == "above" else "<"
    what = piece.what
    if language == "zh" and what.startswith("change of "):
        what = what.removeprefix("change of ") + " 的变化"
    return f"{what} = {piece.value:.3g} ({sign} {piece.threshold:g})"
