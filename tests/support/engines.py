"""Statements that one test compiled are known to the next.

SQLAlchemy keeps compiled statements an engine, by its dialect; each test has a database, and so an engine, of its own.
Compiling anew took a quarter of all tests' time. Engines of the same kind share dialect and statements here; what a
connection does, and what is sent, is the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from dodeca.kernel.crypto import Passwords
from dodeca.kernel.db import postgres, sqlite

HASHING = dict(Passwords.__init__.__kwdefaults__ or {})
"""How passwords are hashed where no test runs: slowly, by design."""
_first: dict[tuple[str, str], Engine] = {}


def share_statements() -> None:
    """Let all engines that `kernel.db` makes from now on share."""
    for module in (sqlite, postgres):
        module.create_engine = _sharing(module.create_engine)  # type: ignore[attr-defined]


def hash_quickly() -> None:
    """Let passwords be hashed with the least work from now on: a tenth of the time of those who sign in here."""
    Passwords.__init__.__kwdefaults__ = {**HASHING, "passes": 1, "memory_kib": 8}


def _sharing(create: Any) -> Any:
    def create_engine(url: str, **options: Any) -> Engine:
        made: Engine = create(url, **options)
        kind = made.dialect.name, repr(sorted(options))
        first = _first.get(kind)
        if first is None or first.dialect.server_version_info is None:  # its dialect has not seen a server yet
            _first[kind] = made
        else:
            made.dialect = made.pool._dialect = first.dialect
            made._compiled_cache = first._compiled_cache
        return made

    return create_engine
