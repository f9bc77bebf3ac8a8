"""Tables of the shortener: links, their codes, and what came of them."""

from __future__ import annotations

import secrets
from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock, ids
from dodeca.kernel.db import Model

SHARED_DOMAIN = 0
"""`domain_id` of the installation's own host, which has no row in `shortener_domains`."""
_RANDOM_BITS = 22
_FIRST_MILLISECOND = 1_735_689_600_000
"""2025-01-01: ids count from there, and fit 63 bits until 2094."""


def new_link_id() -> int:
    """A new id: the time in milliseconds, then random bits. So rows are appended, and an id does not tell how many
    links there are. Two processes may draw the same one: the insert does nothing then, and is repeated."""
    return first_link_id(clock.timestamp()) | secrets.randbits(_RANDOM_BITS)


def first_link_id(timestamp: float) -> int:
    """The lowest id of links that are made from this moment (seconds since the epoch) on."""
    return (int(timestamp * 1000) - _FIRST_MILLISECOND) << _RANDOM_BITS


class Link(Model):
    """One short link and all its settings.

    `location` is the serialised form of `long_url`, null where it is the same text; `url_hash` its 63-bit hash. The
    row outlives the link: with `deleted_at` only its codes stay, so that none is issued twice. `visits_left` is null
    without `max_visits`, never below 0 (check), and goes down by a conditional UPDATE only. `dedupe_key` (unique) is
    held by at most one plain live link of an account, domain and target. A link without `user_id` is managed by who
    has the token whose digest is `manage_token`. The counters are what `shortener_click_days` sums up to."""

    __tablename__ = "shortener_links"

    id: Mapped[int] = mapped_column("short_url_id", primary_key=True, autoincrement=False)
    domain_id: Mapped[int] = mapped_column(default=SHARED_DOMAIN)
    short_code: Mapped[str]
    long_url: Mapped[str] = mapped_column("long_url_text")
    location: Mapped[str | None]
    url_hash: Mapped[int] = mapped_column("long_url_id")
    target_domain: Mapped[str]
    user_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    group_id: Mapped[str | None] = mapped_column(ForeignKey("shortener_groups.id"))
    folder_id: Mapped[str | None] = mapped_column(ForeignKey("shortener_folders.id"))
    title: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    image: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    target_changed_at: Mapped[datetime | None]
    starts_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    expired_url: Mapped[str | None]
    max_visits: Mapped[int | None]
    visits_left: Mapped[int | None]
    password_hash: Mapped[str | None]
    redirect_status: Mapped[int] = mapped_column(default=302)
    forward_query: Mapped[bool] = mapped_column(default=False)
    crawlable: Mapped[bool] = mapped_column(default=False)
    utm: Mapped[dict[str, Any] | None]
    has_rules: Mapped[bool] = mapped_column(default=False)
    warning: Mapped[str | None]
    archived_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    deleted_at: Mapped[datetime | None]
    last_click_at: Mapped[datetime | None]
    clicks: Mapped[int] = mapped_column(default=0)
    unique_visitors: Mapped[int] = mapped_column(default=0)
    bots: Mapped[int] = mapped_column(default=0)
    imported_clicks: Mapped[int] = mapped_column(default=0)
    manage_token: Mapped[bytes | None]
    dedupe_key: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("visits_left >= 0", name="visits_left"),
        CheckConstraint("(max_visits IS NULL) = (visits_left IS NULL)", name="max_visits"),
        CheckConstraint("redirect_status IN (301, 302, 307, 308)", name="redirect_status"),
        Index(
            "ix_shortener_links_user_id_long_url_id",
            "user_id",
            "long_url_id",
            sqlite_where=sql("user_id IS NOT NULL"),
            postgresql_where=sql("user_id IS NOT NULL"),
        ),
        Index(
            "ix_shortener_links_user_id_created_at",
            "user_id",
            "created_at",
            "short_url_id",
            sqlite_where=sql("user_id IS NOT NULL"),
            postgresql_where=sql("user_id IS NOT NULL"),
        ),
        Index(
            "ix_shortener_links_group_id_created_at",
            "group_id",
            "created_at",
            sqlite_where=sql("group_id IS NOT NULL"),
            postgresql_where=sql("group_id IS NOT NULL"),
        ),
        Index("ix_shortener_links_target_domain", "target_domain", "short_url_id"),
        Index(
            "uq_shortener_links_dedupe_key",
            "dedupe_key",
            unique=True,
            sqlite_where=sql("dedupe_key IS NOT NULL"),
            postgresql_where=sql("dedupe_key IS NOT NULL"),
        ),
    )

    @property
    def target(self) -> str:
        """The serialised target, without UTM parameters."""
        return self.location or self.long_url


class ShortCode(Model):
    """One text under which a link is found on a domain.

    A code belongs to one link (primary key). `alias_key` is the lower-case alias, unique in its domain, null for a
    generated code, which equals no alias in any case. With `released_at` it leads nowhere: a generated code for ever,
    an alias until its owner (or, a year later, anybody) takes it again."""

    __tablename__ = "shortener_codes"

    domain_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column("short_url_text", primary_key=True)
    alias_key: Mapped[str | None]
    link_id: Mapped[int] = mapped_column("short_url_id", ForeignKey("shortener_links.short_url_id"), index=True)
    released_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_shortener_codes_domain_id_alias_key",
            "domain_id",
            "alias_key",
            unique=True,
            sqlite_where=sql("alias_key IS NOT NULL"),
            postgresql_where=sql("alias_key IS NOT NULL"),
        ),
    )


class KeyRange(Model):
    """The next counter of the codes of one length. Advanced under a row lock, in a transaction of its own."""

    __tablename__ = "shortener_key_ranges"

    length: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_counter: Mapped[int]


class KeySecret(Model):
    """The key of the bijection from counters to codes: one row (primary key 1), which never changes.

    It lies in the database, not in the secret key's reach, because another key would repeat codes."""

    __tablename__ = "shortener_key_secret"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[bytes]

    __table_args__ = (CheckConstraint("id = 1", name="single"),)


class LinkRule(Model):
    """One redirect rule of a link, tried in order of `position` (unique in the link).

    `id` stays with its clicks; `location` is the serialised target."""

    __tablename__ = "shortener_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    link_id: Mapped[int] = mapped_column(ForeignKey("shortener_links.short_url_id"))
    position: Mapped[int]
    long_url: Mapped[str]
    location: Mapped[str]
    target_domain: Mapped[str] = mapped_column(index=True)
    warning: Mapped[str | None]
    conditions: Mapped[list[Any]]

    __table_args__ = (UniqueConstraint("link_id", "position"),)


class LinkHistory(Model):
    """One change of a link's target. Append-only; `account_id` is null for anonymous links."""

    __tablename__ = "shortener_link_history"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    link_id: Mapped[int] = mapped_column(ForeignKey("shortener_links.short_url_id"), index=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    from_url: Mapped[str]
    to_url: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=clock.now)


class Click(Model):
    """One recorded request, without address. Removed after `raw_click_days`.

    `kind` is click, bot, head, prefetch or impression; `rule_id` 0 means the link's own target."""

    __tablename__ = "shortener_clicks"

    id: Mapped[int] = mapped_column(primary_key=True)
    link_id: Mapped[int]
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str]
    referrer: Mapped[str]
    country: Mapped[str]
    city: Mapped[str]
    device: Mapped[str]
    os: Mapped[str]
    browser: Mapped[str]
    language: Mapped[str]
    source: Mapped[str]
    user_agent: Mapped[str]
    rule_id: Mapped[int]

    __table_args__ = (Index("ix_shortener_clicks_link_id_at", "link_id", "at", "id"),)


class ClickHour(Model):
    """Counts of one link, hour (since the epoch, UTC), dimension and value. Added to in the transaction that moves the
    journal's offset. Dimension `all` has the value ''; `left_out` counts head, prefetch and impression in `clicks`."""

    __tablename__ = "shortener_click_rollups"

    link_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    clicks: Mapped[int]
    uniques: Mapped[int]
    bots: Mapped[int]


class ClickDay(Model):
    """The same by day (since the epoch, UTC): long ranges read a day as one row. Equals the sum of its hours."""

    __tablename__ = "shortener_click_days"

    link_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dimension: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    clicks: Mapped[int]
    uniques: Mapped[int]
    bots: Mapped[int]


class Visitor(Model):
    """Somebody seen on one link on one day (primary key), as a keyed hash. Removed once the day is over: the number
    is in the roll-ups."""

    __tablename__ = "shortener_visitors"

    link_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    visitor_hash: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class VisitorSalt(Model):
    """The key of one day's visitor hashes (primary key), destroyed after the day."""

    __tablename__ = "shortener_visitor_salts"

    day: Mapped[date] = mapped_column(primary_key=True)
    salt: Mapped[bytes]


class JournalOffset(Model):
    """How far a journal is folded. `offset` is the one that the reader yielded with the last folded record; `records`
    counts those ever folded."""

    __tablename__ = "shortener_journals"

    name: Mapped[str] = mapped_column(primary_key=True)
    offset: Mapped[int]
    records: Mapped[int] = mapped_column(default=0)


class OrphanVisit(Model):
    """A request for a code that leads nowhere. Removed after `raw_click_days`."""

    __tablename__ = "shortener_orphan_visits"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain_id: Mapped[int] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    path: Mapped[str]
    bot: Mapped[bool]
    referrer: Mapped[str]
    country: Mapped[str]
    user_agent: Mapped[str]


class Domain(Model):
    """A host that serves one account's links at its root. A host belongs to one account (unique).

    `active_since` is set once the TXT record held `token` or a moderator approved; only then is it served."""

    __tablename__ = "shortener_domains"

    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    token: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    active_since: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    checked_at: Mapped[datetime | None]
    failed_checks: Mapped[int] = mapped_column(default=0)
    home_url: Mapped[str | None]
    not_found_url: Mapped[str | None]
    expired_url: Mapped[str | None]

    __table_args__ = (CheckConstraint("id > 0", name="id"),)

    @property
    def status(self) -> str:
        """`active` or `pending`."""
        return "active" if self.active_since is not None else "pending"


class Tag(Model):
    """A label of one account's links; its name is unique there, ignoring case (`key`)."""

    __tablename__ = "shortener_tags"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    key: Mapped[str]

    __table_args__ = (UniqueConstraint("account_id", "key"),)


class LinkTag(Model):
    """A tag on a link, at most once (primary key). Tag and link have the same owner."""

    __tablename__ = "shortener_link_tags"

    link_id: Mapped[int] = mapped_column(
        ForeignKey("shortener_links.short_url_id"), primary_key=True, autoincrement=False
    )
    tag_id: Mapped[str] = mapped_column(
        ForeignKey("shortener_tags.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Folder(Model):
    """A folder of one account; its name is unique there, ignoring case (`key`). A link is in at most one."""

    __tablename__ = "shortener_folders"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    key: Mapped[str]

    __table_args__ = (UniqueConstraint("account_id", "key"),)


class Group(Model):
    """People who share links. A group has at least one owner (`service.groups`)."""

    __tablename__ = "shortener_groups"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)


class GroupMember(Model):
    """One account's role in one group (primary key). Owners manage members, editors links, viewers look."""

    __tablename__ = "shortener_group_members"

    group_id: Mapped[str] = mapped_column(ForeignKey("shortener_groups.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True, index=True)
    role: Mapped[str]

    __table_args__ = (CheckConstraint("role IN ('owner', 'editor', 'viewer')", name="role"),)


class UtmTemplate(Model):
    """Named UTM parameters of one account; the name is unique there, ignoring case (`key`)."""

    __tablename__ = "shortener_utm_templates"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    key: Mapped[str]
    utm: Mapped[dict[str, Any]]

    __table_args__ = (UniqueConstraint("account_id", "key"),)


class BlockedTarget(Model):
    """A domain (with all below it) or a serialised URL that nobody may shorten."""

    __tablename__ = "shortener_blocklist"

    pattern: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    created_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)


class Report(Model):
    """A complaint about a link. Open until a moderator handles it; what came of it stands in the takedown log."""

    __tablename__ = "shortener_reports"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    link_id: Mapped[int] = mapped_column(ForeignKey("shortener_links.short_url_id"), index=True)
    reason: Mapped[str]
    reporter_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    outcome: Mapped[str | None]


class Takedown(Model):
    """One entry of the takedown log: a link was disabled or enabled again, by whom and why. Append-only."""

    __tablename__ = "shortener_takedowns"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    link_id: Mapped[int] = mapped_column(ForeignKey("shortener_links.short_url_id"), index=True)
    action: Mapped[str]
    reason: Mapped[str]
    actor_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    at: Mapped[datetime] = mapped_column(default=clock.now, index=True)

    __table_args__ = (CheckConstraint("action IN ('disabled', 'enabled')", name="action"),)


class ImportRun(Model):
    """An uploaded file and what became of it. `content` is null once the import is over; `report` is set then."""

    __tablename__ = "shortener_imports"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    kind: Mapped[str]
    content: Mapped[bytes | None]
    rows_done: Mapped[int] = mapped_column(default=0)
    report: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    finished_at: Mapped[datetime | None]
