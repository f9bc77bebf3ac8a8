"""How a file is answered over HTTP: conditions, ranges and headers (RFC 9110, 13 and 14), as one pure function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Final

import msgspec

from dodeca.kernel.media.types import INLINE, disposition

_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)
_UNSATISFIABLE: Final = (0, 0)
_TAG: Final = re.compile(r'(W/)?"([^"]*)"')


class Delivery(msgspec.Struct, frozen=True):
    """A file as it is to be handed over: `etag` without quotes, `size` in bytes."""

    size: int
    etag: str
    content_type: str = "application/octet-stream"
    modified: datetime | None = None
    filename: str = ""
    cache_control: str = "private, max-age=0, must-revalidate"


class Answer(msgspec.Struct, frozen=True):
    """Status, headers, and which bytes of the file are the body: from `start` up to, not including, `end`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    start: int = 0
    end: int = 0

    @property
    def length(self) -> int:
        """Bytes in the body."""
        return self.end - self.start


def answer(file: Delivery, headers: Mapping[str, str], *, method: str = "GET") -> Answer:
    """Decide between 200, 206, 304, 412 and 416. `headers` are the request's, with lower-case names.

    A request for several ranges at once gets the whole file, as section 14.2 allows: nobody can then make the server
    assemble thousands of overlapping pieces. The body of an answer to HEAD is empty and its length is told.
    """
    status = _precondition(file, headers, method)
    if status is not None:
        return Answer(status, _common(file) if status == 304 else (("content-length", "0"),))
    wanted = _wanted(file, headers) if method == "GET" else None
    if wanted == _UNSATISFIABLE:
        return Answer(416, (("content-range", f"bytes */{file.size}"), ("content-length", "0")))
    start, end = (0, file.size) if wanted is None else wanted
    described = [*_common(file), *_content(file), ("accept-ranges", "bytes"), ("content-length", str(end - start))]
    if wanted is not None:
        described.append(("content-range", f"bytes {start}-{end - 1}/{file.size}"))
    if method == "HEAD":
        start = end = 0
    return Answer(200 if wanted is None else 206, tuple(described), start, end)


def _precondition(file: Delivery, headers: Mapping[str, str], method: str) -> int | None:
    """The status when a condition of the request decides (section 13.2.2), else None."""
    if (match := headers.get("if-match")) is not None:
        if not _names(match, file.etag, strong=True):
            return 412
    elif (since := _moment(headers.get("if-unmodified-since"))) and file.modified and _seconds(file.modified) > since:
        return 412
    if (none_match := headers.get("if-none-match")) is not None:
        if _names(none_match, file.etag, strong=False):
            return 304 if method in ("GET", "HEAD") else 412
    elif (
        (since := _moment(headers.get("if-modified-since")))
        and file.modified
        and method in ("GET", "HEAD")
        and _seconds(file.modified) <= since
    ):
        return 304
    return None


def _wanted(file: Delivery, headers: Mapping[str, str]) -> tuple[int, int] | None:
    """The range to send (_UNSATISFIABLE when it holds no byte), or None for the whole file."""
    condition = headers.get("if-range")
    if condition is not None and not _same(file, condition.strip()):
        return None
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), file.size)
        return (file.size - length, file.size) if length else _UNSATISFIABLE
    start = int(found[1])
    if found[2] and int(found[2]) < start:
        return None
    if start >= file.size:
        return _UNSATISFIABLE
    return start, min(int(found[2]) + 1, file.size) if found[2] else file.size


def _same(file: Delivery, condition: str) -> bool:
    """Whether If-Range still names this file: a strong tag, or exactly its date."""
    if condition.startswith(('"', "W/")):
        return condition == f'"{file.etag}"'
    moment = _moment(condition)
    return moment is not None and file.modified is not None and moment == _seconds(file.modified)


def _names(condition: str, etag: str, *, strong: bool) -> bool:
    """Whether a list of entity tags (or *) names this one."""
    if condition.strip() == "*":
        return True
    return any(tag == etag and not (strong and weak) for weak, tag in _TAG.findall(condition))


def _moment(value: str | None) -> datetime | None:
    """An HTTP date; None when it is missing or malformed, which means the condition is ignored."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _seconds(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


@lru_cache(maxsize=4096)
def _common(file: Delivery) -> tuple[tuple[str, str], ...]:
    headers = [("etag", f'"{file.etag}"'), ("cache-control", file.cache_control)]
    if file.modified is not None:
        headers.append(("last-modified", format_datetime(_seconds(file.modified), usegmt=True)))
    return tuple(headers)


@lru_cache(maxsize=4096)
def _content(file: Delivery) -> tuple[tuple[str, str], ...]:
    """What keeps an uploaded file from acting as a page of this site."""
    inline = file.content_type in INLINE
    kind = f"{file.content_type}; charset=utf-8" if file.content_type == "text/plain" else file.content_type
    return (
        ("content-type", kind),
        ("content-disposition", disposition(file.filename, inline=inline)),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; sandbox"),
    )
