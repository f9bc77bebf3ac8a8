"""The audit log is append-only: triggers of both engines say so, whoever writes to the database.

They are made with the table, by `metadata.create_all` and by migrations (`statements`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from sqlalchemy import Connection, Table, event

from dodeca.commons.accounts.models import AuditEntry

KEPT_DAYS = 400
"""How long an entry cannot be removed: a year and a month, so that a yearly review finds all of it."""


def statements(dialect: str) -> list[str]:
    """The SQL that makes the triggers on `sqlite` or `postgresql`, for migrations."""
    if dialect == "sqlite":
        return [
            "CREATE TRIGGER IF NOT EXISTS audit_log_no_update BEFORE UPDATE ON audit_log "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
            "CREATE TRIGGER IF NOT EXISTS audit_log_no_delete BEFORE DELETE ON audit_log "
            f"WHEN OLD.at > datetime('now', '-{KEPT_DAYS} days') "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
        ]
    return [
        "CREATE OR REPLACE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
        "CREATE OR REPLACE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log "
        "FOR EACH ROW EXECUTE FUNCTION audit_log_refuse()",
        "CREATE OR REPLACE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log FOR EACH ROW "
        f"WHEN (OLD.at > now() - interval '{KEPT_DAYS} days') EXECUTE FUNCTION audit_log_refuse()",
        "CREATE OR REPLACE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()",
    ]


def undo_statements(dialect: str) -> list[str]:
    """The SQL that removes what stays when the table is dropped."""
    return [] if dialect == "sqlite" else ["DROP FUNCTION IF EXISTS audit_log_refuse()"]


def _attach() -> None:
    table = cast(Table, AuditEntry.__table__)
    event.listen(table, "after_create", _run(statements))
    event.listen(table, "after_drop", _run(undo_statements))


def _run(choose: Callable[[str], list[str]]) -> Callable[..., None]:
    def listener(_table: Table, connection: Connection, **_options: object) -> None:
        for statement in choose(connection.dialect.name):
            connection.exec_driver_sql(statement)

    return listener


_attach()
