"""Tags: listed, renamed, deleted, with their numbers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.shortener.compat.calls import Asked
from dodeca.products.shortener.compat.shlink.errors import TagNotFound
from dodeca.products.shortener.compat.shlink.shapes import calls, paged, part_of, summary
from dodeca.products.shortener.models import Tag
from dodeca.products.shortener.service import labels

Counted = tuple[Tag, int, int, int]
Name = Annotated[str, Meta(max_length=1000)]
_ORDERS = {
    "tag": lambda row: row[0].key,
    "shortUrlsCount": lambda row: row[1],
    "visits": lambda row: row[2] + row[3],
    "visitsCount": lambda row: row[2] + row[3],
    "nonBotVisits": lambda row: row[2],
}


class RenameRequest(msgspec.Struct):
    """What `PUT tags` takes."""

    oldName: Name = ""  # noqa: N815 - the name on the wire
    newName: Name = ""  # noqa: N815


def own_tag(session: ReadSession, asked: Asked, name: str) -> Tag:
    """The caller's tag of a name. Raises TagNotFound."""
    try:
        return labels.find(session, Tag, asked.actor, name)
    except NotFound as error:
        raise TagNotFound(name) from error


def _counted(session: ReadSession, asked: Asked) -> list[Counted]:
    """The caller's tags with their numbers, filtered and in the order that the query wants."""
    rows = labels.tag_counts(session, asked.actor)
    term = asked.text("searchTerm").strip().lower()
    if term:
        rows = [row for row in rows if term in row[0].key]
    name, _, direction = (asked.text("orderBy") or "tag-ASC").partition("-")
    if name not in _ORDERS or direction.upper() not in ("", "ASC", "DESC"):
        raise Invalid(f"orderBy is one of {', '.join(_ORDERS)} with -ASC or -DESC.", field="orderBy")
    by: Any = _ORDERS[name]
    return sorted(rows, key=by, reverse=direction.upper() == "DESC")


@calls.reading("GET", "tags")
def list_tags(session: ReadSession, asked: Asked) -> object:
    """The names of the caller's tags, sorted."""
    page = part_of(_counted(session, asked), asked)
    return {"tags": paged(page, [row[0].name for row in page.rows])}


@calls.reading("GET", "tags/stats")
def tag_stats(session: ReadSession, asked: Asked) -> object:
    """The caller's tags with how many short URLs have them and how often those were visited."""
    page = part_of(_counted(session, asked), asked)
    data = [
        {
            "tag": tag.name,
            "shortUrlsCount": count,
            "visitsSummary": summary(people, bots),
            "visitsCount": people + bots,
        }
        for tag, count, people, bots in page.rows
    ]
    return {"tags": paged(page, data)}


@calls.writing("PUT", "tags")
def rename_tag(session: WriteSession, asked: Asked) -> None:
    """Rename a tag on all its short URLs."""
    data = asked.body(RenameRequest)
    for field in ("oldName", "newName"):
        if not getattr(data, field).strip():
            raise Invalid(f"Give the {field}.", field=field)
    tag = own_tag(session, asked, data.oldName)
    labels.change(session, Tag, asked.actor, tag.id, name=data.newName)


@calls.writing("DELETE", "tags")
def delete_tags(session: WriteSession, asked: Asked) -> None:
    """Delete tags; short URLs stay. Names that are no tags are passed over, as Shlink does."""
    for name in asked.texts("tags", "tags[]")[:1000]:
        try:
            tag = own_tag(session, asked, name)
        except TagNotFound:
            continue
        labels.remove(session, Tag, asked.actor, tag.id)
