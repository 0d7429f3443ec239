"""Where spam and negative words come from: a classifier judges texts, its verdicts go with the interactions.

A metric counts flags, it does not read texts. Whoever knows better (a rule, a model, a moderator's tool) hands its
verdict over in `attrs`: `spam`, `negative`, and `classifier` with name and version, so that a later one can be told apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from shequn_sdk.domain import InteractionBatch
from shequn_sdk.errors import InvalidInput

__all__ = ["Classifier", "Verdict", "classified", "word_classifier"]

_LONGEST = 20_000
"""Characters of a text that a classifier gets to see."""
_NAME = re.compile(r"^[a-z][a-z0-9_.-]*/[a-z0-9_.-]+$")


class Verdict(NamedTuple):
    """What a classifier says of one text; None is no opinion."""

    spam: bool | None = None
    negative: bool | None = None


Classifier = Callable[[str], Verdict]
"""Judges a text."""


def classified(batch: InteractionBatch, classifier: Classifier, *, name: str) -> InteractionBatch:
    """Give the batch with verdicts on its texts; flags that a row has already stay as they are.

    Args:
        batch: rows; those without text are left alone. It is not changed.
        classifier: what judges.
        name: `name/version` of the classifier, kept with each verdict.

    Raises:
        InvalidInput: the name has another form, or the attributes of a row are no JSON object.
    """
    if not _NAME.match(name):
        raise InvalidInput(f"a classifier is called name/version, like words/1, not {name!r}")
    found = InteractionBatch(platform=batch.platform, source=batch.source)
    for column, values in batch.columns():
        setattr(found, column, list(values))
    for row, text in enumerate(batch.text):
        if not text:
            continue
        verdict = classifier(text[:_LONGEST])
        flags = {key: value for key, value in verdict._asdict().items() if value is not None}
        if not flags:
            continue
        try:
            attrs: Any = json.loads(batch.attrs[row] or "{}")
        except ValueError as error:
            raise InvalidInput(f"attrs of {batch.id[row]!r} are no JSON: {error}") from error
        if not isinstance(attrs, dict):
            raise InvalidInput(f"attrs of {batch.id[row]!r} are no JSON object")
        if new := {key: value for key, value in flags.items() if key not in attrs}:
            found.attrs[row] = json.dumps({**attrs, **new, "classifier": name}, ensure_ascii=False)
    return found


def word_classifier(*, spam: Sequence[str] = (), negative: Sequence[str] = ()) -> Classifier:
    """Give the plainest classifier there is: a text that holds one of the words, whatever their case, has the flag.

    It knows neither negation nor irony. Spaces within a text do not hide a word of the spam list from it.
    """
    tight = [re.sub(r"\s+", "", word).casefold() for word in spam if word.strip()]
    plain = [word.casefold() for word in negative if word.strip()]

    def judge(text: str) -> Verdict:
        low = text.casefold()
        closed = re.sub(r"\s+", "", low)
        return Verdict(
            spam=any(word in closed for word in tight) if tight else None,
            negative=any(word in low for word in plain) if plain else None,
        )

    return judge
