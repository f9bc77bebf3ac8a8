"""Words as PostgreSQL stores them: a tsvector of our own words.

https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSVECTOR
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import literal

from dodeca.kernel.search.words import tokens

LETTERS: Final = "ABCD"
"""The weights, one a field."""
_FIELD_GAP: Final = 50
# PostgreSQL's limits: 16,383 positions, 256 a word, a mebibyte in all.
_MAX_POSITION: Final = 16_000
_MAX_POSITIONS_A_WORD: Final = 250
_MAX_VECTOR_BYTES: Final = 900_000


def vector(texts: Iterable[str]) -> Any:
    """A tsvector literal with our words, their positions, and the field's letter as weight."""
    return literal(vector_text(texts))


def vector_text(texts: Iterable[str]) -> str:
    """The same as text."""
    places: dict[str, list[str]] = {}
    position, size = 0, 0
    for letter, value in zip(LETTERS, texts, strict=False):
        for token in tokens(value):
            position = min(position + 1, _MAX_POSITION)
            known = places.get(token.word)
            if known is None:
                size += len(token.word.encode()) + 8
                if size > _MAX_VECTOR_BYTES:
                    break
                known = places[token.word] = []
            if len(known) < _MAX_POSITIONS_A_WORD:
                size += 2
                known.append(f"{position}{letter}")
        position = min(position + _FIELD_GAP, _MAX_POSITION)
    return " ".join(f"'{word}':{','.join(known)}" for word, known in places.items())
