"""Tables of moderation: what people report, and what moderators did about it."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import CheckConstraint, Connection, ForeignKey, Index, Table, event, text
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock, ids
from dodeca.kernel.db import Model

_OPEN = text("state = 'open'")


class Report(Model):
    """Somebody's report of one thing of one product. Only its author and the moderators see it.

    A person has at most one open report of a thing (unique index). `closed_at` is set exactly when it is no longer
    open (check)."""

    __tablename__ = "moderation_reports"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    product: Mapped[str]
    reporter_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    target_type: Mapped[str]
    target_id: Mapped[str]
    reason: Mapped[str]
    text: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="open")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state IN ('open', 'upheld', 'dismissed')", name="state"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
        Index("ix_moderation_reports_queue", "product", "state", "created_at"),
        Index(
            "uq_moderation_reports_open",
            "product",
            "target_type",
            "target_id",
            "reporter_id",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )


class ModerationEntry(Model):
    """One decision of a moderator, with its reason, for everybody to read.

    Written in the transaction that carries it out. Rows are never changed or removed: triggers of both engines refuse.
    `moderator_id` is null where the site's own rules decided."""

    __tablename__ = "moderation_log"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    product: Mapped[str]
    action: Mapped[str]
    moderator_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    target_type: Mapped[str]
    target_id: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("reason <> ''", name="reason"),
        Index("ix_moderation_log_product", "product", "id"),
        Index("ix_moderation_log_target", "product", "target_type", "target_id"),
    )


def statements(dialect: str) -> list[str]:
    """The repeatable SQL that makes the log append-only on `sqlite` or `postgresql`."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER IF NOT EXISTS moderation_log_no_{verb} BEFORE {verb.upper()} ON moderation_log "
            "BEGIN SELECT RAISE(ABORT, 'the moderation log is append-only'); END"
            for verb in ("update", "delete")
        ]
    return [
        "CREATE OR REPLACE FUNCTION moderation_log_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the moderation log is append-only'; END $$",
        "CREATE OR REPLACE TRIGGER moderation_log_no_change BEFORE UPDATE OR DELETE ON moderation_log "
        "FOR EACH ROW EXECUTE FUNCTION moderation_log_refuse()",
        "CREATE OR REPLACE TRIGGER moderation_log_no_truncate BEFORE TRUNCATE ON moderation_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION moderation_log_refuse()",
    ]


def _make_triggers(_table: Table, connection: Connection, **_options: object) -> None:
    for statement in statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


event.listen(cast(Table, ModerationEntry.__table__), "after_create", _make_triggers)
