"""What was found in one message, weighed: how much it speaks for an advert, fraud, bad mood or conflict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shequn_sdk.moderation.detectors.contact import Link, find_at, find_handles
from shequn_sdk.moderation.detectors.gripes import GRIPE, find_gripes
from shequn_sdk.moderation.detectors.lexicon import Hit
from shequn_sdk.moderation.detectors.normal import Folded
from shequn_sdk.moderation.detectors.ploys import PLOY, find_ploys
from shequn_sdk.moderation.model import ADVERT, CONFLICT, NEGATIVE, SCAM, Verdict, evidence, noisy_or

__all__ = ["LEAST", "TRADE", "Draft", "Judge", "Mark", "draft"]

LEAST = 0.3
"""Verdicts with a lower score are not given."""
TRADE = re.compile(
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
_OPEN = frozenset({"app", "call", "sell", "scam", "scam_sure", "scam_weak", "pledge"})
_SCAM = ("scam", "scam_sure", "scam_weak")
_MOOD = ("negative", "negative_weak")
_CONFLICT = ("conflict", "conflict_weak")
_DISGUISED = ("app", "call", "sell", "scam")


class Mark(NamedTuple):
    """A part of the shown or the folded text, and what it was taken for."""

    start: int
    end: int
    why: str
    folded: bool = False


@dataclass(slots=True)
class Draft:
    """A verdict in the making: most are raised, lowered or dropped, and evidence is worked out for what is left."""

    kind: str
    score: float
    marks: Sequence[Mark]

    def raised(self, by: float) -> Draft:
        """Raise it by another opinion."""
        self.score = round(noisy_or((self.score, 0.5 * by)), 3)
        return self

    def lowered(self) -> Draft | None:
        """Lower what rests on single words in a message that reads like none of its kind."""
        if self.score < 0.75:
            self.score = round(self.score * 0.75, 3)
        return self if self.score >= LEAST else None

    def verdict(self, folded: Folded) -> Verdict:
        """Give the verdict, with what speaks for it in the original."""
        shown = tuple(
            evidence(
                folded.text,
                *(folded.span(one.start, one.end) if one.folded else folded.original(one.start, one.end)),
                one.why,
            )
            for one in self.marks
        )
        return Verdict(kind=self.kind, score=self.score, evidence=shown)


def draft(kind: str, score: float, marks: Sequence[Mark]) -> Draft | None:
    """Give a draft, None of too low a score."""
    return Draft(kind, round(min(score, 1.0), 3), marks) if score >= LEAST else None


class Judge:
    """Weighs what was found in one message."""

    def __init__(
        self,
        folded: Folded,
        hits: Sequence[Hit],
        context: Sequence[Hit],
        links: Sequence[Link],
        sound: Sequence[tuple[int, int]],
    ) -> None:
        """Sort what was found; contact codes are looked for only beside words that make them one."""
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
        told = {int(hit.entry.why) for hit in self._hits.pop(GRIPE, ())}
        self._gripes = find_gripes(folded, told) if told else ()
        opened = bool(sound) or bool(self._ploys) or not _OPEN.isdisjoint(self._hits)
        self._handles = self._at = ()
        if opened or links:
            ends = [hit.end for group in ("app", "call") for hit in self._hits.get(group, ())]
            self._handles = find_handles(folded, ends + [end for _, end in sound])
        if opened:
            self._at = find_at(folded)

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
        hits = self._hits
        found = [hit for group in groups if group in hits for hit in hits[group]]
        if len(found) < 2:
            return found
        chosen: list[Hit] = []
        for hit in sorted(found, key=lambda one: (one.start - one.end, one.start)):
            if not any(one.start < hit.end and hit.start < one.end for one in chosen):
                chosen.append(hit)
        return sorted(chosen, key=lambda one: one.start)

    @staticmethod
    def _of(hit: Hit) -> Mark:
        return Mark(hit.start, hit.end, hit.entry.why, folded=True)

    def _hidden(self) -> Hit | None:
        """Give the first hit whose letters are drawn apart or disguised, which honest writers do not do."""
        folded = self._folded
        for group in _DISGUISED:
            for hit in self._hits.get(group, ()):
                first, last = folded.shown_span(hit.start, hit.end)
                part = folded.shown[first:last]
                if part.casefold() == folded.plain[hit.start : hit.end]:
                    continue
                odd = sum(not one.isalnum() and not one.isspace() for one in part)
                mixed = any("\u0370" <= one <= "\u052f" or one in "\u200b\u200c\u200d\u2060" for one in part)
                apart = (last - first) >= 2 * (hit.end - hit.start) - 1 and " " not in hit.entry.word
                if mixed or apart or (odd and " " not in hit.entry.word and _is_cjk(part)):
                    return hit
        return None

    def _damped(self, score: float, *, firm: bool) -> float:
        """Lower a score where somebody warns, quotes or asks."""
        if "warn" in self.said:
            score *= 0.75 if firm else 0.35
        if "ask" in self.said and not firm:
            text = self._folded.shown
            if text.rstrip().endswith(("?", "？", "吗", "呢", "吗。")):
                score *= 0.6
        return score

    # -- drafts

    def advert(self) -> Draft | None:
        """Weigh what speaks for an advertisement."""
        weights: list[float] = []
        shown: list[Mark] = []
        handles, text = self._handles, self._folded.shown
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
        if trade := TRADE.search(text):
            weights.append(0.3)
            shown.append(Mark(*trade.span(), "terms of a sale"))
        if opened and (price := _PRICE.search(text)):
            weights.append(0.25)
            shown.append(Mark(*price.span(), "names a price"))
        scams = self._distinct(*_SCAM)
        weights += [0.15] * min(len(scams), 2)
        opened = opened or bool(scams)
        if apps := self._distinct("app"):
            weights.append(0.2 if opened or handles else 0.1)
            shown.append(self._of(apps[0]))
        for start, end in self._sound[:1]:
            weights.append(0.45)
            shown.append(Mark(start, end, "sounds like a call to get in touch", folded=True))
        hidden = self._hidden()
        if hidden is not None:
            weights.append(0.4)
            shown.append(Mark(hidden.start, hidden.end, "letters drawn apart or disguised", folded=True))
        if handles and (opened or apps or self._sound):
            weights.append(0.45)
            start, end, why = handles[0]
            shown.append(Mark(start, end, why, folded=True))
        elif self._at and opened:
            weights.append(0.3)
            shown.append(Mark(*self._at[0], "an account elsewhere"))
        for link in self._links[:2]:
            weights.append(link.weight if opened or link.weight > 0.25 else 0.1)
            shown.append(Mark(link.start, link.end, link.why))
        if not shown:
            return None
        firm = bool(handles and opened) or hidden is not None
        return draft(ADVERT, self._damped(noisy_or(weights), firm=firm), shown)

    def scam(self) -> Draft | None:
        """Weigh what speaks for fraud."""
        scams = self._distinct(*_SCAM)
        if not scams and not self._ploys:
            return None
        scams.sort(key=lambda one: -one.entry.weight)
        weights = [one.entry.weight * (1.0 if not number else 0.8) for number, one in enumerate(scams[:4])]
        shown = [self._of(hit) for hit in scams[:4]]
        for start, end, weight, why in self._ploys[:2]:
            weights.append(weight)
            shown.append(Mark(start, end, why, folded=True))
        for group, weight in (("pledge", 0.2), ("call", 0.2), ("sell", 0.15)):
            if found := self._distinct(group):
                weights.append(weight)
                shown.append(self._of(found[0]))
        if self._links:
            weights.append(0.3)
            link = self._links[0]
            shown.append(Mark(link.start, link.end, link.why))
        if self._handles or self._at:
            weights.append(0.2)
        return draft(SCAM, self._damped(noisy_or(weights), firm=False), shown)

    def mood(self) -> Draft | None:
        """Weigh what speaks for bad mood."""
        if self._hits.keys().isdisjoint(_MOOD) and not self._gripes:
            return None
        weights: list[float] = []
        shown: list[Mark] = []
        for hit in self._distinct(*_MOOD)[:6]:
            if self._denied(hit):
                self.denies = True
                continue
            weight = hit.entry.weight
            if self._near("strong", hit):
                weight += 0.2
            weights.append(weight)
            shown.append(self._of(hit))
        for start, end, weight, why in self._gripes[:2]:
            weights.append(weight)
            shown.append(Mark(start, end, why, folded=True))
        return draft(NEGATIVE, noisy_or(weights), shown)

    def conflict(self) -> Draft | None:
        """Weigh what speaks for a quarrel or an insult."""
        if self._hits.keys().isdisjoint(_CONFLICT):
            return None
        weights: list[float] = []
        shown: list[Mark] = []
        for hit in self._distinct(*_CONFLICT)[:6]:
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
        return draft(CONFLICT, score, shown)

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


def _is_cjk(part: str) -> bool:
    return any("\u4e00" <= one <= "\u9fff" for one in part)
