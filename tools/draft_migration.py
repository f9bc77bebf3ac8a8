"""Draft a migration for one module by comparing its tables with what the migrations make.

    python tools/draft_migration.py shortener "Add folders"

Each module (a commons module, a product, or `kernel`) has its own Alembic branch, so that work on two products never
meets in one file. The draft is read and corrected by a person before it is committed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from dodeca import catalogue
from dodeca.kernel.db import Model, migrations


def module_of(table: str) -> str:
    """The module that declares a table."""
    for mapper in Model.registry.mappers:
        if table in {t.name for t in mapper.tables}:
            parts = mapper.class_.__module__.split(".")
            return parts[2] if parts[1] in ("commons", "products") else "kernel"
    owner = Model.metadata.tables.get(table)
    return str(owner.info.get("module", "kernel")) if owner is not None else "unknown"


def draft(module: str, message: str) -> Path:
    """Write the draft; gives its path."""
    catalogue.products()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/draft.sqlite3"
        config = migrations.alembic_config(url)
        script = ScriptDirectory.from_config(config)
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")
        existing = [r for r in script.walk_revisions() if module in (r.branch_labels or ())]
        number = len([r for r in script.walk_revisions() if r.revision.startswith(f"{module}_")]) + 1

        def only_ours(item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
            return kind != "table" or module_of(str(name)) == module

        with engine.connect() as connection:
            config.attributes["connection"] = connection
            config.attributes["options"] = {"include_object": only_ours}
            made = command.revision(
                config,
                message=message,
                autogenerate=True,
                rev_id=f"{module}_{number:04d}",
                head=f"{module}@head" if existing else "base",
                branch_label=None if existing else module,
                depends_on=cast(Any, None if existing or module == "kernel" else _needed(module, script)),
                splice=False,
            )
    path = Path(made.path)  # type: ignore[union-attr]
    tidy = path.with_name(f"{module}_{number:04d}_{re.sub(r'[^a-z0-9]+', '_', message.lower()).strip('_')}.py")
    path.rename(tidy)
    return tidy


def _needed(module: str, script: ScriptDirectory) -> list[str] | None:
    """The heads of the modules whose tables this module's foreign keys name."""
    wanted = set()
    for table in Model.metadata.sorted_tables:
        if module_of(table.name) == module:
            wanted |= {module_of(key.column.table.name) for key in table.foreign_keys}
    heads = [h for other in sorted(wanted - {module}) for h in script.get_heads() if h.startswith(f"{other}_")]
    return heads or None


if __name__ == "__main__":
    print(draft(sys.argv[1], sys.argv[2]))
