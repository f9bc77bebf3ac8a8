"""Bringing the schema up to date with Alembic. The scripts lie in `dodeca/migrations`, one branch a module."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.pool import NullPool

from dodeca.kernel.db.database import Database
from dodeca.kernel.db.models import metadata
from dodeca.kernel.errors import Unavailable

FOLDER = Path(__file__).parents[2] / "migrations"


class SchemaBehind(Unavailable):
    """The database lacks migrations that this code needs."""


def alembic_config(url: str) -> AlembicConfig:
    """Alembic's configuration, made in code: there is no alembic.ini."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def pending(database: Database) -> list[str]:
    """The revisions that the database lacks."""
    script = ScriptDirectory.from_config(alembic_config(database.url))
    with database.engine.connect() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
    done = {r.revision for head in current for r in script.iterate_revisions(head, "base", implicit_base=True)}
    done |= {r.revision for head in current for r in script.iterate_revisions(head, "base")}
    return [r.revision for r in script.walk_revisions() if r.revision not in done]


def upgrade(database: Database) -> None:
    """Apply what is missing."""
    engine = create_engine(database.url, poolclass=NullPool)
    config = alembic_config(database.url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")
        add_extras(connection)
    engine.dispose()


def add_extras(connection: Connection) -> None:
    """What no migration holds: triggers and full-text tables, which are declared beside their table by `after_create`
    events. They are made again at every upgrade: their statements are repeatable (`IF NOT EXISTS`, `OR REPLACE`)."""
    existing = set(inspect(connection).get_table_names())
    for table in metadata.sorted_tables:
        if table.name in existing:  # a product that is imported and not installed has no tables yet
            table.dispatch.after_create(table, connection, checkfirst=False, tables=None, _ddl_runner=None)


def ensure(database: Database) -> None:
    """Before serving: SQLite is brought up to date, PostgreSQL must be. Raises SchemaBehind."""
    missing = pending(database)
    if missing and database.dialect == "sqlite":
        upgrade(database)
    elif missing:
        raise SchemaBehind("The database needs `dodeca migrate` first: " + ", ".join(missing[:5]) + ".")
