"""What the shortener holds of an account: to hand it out, and to delete it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import cast

import msgspec
from sqlalchemy import Table, delete, inspect, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.shortener.models import (
    BlockedTarget,
    Click,
    ClickDay,
    ClickHour,
    Domain,
    Folder,
    Group,
    GroupMember,
    ImportRun,
    Link,
    LinkHistory,
    LinkRule,
    LinkTag,
    Report,
    ShortCode,
    Tag,
    Takedown,
    UtmTemplate,
    Visitor,
)
from dodeca.products.shortener.service import labels, ruling

_HIDDEN = {"password_hash", "manage_token", "dedupe_key", "url_hash", "user_id"}
_BATCH = 500
_ATTRIBUTES = tuple(attribute.key for attribute in inspect(Link).column_attrs)


def export_account(session: ReadSession, account_id: str) -> Mapping[str, bytes]:
    """All links with settings, clicks, and what keeps them in order."""
    links = session.scalars(select(Link).where(Link.user_id == account_id).order_by(Link.id)).all()
    link_ids = [link.id for link in links]
    tags: dict[int, list[str]] = {}
    rules: dict[int, list[LinkRule]] = {}
    for start in range(0, len(link_ids), _BATCH):
        tags |= labels.tags_of(session, link_ids[start : start + _BATCH])
        rules |= ruling.of_links(session, link_ids[start : start + _BATCH])
    rows = []
    for link in links:
        row = {name: getattr(link, name) for name in _ATTRIBUTES if name not in _HIDDEN}
        row["id"] = str(link.id)
        row["password"] = link.password_hash is not None
        row["tags"] = tags.get(link.id, [])
        row["rules"] = [{"long_url": r.long_url, "conditions": r.conditions} for r in rules.get(link.id, ())]
        rows.append(row)
    others = {
        "domains": [d.host for d in session.scalars(select(Domain).where(Domain.account_id == account_id))],
        "folders": [f.name for f in session.scalars(select(Folder).where(Folder.account_id == account_id))],
        "tags": [t.name for t in session.scalars(select(Tag).where(Tag.account_id == account_id))],
        "utm_templates": [
            {"name": t.name, "utm": t.utm}
            for t in session.scalars(select(UtmTemplate).where(UtmTemplate.account_id == account_id))
        ],
        "groups": [
            {"name": name, "role": role}
            for name, role in session.execute(
                select(Group.name, GroupMember.role)
                .join(GroupMember, GroupMember.group_id == Group.id)
                .where(GroupMember.account_id == account_id)
            )
        ],
        "reports": [
            {"reason": r.reason, "at": r.created_at}
            for r in session.scalars(select(Report).where(Report.reporter_id == account_id))
        ],
    }
    return {
        "links.json": msgspec.json.encode(rows),
        "organisation.json": msgspec.json.encode(others),
        "clicks.csv": _clicks(session, link_ids),
    }


def _clicks(session: ReadSession, link_ids: list[int]) -> bytes:
    columns = (
        Click.link_id,
        Click.at,
        Click.kind,
        Click.referrer,
        Click.country,
        Click.device,
        Click.os,
        Click.browser,
    )
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow([column.key for column in columns])
    for start in range(0, len(link_ids), _BATCH):
        part = link_ids[start : start + _BATCH]
        for row in session.execute(select(*columns).where(Click.link_id.in_(part)).order_by(Click.at, Click.id)):
            writer.writerow([row[0], clock.rfc3339(row[1]), *row[2:]])
    return output.getvalue().encode()


def delete_account(session: WriteSession, account_id: str) -> None:
    """Links stop leading anywhere and lose what they told; codes stay taken, so that nobody inherits their readers."""
    _leave_groups(session, account_id)
    mine = select(Link.id).where(Link.user_id == account_id)
    for kept in (Click, ClickHour, ClickDay, Visitor, LinkRule, LinkTag, LinkHistory):
        session.execute(delete(kept).where(cast(Table, kept.__table__).c.link_id.in_(mine)))
    session.execute(delete(ImportRun).where(ImportRun.account_id == account_id))
    now = clock.now()
    codes = update(ShortCode).where(ShortCode.link_id.in_(mine), ShortCode.released_at.is_(None))
    session.execute(codes.values(released_at=now).execution_options(synchronize_session=False))
    emptied = {
        "long_url": "", "location": None, "url_hash": 0, "target_domain": "", "title": "", "description": "",
        "image": "", "expired_url": None, "utm": None, "has_rules": False, "password_hash": None, "folder_id": None,
        "dedupe_key": None, "user_id": None, "group_id": None, "deleted_at": now, "clicks": 0, "unique_visitors": 0,
        "bots": 0, "last_click_at": None, "domain_id": 0,
    }  # fmt: skip
    session.execute(
        update(Link).where(Link.user_id == account_id).values(emptied).execution_options(synchronize_session=False)
    )
    for label in (Tag, Folder, UtmTemplate, Domain):
        session.execute(delete(label).where(label.account_id == account_id))
    for model, column in (
        (Report, "reporter_id"),
        (Report, "handled_by"),
        (Takedown, "actor_id"),
        (BlockedTarget, "created_by"),
        (LinkHistory, "account_id"),
    ):
        table = cast(Table, model.__table__)
        session.execute(table.update().where(table.c[column] == account_id).values({column: None}))


def _leave_groups(session: WriteSession, account_id: str) -> None:
    """A group whose last owner goes is handed to its longest editor, else viewer, else dissolved."""
    owned = select(GroupMember.group_id).where(GroupMember.account_id == account_id, GroupMember.role == "owner")
    for group_id in session.scalars(owned).all():
        others = session.scalars(
            select(GroupMember).where(GroupMember.group_id == group_id, GroupMember.account_id != account_id)
        ).all()
        if not others:
            session.execute(update(Link).where(Link.group_id == group_id).values(group_id=None))
            session.execute(delete(GroupMember).where(GroupMember.group_id == group_id))
            session.execute(delete(Group).where(Group.id == group_id))
        elif not any(member.role == "owner" for member in others):
            heir = next((member for member in others if member.role == "editor"), others[0])
            heir.role = "owner"
    session.flush()
    session.execute(delete(GroupMember).where(GroupMember.account_id == account_id))
