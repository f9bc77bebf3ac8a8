"""What one test's platform worked out, the next need not: statements, static files, templates.

SQLAlchemy keeps compiled statements an engine, by its dialect; each test has a database, and so an engine, of its own.
Compiling anew took a quarter of all tests' time. Engines of the same kind share dialect and statements here; what a
connection does, and what is sent, is the same. Static files and templates are the checkout's, and no test of a platform
changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from dodeca.kernel import platform
from dodeca.kernel.crypto import Passwords
from dodeca.kernel.db import postgres, sqlite
from dodeca.kernel.web.assets import Assets
from dodeca.kernel.web.templates import Renderer

HASHING = dict(Passwords.__init__.__kwdefaults__ or {})
"""How passwords are hashed where no test runs: slowly, by design."""
_first: dict[tuple[str, str], Engine] = {}


def share_statements() -> None:
    """Let all engines that `kernel.db` makes from now on share."""
    for module in (sqlite, postgres):
        module.create_engine = _sharing(module.create_engine)  # type: ignore[attr-defined]


def share_files() -> None:
    """Let all platforms of the same products that are made from now on share their static files and templates."""
    assets: dict[tuple[tuple[str, Path], ...], Assets] = {}
    renderers: dict[tuple[Assets, tuple[tuple[str, Path], ...]], Renderer] = {}

    def shared_assets(roots: Mapping[str, Path]) -> Assets:
        key = tuple(roots.items())
        if key not in assets:
            assets[key] = Assets(roots)
        return assets[key]

    def shared_renderer(roots: Mapping[str, Path], *, assets: Assets) -> Renderer:
        key = assets, tuple(roots.items())
        if key not in renderers:
            renderers[key] = Renderer(roots, assets=assets)
        return renderers[key]

    platform.Assets = shared_assets  # type: ignore[assignment, attr-defined]
    platform.Renderer = shared_renderer  # type: ignore[assignment, attr-defined]


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
