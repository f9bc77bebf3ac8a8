"""Is this installation sound? What `dodeca doctor` and the administration pages look at.

Everything here only reads, and a check that cannot be made is itself a problem that is told, never an error.
"""

from __future__ import annotations

import os
import platform as machine
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from importlib import metadata
from pathlib import Path

import msgspec
from sqlalchemy import case, func, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, migrations
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.jobs import QueuedJob
from dodeca.kernel.media import sweeping
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Settings, SettingsGroup

FREE_BYTES = 500_000_000
CLOCK_SECONDS = 5
PROBLEMS_SHOWN = 50
LIBRARIES = ("litestar", "granian", "SQLAlchemy", "msgspec")


class Check(msgspec.Struct):
    """One thing that was looked at. `problems` is empty when all is well."""

    name: str
    problems: list[str]


class Disk(msgspec.Struct):
    """The file system that holds the data folder, and our part of it. Bytes."""

    free: int
    total: int
    database: int


class Queue(msgspec.Struct):
    """How much work there is. `due` is the part of `queued` whose time has come, `oldest_due` since when."""

    queued: int
    due: int
    running: int
    dead: int
    oldest_due: datetime | None


def examine(platform: Platform, *, deep: bool = True) -> Iterator[Check]:
    """All checks of this installation; without `deep` only those that take milliseconds whatever it holds."""
    yield Check("settings", _told(lambda: _settings(platform)))
    schema = _told(lambda: _schema(platform))
    yield Check("schema", schema)
    yield Check("disk", _told(lambda: _disk(platform.data)))
    yield Check("clocks", _told(lambda: _clocks(platform)))
    if not deep:
        return
    yield Check("database file", _told(lambda: _database(platform)))
    if schema:
        return  # the checks below ask tables that may not be there
    yield Check("media", _told(lambda: sweeping.problems(platform)))
    for manifest in platform.manifests:
        for name, invariant in manifest.invariants.items():
            title = f"{manifest.name}: {name.replace('_', ' ')}"
            yield Check(title, _told(lambda i=invariant: map(str, platform.db.read(i))))  # type: ignore[misc]
        for further in manifest.doctor:
            yield Check(f"{manifest.name}: {_title(further)}", _told(lambda f=further: f(platform)))  # type: ignore[misc]


def _told(look: Callable[[], Iterable[str]]) -> list[str]:
    """The problems that `look` finds, or why it could not look."""
    try:
        return [str(problem) for problem in look()][:PROBLEMS_SHOWN]
    except (SQLAlchemyError, OSError, DodecaError) as error:
        return [f"cannot be checked: {str(error).splitlines()[0]}"]


def _title(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", " ")


def groups(platform: Platform) -> list[type[SettingsGroup]]:
    """The settings of the platform and of everything that is installed."""
    return [Settings, *(m.settings for m in platform.manifests if m.settings)]


def _settings(platform: Platform) -> list[str]:
    problems = [f"{name} is no setting" for name in platform.config.unknown(groups(platform))]
    settings = platform.settings
    if (
        settings.public_url
        and not settings.public_url.startswith("https://")
        and not any(local in settings.public_url for local in ("localhost", "127.0.0.1", "[::1]"))
    ):
        problems.append("public_url is not https: cookies and passkeys need it anywhere but on this machine")
    key = platform.data / "secret.key"
    if key.exists() and key.stat().st_mode & 0o077:
        problems.append("secret.key can be read by others: chmod 600 it")
    if settings.test_clock:
        problems.append("test_clock is on: anybody with the role admin can move the time")
    return problems


def _schema(platform: Platform) -> list[str]:
    return [f"migration {revision} is missing" for revision in migrations.pending(platform.db)]


def _disk(data: Path) -> list[str]:
    free = shutil.disk_usage(data).free
    problems = [] if free > FREE_BYTES else [f"only {free / 1e6:.0f} MB free"]
    if not os.access(data, os.W_OK):
        problems.append(f"{data} cannot be written")
    return problems


def _clocks(platform: Platform) -> list[str]:
    if platform.db.dialect == "sqlite":
        probe = platform.data / ".clock"
        try:
            probe.touch()
            difference = abs(probe.stat().st_mtime - time.time())
        finally:
            probe.unlink(missing_ok=True)
        return [] if difference < CLOCK_SECONDS else [f"the file system's clock is {difference:.0f} s off"]
    theirs = platform.db.read(lambda s: s.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    difference = abs(float(theirs) - time.time())
    return [] if difference < CLOCK_SECONDS else [f"the database's clock is {difference:.0f} s off"]


def _database(platform: Platform) -> list[str]:
    if platform.db.dialect != "sqlite":
        return []
    rows = platform.db.read(lambda s: [str(row[0]) for row in s.execute(text("PRAGMA quick_check"))])
    broken = platform.db.read(
        lambda s: [f"foreign key {tuple(r)}" for r in s.execute(text("PRAGMA foreign_key_check"))]
    )
    return [row for row in rows if row != "ok"] + broken[:20]


def queue(session: ReadSession) -> Queue:
    """The length of the job queue."""
    now = clock.now()
    waiting = (QueuedJob.state == "queued") & (QueuedJob.run_at <= now)
    statement = select(
        func.count(case((QueuedJob.state == "queued", 1))),
        func.count(case((waiting, 1))),
        func.count(case((QueuedJob.state == "running", 1))),
        func.count(case((QueuedJob.state == "dead", 1))),
    )
    queued, due, running, dead = session.execute(statement).one()
    oldest = session.scalar(select(QueuedJob.run_at).where(waiting).order_by(QueuedJob.run_at).limit(1))
    return Queue(queued, due, running, dead, oldest)


def disk(platform: Platform) -> Disk:
    """Room on the data folder's file system, and the size of the database (0 where it cannot be told)."""
    usage = shutil.disk_usage(platform.data)
    return Disk(usage.free, usage.total, _database_bytes(platform))


def _database_bytes(platform: Platform) -> int:
    if platform.db.dialect == "sqlite":
        file = Path(make_url(platform.db.url).database or "")
        parts = (file.with_name(file.name + suffix) for suffix in ("", "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())
    size = text("SELECT pg_database_size(current_database())")
    return int(platform.db.read(lambda session: session.execute(size).scalar_one()))


def versions(platform: Platform) -> dict[str, str]:
    """What runs here: Dodeca, Python, the database, the libraries that carry it."""
    statement = "SELECT sqlite_version()" if platform.db.dialect == "sqlite" else "SHOW server_version"
    engine = str(platform.db.read(lambda session: session.execute(text(statement)).scalar_one()))
    name = "SQLite" if platform.db.dialect == "sqlite" else "PostgreSQL"
    return {
        "Dodeca": _version("dodeca"),
        "Python": ".".join(map(str, sys.version_info[:3])),
        name: engine,
        **{library: _version(library) for library in LIBRARIES},
        "System": f"{machine.system()} {machine.release()}",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "run from its source"
