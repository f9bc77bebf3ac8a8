"""Writing links as CSV and JSON lines. Both stream: they take rows as they come from the database."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from dodeca.kernel import clock


class ExportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One link, all that its owner may take away. Field order is column order."""

    short_code: str
    long_url: str
    domain: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    max_visits: int | None = None
    password_protected: bool = False
    archived: bool = False
    clicks: int = 0
    unique_visitors: int = 0
    bots: int = 0
    last_click_at: datetime | None = None


CSV_COLUMNS: tuple[str, ...] = ExportRow.__struct_fields__


def write_csv(rows: Iterable[ExportRow]) -> Iterator[str]:
    """The lines of a CSV file (RFC 4180, header first) in chunks of one row."""
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(CSV_COLUMNS)
    yield _drained(output)
    for row in rows:
        writer.writerow([_csv_value(name, getattr(row, name)) for name in CSV_COLUMNS])
        yield _drained(output)


def write_jsonl(rows: Iterable[ExportRow]) -> Iterator[str]:
    """One JSON object a line, with the members of ExportRow."""
    encoder = msgspec.json.Encoder()
    for row in rows:
        yield encoder.encode(row).decode() + "\n"


def guarded(text: str) -> str:
    """Text that a spreadsheet shows instead of computing it.

    A cell that begins with = + - @ is a formula to spreadsheets, so a title could run commands on the
    computer of whoever opens the export (OWASP "CSV injection"). An apostrophe prevents that; our reader
    takes it back.
    """
    return f"'{text}" if re.match(r"'*[=+\-@\t\r]", text) else text


def _csv_value(name: str, value: object) -> object:
    if name == "title":
        return guarded(str(value))
    if isinstance(value, tuple):
        return guarded("|".join(tag.replace("|", "/") for tag in value))
    if isinstance(value, datetime):
        return clock.rfc3339(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _drained(output: io.StringIO) -> str:
    text = output.getvalue()
    output.seek(0)
    output.truncate()
    return text
