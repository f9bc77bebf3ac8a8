"""Alembic's environment. Connection and URL come from `kernel.db.migrations`."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, Connection, create_engine

from dodeca import catalogue
from dodeca.kernel.db import UtcDateTime, metadata
from dodeca.kernel.search import is_companion

catalogue.products()  # registers every table


def render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own column types by their names."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    if kind == "type" and isinstance(item, JSON):
        return "Json"
    return False


def known(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave out what is made for full-text search beside its tables: SQLite's tables, PostgreSQL's index of parts."""
    return kind not in ("table", "index") or not is_companion(name)


def include(connection: Connection) -> None:
    """Run the migrations on one connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=render,
        include_name=known,
        **context.config.attributes.get("options", {}),
    )
    with context.begin_transaction():
        context.run_migrations()


existing = context.config.attributes.get("connection")
if existing is not None:
    include(existing)
else:
    with create_engine(context.config.attributes["url"]).connect() as made:
        include(made)
