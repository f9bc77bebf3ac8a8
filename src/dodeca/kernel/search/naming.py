"""Ranking of names: texts of a few words, such as titles of songs and their artists, on SQLite.

FTS5's bm25 counts for each query in how many documents each of its words occurs. Where a word is in a hundred thousand
names that takes longer than finding them, and says little: all that were found hold all the words. What tells names
apart is in which field the words stand, whether they are complete, and how much else there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from dodeca.kernel.search.queries import Query

UNFINISHED: Final = 0.8
"""What the beginning of a word counts for, beside a whole one."""
FREE_WORDS: Final = 2
"""What a word counts for falls with the length of its field; this much is added to it, so that it falls slowly."""
MOST_RANKED: Final = 500
"""Names that are ranked for one query: the last that came in."""


class Ranked(NamedTuple):
    """A document's number and its rank, which grows with relevance."""

    number: int
    rank: float


def ranked(query: Query, weights: Sequence[float], rows: Iterable[Sequence[Any]]) -> list[Ranked]:
    """Documents with all the words of a query, the best first, of equal ones the last. A row is a document's number and
    its fields' folded words, in the order of `weights`."""
    terms = [
        (f" {' '.join(term.words)} ", f" {' '.join(term.words)}" if term.prefix else None) for term in query.wanted
    ]
    found = [Ranked(row[0], _rank(terms, weights, row[1:])) for row in rows]
    found.sort(key=lambda one: (one.rank, one.number), reverse=True)
    return found


def _rank(terms: Sequence[tuple[str, str | None]], weights: Sequence[float], fields: Sequence[str]) -> float:
    padded = [f" {words} " for words in fields]
    total = 0.0
    for whole, start in terms:
        best = 0.0
        for words, weight in zip(padded, weights, strict=True):
            if whole in words:
                share = 1.0
            elif start is not None and start in words:
                share = UNFINISHED
            else:
                continue
            best = max(best, share * weight / (FREE_WORDS + words.count(" ") - 1))
        total += best
    return total
