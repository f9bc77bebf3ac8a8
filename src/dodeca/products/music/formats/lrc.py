"""LRC: words in time. `[01:02.34]` before a line says when it is sung; `<01:02.34>` within it, when a word is.

Several times before one line repeat it. `[offset:+250]` lets all come 250 ms earlier. A text without times is plain
lyrics. https://en.wikipedia.org/wiki/LRC_(file_format)"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LONGEST_TEXT: Final = 100_000
MOST_LINES: Final = 5_000
_TIME: Final = re.compile(r"\[(\d{1,4}):(\d{1,2})(?:[.:](\d{1,3}))?\]")
_WORD: Final = re.compile(r"<(\d{1,4}):(\d{1,2})(?:[.:](\d{1,3}))?>")
_TAG: Final = re.compile(r"\[([a-zA-Z#]+):(.*)\]\s*")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Word:
    """A part of a line and when it is sung."""

    start_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line and, in synced lyrics, when it begins; with its words where the file times them."""

    start_ms: int | None
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Lyrics:
    """The words of a song. In synced ones every line has a time, and they stand in that order."""

    synced: bool
    lines: tuple[Line, ...]
    language: str = "xxx"
    """A language tag; xxx means that it is not known."""
    title: str = ""
    artist: str = ""


def read(text: str) -> Lyrics:
    """Read LRC or plain lyrics: whatever it is, it is one of the two. Longer texts are cut."""
    tags: dict[str, str] = {}
    timed: list[Line] = []
    plain: list[str] = []
    for raw in text[:LONGEST_TEXT].splitlines()[:MOST_LINES]:
        line = "".join(c for c in raw if c.isprintable() or c == "\t").strip()
        starts, rest = _starts(line)
        if starts:
            words, shown = _words(rest)
            timed += [Line(start, shown, words if len(starts) == 1 else ()) for start in starts]
        elif (tag := _TAG.fullmatch(line)) and tag[1].lower() in _KNOWN:
            tags[tag[1].lower()] = tag[2].strip()
        else:
            plain.append(line)
    language = tags.get("la", tags.get("lang", ""))
    about = (language if _LANGUAGE.fullmatch(language) else "xxx", tags.get("ti", ""), tags.get("ar", ""))
    if not timed:
        while plain and not plain[-1]:
            plain.pop()
        return Lyrics(False, tuple(Line(None, line) for line in plain), *about)
    offset = int(tags["offset"]) if re.fullmatch(r"[-+]?\d{1,6}", tags.get("offset", "")) else 0
    moved = [_moved(line, -offset) for line in timed[:MOST_LINES]]
    return Lyrics(True, tuple(sorted(moved, key=lambda line: line.start_ms or 0)), *about)


_KNOWN: Final = ("ti", "ar", "al", "au", "by", "re", "ve", "length", "offset", "la", "lang", "#", "id", "tool")


def _milliseconds(minutes: str, seconds: str, fraction: str | None) -> int:
    return (int(minutes) * 60 + int(seconds)) * 1000 + int((fraction or "0").ljust(3, "0"))


def _starts(line: str) -> tuple[list[int], str]:
    starts = []
    while match := _TIME.match(line):
        starts.append(_milliseconds(match[1], match[2], match[3]))
        line = line[match.end() :].lstrip()
    return starts, line


def _words(text: str) -> tuple[tuple[Word, ...], str]:
    """The timed words of a line, and the line without times."""
    marks = list(_WORD.finditer(text))
    if not marks:
        return (), text
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    words = [
        Word(_milliseconds(mark[1], mark[2], mark[3]), text[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=True)
    ]
    return tuple(word for word in words if word.text), " ".join(_WORD.sub(" ", text).split())


def _moved(line: Line, by_ms: int) -> Line:
    start = max(0, (line.start_ms or 0) + by_ms)
    return Line(start, line.text, tuple(Word(max(0, word.start_ms + by_ms), word.text) for word in line.words))


def write(lyrics: Lyrics) -> str:
    """The lyrics as LRC, or as plain text where they are not synced."""
    if not lyrics.synced:
        return "\n".join([*(line.text for line in lyrics.lines), ""])
    about = (("ti", lyrics.title), ("ar", lyrics.artist), ("la", lyrics.language if lyrics.language != "xxx" else ""))
    lines = [f"[{name}:{value}]" for name, value in about if value]
    for line in lyrics.lines:
        shown = " ".join(f"<{_written(word.start_ms)}> {word.text}" for word in line.words) or line.text
        lines.append(f"[{_written(line.start_ms or 0)}]{shown}")
    return "\n".join([*lines, ""])


def _written(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
