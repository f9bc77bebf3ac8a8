"""Alembic's environment. Connection and URL come from `kernel.db.migrations`."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from dodeca import catalogue
from dodeca.kernel.db import metadata

catalogue.products()  # registers every table


def include(connection: Connection) -> None:
    """Run the migrations on one connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
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
