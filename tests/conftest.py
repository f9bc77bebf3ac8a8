"""Fixtures for all tests. A test that takes `database` (or what is built on it) runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dodeca.kernel import clock
from dodeca.kernel.db import Database, metadata, open_database
from tests.support import postgres


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
    if postgres.binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgres.cluster() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite3'}"
    server: postgres.Cluster = request.getfixturevalue("postgres_cluster")
    return server.url()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with all tables of what is imported."""
    opened = open_database(database_url)
    opened.write(lambda session: metadata.create_all(session.connection()))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    """A test that moves the clock does not move it for others."""
    yield
    clock.reset()
