"""Groups: the personal one, which holds what the caller made outside groups, and the shortener's groups."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import Select, select

from dodeca.commons.accounts.public import account_by_id
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.shortener.compat.bitly.metrics import read_window
from dodeca.products.shortener.compat.bitly.shapes import (
    base,
    bitlinks,
    bitly_time,
    calls,
    editable,
    group_id,
    organisation_guid,
    personal_guid,
)
from dodeca.products.shortener.compat.calls import Asked
from dodeca.products.shortener.models import Domain, Link, LinkTag, Tag
from dodeca.products.shortener.service import groups, labels, links
from dodeca.products.shortener.service.numbered import page_number
from dodeca.products.shortener.service.wishes import LinkChange

LARGEST_PAGE = 100
MOST_CHANGES = 100


class BulkRequest(msgspec.Struct):
    """What `PATCH groups/{g}/bitlinks` takes: the links to change, and how."""

    links: Annotated[list[str], Meta(min_length=1, max_length=MOST_CHANGES)]
    action: str | None = None
    add_tags: Annotated[list[str], Meta(max_length=50)] | None = None
    remove_tags: Annotated[list[str], Meta(max_length=50)] | None = None
    archive: bool | None = None


def own_domains(session: ReadSession, asked: Asked) -> list[str]:
    """The hosts that the caller may shorten on, beside the shared one."""
    served = select(Domain.host).where(Domain.account_id == asked.actor.account_id, Domain.active_since.is_not(None))
    return list(session.scalars(served.order_by(Domain.host)))


def shown_groups(session: ReadSession, asked: Asked) -> list[dict[str, object]]:
    """The caller's groups, the personal one first."""
    actor = asked.actor
    account = account_by_id(session, actor.account_id)
    if account is None:
        raise NotFound("There is no such account.")
    hosts = own_domains(session, asked)
    personal = (personal_guid(account.id), account.name or account.username, account.created_at, account.created_at)
    theirs: Select[Any] = groups.visible_to(actor)
    shared = [(g.id, g.name, g.created_at, g.updated_at) for g in session.scalars(theirs)]
    organisation = organisation_guid(actor.account_id)
    shown: list[dict[str, object]] = []
    for guid, name, created, modified in [personal, *sorted(shared, key=lambda entry: (entry[2], entry[0]))]:
        shown.append(
            {
                "guid": guid,
                "name": name,
                "bsds": hosts,
                "created": bitly_time(created),
                "modified": bitly_time(modified),
                "is_active": True,
                "organization_guid": organisation,
                "role": _role(session, asked, guid),
                "references": {"organization": f"{base(asked.shortener)}/organizations/{organisation}"},
            }
        )
    return shown


def _role(session: ReadSession, asked: Asked, guid: str) -> str:
    """Bitly's word for what the caller is in a group."""
    own = guid == personal_guid(asked.actor.account_id)
    role = "owner" if own else groups.role_in(session, asked.actor, guid) or "viewer"
    return {"owner": "org-admin", "editor": "group-user", "viewer": "read-only"}[role]


@calls.reading("GET", "groups")
def list_groups(session: ReadSession, asked: Asked) -> object:
    """All groups of the caller."""
    wanted = asked.text("organization_guid")
    if wanted and wanted != organisation_guid(asked.actor.account_id):
        raise NotFound("There is no such organisation.", field="organization_guid")
    return {"groups": shown_groups(session, asked)}


def _in_group(session: ReadSession, asked: Asked) -> Select[Any]:
    """The links of the group that the path names. Raises NotFound."""
    wanted = group_id(session, asked.actor, asked.part("group"))
    everything = links.visible_to(asked.actor)
    if wanted is not None:
        return everything.where(Link.group_id == wanted)
    return everything.where(Link.user_id == asked.actor.account_id, Link.group_id.is_(None))


@calls.reading("GET", "groups/{group}/bitlinks")
def list_bitlinks(session: ReadSession, asked: Asked) -> object:
    """A page of a group's bitlinks, newest first."""
    statement = _filtered(session, asked, _in_group(session, asked))
    size = asked.number("size", 50, 1, LARGEST_PAGE)
    number = asked.number("page", 1, 1, 100_000)
    order = (Link.created_at.desc(), Link.id.desc())
    page = page_number(session, statement, order=order, number=number, size=size)
    return {
        "links": bitlinks(session, asked.shortener, page.rows),
        "pagination": {
            "prev": _page_url(asked, number - 1) if number > 1 else "",
            "next": _page_url(asked, number + 1) if number < page.pages else "",
            "size": size,
            "page": number,
            "total": page.total,
        },
    }


def _page_url(asked: Asked, number: int) -> str:
    from urllib.parse import urlencode

    pairs = [(k, v) for k, v in asked.call.request.query_params.multi_items() if k != "page"]
    query = urlencode([*pairs, ("page", number)])
    return f"{base(asked.shortener)}/groups/{asked.part('group')}/bitlinks?{query}"


def _filtered(session: ReadSession, asked: Asked, statement: Select[Any]) -> Select[Any]:
    archived = asked.text("archived", "off").lower() or "off"
    if archived not in ("on", "off", "both"):
        raise Invalid("archived is on, off or both.", field="archived")
    if archived != "both":
        is_archived = Link.archived_at.is_not(None)
        statement = statement.where(is_archived if archived == "on" else ~is_archived)
    if asked.text("query").strip():
        filters = links.Filters(q=asked.text("query"))
        matching = links.filtered(session, asked.shortener, asked.actor, filters)
        statement = statement.where(Link.id.in_(matching.with_only_columns(Link.id)))
    for tag in asked.texts("tags", "tags[]"):
        tagged = select(LinkTag.link_id).join(Tag).where(Tag.key == tag.strip().lower())
        statement = statement.where(Link.id.in_(tagged))
    for name, after in (("created_after", True), ("created_before", False)):
        if asked.text(name):
            moment = _moment(asked.text(name), name)
            statement = statement.where(Link.created_at >= moment if after else Link.created_at < moment)
    return statement


def _moment(text: str, field: str) -> datetime:
    """A time as Bitly takes it: seconds since the epoch. Raises Invalid."""
    if not text.isascii() or not text.isdecimal() or len(text) > 11:
        raise Invalid(f"{field} is a time in seconds since 1970.", field=field)
    return datetime.fromtimestamp(int(text), UTC)


@calls.reading("GET", "groups/{group}/bitlinks/clicks")
def sorted_bitlinks(session: ReadSession, asked: Asked) -> object:
    """A group's bitlinks with the most clicks."""
    size = asked.number("size", 50, 1, LARGEST_PAGE)
    read_window(asked, datetime(2020, 1, 1, tzinfo=UTC))  # what it refuses elsewhere it refuses here
    statement = _in_group(session, asked).order_by(Link.clicks.desc(), Link.id.desc()).limit(size)
    rows: list[Link] = list(session.scalars(statement))
    shown = bitlinks(session, asked.shortener, rows)
    counts = [{"id": link["id"], "clicks": row.clicks} for link, row in zip(shown, rows, strict=True)]
    return {"sorted_links": counts, "links": shown}


@calls.reading("GET", "groups/{group}/tags")
def group_tags(session: ReadSession, asked: Asked) -> object:
    """The tags of a group's bitlinks."""
    inside = _in_group(session, asked).with_only_columns(Link.id)
    used = select(Tag.name).join(LinkTag).where(LinkTag.link_id.in_(inside)).distinct().order_by(Tag.name)
    return {"tags": list(session.scalars(used))}


@calls.writing("PATCH", "groups/{group}/bitlinks")
def change_bitlinks(session: WriteSession, asked: Asked) -> object:
    """Tag or archive many bitlinks at once; all of them, or none where one cannot be changed."""
    data = asked.body(BulkRequest)
    inside = _in_group(session, asked)
    archive = data.archive
    if archive is None and data.action in ("archive", "unarchive"):
        archive = data.action == "archive"
    if archive is None and not data.add_tags and not data.remove_tags:
        raise Invalid("Give add_tags, remove_tags or archive.", field="action")
    changed = []
    for identifier in data.links:
        link = editable(session, asked, identifier)
        if session.scalar(inside.with_only_columns(Link.id).where(Link.id == link.id)) is None:
            raise NotFound("This bitlink is not in the group.", field="links")
        links.change(session, asked.shortener, asked.actor, link, _wish(session, data, link, archive))
        changed.append(link)
    return {"links": [entry["id"] for entry in bitlinks(session, asked.shortener, changed)]}


def _wish(session: ReadSession, data: BulkRequest, link: Link, archive: bool | None) -> LinkChange:
    wish = LinkChange()
    if archive is not None:
        wish.archived = archive
    if data.add_tags or data.remove_tags:
        gone = {tag.strip().lower() for tag in data.remove_tags or ()}
        kept: dict[str, Any] = {tag.lower(): tag for tag in labels.tags_of(session, [link.id]).get(link.id, [])}
        kept |= {tag.strip().lower(): tag for tag in data.add_tags or ()}
        wish.tags = [tag for key, tag in kept.items() if key not in gone]
    return wish


@calls.reading("GET", "groups/{group}")
def one_group(session: ReadSession, asked: Asked) -> object:
    """One group of the caller."""
    found = next((g for g in shown_groups(session, asked) if g["guid"] == asked.part("group")), None)
    if found is None:
        raise NotFound("There is no such group.", field="group_guid")
    return found
