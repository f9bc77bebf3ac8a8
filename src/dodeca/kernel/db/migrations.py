"""Bringing the schema up to date with Alembic. The scripts lie in `dodeca/migrations`, one branch a module.

Nearly every start finds nothing to do. Alembic and all scripts are loaded only where there is: that is a second of
processor time and ten megabytes for as long as the server runs.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from dodeca.kernel.db.database import Database
from dodeca.kernel.db.models import metadata
from dodeca.kernel.errors import Unavailable

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

FOLDER = Path(__file__).parents[2] / "migrations"
_REFERENCE = re.compile(r"^(revision|down_revision|depends_on)(?:\s*:[^=]*)?\s*=\s*(.+)$", re.MULTILINE)


class SchemaBehind(Unavailable):
    """The database lacks migrations that this code needs."""


def alembic_config(url: str) -> AlembicConfig:
    """Alembic's configuration, made in code: there is no alembic.ini."""
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def pending(database: Database) -> list[str]:
    """The revisions that the database lacks."""
    with database.engine.connect() as connection:
        known = inspect(connection).has_table("alembic_version")
        if known and set(connection.scalars(text("SELECT version_num FROM alembic_version"))) == newest():
            return []

    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(alembic_config(database.url))
    with database.engine.connect() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
    done = {r.revision for head in current for r in script.iterate_revisions(head, "base", implicit_base=True)}
    done |= {r.revision for head in current for r in script.iterate_revisions(head, "base")}
    return [r.revision for r in script.walk_revisions() if r.revision not in done]


@cache
def newest() -> frozenset[str]:
    """What the table of versions holds when nothing is lacking: the revisions that no other follows or depends on."""
    names: set[str] = set()
    referred: set[str] = set()
    for path in (FOLDER / "versions").glob("*.py"):
        for kind, value in _REFERENCE.findall(path.read_text("utf-8")):
            given = ast.literal_eval(value)
            (names if kind == "revision" else referred).update((given,) if isinstance(given, str) else given or ())
    return frozenset(names - referred)


def upgrade(database: Database) -> None:
    """Apply what is missing."""
    from alembic import command

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
