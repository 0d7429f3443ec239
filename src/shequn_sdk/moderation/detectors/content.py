"""What a single message says: advertisements, fraud, bad mood, conflict. Scores and the words behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from shequn_sdk.moderation.detectors import gripes, ploys
from shequn_sdk.moderation.detectors.contact import Link, find_links, may_link
from shequn_sdk.moderation.detectors.gripes import GRIPE, find_gripes
from shequn_sdk.moderation.detectors.hunch import SILENT, Hunch, Opinion, builtin_hunch
from shequn_sdk.moderation.detectors.judging import LEAST, TRADE, Draft, Judge, Mark, draft
from shequn_sdk.moderation.detectors.lexicon import KEYWORD, Entry, Hit, Words, builtin_entries
from shequn_sdk.moderation.detectors.normal import Folded
from shequn_sdk.moderation.detectors.ploys import PLOY, find_ploys
from shequn_sdk.moderation.model import ADVERT, CONFLICT, FLOOD, NEGATIVE, SCAM, Verdict, evidence

__all__ = ["CLEAN", "LEAST", "Content", "Reading", "flooded"]

_CONTEXT = frozenset({"warn", "ask", "aimed", "strong", "cover"})
_HUNCH_MOST = 0.7
"""What the model alone may give: enough for a person to look, not to punish."""
_ALONE = 0.95
"""What the model's probability counts where no word speaks for it: a false alarm costs more than a miss."""
_MOODS = frozenset({"negative", "negative_weak"})
_NEVER_COVERED = frozenset({KEYWORD, PLOY, GRIPE})
_IDLE = frozenset({PLOY, GRIPE, "scam_weak", "negative_weak"})
_SURELY_FRAUD = 0.6
_DOUBT = 0.1
_REPEAT = re.compile(r"(.)\1{14,}", re.DOTALL)


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
        self._words = Words(
            [
                *(one for one in known if one.group not in _CONTEXT),
                *ploys.entries(),
                *gripes.entries(),
                *keywords,
            ]
        )
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
            and (opinion is SILENT or max(opinion) < LEAST)
            and not (self._sounds and any(map(str.isdigit, folded.plain)))
        ):
            return CLEAN if flood is None else Reading((flood,))
        if len(hits) == 1 and not links and not self._sounds and self._is_idle(folded, hits[0], opinion):
            return CLEAN if flood is None else Reading((flood,))
        return self._weigh(folded, hits, links, opinion, flood)

    def _is_idle(self, folded: Folded, hit: Hit, opinion: Opinion) -> bool:
        """Whether one weak word is all there is; `_weigh` would find nothing either, and take ten times as long."""
        group = hit.entry.group
        if group not in _IDLE or max(opinion) >= LEAST or TRADE.search(folded.shown):
            return False
        if group == PLOY:
            return not find_ploys(folded, {int(hit.entry.why)})
        if group == GRIPE:
            return not find_gripes(folded, {int(hit.entry.why)})
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
        judge = Judge(folded, kept, context, links, sound)
        judge.denies = any(hit.entry.group in _MOODS and _covered(hit, covers) for hit in hits)
        warned = "warn" in judge.said
        drafts = (
            *self._junk(judge, folded, opinion, warned=warned),
            self._mood(judge, folded, opinion.negative),
            self._conflict(judge, folded, opinion.conflict, warned=warned),
        )
        verdicts = [one.verdict(folded) for one in drafts if one is not None]
        if flood is not None:
            verdicts.append(flood)
        return Reading(tuple(verdicts), tuple(hit for hit in kept if hit.entry.group == KEYWORD), links)

    def _junk(
        self, judge: Judge, folded: Folded, opinion: Opinion, *, warned: bool
    ) -> tuple[Draft | None, Draft | None]:
        """Weigh advert and fraud, the model's opinion taken into account."""
        junk = opinion.junk
        advert, scam = judge.advert(), judge.scam()
        if junk >= LEAST and not warned:
            if scam is None and advert is None:
                kind = SCAM if self._hunch.fraud(folded) >= _SURELY_FRAUD else ADVERT
                found = draft(kind, min(junk * _ALONE, _HUNCH_MOST), self._why(folded, kind))
                return (found, None) if kind == ADVERT else (None, found)
            advert, scam = advert and advert.raised(junk), scam and scam.raised(junk)
        elif junk < _DOUBT and not judge.firm:
            advert, scam = advert and advert.lowered(), scam and scam.lowered()
        if advert and scam:
            # what is sold is a fraud, and called that
            fraud = scam.score >= advert.score - 0.1 or self._hunch.fraud(folded) >= _SURELY_FRAUD
            if fraud and not judge.sells:
                scam.score = max(scam.score, min(advert.score, _HUNCH_MOST))
                return None, scam
        elif advert and not judge.sells and self._hunch.fraud(folded) >= _SURELY_FRAUD:
            return None, Draft(SCAM, min(advert.score, _HUNCH_MOST), advert.marks)
        return advert, scam

    def _conflict(self, judge: Judge, folded: Folded, opinion: float, *, warned: bool) -> Draft | None:
        found = judge.conflict()
        if opinion >= LEAST:
            if found is not None:
                return found.raised(opinion)
            if not warned:
                return draft(CONFLICT, min(opinion * _ALONE, _HUNCH_MOST), self._why(folded, CONFLICT))
        return found.lowered() if found and opinion < _DOUBT / 2 else found

    def _mood(self, judge: Judge, folded: Folded, opinion: float) -> Draft | None:
        found = judge.mood()
        if opinion >= LEAST:
            if found is not None:
                return found.raised(opinion)
            if not judge.denies:
                return draft(NEGATIVE, min(opinion * _ALONE, _HUNCH_MOST), self._why(folded, NEGATIVE))
        return found.lowered() if found and opinion < _DOUBT / 2 else found

    def _why(self, folded: Folded, kind: str) -> list[Mark]:
        return [
            Mark(start, end, "words that go with such messages", folded=True)
            for start, end in self._hunch.reasons(folded, kind)
        ]


def _covered(hit: Hit, covers: Sequence[Hit]) -> bool:
    return any(one.start <= hit.start and hit.end <= one.end for one in covers)
