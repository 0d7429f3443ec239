"""The room of links: tagged addresses, and short ones that count."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import Room
from shequn_sdk.links.model import Clicks, ShortLink, Source
from shequn_sdk.links.redirect import RedirectApp
from shequn_sdk.links.tags import checked_url, tagged
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.links import link_click, short_link

__all__ = ["Links"]

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without characters that people mistake for one another."""
_LENGTH = 7
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class Links(Room):
    """Links that say where somebody came from: campaign tags and short links with counts (链接)."""

    def tag(
        self,
        url: str,
        *,
        source: str,
        medium: str = "social",
        campaign: str = "",
        term: str = "",
        content: str = "",
    ) -> str:
        """Give `url` with UTM parameters, which replace those that it has; everything else of it stays.

        Args:
            url: http(s) address.
            source: where the link stands, for example `telegram` or a channel's name.
            medium: kind of place, for example `social`, `email`, `qr`.
            campaign: campaign to which it belongs.
            term: paid search words.
            content: which of several links in one place.

        Raises:
            InvalidInput: `url` is no http(s) address, `source` is empty, or the result is longer than 2,000 characters.
        """
        return tagged(url, source=source, medium=medium, campaign=campaign, term=term, content=content)

    async def shorten(
        self,
        url: str,
        *,
        community: str | None = None,
        code: str = "",
        entrance: str = "",
        source: Source | None = None,
        expires_at: datetime | None = None,
    ) -> ShortLink:
        """Make a short link; the redirect answers 302 to exactly this `url`, never to what a request says.

        Args:
            url: http(s) address.
            community: its name; not needed when there is one.
            code: letters, digits, `_` and `-`, at most 64; random (34 bits) when not given. Giving the code of an equal
                link again changes nothing.
            entrance: name of the entrance that it leads to; its clicks count there.
            source: what it belongs to.
            expires_at: aware instant after which it ends; never when not given.

        Raises:
            InvalidInput: the address or code cannot be used, the code leads elsewhere already, or the end is past.
            UnknownName: no such community.
        """
        name = self._community(community).name
        target = checked_url(url)
        if code and (len(code) > 64 or not set(code) <= _ALLOWED):
            raise InvalidInput(f"code {code[:80]!r} must be of letters, digits, _ and -, at most 64")
        store = await self._house.store()
        now = store.clock.now()
        if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
            raise InvalidInput("a link's end must be an aware instant in the future")
        row = {
            "community": name,
            "url": target,
            "entrance": entrance,
            "source": (source or Source()).model_dump_json(exclude_defaults=True),
            "created_at": to_us(now),
            "expires_at": None if expires_at is None else to_us(expires_at),
            "closed_at": None,
        }

        def write(conn: Connection) -> None:
            made = code or _fresh_code(conn)
            old = conn.execute(select(short_link).where(short_link.c.code == made)).one_or_none()
            if old is None:
                conn.execute(insert(short_link).values(code=made, **row))
            elif old.url != target or old.community != name or old.closed_at is not None:
                raise InvalidInput(f"the code {made!r} is taken: it leads to {old.url}")
            chosen.append(made)

        chosen: list[str] = []
        try:
            await store.write(write)
        except IntegrityError:
            raise InvalidInput(f"the code {code!r} was taken this moment: repeat with another") from None
        return await self.get(chosen[-1])

    async def get(self, code: str) -> ShortLink:
        """Give a short link with its counts so far.

        Raises:
            UnknownName: there is none with that code.
        """
        found = await (await self._house.store()).read(partial(_read, code=code))
        if not found:
            raise UnknownName("short link", code)
        return found[0]

    async def list(
        self, *, community: str | None = None, ended: bool = False, limit: int = 200
    ) -> Sequence[ShortLink]:
        """Give the community's short links with their counts, newest first; those that ended only when asked for."""
        name = self._community(community).name
        store = await self._house.store()
        now = to_us(store.clock.now())
        found = await store.read(partial(_read, community=name, limit=None if not ended else limit))
        alive = [
            one
            for one in found
            if ended or (one.closed_at is None and (one.expires_at is None or to_us(one.expires_at) > now))
        ]
        return alive[:limit]

    async def close(self, code: str) -> ShortLink:
        """End a short link; its counts stay.

        Raises:
            UnknownName: there is none with that code.
        """
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> None:
            conn.execute(
                update(short_link)
                .where(short_link.c.code == code, short_link.c.closed_at.is_(None))
                .values(closed_at=now)
            )

        await store.write(write)
        return await self.get(code)

    async def clicks(self, code: str, *, last: timedelta = timedelta(days=30)) -> Sequence[Clicks]:
        """Give a link's clicks by hour (UTC), oldest first; hours without clicks are left out.

        Raises:
            UnknownName: there is none with that code.
        """
        await self.get(code)
        store = await self._house.store()
        since = to_us(store.clock.now()) - last // timedelta(microseconds=1)

        def look(conn: Connection) -> Sequence[Row[Any]]:
            return conn.execute(
                select(link_click)
                .where(link_click.c.code == code, link_click.c.hour >= since)
                .order_by(link_click.c.hour)
            ).all()

        return [
            Clicks(hour=from_us(row.hour), people=row.people, robots=row.robots)
            for row in await store.read(look)
        ]

    def app(self) -> RedirectApp:
        """Give the ASGI application that redirects `/{code}`; mount it under any path of yours.

        It stores no address, user agent or other trace of who clicked, sets no cookie, and counts previews by messengers
        and crawlers apart.
        """
        return RedirectApp(self._clicked)

    async def _clicked(self, code: str, *, robot: bool) -> str | None:
        store = await self._house.store()
        now = store.clock.now()
        at = to_us(now)

        def look(conn: Connection) -> Row[Any] | None:
            return conn.execute(
                select(short_link).where(
                    short_link.c.code == code,
                    short_link.c.closed_at.is_(None),
                    short_link.c.expires_at.is_(None) | (short_link.c.expires_at > at),
                )
            ).one_or_none()

        row = await store.read(look)
        if row is None:
            return None
        hour = at - at % 3_600_000_000
        await store.write(lambda conn: _count(conn, code, hour, robot=robot))
        if not robot:
            source = Source.model_validate_json(row.source)
            attrs = {key: value for key, value in source.model_dump().items() if value}
            await self._house.record(
                [
                    Interaction(
                        id=f"click/{code}/{uuid.uuid4().hex}",
                        kind=InteractionKind.CLICK,
                        platform="web",
                        occurred_at=now,
                        message=code,
                        entrance=row.entrance,
                        attrs=attrs,
                    )
                ],
                community=row.community,
            )
        return row.url


def _fresh_code(conn: Connection) -> str:
    while True:
        made = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        if conn.execute(select(short_link.c.code).where(short_link.c.code == made)).one_or_none() is None:
            return made


def _count(conn: Connection, code: str, hour: int, *, robot: bool) -> None:
    column = link_click.c.robots if robot else link_click.c.people
    done = conn.execute(
        update(link_click)
        .where(link_click.c.code == code, link_click.c.hour == hour)
        .values({column: column + 1})
    )
    if done.rowcount == 0:
        conn.execute(
            insert(link_click).values(code=code, hour=hour, people=int(not robot), robots=int(robot))
        )


def _read(
    conn: Connection, *, code: str | None = None, community: str | None = None, limit: int | None = None
) -> Sequence[ShortLink]:
    people = func.coalesce(func.sum(link_click.c.people), 0).label("people")
    robots = func.coalesce(func.sum(link_click.c.robots), 0).label("robots")
    query = (
        select(short_link, people, robots)
        .outerjoin(link_click, link_click.c.code == short_link.c.code)
        .group_by(*short_link.c)
        .order_by(short_link.c.created_at.desc(), short_link.c.code)
    )
    if code is not None:
        query = query.where(short_link.c.code == code)
    if community is not None:
        query = query.where(short_link.c.community == community)
    if limit is not None:
        query = query.limit(limit)
    return [
        ShortLink(
            code=row.code,
            community=row.community,
            url=row.url,
            entrance=row.entrance,
            source=Source.model_validate_json(row.source),
            created_at=from_us(row.created_at),
            expires_at=None if row.expires_at is None else from_us(row.expires_at),
            closed_at=None if row.closed_at is None else from_us(row.closed_at),
            people=row.people,
            robots=row.robots,
        )
        for row in conn.execute(query)
    ]
