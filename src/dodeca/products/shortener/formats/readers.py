"""Reading links from our own CSV, Shlink, Bitly and YOURLS, and host names from blocklists.

Files are streamed: memory does not grow with their length. A row that cannot be used becomes a RowError that
says where and why, and reading goes on; whether the URL may be shortened is for the service to judge.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import IO, Any

import ijson

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid

MAX_FIELD = 65_536
"""Characters in one field of a CSV file; a longer one is nearly always a quote that was never closed."""
MAX_TAGS = 50


class ImportKind(StrEnum):
    CSV = "csv"
    SHLINK = "shlink"
    BITLY = "bitly"
    YOURLS = "yourls"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One link as another service knew it. None: the file does not say."""

    position: int
    """Line in a CSV file, ordinal in a JSON file; from 1."""
    long_url: str
    short_code: str | None = None
    domain: str | None = None
    """Host of the short link, without scheme; None for the default one."""
    title: str | None = None
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    max_visits: int | None = None
    archived: bool = False
    clicks: int = 0
    """Clicks that the other service had counted."""
    password_protected: bool = False
    """The original asked for a password, which no export contains: the link must not be opened to all."""


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that cannot be imported."""

    position: int
    field: str | None
    message: str


Rows = Iterator[ImportRow | RowError]


def read_links(stream: IO[bytes], kind: ImportKind | str) -> Rows:
    """Yield the links of a file, and errors in between. Raises Invalid when the file as a whole is not of
    that kind."""
    try:
        chosen = ImportKind(kind)
    except ValueError as error:
        raise Invalid(f"The kind is one of: {', '.join(ImportKind)}.", field="kind") from error
    if chosen is ImportKind.BITLY:
        return _read_bitly(stream)
    return _read_table(stream, _TABLES[chosen])


@dataclass(frozen=True, slots=True)
class _Table:
    """How one service's CSV is read: which columns it must have, and what becomes of a row."""

    name: str
    needs: tuple[tuple[str, ...], ...]
    """For each column that must be there, the names it may have."""
    delimiters: str
    read: Callable[[Mapping[str, str], int], ImportRow]


def _read_table(stream: IO[bytes], table: _Table) -> Rows:
    # Undecodable bytes become lone surrogates, so that one bad title costs its row and not the file.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    first = text.readline(MAX_FIELD)
    delimiter = max(table.delimiters, key=first.count)
    header = [_column(name) for name in next(csv.reader([first], delimiter=delimiter), [])]
    for names in table.needs:
        if not set(names) & set(header):
            raise Invalid(f"This is not a {table.name} file: it has no column {names[0]!r}.", field="file")
    return _table_rows(text, header, delimiter, table)


def _table_rows(text: io.TextIOWrapper, header: list[str], delimiter: str, table: _Table) -> Rows:
    try:
        previous = csv.field_size_limit(MAX_FIELD)
        reader = csv.reader(text, delimiter=delimiter)
        while True:
            # Where the row begins: the header is line 1, and fields may hold line breaks.
            line = reader.line_num + 2
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield RowError(line, None, f"The row cannot be read: {error}.")
                continue
            if any(values):
                yield _table_row(header, values, line, table)
    finally:
        csv.field_size_limit(previous)
        text.detach()  # the stream is the caller's to close


def _table_row(header: list[str], values: list[str], line: int, table: _Table) -> ImportRow | RowError:
    if len(values) > len(header):
        return RowError(line, None, f"The row has {len(values)} fields, the header {len(header)}.")
    row = dict(zip(header, (value.strip() for value in values), strict=False))
    for name, value in row.items():
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return RowError(line, name, "The text is not UTF-8.")
    try:
        return table.read(row, line)
    except Invalid as error:
        return RowError(line, error.field, error.message)


def _column(name: str) -> str:
    """`Long URL`, `longUrl` and `long_url` are one column."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _own(row: Mapping[str, str], line: int) -> ImportRow:
    return ImportRow(
        position=line,
        long_url=_needed(row, "longurl", "url", field="long_url"),
        short_code=row.get("shortcode") or None,
        domain=_domain(row.get("domain")),
        title=_unguarded(row.get("title")) or None,
        tags=_tags(_unguarded(row.get("tags"))),
        created_at=_time(row, "createdat", "created_at"),
        expires_at=_time(row, "expiresat", "expires_at"),
        max_visits=_number(row, "maxvisits", "max_visits"),
        archived=_flag(row, "archived", "archived"),
        clicks=_number(row, "clicks", "clicks") or 0,
        password_protected=_flag(row, "passwordprotected", "password_protected"),
    )


def _shlink(row: Mapping[str, str], line: int) -> ImportRow:
    return ImportRow(
        position=line,
        long_url=_needed(row, "longurl", field="Long URL"),
        short_code=_needed(row, "shortcode", field="Short code"),
        domain=_domain(row.get("domain")),
        title=row.get("title") or None,
        tags=_tags(row.get("tags")),
        created_at=_time(row, "createdat", "Created at"),
        clicks=_number(row, "visits", "Visits") or 0,
    )


def _yourls(row: Mapping[str, str], line: int) -> ImportRow:
    return ImportRow(
        position=line,
        long_url=_needed(row, "url", field="url"),
        short_code=_needed(row, "keyword", field="keyword"),
        title=row.get("title") or None,
        created_at=_time(row, "timestamp", "timestamp"),
        clicks=_number(row, "clicks", "clicks") or 0,
    )


_TABLES = {
    ImportKind.CSV: _Table("link", (("longurl", "url"),), ",;\t", _own),
    ImportKind.SHLINK: _Table("Shlink", (("longurl",), ("shortcode",)), ",;", _shlink),
    ImportKind.YOURLS: _Table("YOURLS", (("keyword",), ("url",)), ",;\t", _yourls),
}


def _needed(row: Mapping[str, str], *columns: str, field: str) -> str:
    for column in columns:
        if row.get(column):
            return row[column]
    raise Invalid("The field is empty.", field=field)


def _time(row: Mapping[str, str], column: str, field: str) -> datetime | None:
    return _parsed_time(row.get(column), field)


def _parsed_time(text: object, field: str) -> datetime | None:
    """RFC 3339, `2031-05-01 18:00:00` as YOURLS writes it, Bitly's `+0000`, or seconds since the epoch."""
    if text in (None, ""):
        return None
    value = str(text)
    try:
        if value.isdecimal() and len(value) >= 9:
            return datetime.fromtimestamp(int(value), UTC)
        return clock.parse_rfc3339(value)
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid(f"{value[:40]!r} is not a time.", field=field) from error


def _number(row: Mapping[str, str], column: str, field: str) -> int | None:
    text = row.get(column)
    if not text:
        return None
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise Invalid(f"{text[:40]!r} is not a count.", field=field)
    return int(text)


def _flag(row: Mapping[str, str], column: str, field: str) -> bool:
    text = row.get(column, "").lower()
    if text not in ("", "0", "1", "true", "false", "yes", "no"):
        raise Invalid(f"{text[:40]!r} is neither true nor false.", field=field)
    return text in ("1", "true", "yes")


def _tags(text: str | None) -> tuple[str, ...]:
    tags = dict.fromkeys(tag.strip() for tag in (text or "").split("|"))
    return tuple(tag for tag in tags if tag)[:MAX_TAGS]


def _domain(text: str | None) -> str | None:
    """A host, also when written as a URL."""
    host = re.sub(r"\Ahttps?://", "", text or "", flags=re.IGNORECASE).partition("/")[0].lower()
    return None if host in ("", "default") else host


def _unguarded(text: str | None) -> str | None:
    """Take back the apostrophe that `writers.guarded` puts before what a spreadsheet would compute."""
    return text[1:] if text and re.match(r"'+[=+\-@\t\r]", text) else text


# Bitly -------------------------------------------------------------------------------------------


def _read_bitly(stream: IO[bytes]) -> Rows:
    """Bitlinks as API v4 answers them: pages `{"links": […]}`, one or many in a row; a list; or one object a
    line."""
    head = stream.read(65_536)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] not in (b"{", b"["):
        raise Invalid("This is not a Bitly file: JSON is expected.", field="file")
    prefix = "item" if start[:1] == b"[" else "links.item" if re.search(rb'"links"\s*:\s*\[', start) else ""
    return _bitly_rows(_Joined(start, stream), prefix)


class _Joined:
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        if size and not self._head:
            return self._rest.read(size)
        part, self._head = self._head[:size], self._head[size:]
        return part


def _bitly_rows(stream: _Joined, prefix: str) -> Rows:
    positions = itertools.count(1)
    position = 1
    items: Iterator[Any] = ijson.items(stream, prefix, multiple_values=True)
    try:
        for item, position in zip(items, positions, strict=False):
            yield _bitlink(item, position)
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        yield RowError(position + 1, None, f"The JSON ends or breaks here: {str(error)[:120].strip()}")


def _bitlink(item: object, position: int) -> ImportRow | RowError:
    if not isinstance(item, Mapping):
        return RowError(position, None, "A bitlink is an object.")
    long_url, link, tags = item.get("long_url"), item.get("link") or item.get("id"), item.get("tags") or []
    if not isinstance(long_url, str) or not long_url:
        return RowError(position, "long_url", "The field is empty.")
    if not isinstance(link, str) or not isinstance(tags, list):
        return RowError(position, "link", "The bitlink has no short URL, or no list of tags.")
    host, _, code = re.sub(r"\Ahttps?://", "", link).partition("/")
    title = item.get("title")
    try:
        created_at = _parsed_time(item.get("created_at"), "created_at")
    except Invalid as error:
        return RowError(position, error.field, error.message)
    return ImportRow(
        position=position,
        long_url=long_url,
        short_code=code.strip("/") or None,
        domain=_domain(host) if host not in ("bit.ly", "j.mp", "bitly.com") else None,
        title=title if isinstance(title, str) and title else None,
        tags=tuple(tag for tag in tags if isinstance(tag, str) and tag)[:MAX_TAGS],
        created_at=created_at,
        archived=item.get("archived") is True,
    )


# Blocklists --------------------------------------------------------------------------------------

_LOCAL_NAMES_TEXT = """
    localhost localhost.localdomain local broadcasthost ip6-localhost ip6-loopback ip6-localnet
    ip6-mcastprefix ip6-allnodes ip6-allrouters ip6-allhosts 0.0.0.0
"""
_LOCAL_NAMES = frozenset(_LOCAL_NAMES_TEXT.split())
_SINKS = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1", "fe80::1%lo0", "255.255.255.255", "ff00::0"})  # noqa: S104
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}\Z")


def read_blocklist(stream: IO[bytes]) -> Iterator[tuple[int, str] | RowError]:
    """Yield (line, host) of a list in hosts format (`0.0.0.0 bad.example  # why`) or of bare host names.

    Lines may name several hosts. The machine's own names, which such files open with, are passed over.
    """
    for line, raw in enumerate(stream, 1):
        words = raw[:4_096].decode(errors="replace").lstrip("\ufeff").partition("#")[0].lower().split()
        if words and words[0] in _SINKS:
            del words[0]
        for word in words:
            host = word.rstrip(".")
            if host in _LOCAL_NAMES:
                continue
            encoded = _punycode(host)
            if encoded is None:
                yield RowError(line, "host", f"{word[:80]!r} is not a host name.")
            else:
                yield line, encoded


def _punycode(host: str) -> str | None:
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    return host if _HOST.match(host) else None
