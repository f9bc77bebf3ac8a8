"""Fixtures for all tests. A test that takes `database` (or what is built on it) runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
import structlog

from dodeca import app as composition
from dodeca import catalogue
from dodeca.kernel import clock
from dodeca.kernel.crypto import Passwords
from dodeca.kernel.db import Database, WriteSession, metadata, open_database
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Config
from tests.support import postgres
from tests.support.engines import HASHING, hash_quickly, share_files, share_statements
from tests.support.platform import ADDRESS, Client, Factory, open_session, running
from tests.support.programs import need

share_statements()
share_files()
hash_quickly()
# A deadline is a timed assertion: on a busy machine it says nothing of the code.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")
# Rich's tracebacks with local variables take seconds each where a job is meant to fail.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Of the files that hold no slow test, none need be read where only slow ones run."""
    only_slow = config.getoption("markexpr") == "slow" and collection_path.suffix == ".py"
    return True if only_slow and "mark.slow" not in collection_path.read_text("utf-8") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that at the end no process works alone (`--no-loadscope-reorder`):
    those with browsers, and those about everything."""
    whole = Path(__file__).parent
    long = {item.path for item in items if item.path.parent == whole or item.get_closest_marker("browser")}
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Under CI a skipped test is a failed one: everything it could want is installed there."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("DODECA_REFUSE_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI refuses to skip: {report.longrepr}"


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """One PostgreSQL for the run; tests that need it are skipped where it is not installed (CI refuses to skip)."""
    need("postgres")
    with postgres.cluster() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.sqlite3'}"
        return
    server: postgres.Cluster = request.getfixturevalue("postgres_cluster")
    url = server.url()
    yield url
    server.drop(url)


@pytest.fixture
def database(prepared_url: str) -> Iterator[Database]:
    """A database with all tables of what is imported."""
    opened = open_database(prepared_url)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    """A test that moves the clock does not move it for others."""
    yield
    clock.reset()


@pytest.fixture
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still: the windows of limits move on while a busy machine is still counting."""
    moment = time.time()
    monkeypatch.setattr(clock, "_time", SimpleNamespace(time=lambda: moment, monotonic=time.monotonic))


@pytest.fixture
def slow_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as in an installation. Ask for it before `platform`."""
    monkeypatch.setattr(Passwords.__init__, "__kwdefaults__", HASHING)


@pytest.fixture
def settings() -> dict[str, object]:
    """Overrides of settings for `platform`; a module or a test replaces this fixture, or fills the dictionary in an
    earlier fixture."""
    return {}


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables: copying it is quicker than making hundreds of tables for each test."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    _make_tables(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_cluster: postgres.Cluster) -> str:
    """The same as a database of PostgreSQL; gives its name."""
    url = postgres_cluster.url("template")
    _make_tables(url)
    return url.partition("@/")[2].partition("?")[0]


def _make_tables(url: str) -> None:
    catalogue.products()  # imports the products' tables, whichever tests run
    opened = open_database(url)
    opened.write(lambda session: metadata.create_all(session.connection()))
    opened.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A SQLite file with all tables and no data."""
    path = tmp_path / "test.sqlite3"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def prepared_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with all tables and no data, on each engine. A module that one engine is enough for replaces it by
    one that gives `sqlite_url`."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server: postgres.Cluster = request.getfixturevalue("postgres_cluster")
    template = request.getfixturevalue("postgres_template")
    url = server.lend(template)
    yield url
    server.give_back(url, template)


@pytest.fixture
def platform(prepared_url: str, tmp_path: Path, settings: dict[str, object]) -> Iterator[Platform]:
    """A composed platform on each engine, with all tables and no data."""
    overrides = {"data": tmp_path / "data", "database_url": prepared_url, "workers_inline": False, **settings}
    composed = composition.compose(Config(environment={}, overrides=overrides), address=ADDRESS)
    yield composed
    composed.close()


@pytest.fixture
def session(platform: Platform) -> Iterator[WriteSession]:
    """A unit of work that stays open for the whole test and is rolled back: for testing services.

    With it, `make` works inside it. Without it, `make` commits, and requests and threads see what it made."""
    with open_session(platform) as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def make(request: pytest.FixtureRequest, platform: Platform) -> Factory:
    """Factories: `make.account()`, `make.token(account)`, `make.key(account)`; products add their own beside."""
    opened = request.getfixturevalue("session") if "session" in request.fixturenames else None
    return Factory(platform, opened)


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    """A visitor of the whole application, in this process."""
    with running(platform) as visitor:
        yield visitor
