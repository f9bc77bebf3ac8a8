"""What a person types into a search box, understood.

All words must occur, in any order. "Words in quotes" occur as they stand. A minus before a word or quotation excludes
it. The last word may be unfinished. Everything else is punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from string import ascii_lowercase
from typing import Final

import msgspec

from dodeca.kernel.search.words import tokens

MAX_CHARACTERS: Final = 500
MAX_TERMS: Final = 20
SHORTEST_WITH_TYPO: Final = 5
LONGEST_WITH_TYPO: Final = 20
MIN_PREFIX: Final = 2
"""A single letter stands for itself: as a beginning it would match nearly everything."""

_PART: Final = re.compile(
    r'(?P<minus>(?<!\S)[-\u2212])?(?:["\u201c\u201d\u201e](?P<quoted>[^"\u201c\u201d\u201e]*)(?P<closed>["\u201c\u201d\u201e])?|(?P<bare>[^\s"\u201c\u201d\u201e]+))'
)


class Term(msgspec.Struct, frozen=True):
    """Words that follow one another; with `prefix` the last of them is only a beginning."""

    words: tuple[str, ...]
    prefix: bool = False
    others: tuple[str, ...] = ()
    """Of a single word, spellings that are taken for it too."""


class Query(msgspec.Struct, frozen=True):
    """Terms that must all occur, and terms of which none may."""

    wanted: tuple[Term, ...] = ()
    unwanted: tuple[Term, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for (to exclude is not to ask)."""
        return not self.wanted

    def with_typos(self, right: Collection[Term] = ()) -> Query:
        """The same, where each single word of more than four Latin letters may have one wrong, one too few or too many,
        or two exchanged; not those that are `right`."""
        wanted = tuple(term if term in right else _with_typos(term) for term in self.wanted)
        return msgspec.structs.replace(self, wanted=wanted)


def _with_typos(term: Term) -> Term:
    word = term.words[0]
    if len(term.words) > 1 or not SHORTEST_WITH_TYPO <= len(word) <= LONGEST_WITH_TYPO or not word.isascii():
        return term
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    near = {before + after[1:] for before, after in cuts if after}
    near |= {before + after[1] + after[0] + after[2:] for before, after in cuts if len(after) > 1}
    near |= {before + letter + after[1:] for before, after in cuts if after for letter in ascii_lowercase}
    near |= {before + letter + after for before, after in cuts for letter in ascii_lowercase}
    return msgspec.structs.replace(term, others=tuple(sorted(near - {word})))


def parsed(text: str) -> Query:
    """Understand a query. Never fails; what goes beyond the limits is left out."""
    text = text[:MAX_CHARACTERS].replace("\0", " ")
    wanted: list[Term] = []
    unwanted: list[Term] = []
    for match in _PART.finditer(text):
        words = tuple(token.word for token in tokens(match["quoted"] if match["bare"] is None else match["bare"]))
        if not words:
            continue
        is_last = match.end() == len(text) and not match["closed"]
        unfinished = is_last and not match["minus"] and len(words[-1]) >= MIN_PREFIX
        (unwanted if match["minus"] else wanted).append(Term(words[:MAX_TERMS], unfinished))
        if len(wanted) + len(unwanted) >= MAX_TERMS:
            break
    return Query(tuple(wanted), tuple(unwanted))


def for_sqlite(query: Query, within: Sequence[str] = ()) -> str:
    """The query for FTS5's MATCH, where `within` names columns in these alone. Words hold letters, digits and marks
    only, so quoting them is enough."""

    def phrase(term: Term) -> str:
        text = '"' + " ".join(term.words) + '"' + (" *" if term.prefix else "")
        spellings = "".join(f' OR "{other}"' for other in term.others)
        return f"({text}{spellings})" if spellings else text

    wanted = " AND ".join(map(phrase, query.wanted))
    unwanted = " OR ".join(map(phrase, query.unwanted))
    whole = f"({wanted}) NOT ({unwanted})" if unwanted else wanted
    return f"{{{' '.join(within)}}} : ({whole})" if within else whole


def for_postgres(query: Query, letters: str = "") -> str:
    """The query as a tsquery literal, where `letters` are given only for words of these weights."""
    mark = f":{letters}" if letters else ""

    def phrase(term: Term) -> str:
        words = [f"'{word}'{mark}" for word in term.words]
        if term.prefix:
            words[-1] = f"'{term.words[-1]}':*{letters}"
        return "(" + " <-> ".join(words) + "".join(f" | '{other}'{mark}" for other in term.others) + ")"

    return " & ".join([*map(phrase, query.wanted), *("!" + phrase(term) for term in query.unwanted)])
