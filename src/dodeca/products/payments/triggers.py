"""Rows that nobody may change: triggers of both engines refuse, whoever writes to the database.

They are made with the tables, by `metadata.create_all` and by migrations (`statements`).
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import DDL, Table, event

from dodeca.kernel.db import Model
from dodeca.products.payments.models import Journal, PaymentEvent, Transfer

IMMUTABLE: tuple[type[Model], ...] = (Journal, Transfer, PaymentEvent)


def statements(table: str, dialect: str) -> list[str]:
    """The SQL that makes the rows of `table` unchangeable on `sqlite` or `postgresql`, for migrations."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("update", "delete")
        ]
    return [
        f"CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
        f"CREATE OR REPLACE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
    ]


def declare() -> None:
    """Make the triggers together with the tables."""
    for model in IMMUTABLE:
        table = cast(Table, model.__table__)
        for dialect in ("sqlite", "postgresql"):
            for statement in statements(table.name, dialect):
                made = DDL(statement)  # type: ignore[no-untyped-call]
                event.listen(table, "after_create", made.execute_if(dialect=dialect))


declare()
