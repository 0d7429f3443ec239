"""What a single message says: advertisements, fraud, bad mood, conflict. Scores and the words behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from shequn_sdk.moderation.detectors.contact import Link, find_at, find_handles, find_links, may_link
from shequn_sdk.moderation.detectors.hunch import Hunch, Opinion, builtin_hunch
from shequn_sdk.moderation.detectors.lexicon import KEYWORD, Entry, Hit, Words, builtin_entries
from shequn_sdk.moderation.detectors.normal import Folded
from shequn_sdk.moderation.detectors.ploys import PLOY, entries, find_ploys
from shequn_sdk.moderation.model import (
    ADVERT,
    CONFLICT,
    FLOOD,
    NEGATIVE,
    SCAM,
    Evidence,
    Verdict,
    evidence,
    noisy_or,
)

__all__ = ["CLEAN", "LEAST", "Content", "Reading", "flooded"]

LEAST = 0.3
"""Verdicts with a lower score are not given."""

_CONTEXT = frozenset({"warn", "ask", "aimed", "strong", "cover"})
_HUNCH_MOST = 0.7
"""What the model alone may give: enough for a person to look, not to punish."""
_ALONE = 0.95
"""What the model's probability counts where no word speaks for it: a false alarm costs more than a miss."""
_MOODS = frozenset({"negative", "negative_weak"})
_NEVER_COVERED = frozenset({KEYWORD, PLOY})
_IDLE = frozenset({PLOY, "scam_weak", "negative_weak"})
_SURELY_FRAUD = 0.6
_DOUBT = 0.1
_OPEN = frozenset({"app", "call", "sell", "scam", "scam_sure", "scam_weak", "pledge"})
_TRADE = re.compile(
    r"买[一二两三四五1-9][送赠][一二两三四五1-9]|\bcode\s+[A-Z0-9]{4,}\b|[斤盒瓶箱盘份件]\s?\d{2,4}|\d+[斤盒瓶箱盘]\d{2,4}"
)
_PRICE = re.compile(
    r"\d\s?(?:元|块钱|折|r\b|包邮)|[$¥￥€£]\s?\d|\d\s?(?:usd|rmb|dollars|off)\b", re.IGNORECASE
)
_NOT = re.compile(
    r"(?:不要|(?<!是)不是|不会|不能|不算|不太|不怎么|没有|没那么|并不|从不|毫不|不|没|别|勿|莫|never|not|dont|doesnt|didnt|isnt|wasnt|arent|wont|no|without|cant)$"
)
_SELF = re.compile(
    r"(?:我真是|我是|我就是|我这个|我真|我太|我好|自己|我|iam|im|ifeel|iwas|imso|ifelt|imsuch|imsucha|imsoso|suchan|suchas)(?:太|好|真|像|个|是|so|an|a|such|just|too|alittle)*$"
)
_REPEAT = re.compile(r"(.)\1{14,}", re.DOTALL)
_QUOTES = re.compile(r"[“\"「『‘《](.{4,}?)[”\"」』’》]", re.DOTALL)


class Reading(NamedTuple):
    """What was found in one message."""

    verdicts: tuple[Verdict, ...]
    keywords: Sequence[Hit] = ()
    """Words of rules."""
    links: Sequence[Link] = ()


CLEAN = Reading(())
"""That of a message in which nothing was found."""


def flooded(text: str, folded: Folded) -> Verdict | None:
    """Judge a message that is itself a flood: an emoji wall, one character again and again, endless text.

    A message of up to 60 characters is never one; from 4,000 characters on every message is suspicious (0.5), and one of
    which less than a fifth is letters or digits is (0.8).
    """
    size = len(text)
    if size <= 60:
        return None
    if (len(folded.plain) < size / 5 and size > 80) or (match := _REPEAT.search(text)) is None:
        if len(folded.plain) < size / 5 and size > 80:
            return Verdict(
                kind=FLOOD,
                score=0.8,
                evidence=(evidence(text, 0, size, "hardly a letter among emoji or signs"),),
            )
        if size > 4000:
            return Verdict(kind=FLOOD, score=0.5, evidence=(evidence(text, 0, size, f"{size:,} characters"),))
        return None
    share = (match.end() - match.start()) / size
    score = min(0.9, 0.4 + share)
    return Verdict(
        kind=FLOOD, score=score, evidence=(evidence(text, *match.span(), "one character again and again"),)
    )


class Content:
    """Reads messages with one lexicon; `keywords` of rules are looked for in the same pass."""

    def __init__(
        self, keywords: Sequence[Entry] = (), *, pinyin: bool = False, hunch: Hunch | None = None
    ) -> None:
        """Build the automata, which takes some milliseconds.

        Args:
            keywords: entries of group `keyword`.
            pinyin: also find calls whose characters merely sound alike; needs the extra `chinese`.
            hunch: a model of your own; that of the package by default.
        """
        self._hunch = hunch or builtin_hunch()
        known = builtin_entries()
        self._words = Words([*(one for one in known if one.group not in _CONTEXT), *entries(), *keywords])
        self._context = Words([one for one in known if one.group in _CONTEXT])
        self._sounds = None
        if pinyin:
            from shequn_sdk.moderation.detectors.sound import Sounds  # noqa: PLC0415 - the extra `chinese`

            self._sounds = Sounds()

    def read(self, text: str) -> Reading:
        """Give the verdicts on a text and the words of rules in it."""
        return self.read_folded(Folded(text))

    def read_folded(self, folded: Folded) -> Reading:
        """Do what `read` does, for whoever has folded the text already."""
        text = folded.text
        flood = flooded(text, folded) if len(text) > 60 else None
        hits = self._words.find(folded)
        links = find_links(folded) if may_link(folded) else ()
        opinion = self._hunch.ask(folded)
        if (
            not hits
            and not links
            and opinion.junk < LEAST
            and opinion.conflict < LEAST
            and opinion.negative < LEAST
            and not (self._sounds and any(map(str.isdigit, folded.plain)))
        ):
            return CLEAN if flood is None else Reading((flood,))
        if len(hits) == 1 and not links and not self._sounds and self._is_idle(folded, hits[0], opinion):
            return CLEAN if flood is None else Reading((flood,))
        return self._weigh(folded, hits, links, opinion, flood)

    def _is_idle(self, folded: Folded, hit: Hit, opinion: Opinion) -> bool:
        """Whether one weak word is all there is; `_weigh` would find nothing either, and take ten times as long."""
        group = hit.entry.group
        if group not in _IDLE or max(opinion) >= LEAST or _TRADE.search(folded.shown):
            return False
        if group == PLOY:
            return not find_ploys(folded, {int(hit.entry.why)})
        if group == "scam_weak":
            return True
        context = self._context.find(folded)
        return opinion.negative < _DOUBT / 2 and not any(one.entry.group == "strong" for one in context)

    def _weigh(
        self,
        folded: Folded,
        hits: Sequence[Hit],
        links: Sequence[Link],
        opinion: Opinion,
        flood: Verdict | None,
    ) -> Reading:
        """Join what was found to verdicts; the few messages in which something was found come here."""
        sound = self._sounds.find(folded) if self._sounds else ()
        context = self._context.find(folded)
        covers = [hit for hit in context if hit.entry.group == "cover"]
        kept = hits
        if covers:
            kept = [hit for hit in hits if hit.entry.group in _NEVER_COVERED or not _covered(hit, covers)]
        judge = _Judge(folded, kept, context, links, sound)
        judge.denies = any(hit.entry.group in _MOODS and _covered(hit, covers) for hit in hits)
        warned = "warn" in judge.said
        advert, scam = self._junk(judge, folded, opinion, warned=warned)
        verdicts = (
            advert,
            scam,
            self._mood(judge, folded, opinion.negative),
            self._conflict(judge, folded, opinion.conflict, warned=warned),
            flood,
        )
        return Reading(
            tuple(one for one in verdicts if one is not None),
            tuple(hit for hit in kept if hit.entry.group == KEYWORD),
            links,
        )

    def _junk(
        self, judge: _Judge, folded: Folded, opinion: Opinion, *, warned: bool
    ) -> tuple[Verdict | None, Verdict | None]:
        """Give the verdicts on advert and fraud, the model's opinion taken into account."""
        junk = opinion.junk
        advert, scam = judge.advert(), judge.scam()
        if junk >= LEAST and not warned:
            if scam is None and advert is None:
                kind = SCAM if self._hunch.fraud(folded) >= _SURELY_FRAUD else ADVERT
                found = _verdict(kind, min(junk * _ALONE, _HUNCH_MOST), self._why(folded, kind))
                return (found, None) if kind == ADVERT else (None, found)
            advert, scam = _raised(advert, junk), _raised(scam, junk)
        elif junk < _DOUBT and not judge.firm:
            advert, scam = _lowered(advert), _lowered(scam)
        if advert and scam:
            # what is sold is a fraud, and called that
            fraud = scam.score >= advert.score - 0.1 or self._hunch.fraud(folded) >= _SURELY_FRAUD
            if fraud and not judge.sells:
                joined = max(scam.score, min(advert.score, _HUNCH_MOST))
                return None, scam.model_copy(update={"score": joined})
        elif advert and not judge.sells and self._hunch.fraud(folded) >= _SURELY_FRAUD:
            return None, advert.model_copy(update={"kind": SCAM, "score": min(advert.score, _HUNCH_MOST)})
        return advert, scam

    def _conflict(self, judge: _Judge, folded: Folded, opinion: float, *, warned: bool) -> Verdict | None:
        found = judge.conflict()
        if opinion >= LEAST:
            if found is not None:
                return _raised(found, opinion)
            if not warned:
                return _verdict(CONFLICT, min(opinion * _ALONE, _HUNCH_MOST), self._why(folded, CONFLICT))
        return _lowered(found) if opinion < _DOUBT / 2 else found

    def _mood(self, judge: _Judge, folded: Folded, opinion: float) -> Verdict | None:
        found = judge.mood()
        if opinion >= LEAST:
            if found is not None:
                return _raised(found, opinion)
            if not judge.denies:
                return _verdict(NEGATIVE, min(opinion * _ALONE, _HUNCH_MOST), self._why(folded, NEGATIVE))
        return _lowered(found) if opinion < _DOUBT / 2 else found

    def _why(self, folded: Folded, kind: str) -> list[Evidence]:
        return [
            evidence(folded.text, *folded.span(start, end), "words that go with such messages")
            for start, end in self._hunch.reasons(folded, kind)
        ]


def _raised(verdict: Verdict | None, by: float) -> Verdict | None:
    if verdict is None:
        return None
    score = noisy_or((verdict.score, 0.5 * by))
    return verdict.model_copy(update={"score": round(score, 3)})


def _lowered(verdict: Verdict | None) -> Verdict | None:
    """Lower what rests on single words in a message that reads like none of its kind."""
    if verdict is None or verdict.score >= 0.75:
        return verdict
    score = round(verdict.score * 0.75, 3)
    return verdict.model_copy(update={"score": score}) if score >= LEAST else None


def _covered(hit: Hit, covers: Sequence[Hit]) -> bool:
    return any(one.start <= hit.start and hit.end <= one.end for one in covers)


class _Mark(NamedTuple):
    """A part of the shown or the folded text, and what it was taken for."""

    start: int
    end: int
    why: str
    folded: bool = False


class _Judge:
    """Weighs what was found in one message."""

    def __init__(
        self,
        folded: Folded,
        hits: Sequence[Hit],
        context: Sequence[Hit],
        links: Sequence[Link],
        sound: Sequence[tuple[int, int]],
    ) -> None:
        self._folded = folded
        self._hits: dict[str, list[Hit]] = {}
        for hit in hits:
            self._hits.setdefault(hit.entry.group, []).append(hit)
        self.said = {hit.entry.group for hit in context}
        self._context = context
        self.denies = False
        """Whether bad mood is named and denied: "not disappointed"."""
        self._links = links
        self._sound = sound
        told = {int(hit.entry.why) for hit in self._hits.pop(PLOY, ())}
        self._ploys = find_ploys(folded, told) if told else ()
        opened = bool(_OPEN & self._hits.keys()) or bool(sound) or bool(self._ploys)
        ends = [hit.end for group in ("app", "call") for hit in self._hits.get(group, ())]
        ends += [end for _, end in sound]
        self._handles = find_handles(folded, ends) if opened or links else []
        self._at = find_at(folded) if opened else []

    @property
    def firm(self) -> bool:
        """Whether there is more than words: a way to get in touch, an address, letters disguised."""
        return bool(self._handles or self._links or self._at or self._sound)

    @property
    def sells(self) -> bool:
        """Whether something is sold and a way to get in touch is given."""
        return "app" in self._hits and ("sell" in self._hits or bool(self._handles))

    # -- what is weighed

    def _distinct(self, *groups: str) -> list[Hit]:
        """Give the longest hits of these groups that do not lie within one another."""
        found = [hit for group in groups for hit in self._hits.get(group, ())]
        if len(found) < 2:
            return found
        chosen: list[Hit] = []
        for hit in sorted(found, key=lambda one: (one.start - one.end, one.start)):
            if not any(one.start < hit.end and hit.start < one.end for one in chosen):
                chosen.append(hit)
        return sorted(chosen, key=lambda one: one.start)

    @staticmethod
    def _of(hit: Hit) -> _Mark:
        return _Mark(hit.start, hit.end, hit.entry.why, folded=True)

    def _verdict(self, kind: str, score: float, marks: Sequence[_Mark]) -> Verdict | None:
        """Make a verdict; offsets are worked out only now, most messages do not come so far."""
        if score < LEAST:
            return None
        folded = self._folded
        shown = [
            evidence(
                folded.text,
                *(folded.span(one.start, one.end) if one.folded else folded.original(one.start, one.end)),
                one.why,
            )
            for one in marks
        ]
        return _verdict(kind, score, shown)

    def _hidden(self) -> list[Hit]:
        """Give hits whose letters are drawn apart or disguised, which honest writers do not do."""
        folded = self._folded
        hidden: list[Hit] = []
        for group in ("app", "call", "sell", "scam"):
            for hit in self._hits.get(group, ()):
                first, last = folded.shown_span(hit.start, hit.end)
                part = folded.shown[first:last]
                if part.casefold() == folded.plain[hit.start : hit.end]:
                    continue
                odd = sum(not one.isalnum() and not one.isspace() for one in part)
                mixed = any("\u0370" <= one <= "\u052f" or one in "\u200b\u200c\u200d\u2060" for one in part)
                apart = (last - first) >= 2 * (hit.end - hit.start) - 1 and " " not in hit.entry.word
                if mixed or apart or (odd and " " not in hit.entry.word and _is_cjk(part)):
                    hidden.append(hit)
        return hidden

    def _damped(self, score: float, *, firm: bool) -> float:
        """Lower a score where somebody warns, quotes or asks."""
        text = self._folded.shown
        if "warn" in self.said:
            score *= 0.75 if firm else 0.35
        if "ask" in self.said and text.rstrip().endswith(("?", "？", "吗", "呢", "吗。")) and not firm:
            score *= 0.6
        return score

    # -- verdicts

    def advert(self) -> Verdict | None:
        weights: list[float] = []
        shown: list[_Mark] = []
        handles = self._handles
        for hit in self._distinct("call")[:3]:
            weights.append(0.3 if not weights else 0.15)
            shown.append(self._of(hit))
        for number, hit in enumerate(self._distinct("sell")[:4]):
            weights.append(0.4 if not number else 0.25)
            shown.append(self._of(hit))
        for hit in self._distinct("pledge")[:2]:
            weights.append(0.2)
            shown.append(self._of(hit))
        opened = bool(weights)
        if trade := _TRADE.search(self._folded.shown):
            weights.append(0.3)
            shown.append(_Mark(*trade.span(), "terms of a sale"))
        if opened and (price := _PRICE.search(self._folded.shown)):
            weights.append(0.25)
            shown.append(_Mark(*price.span(), "names a price"))
        scams = self._distinct("scam", "scam_sure", "scam_weak")
        weights += [0.15] * min(len(scams), 2)
        opened = opened or bool(scams)
        if apps := self._distinct("app"):
            weights.append(0.2 if opened or handles else 0.1)
            shown.append(self._of(apps[0]))
        for start, end in self._sound[:1]:
            weights.append(0.45)
            shown.append(_Mark(start, end, "sounds like a call to get in touch", folded=True))
        hidden = self._hidden()
        if hidden:
            weights.append(0.4)
            shown.append(
                _Mark(hidden[0].start, hidden[0].end, "letters drawn apart or disguised", folded=True)
            )
        if handles and (opened or apps or self._sound):
            weights.append(0.45)
            start, end, why = handles[0]
            shown.append(_Mark(start, end, why, folded=True))
        elif self._at and opened:
            weights.append(0.3)
            shown.append(_Mark(*self._at[0], "an account elsewhere"))
        for link in self._links[:2]:
            weights.append(link.weight if opened or link.weight > 0.25 else 0.1)
            shown.append(_Mark(link.start, link.end, link.why))
        if not shown:
            return None
        firm = bool(handles and (hidden or opened)) or bool(hidden)
        score = self._damped(noisy_or(weights), firm=firm)
        return self._verdict(ADVERT, score, shown)

    def scam(self) -> Verdict | None:
        scams = self._distinct("scam", "scam_sure", "scam_weak")
        if not scams and not self._ploys:
            return None
        scams.sort(key=lambda one: -one.entry.weight)
        weights = [one.entry.weight * (1.0 if not number else 0.8) for number, one in enumerate(scams[:4])]
        shown = [self._of(hit) for hit in scams[:4]]
        for start, end, weight, why in self._ploys[:2]:
            weights.append(weight)
            shown.append(_Mark(start, end, why, folded=True))
        for group, weight in (("pledge", 0.2), ("call", 0.2), ("sell", 0.15)):
            if found := self._distinct(group):
                weights.append(weight)
                shown.append(self._of(found[0]))
        if self._links:
            weights.append(0.3)
            link = self._links[0]
            shown.append(_Mark(link.start, link.end, link.why))
        if self._handles or self._at:
            weights.append(0.2)
        return self._verdict(SCAM, self._damped(noisy_or(weights), firm=False), shown)

    def mood(self) -> Verdict | None:
        weights: list[float] = []
        shown: list[_Mark] = []
        for hit in self._distinct("negative", "negative_weak")[:6]:
            if self._denied(hit):
                self.denies = True
                continue
            weight = hit.entry.weight
            if self._near("strong", hit):
                weight += 0.2
            weights.append(weight)
            shown.append(self._of(hit))
        if not weights:
            return None
        return self._verdict(NEGATIVE, noisy_or(weights), shown)

    def conflict(self) -> Verdict | None:
        weights: list[float] = []
        shown: list[_Mark] = []
        for hit in self._distinct("conflict", "conflict_weak")[:6]:
            if self._denied(hit) or _SELF.search(self._folded.plain[max(0, hit.start - 12) : hit.start]):
                continue
            weights.append(hit.entry.weight)
            shown.append(self._of(hit))
        if not weights:
            return None
        if "aimed" in self.said or "@" in self._folded.shown:
            weights.append(0.35)
        score = noisy_or(weights)
        if "warn" in self.said:
            score *= 0.6
        return self._verdict(CONFLICT, score, shown)

    def _denied(self, hit: Hit) -> bool:
        before = self._folded.plain[max(0, hit.start - 8) : hit.start]
        if _NOT.search(before):
            return True
        # a strengthening word may stand between: "not very disappointed", "没有特别失望"
        for one in self._context:
            if one.entry.group == "strong" and one.end == hit.start:
                return bool(_NOT.search(self._folded.plain[max(0, one.start - 8) : one.start]))
        return False

    def _near(self, group: str, hit: Hit) -> bool:
        return any(
            one.entry.group == group and hit.start - 6 <= one.start < hit.start and one.end <= hit.start
            for one in self._context
        )


def _verdict(kind: str, score: float, shown: Sequence[Evidence]) -> Verdict | None:
    if score < LEAST:
        return None
    return Verdict(kind=kind, score=round(min(score, 1.0), 3), evidence=tuple(shown))


def _is_cjk(part: str) -> bool:
    return any("\u4e00" <= one <= "\u9fff" for one in part)
