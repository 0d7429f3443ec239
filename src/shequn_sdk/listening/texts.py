"""How much of the words of members goes into the event store: nothing, a digest, or all."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import replace
from typing import Literal

from shequn_sdk.domain import InteractionBatch

__all__ = ["digest_of", "with_texts"]

_MOST = 8_000
"""Code points of a text that are kept."""


def digest_of(text: str) -> str:
    """Give a digest by which equal texts are found; NFKC, case and spaces do not count.

    Short texts can be guessed from it: it keeps words out of sight, not out of reach.
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def with_texts(batch: InteractionBatch, keep: Literal["none", "hash", "full"]) -> InteractionBatch:
    """Give the batch with texts in its attrs, as `text` or `text_hash`; as it is when nothing is kept."""
    if keep == "none" or not any(batch.text):
        return batch
    attrs: list[str] = []
    for text, known in zip(batch.text, batch.attrs, strict=True):
        if not text:
            attrs.append(known)
            continue
        data = json.loads(known) if known else {}
        data |= {"text": text[:_MOST]} if keep == "full" else {"text_hash": digest_of(text)}
        attrs.append(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    return replace(batch, attrs=attrs)
