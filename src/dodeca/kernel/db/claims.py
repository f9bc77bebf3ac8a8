"""Turning a violated constraint into the product's own error.

A constraint in the database decides a race, not a SELECT before it. `claiming` wraps the insert in a savepoint,
flushes, and raises `otherwise` when a constraint of one of the named tables refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from sqlalchemy import Table
from sqlalchemy.exc import IntegrityError

from dodeca.kernel.db.models import Model
from dodeca.kernel.db.sessions import WriteSession

_SQLITE = re.compile(r"(UNIQUE|CHECK|NOT NULL) constraint failed: (?:index ')?([\w]+)")


@contextmanager
def claiming(session: WriteSession, *tables: type[Model], otherwise: Exception) -> Iterator[None]:
    """Run the block in a savepoint; raise `otherwise` if a unique, check or exclusion constraint of one of `tables`
    refuses it. Violations of other tables, and of foreign keys, stay what they are: defects."""
    savepoint = session.begin_nested()  # what was wrong before is raised here, and is no claim of the block's
    try:
        with savepoint:
            yield
            session.flush()
    except IntegrityError as error:
        if violated(error, *tables):
            raise otherwise from error
        raise


def violated(error: IntegrityError, *tables: type[Model]) -> bool:
    """Whether `error` comes from a constraint of one of the tables."""
    diagnostics = getattr(error.orig, "diag", None)
    named = [cast(Table, table.__table__) for table in tables]
    if diagnostics is not None:
        foreign = getattr(error.orig, "sqlstate", "") == "23503"
        return not foreign and diagnostics.table_name in {table.name for table in named}
    match = _SQLITE.search(str(error.orig))
    if match is None:
        return False
    if match[1] in ("UNIQUE", "NOT NULL") and match[2] in {table.name for table in named}:
        return True
    names = {str(item.name) for table in named for item in table.constraints}
    names |= {str(item.name) for table in named for item in table.indexes}
    return match[2] in names
