"""Telling words apart and folding them, for texts and for queries alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

MAX_TOKEN: Final = 64
"""Longer words are cut, in texts and queries alike."""


class Token(NamedTuple):
    """A folded word and where it stands in the text."""

    word: str
    start: int
    end: int


def _ranges(characters: Iterator[int]) -> str:
    """A regular expression's class of these code points, which come in order."""
    ranges: list[list[int]] = []
    for code in characters:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


# Beyond the first two planes there are only Han characters, and selectors of their variants: looking at all of
# Unicode took a tenth of a server's start.
_MARKED_PLANES: Final = chain(range(0x20000), range(0xE0100, 0xE01F0))
_MARKS: Final = _ranges(c for c in _MARKED_PLANES if unicodedata.category(chr(c)) in ("Mn", "Mc"))
# Scripts that put no spaces between words: each character is a word, and words are phrases.
_UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_MARKS}])*")
# Accents that people leave out when they search: European ones, Hebrew and Arabic vowel points.
_ACCENTS: Final = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0591-\u05c7\u064b-\u065f\u0670]+"
)
_LETTERS: Final = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h", "ı": "i", "ŋ": "n"}
)
_ASCII_WORDS: Final = bytes(ord(chr(c).lower()) if c < 128 and chr(c).isalnum() else 32 for c in range(256))
_LONG: Final = re.compile(rb"[^ ]{%d}" % (MAX_TOKEN + 1))


def tokens(text: str) -> Iterator[Token]:
    """The words of a text, in order. One written word can give several (½ gives 1 and 2)."""
    for match in _WORD.finditer(text):
        start, end = match.span()
        for word in folded(match[0]):
            yield Token(word, start, end)


def words(text: str) -> list[str]:
    """The words alone: what an index of many texts needs, in less time."""
    if not text:
        return []
    if text.isascii():
        plain = text.encode("ascii").translate(_ASCII_WORDS)
        found = plain.decode("ascii").split()
        return [word[:MAX_TOKEN] for word in found] if _LONG.search(plain) else found
    return [word for written in _WORD.findall(text) for word in folded(written)]


@lru_cache(maxsize=50_000)
def folded(word: str) -> tuple[str, ...]:
    """A written word without case, accents and compatibility forms."""
    if word.isascii():
        return (word.lower()[:MAX_TOKEN],)
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", word))
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", bare.casefold()).translate(_LETTERS))
    return tuple(part[:MAX_TOKEN] for part in _WORD.findall(_ACCENTS.sub("", plain)))
