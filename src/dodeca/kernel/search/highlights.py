"""Showing where a query was found: the part of a text that says most, with the words marked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import msgspec
from markupsafe import Markup, escape

from dodeca.kernel.search.queries import Query, Term
from dodeca.kernel.search.words import Token, tokens

_MAX_CHARACTERS: Final = 100_000
_MAX_WINDOWS: Final = 1000


class Snippet(msgspec.Struct, frozen=True):
    """A text in parts, each (text, whether it was searched for). In a template it writes itself, escaped, with
    `<mark>` around what was found."""

    parts: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        """The text without marks."""
        return "".join(part for part, _ in self.parts)

    @property
    def found(self) -> bool:
        """Whether anything is marked."""
        return any(marked for _, marked in self.parts)

    def __html__(self) -> str:
        return Markup("").join(
            Markup("<mark>{}</mark>").format(part) if marked else escape(part) for part, marked in self.parts
        )

    def __str__(self) -> str:
        return self.text


def snippet(text: str, query: Query, *, words: int = 30) -> Snippet:
    """About `words` words of the text, around where most of the query is found; the whole text when it is short.

    Only the first 100,000 characters are looked at."""
    looked_at = text[:_MAX_CHARACTERS]
    found = list(tokens(looked_at))
    marked = _matches(found, query.wanted)
    first, last = _window(marked, len(found), words)
    start = 0 if first == 0 else found[first].start
    end = len(looked_at) if last >= len(found) else found[last - 1].end
    spans = sorted({(found[place].start, found[place].end) for place in marked if first <= place < last})
    parts: list[tuple[str, bool]] = [("… ", False)] if start > 0 else []
    at = start
    for span_start, span_end in spans:
        if span_start > at:
            parts.append((text[at:span_start], False))
        parts.append((text[max(at, span_start) : span_end], True))
        at = span_end
    if at < end:
        parts.append((text[at:end], False))
    if end < len(text):
        parts.append((" …", False))
    return Snippet(tuple(parts))


def _matches(found: Sequence[Token], terms: Sequence[Term]) -> dict[int, int]:
    """Places of words that belong to a match → the number of the term that matched there."""
    marked: dict[int, int] = {}
    for number, term in enumerate(terms):
        *before, last = term.words
        for place in range(len(found) - len(before)):
            if all(found[place + offset].word == word for offset, word in enumerate(before)):
                end = found[place + len(before)].word
                if end == last or (term.prefix and end.startswith(last)) or end in term.others:
                    for offset in range(len(term.words)):
                        marked.setdefault(place + offset, number)
    return marked


def _window(marked: dict[int, int], count: int, words: int) -> tuple[int, int]:
    """The stretch of at most `words` words that shows the most different terms, the earliest of those."""
    if count <= words:
        return 0, count
    places = sorted(marked)
    best, best_start = -1, 0
    for place in places[:_MAX_WINDOWS]:
        start = max(0, min(place - words // 4, count - words))
        inside = places[bisect_left(places, start) : bisect_left(places, start + words)]
        seen = len({marked[at] for at in inside})
        if seen > best:
            best, best_start = seen, start
    return best_start, best_start + words
