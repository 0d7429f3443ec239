"""WhatsApp's text export of one chat, as phones of many locales write it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shequn_sdk.domain import InteractionBatch, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.listening.importers.base import (
    MOST_TEXT,
    Chunk,
    DateOrder,
    ImportOptions,
    Position,
    SkipReason,
    Skips,
    Times,
    clean,
)
from shequn_sdk.listening.importers.lines import Line, detect_encoding, lines

__all__ = ["WhatsAppImporter", "looks_like_whatsapp"]

_K = InteractionKind
_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_BLANKS = re.compile("[\u00a0\u202f\u2009]")
_NOON = r"[AaPp]\.?\s?[Mm]\.?|上午|下午|凌晨|清晨|早上|中午|傍晚|晚上|半夜|深夜|午夜|午前|午後|오전|오후|ص|م|[Uu]hr|klo|น\.?"
_STAMP = re.compile(
    rf"""^(?P<open>\[)?
    (?P<a>\d{{1,4}})\s?[./\-年]\s?(?P<b>\d{{1,2}})\s?[./\-月]\s?(?P<c>\d{{1,4}})[日.]?
    (?:,|،|\s|T|г\.?|(?<=\s)(?:klo|kl\.?|um|at|om|в|à|a\u0300|a\slas|alle(?:\sore)?)(?=\s))*\s?
    (?P<before>{_NOON})?\s?
    (?P<hour>\d{{1,2}})[:.h](?P<minute>\d{{2}})(?:[:.](?P<second>\d{{2}}))?
    \s?(?P<after>{_NOON})?
    (?(open)\]\s?|\s?[-–—]\s)
    (?P<rest>.*)$""",
    re.VERBOSE | re.DOTALL,
)
_AFTERNOON = re.compile(r"^[Pp]|下午|傍晚|晚上|午後|오후|م")
_MORNING = re.compile(r"^[Aa]|上午|凌晨|清晨|早上|半夜|深夜|午夜|午前|오전|ص")
_NOONTIME = "中午"
_OWN = "\x01"
"""Stands for the mark with which an iPhone begins what it writes itself under a sender's name."""

_NAME = r"(?P<who>.{1,200}?)"
_BY = r"(?P<by>.{1,200}?)"
_COMES: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^{_NAME} joined (?:using|from|via) .*$",
        rf"^{_NAME} joined(?: the group| this group)?\.?$",
        rf"^{_BY} added {_NAME}\.?$",
        rf"^{_NAME} (?:was|were) added\.?$",
        rf"^{_NAME}\s?(?:通过|使用|透過|經由).*加入.*$",
        rf"^{_BY}\s?(?:已?将|已?將|把)\s?{_NAME}\s?(?:添加|新增|加入).{{0,8}}$",
        rf"^{_BY}\s?(?:添加了?|新增了?|邀请了?|邀請了?)\s?{_NAME}\s?(?:加入.{{0,6}})?。?$",
        rf"^{_NAME}\s?加入了?.{{0,6}}(?:群组|群組|群)?。?$",
        rf"^{_NAME} (?:se unió|entrou|ist .*beigetreten|a rejoint).*$",
        rf"^{_BY} (?:añadió a|adicionou|a ajouté) {_NAME}\.?$",
        rf"^{_BY} hat {_NAME} hinzugefügt\.?$",
        rf"^{_NAME} è entrat[oa] .*$",
        rf"^{_NAME} bergabung (?:menggunakan|dengan|melalui) .*$",
        rf"^{_NAME} присоединил(?:ся|ась|\(-?(?:ся|ась)\)|ся\(-?ась\)).*$",
        rf"^{_BY} heeft {_NAME} toegevoegd\.?$",
        rf"^{_BY} (?:ha aggiunto|menambahkan|добавила?(?:\(-?а\))?) {_NAME}\.?$",
    )
)
_GOES: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^{_NAME} left(?: the group| this group)?\.?$",
        rf"^{_BY} removed {_NAME}\.?$",
        rf"^{_NAME} (?:was|were) removed\.?$",
        rf"^{_BY}\s?(?:移除了?|删除了?|刪除了?|踢出了?)\s?{_NAME}。?$",
        rf"^{_BY}\s?(?:将|將|把)\s?{_NAME}\s?(?:移除|移出|踢出).{{0,6}}$",
        rf"^{_NAME}\s?(?:已经?|已經)?(?:退出|离开|離開)了?.{{0,6}}。?$",
        rf"^{_NAME} (?:salió|saiu|hat die Gruppe verlassen|est parti|a quitté).*$",
        rf"^{_BY} (?:eliminó a|removeu|a retiré) {_NAME}\.?$",
        rf"^{_BY} hat {_NAME} entfernt\.?$",
        rf"^{_NAME} (?:ha abbandonato|heeft de groep verlaten|keluar|выш(?:ла|ел(?:\(-?л?а\))?)|покинула?(?:\(-?а\))?)(?: .*)?\.?$",
        rf"^{_BY} heeft {_NAME} verwijderd\.?$",
        rf"^{_BY} (?:ha rimosso|mengeluarkan|удалила?(?:\(-?а\))?) {_NAME}\.?$",
    )
)
_ABOUT_GROUP = re.compile(
    r"""[^:]{1,200}?(?:
    \s(?:created|changed)\s(?:this\s|the\s)?(?:group|subject|description|settings)
    |\s?(?:创建了|建立了|更改了|变更了|已更改|將|将).{0,6}(?:群|主题|主旨|名称|名稱|说明|描述)
    |\shat\s(?:die|den|diese)\s(?:Gruppe|Betreff|Gruppenbild).*(?:erstellt|geändert)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
"""What phones tell of the group may hold a colon in a name or subject, and is no message for that."""
_OF_PHONE = re.compile(
    r"end-to-end encrypted|端到端加密|端對端加密|Ende-zu-Ende|cifrados? de extremo|chiffrés? de bout",
    re.IGNORECASE,
)
_RECALLED = re.compile(
    r"""(?:
    (?:This\smessage\swas|You)\sdeleted(?:\sthis\smessage|\sby\sadmin\s.{1,200})?
    |Diese\sNachricht\swurde\sgelöscht|Du\shast\sdiese\sNachricht\sgelöscht
    |Se\seliminó\seste\smensaje|Eliminaste\seste\smensaje
    |(?:Esta\smensagem\sfoi|Mensagem)\sapagada|Você\sapagou\sesta\smensagem
    |Ce\smessage\sa\sété\ssupprimé|Vous\savez\ssupprimé\sce\smessage
    |Questo\smessaggio\sè\sstato\seliminato|Hai\seliminato\squesto\smessaggio
    |Dit\sbericht\sis\sverwijderd|U\shebt\sdit\sbericht\sverwijderd
    |Данное\sсообщение\sудалено|Вы\sудалили\sданное\sсообщение
    |Pesan\sini\stelah\sdihapus|Anda\stelah\smenghapus\spesan\sini
    |(?:此|这条|這則)(?:消息|訊息)已(?:被)?(?:删除|刪除)|(?:你|您)?已?(?:删除|刪除)了?(?:此|这条|這則)(?:消息|訊息)|已刪除此訊息
    )[.。]?""",
    re.VERBOSE | re.IGNORECASE,
)
"""What stands in the place of a message that was taken back."""
_NOTICE = {"service": "notice"}
_SPLIT = re.compile(r"\s*(?:,|、|，| and | und | et | y | e | 和 |和)\s*")


@dataclass(slots=True)
class _Record:
    line: int
    stamp: re.Match[str]
    more: list[str]
    size: int


class WhatsAppImporter:
    """Reads `WhatsApp Chat with ….txt` and `_chat.txt`.

    The export has no ids: members go by their display names, and an event's id comes from its time, sender and text,
    and how often the same came in a row. Times have no zone (`options.zone`) and often no seconds.
    """

    def read(self, source: Path, *, options: ImportOptions, resume: Position | None) -> Iterator[Chunk]:
        """Give the messages as interactions; see `Importer.read`."""
        encoding = detect_encoding(source, options.encoding)
        context = resume.context if resume else {}
        order = context.get("order") or _date_order(source, encoding, options)
        stamps = _Stamps(context.get("brackets"))
        reader = _Reader(options, str(order), context)
        read = "utf-8" if encoding.startswith("utf-16") else encoding
        start = resume or Position()
        record: _Record | None = None
        end, number = start.offset, start.line
        for line in lines(source, encoding=encoding, offset=end, number=number, max_line=options.max_line):
            text = _line_text(line, read)
            if isinstance(text, SkipReason):
                reader.read += 1
                reader.skips.add(line.number, text)
            elif (stamp := stamps.match(text)) is not None:
                if record is not None:
                    reader.take(record)
                    if reader.read >= options.batch_rows or reader.size > MOST_TEXT:
                        # the line that begins the next record is read again when resumed
                        yield reader.flush(
                            Position(offset=end, line=number),
                            context={"order": order, "brackets": stamps.brackets},
                        )
                record = _Record(line.number, stamp, [], len(text))
            elif record is None:
                if text.strip():
                    reader.read += 1
                    reader.skips.add(line.number, SkipReason.MALFORMED, text)
            elif record.size <= options.max_line:
                record.more.append(text)
                record.size += len(text)
            end, number = line.end, line.number
        if record is not None:
            reader.take(record)
        yield reader.flush(
            Position(offset=end, line=number), context={"order": order, "brackets": stamps.brackets}
        )


@dataclass(slots=True)
class _Stamps:
    """Finds the lines that begin a record: all as the first one does, or it is a quotation that somebody pasted."""

    brackets: bool | None = None

    def match(self, text: str) -> re.Match[str] | None:
        stamp = _STAMP.match(text)
        if stamp is None:
            return None
        brackets = stamp["open"] is not None
        if self.brackets is None:
            self.brackets = brackets
        return stamp if brackets is self.brackets else None


def _line_text(line: Line, encoding: str) -> str | SkipReason:
    if line.data is None:
        return SkipReason.TOO_LARGE
    try:
        text = line.data.decode(encoding)
    except UnicodeDecodeError:
        return SkipReason.BAD_ENCODING
    if "\x00" in text:
        return SkipReason.MALFORMED
    text = text.replace(_OWN, "").replace(": \u200e", f": {_OWN}")
    return _BLANKS.sub(" ", _MARKS.sub("", text)).rstrip("\r")


def _date_order(source: Path, encoding: str, options: ImportOptions) -> DateOrder:
    """Find which of day and month comes first, from all dates of the file."""
    if options.date_order is not DateOrder.AUTO:
        return options.date_order
    read = "utf-8" if encoding.startswith("utf-16") else encoding
    backwards = {DateOrder.DAY_FIRST: 0, DateOrder.MONTH_FIRST: 0}
    before: dict[DateOrder, tuple[int, int, int]] = {}
    found = False
    stamps = _Stamps()
    for line in lines(source, encoding=encoding, max_line=options.max_line):
        text = _line_text(line, read)
        stamp = None if isinstance(text, SkipReason) else stamps.match(text)
        if stamp is None:
            continue
        found = True
        a, b, c = (int(stamp[name]) for name in "abc")
        if len(stamp["a"]) == 4:
            return DateOrder.YEAR_FIRST
        if a > 12 or b > 12:
            return DateOrder.DAY_FIRST if a > 12 else DateOrder.MONTH_FIRST
        for order, day in ((DateOrder.DAY_FIRST, (c, b, a)), (DateOrder.MONTH_FIRST, (c, a, b))):
            backwards[order] += day < before.get(order, day)
            before[order] = day
    if not found:
        raise InvalidInput(
            f"{source.name} is no WhatsApp export: no line begins with a date", source=source.name
        )
    return min(backwards, key=lambda order: backwards[order])


class _Reader:
    def __init__(self, options: ImportOptions, order: str, context: object) -> None:
        self._options = options
        self._order = order
        self._times = Times(options)
        held = context.get("same", {}) if isinstance(context, dict) else {}  # pyright: ignore[reportUnknownMemberType]
        self._same: dict[str, int] = dict(held)  # pyright: ignore[reportUnknownArgumentType]
        self._moment = int(context.get("moment", -1)) if isinstance(context, dict) else -1  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        self._clear()

    def _clear(self) -> None:
        self.batch = InteractionBatch(platform=self._options.platform or "whatsapp", source="whatsapp export")
        self.skips = Skips()
        self.read = 0
        self.size = 0

    def flush(self, position: Position, *, context: dict[str, object]) -> Chunk:
        held = {**context, "same": dict(self._same), "moment": self._moment}
        chunk = Chunk(self.batch, position.model_copy(update={"context": held}), self.read, self.skips)
        self._clear()
        return chunk

    def take(self, record: _Record) -> None:
        self.read += 1
        self.size += record.size
        at = self._instant(record.stamp)
        if isinstance(at, SkipReason):
            self.skips.add(record.line, at, record.stamp[0])
            return
        rest = record.stamp["rest"]
        sender, colon, text = rest.partition(": ")
        if not colon and rest.endswith(":"):
            sender, colon, text = rest[:-1], ":", ""
        own = text.startswith(_OWN)
        more = [line.replace(_OWN, "") for line in record.more]
        text, rest = text.replace(_OWN, ""), rest.replace(_OWN, "")
        whole = clean("\n".join([text if colon else rest, *more])).strip()
        if own and self._notice(at, whole):
            return
        if colon and len(sender) <= 200 and _ABOUT_GROUP.match(rest) is None:
            name = clean(sender.strip())
            name = name.removeprefix("~ ").removeprefix("~")
            if _RECALLED.fullmatch(whole) is not None:
                self._add(at, _K.OTHER, name, whole, attrs={"service": "recalled"})
            else:
                self._add(at, _K.MESSAGE, name, whole, attrs={})
            return
        whole = clean("\n".join([rest, *more])).strip()
        if not self._notice(at, whole):
            self._add(at, _K.OTHER, "", whole, attrs=_NOTICE)

    def _instant(self, stamp: re.Match[str]) -> int | SkipReason:
        a, b, c = (int(stamp[name]) for name in "abc")
        if self._order == DateOrder.YEAR_FIRST:
            year, month, day = a, b, c
        elif self._order == DateOrder.MONTH_FIRST:
            month, day, year = a, b, c
        else:
            day, month, year = a, b, c
        hour = int(stamp["hour"])
        noon = stamp["after"] or stamp["before"] or ""
        if (_AFTERNOON.search(noon) and hour < 12) or (noon == _NOONTIME and hour < 11):
            hour += 12
        elif _MORNING.search(noon) and hour == 12:
            hour = 0
        if year > 2400:  # the Buddhist calendar of Thai phones
            year -= 543
        try:
            written = datetime(  # noqa: DTZ001 - the options' zone is applied by Times
                year + 2000 if year < 100 else year,
                month,
                day,
                hour,
                int(stamp["minute"]),
                int(stamp["second"] or 0),
            )
        except ValueError:
            return SkipReason.BAD_TIME
        return self._times.of(written)

    def _notice(self, at: int, text: str) -> bool:
        """Take what the phone tells of joins, leaves and the group; False when it is nothing known."""
        for kind, patterns in ((_K.JOIN, _COMES), (_K.LEAVE, _GOES)):
            for pattern in patterns:
                match = pattern.match(text)
                if match is None:
                    continue
                by = match.groupdict().get("by") or ""
                people = _SPLIT.split(match["who"]) if by else [match["who"]]
                for person in people:
                    name = person.strip().removeprefix("~ ")
                    # the exporter: in a sentence a small letter
                    attrs = {"by": f"name:{by.strip()}"} if by else {}
                    self._add(at, kind, "You" if name == "you" else name, "", attrs=attrs)
                return True
        known = _OF_PHONE.search(text) or _ABOUT_GROUP.match(text)
        if known:
            self._add(at, _K.OTHER, "", text, attrs=_NOTICE)
        return known is not None

    def _add(
        self, at: int, kind: InteractionKind, member: str, text: str, *, attrs: Mapping[str, str]
    ) -> None:
        channel = self._options.channel or ""
        if at != self._moment:
            self._moment, self._same = at, {}
        digest = hashlib.blake2b(f"{kind}\x1f{member}\x1f{text}".encode(), digest_size=10).hexdigest()
        again = self._same[digest] = self._same.get(digest, 0) + 1
        self.batch.append(
            id=f"{kind}:{channel}:{at // 1_000_000}:{digest}:{again}",
            kind=kind.value,
            occurred_at=at,
            channel=channel,
            member=f"name:{member}" if member else "",
            member_name=member,
            text=text,
            attrs=json.dumps(attrs, ensure_ascii=False, separators=(",", ":")) if attrs else "",
        )


def looks_like_whatsapp(head: bytes) -> bool:
    """Whether the first bytes hold a line that begins as the export's lines do."""
    found = [
        _BLANKS.sub(" ", _MARKS.sub("", line)) for line in head.decode("utf-8", "replace").splitlines()[:20]
    ]
    return any(_STAMP.match(line) for line in found)
