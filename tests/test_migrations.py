"""The migrations make exactly the tables that the code declares, on both engines."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dodeca import catalogue
from dodeca.kernel.db import migrations, open_database
from dodeca.kernel.db.models import metadata


def test_migrations_and_models_agree_and_upgrading_twice_changes_nothing(database_url: str) -> None:
    catalogue.products()
    database = open_database(database_url)

    migrations.upgrade(database)
    migrations.upgrade(database)

    assert migrations.pending(database) == []
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = [str(d) for d in compare_metadata(context, metadata) if not _is_foreign(d)]
    database.close()
    assert differences == []


def _is_foreign(difference: object) -> bool:
    """Tables of tests, and the full-text tables that triggers keep."""
    text = str(difference)
    return "test_" in text or "_fts" in text or "search_" in text
