"""The migrations make exactly the tables that the code declares, on both engines."""

from __future__ import annotations

from pkgutil import iter_modules
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from tools.draft_migration import module_of

from dodeca import catalogue, commons
from dodeca.kernel.db import migrations, open_database
from dodeca.kernel.db.models import metadata


def test_migrations_and_models_agree_and_upgrading_twice_changes_nothing(database_url: str) -> None:
    catalogue.products()
    database = open_database(database_url)

    migrations.upgrade(database)
    migrations.upgrade(database)

    assert migrations.pending(database) == []
    with database.engine.connect() as connection:
        held = connection.scalars(text("SELECT version_num FROM alembic_version"))
        assert set(held) == migrations.newest(), "a start without news must not load Alembic"
    with database.engine.connect() as connection:
        options = {"compare_type": False, "include_object": _is_installed}
        context = MigrationContext.configure(connection, opts=options)
        differences = [str(d) for d in compare_metadata(context, metadata)]
    database.close()
    assert differences == []


def _is_installed(item: Any, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """Only tables of what is installed: tests also import products on their way, and declare tables of their own.
    The companions of full-text tables are kept by triggers."""
    if kind != "table":
        return True
    modules = {"kernel", *(m.name for m in catalogue.products()), *(m.name for m in iter_modules(commons.__path__))}
    table = str(name)
    return module_of(table) in modules and not table.startswith(("test_", "search_")) and "_fts" not in table
