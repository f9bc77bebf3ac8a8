"""The rows of a new link, in two statements that also decide what must not be: each further one costs a tenth of the
whole request."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, exists, inspect, literal, select
from sqlalchemy.dialects import postgresql

from dodeca.kernel.db import Prepared, WriteSession
from dodeca.products.shortener.models import Link, ShortCode, new_link_id
from dodeca.products.shortener.service import blocklist
from dodeca.products.shortener.targets import Target

_links = cast(Table, Link.__table__)
_codes = cast(Table, ShortCode.__table__)
_columns: dict[str, str] = {attribute.key: attribute.columns[0].key for attribute in inspect(Link).column_attrs}
_FRESH: dict[str, Any] = {
    "group_id": None,
    "folder_id": None,
    "title": "",
    "description": "",
    "image": "",
    "target_changed_at": None,
    "starts_at": None,
    "expires_at": None,
    "expired_url": None,
    "max_visits": None,
    "visits_left": None,
    "password_hash": None,
    "redirect_status": 302,
    "forward_query": False,
    "crawlable": False,
    "utm": None,
    "has_rules": False,
    "archived_at": None,
    "disabled_reason": None,
    "deleted_at": None,
    "last_click_at": None,
    "clicks": 0,
    "unique_visitors": 0,
    "bots": 0,
    "imported_clicks": 0,
    "manage_token": None,
    "dedupe_key": None,
}


def _unless_blocked(given: Collection[str]) -> Prepared:
    """The insertion of a link whose attributes `given` are parameters and whose others are as in any fresh one."""
    values = [
        bindparam(name, type_=_links.c[column].type)
        if name in given
        else literal(_FRESH[name], _links.c[column].type, literal_execute=False)
        for name, column in _columns.items()
    ]
    row = select(*values).where(~exists().where(blocklist.matches))
    insert = postgresql.insert(_links).from_select(list(_columns.values()), row, include_defaults=False)
    return Prepared(insert.on_conflict_do_nothing())


_insert = Prepared(postgresql.insert(_links).on_conflict_do_nothing())
_insert_code = Prepared(postgresql.insert(_codes).on_conflict_do_nothing())
_insert_plain = _unless_blocked(_columns.keys() - _FRESH.keys())
_insert_other = _unless_blocked(_columns)
_insert_generated = Prepared(
    postgresql.insert(_codes)
    .from_select(
        ["domain_id", "short_url_text", "short_url_id"],
        select(
            bindparam("domain", type_=_codes.c.domain_id.type),
            bindparam("code", type_=_codes.c.short_url_text.type),
            bindparam("link", type_=_codes.c.short_url_id.type),
        ).where(~exists().where(ShortCode.domain_id == bindparam("domain"), ShortCode.alias_key == bindparam("key"))),
        include_defaults=False,
    )
    .on_conflict_do_nothing()
)
_remove = Prepared(delete(_links).where(_links.c.short_url_id == bindparam("link")))


def fresh_link(account_id: str | None, domain_id: int, code: str, target: Target, now: datetime) -> dict[str, Any]:
    """The attributes of a plain new link."""
    return _FRESH | own_attributes(account_id, domain_id, code, target, now)


def own_attributes(account_id: str | None, domain_id: int, code: str, target: Target, now: datetime) -> dict[str, Any]:
    """Those in which fresh links differ."""
    return {
        "id": new_link_id(),
        "domain_id": domain_id,
        "short_code": code,
        "long_url": target.long_url,
        "location": None if target.location == target.long_url else target.location,
        "url_hash": target.url_hash,
        "target_domain": target.domain,
        "user_id": account_id,
        "created_at": now,
        "updated_at": now,
        "warning": target.warning,
    }


def insert_link(session: WriteSession, values: dict[str, Any]) -> bool:
    """Insert a link's row; False when its id or dedupe key is taken. Whether its target is blocked was asked before."""
    return _insert.run(session, **{_columns[name]: value for name, value in values.items()}) == 1


def insert_all(session: WriteSession, links: Sequence[dict[str, Any]], codes: Sequence[tuple[int, str, int]]) -> bool:
    """Insert the rows of links, and of their generated codes (domain, code, link); False when an id or a code among
    them is taken, and some rows are not stored. Blocked targets and equal aliases were asked for before."""
    rows = [{_columns[name]: value for name, value in values.items()} for values in links]
    spellings = [_code_row(*code) for code in codes]
    return _insert.insert_many(session, rows) == len(rows) and _insert_code.insert_many(session, spellings) == len(rows)


def insert_unless_blocked(
    session: WriteSession, own: dict[str, Any], others: dict[str, Any], target: Target
) -> dict[str, Any] | None:
    """Insert a link with its `own_attributes` and such `others` as are not as in any fresh link, and give all its
    attributes; None when its id or dedupe key is taken, or its target is blocked."""
    patterns = blocklist.patterns_of(target.host, target.location)
    if all(_FRESH[name] == value for name, value in others.items()):
        done = _insert_plain.run(session, **own, **patterns)
        return _FRESH | own if done == 1 else None
    values = _FRESH | own | others
    return values if _insert_other.run(session, **values, **patterns) == 1 else None


def insert_code(session: WriteSession, domain_id: int, code: str, link_id: int, alias_key: str | None = None) -> bool:
    """Insert a code's row; False when it is taken."""
    return _insert_code.run(session, **_code_row(domain_id, code, link_id, alias_key)) == 1


def _code_row(domain_id: int, code: str, link_id: int, alias_key: str | None = None) -> dict[str, Any]:
    return {
        "domain_id": domain_id,
        "short_url_text": code,
        "alias_key": alias_key,
        "short_url_id": link_id,
        "released_at": None,
    }


def insert_generated(session: WriteSession, domain_id: int, code: str, link_id: int) -> bool:
    """Insert the row of a link's generated code. False, and the link is gone again, when the code equals an alias in
    any letter case or one that was brought in."""
    if _insert_generated.run(session, domain=domain_id, code=code, link=link_id, key=code.lower()) == 1:
        return True
    _remove.run(session, link=link_id)
    return False
