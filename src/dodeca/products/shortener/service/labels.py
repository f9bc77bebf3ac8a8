"""Tags, folders and UTM templates: how an account keeps its links in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock, ids
from dodeca.kernel.db import Prepared, ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.http import Principal
from dodeca.products.shortener.models import Folder, Link, LinkTag, Tag, UtmTemplate
from dodeca.products.shortener.service.wishes import MAX_TAGS, checked_utm

LONGEST_NAME = 100
TAGS_AN_ACCOUNT = 10_000
L = TypeVar("L", Tag, Folder, UtmTemplate)


class NameTaken(Conflict):
    """The account has one of this name already."""


_tags_of_one = Prepared(
    select(Tag.name)
    .join(LinkTag, LinkTag.tag_id == Tag.id)
    .where(LinkTag.link_id == bindparam("link"))
    .order_by(Tag.key)
)


def checked_name(name: str, field: str = "name") -> str:
    """The name on one line. Raises Invalid."""
    text = " ".join(name.split())
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise Invalid(f"A name has 1 to {LONGEST_NAME} characters.", field=field)
    return text


def visible_to(kind: type[L], actor: Principal) -> Select[L]:
    """The caller's own tags, folders or templates."""
    return select(kind).where(kind.account_id == actor.account_id)


def find(session: ReadSession, kind: type[L], actor: Principal, identifier: str) -> L:
    """One of them, by id or name. Raises NotFound."""
    row = session.scalar(visible_to(kind, actor).where(kind.id == identifier)) or session.scalar(
        visible_to(kind, actor).where(kind.key == identifier.strip().lower())
    )
    if row is None:
        raise NotFound("There is nothing of this name.")
    return row


def add(session: WriteSession, kind: type[L], actor: Principal, name: str, **columns: Any) -> L:
    """Make one. Raises Invalid, NameTaken."""
    text = checked_name(name)
    if "utm" in columns:
        columns["utm"] = checked_utm(columns["utm"]) or {}
    row = kind(account_id=actor.account_id, name=text, key=text.lower(), **columns)
    with claiming(session, kind, otherwise=NameTaken("You have one of this name.", field="name")):
        session.add(row)
    return row


def change(session: WriteSession, kind: type[L], actor: Principal, identifier: str, **columns: Any) -> L:
    """Rename it, or change what is given. Raises NotFound, Invalid, NameTaken."""
    row = find(session, kind, actor, identifier)
    if columns.get("name") is not None:
        columns["name"] = checked_name(columns["name"])
        columns["key"] = columns["name"].lower()
    if "utm" in columns:
        columns["utm"] = checked_utm(columns["utm"]) or {}
    with claiming(session, kind, otherwise=NameTaken("You have one of this name.", field="name")):
        for column, value in columns.items():
            if value is not None:
                setattr(row, column, value)
    return row


def remove(session: WriteSession, kind: type[L], actor: Principal, identifier: str) -> None:
    """Delete it; links stay. Raises NotFound."""
    row = find(session, kind, actor, identifier)
    if isinstance(row, Tag):
        session.execute(delete(LinkTag).where(LinkTag.tag_id == row.id))
    elif isinstance(row, Folder):
        session.execute(update(Link).where(Link.folder_id == row.id).values(folder_id=None))
    session.delete(row)


# Tags of links


def tag_ids(session: WriteSession, account_id: str, names: Iterable[str]) -> list[str]:
    """The ids of an account's tags, made where missing. Raises Invalid."""
    wanted = {text.lower(): text for text in (checked_name(name, "tags") for name in names if name.strip())}
    if len(wanted) > MAX_TAGS:
        raise Invalid(f"A link has at most {MAX_TAGS} tags.", field="tags")
    if not wanted:
        return []
    by_key = select(Tag.key, Tag.id).where(Tag.account_id == account_id, Tag.key.in_(list(wanted)))
    known = {row[0]: row[1] for row in session.execute(by_key)}
    missing = [key for key in wanted if key not in known]
    if missing:
        held = session.scalar(select(func.count()).select_from(Tag).where(Tag.account_id == account_id)) or 0
        if held + len(missing) > TAGS_AN_ACCOUNT:
            raise Invalid(f"An account has at most {TAGS_AN_ACCOUNT:,} tags.", field="tags")
        rows = [{"id": ids.new_id(), "account_id": account_id, "name": wanted[key], "key": key} for key in missing]
        session.execute(postgresql.insert(Tag).on_conflict_do_nothing(), rows)
        known = {row[0]: row[1] for row in session.execute(by_key)}
    return [known[key] for key in wanted]


def set_tags(session: WriteSession, link: Link, names: Sequence[str] | None) -> None:
    """Put exactly these tags on a link. They are its owner's. Raises Invalid."""
    if link.user_id is None:
        raise Invalid("Tags need an account.", field="tags")
    session.execute(delete(LinkTag).where(LinkTag.link_id == link.id))
    rows = [{"link_id": link.id, "tag_id": tag_id} for tag_id in tag_ids(session, link.user_id, names or ())]
    if rows:
        session.execute(postgresql.insert(LinkTag).on_conflict_do_nothing(), rows)


def tags_of(session: ReadSession, link_ids: Sequence[int]) -> dict[int, list[str]]:
    """The names of the tags of links, sorted."""
    if len(link_ids) == 1:
        return {link_ids[0]: [name for (name,) in _tags_of_one.rows(session, link=link_ids[0])]}
    found: dict[int, list[str]] = {}
    statement = select(LinkTag.link_id, Tag.name).join(Tag).where(LinkTag.link_id.in_(link_ids)).order_by(Tag.key)
    for link_id, name in session.execute(statement):
        found.setdefault(link_id, []).append(name)
    return found


def tag_counts(session: ReadSession, actor: Principal) -> list[tuple[Tag, int, int, int]]:
    """The caller's tags with the number of their links, and those links' clicks and bots."""
    statement = (
        select(
            Tag,
            func.count(Link.id),
            func.coalesce(func.sum(Link.clicks), 0),
            func.coalesce(func.sum(Link.bots), 0),
        )
        .outerjoin(LinkTag, LinkTag.tag_id == Tag.id)
        .outerjoin(Link, (Link.id == LinkTag.link_id) & Link.deleted_at.is_(None))
        .where(Tag.account_id == actor.account_id)
        .group_by(Tag.id)
        .order_by(Tag.key)
    )
    return [(row[0], row[1], int(row[2]), int(row[3])) for row in session.execute(statement)]


# Folders of links


def folder_named(session: WriteSession, account_id: str, name: str) -> Folder:
    """The account's folder of this name or id, made where missing. Raises Invalid."""
    text = checked_name(name, "folder")
    mine = select(Folder).where(Folder.account_id == account_id)
    found = session.scalar(mine.where((Folder.key == text.lower()) | (Folder.id == text)))
    if found is not None:
        return found
    values = {"id": ids.new_id(), "account_id": account_id, "name": text, "key": text.lower()}
    session.execute(postgresql.insert(Folder).values(values).on_conflict_do_nothing())
    return session.scalars(mine.where(Folder.key == text.lower())).one()


def folder_names(session: ReadSession, folder_ids: Iterable[str | None]) -> dict[str, str]:
    """Names of folders by id."""
    wanted = {folder_id for folder_id in folder_ids if folder_id}
    if not wanted:
        return {}
    return {row[0]: row[1] for row in session.execute(select(Folder.id, Folder.name).where(Folder.id.in_(wanted)))}


__all__ = [
    "NameTaken",
    "add",
    "change",
    "checked_name",
    "clock",
    "find",
    "folder_named",
    "folder_names",
    "remove",
    "set_tags",
    "tag_counts",
    "tag_ids",
    "tags_of",
    "visible_to",
]
