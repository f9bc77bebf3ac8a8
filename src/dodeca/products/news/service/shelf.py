"""The shelf: what a member brings along from another site, for the member alone. Never points, never public items.

The ZIP is the one that `personal` gives out, and that readers of Hacker News can make of the API's answers:
`user.json`, `items.jsonl` and `favorites.txt`, an id or an address a line.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import select

from dodeca.commons.discussion import rendered, reserialised
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.news.models import ShelfEntry
from dodeca.products.news.service.members import insert_for
from dodeca.products.news.urls import checked_url

MAX_ZIP: Final = 20_000_000
MAX_UNPACKED: Final = 100_000_000
"""Of all files together: what claims more, or unpacks to more, is refused."""
MOST_ENTRIES: Final = 50_000
LONGEST_TEXT: Final = 40_000
FILES: Final = ("user.json", "items.jsonl", "favorites.txt")
BATCH: Final = 500
UNREADABLE: Final = (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError)
"""What zipfile raises for a damaged file; RuntimeError also where there is a password, or a way of packing that it does
not know."""


class Imported(msgspec.Struct):
    """How much came onto the shelf."""

    items: int = 0
    favorites: int = 0


def read(packed: bytes) -> dict[str, bytes]:
    """The known files of a ZIP. Raises Invalid for what is none, is too large, or leads out of its folder."""
    if len(packed) > MAX_ZIP:
        raise Invalid(f"A ZIP has at most {MAX_ZIP // 1_000_000} MB.", field="file")
    found: dict[str, bytes] = {}
    left = MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for info in archive.infolist():
                if info.filename.startswith(("/", "\\")) or ".." in info.filename or ":" in info.filename:
                    raise Invalid(f"The ZIP has a file with the path {info.filename[:60]!r}.", field="file")
                if info.filename not in FILES:
                    continue
                with archive.open(info) as member:
                    found[info.filename] = member.read(left + 1)
                left -= len(found[info.filename])
                if left < 0:
                    raise Invalid("The ZIP unpacks to too much.", field="file")
    except UNREADABLE as error:
        raise Invalid("This is not a ZIP that can be read.", field="file") from error
    if not found:
        raise Invalid(f"The ZIP has none of {', '.join(FILES)}.", field="file")
    return found


def add(session: WriteSession, account_id: str, files: dict[str, bytes]) -> tuple[Imported, int]:
    """Put what the files hold onto a member's shelf; gives how much came, and how much was left out."""
    rows: list[dict[str, Any]] = []
    skipped = 0
    for row in (*_items(files.get("items.jsonl", b"")), *_favorites(files.get("favorites.txt", b""))):
        if row is None or len(rows) >= MOST_ENTRIES:
            skipped += 1
        else:
            rows.append({"user_id": account_id, "created_at": clock.now(), **row})
    imported = Imported()
    for start in range(0, len(rows), BATCH):
        insert = insert_for(session)(ShelfEntry).values(rows[start : start + BATCH]).on_conflict_do_nothing()
        for kind in session.scalars(insert.returning(ShelfEntry.kind)):
            imported.items += kind == "item"
            imported.favorites += kind == "favorite"
    return imported, skipped + len(rows) - imported.items - imported.favorites


def of(session: ReadSession, account_id: str, *, limit: int = MOST_ENTRIES) -> Sequence[ShelfEntry]:
    """What stands on a member's shelf, newest first."""
    statement = select(ShelfEntry).where(ShelfEntry.user_id == account_id)
    order = (ShelfEntry.written_at.desc().nulls_last(), ShelfEntry.ref)
    return session.scalars(statement.order_by(*order).limit(limit)).all()


def _items(lines: bytes) -> Iterator[dict[str, Any] | None]:
    for line in lines.splitlines():
        if line.strip():
            yield _item(line)


def _item(line: bytes) -> dict[str, Any] | None:
    """An item as a row; None where the line is none."""
    try:
        raw = msgspec.json.decode(line, type=dict[str, Any])
        reference = int(raw["id"])
        written = datetime.fromtimestamp(int(raw["time"]), UTC) if raw.get("time") is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
    if not 0 < reference < 2**53:
        return None
    typed, html = str(raw.get("content") or "")[:LONGEST_TEXT], str(raw.get("text") or "")[:LONGEST_TEXT]
    return {
        "kind": "item",
        "ref": str(reference),
        "title": str(raw.get("title") or "").replace("\0", "")[:150],
        "url": _address(str(raw.get("url") or "")),
        "html": rendered(typed) if typed else reserialised(html),
        "written_at": written,
    }


def _favorites(lines: bytes) -> Iterator[dict[str, Any] | None]:
    """An id or an address a line."""
    empty: dict[str, Any] = {"kind": "favorite", "title": "", "html": "", "written_at": None}
    for line in lines.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text.isascii() and text.isdigit() and len(text) < 16:
            yield {**empty, "ref": text, "url": None}
        elif text:
            url = _address(text)
            yield {**empty, "ref": url, "url": url} if url else None


def _address(text: str) -> str | None:
    try:
        return checked_url(text) if text else None
    except Invalid:
        return None
