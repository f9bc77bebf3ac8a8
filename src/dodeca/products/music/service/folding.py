"""Names as they are compared: without case, accents, punctuation at the edges, and the ways of writing a guest."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_SPACES = re.compile(r"\s+")
_ARTICLE = re.compile(r"^(?:the|a|an|der|die|das|le|la|les|el|los|il)\s+(?=\S)")
_GUEST = re.compile(r"\s*[\(\[]?\b(?:feat(?:uring)?|ft)\b\.?\s+([^\)\]]+)[\)\]]?\s*", re.IGNORECASE)
_SEVERAL = re.compile(r"\s*[;\0]\s*|\s+/\s+")
_TYPED_ALIKE = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "ß": "ss", "ø": "o", "æ": "ae", "ł": "l", "đ": "d"}
)
LONGEST_KEY = 500


@lru_cache(maxsize=65_536)
def folded(name: str) -> str:
    """A name in lower case, without accents, with one space between words. Compatibility forms count as alike."""
    plain = unicodedata.normalize("NFKD", name.replace("\0", " ").casefold()).translate(_TYPED_ALIKE)
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return _SPACES.sub(" ", bare).strip()[:LONGEST_KEY]


def sorting(name: str) -> str:
    """A name as it is sorted: folded, without its article."""
    return _ARTICLE.sub("", folded(name))


def work_key(artist: str, title: str) -> str:
    """What two reports of the same piece share: the folded first artist and title, guests left out."""
    first = credited(artist)[:1]
    return f"{folded(first[0] if first else artist)}\t{folded(without_guests(title))}"


def credited(text: str) -> list[str]:
    """The artists that a credit such as "A feat. B" or "A; B" names, in order, each once."""
    guests: list[str] = []

    def take(match: re.Match[str]) -> str:
        guests.extend(re.split(r"\s*(?:,|&)\s*", match[1].strip()))
        return " "

    main = _GUEST.sub(take, text)
    found = [name.strip() for name in (*_SEVERAL.split(main), *guests)]
    return list({folded(name): name for name in reversed(found) if name}.values())[::-1]


def without_guests(title: str) -> str:
    """A title without "(feat. B)"."""
    return _GUEST.sub(" ", title).strip() or title


def display(artists: Sequence[str]) -> str:
    """Several artists as one text."""
    return ", ".join(artists)
