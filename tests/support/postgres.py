"""A PostgreSQL cluster of the test run's own: made in a temporary folder, on a Unix socket, removed at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dodeca.bench.parts.postgres import address, binaries, running

__all__ = ["Cluster", "binaries", "cluster"]

SHAPE = """
    SELECT count(*), sum(relnatts), sum(hashtext(relname::text)) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
"""
"""What tells that no table, index or column came or went."""
USED = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
"""
"""The tables that hold, or held, a row."""


class Cluster:
    """A running server. `url(name)` makes an empty database and gives its address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._given_back: dict[str, list[str]] = {}
        self._shapes: dict[str, Any] = {}

    def url(self, name: str = "", *, template: str = "template1") -> str:
        """A new database, empty or a copy of `template`."""
        self._count += 1
        name = f"{name or 'test'}_{os.getpid()}_{self._count}"
        with self._maintaining() as connection:
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        return self.address(name)

    def lend(self, template: str) -> str:
        """A copy of `template`, or one that was given back, emptied: that takes half the time of copying."""
        while self._given_back.get(template):
            url = self._renamed(self._given_back[template].pop())
            if self._emptied(url, template):
                return url
            self.drop(url)
        return self.url(template=template)

    def give_back(self, url: str, template: str) -> None:
        """Take a database that `lend` gave. It is emptied when it is lent again: its connections have ended by then."""
        self._given_back.setdefault(template, []).append(url)

    def _renamed(self, url: str) -> str:
        """The same database under a new name, so that nobody who still uses the old one disturbs."""
        self._count += 1
        fresh = f"test_{os.getpid()}_{self._count}"
        with self._maintaining() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (_name(url),)
            )
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(_name(url)), sql.Identifier(fresh)))
        return self.address(fresh)

    def _emptied(self, url: str, template: str) -> bool:
        """Empty all tables; False where a test made, changed or removed one."""
        if template not in self._shapes:
            with psycopg.connect(self.address(template)) as connection:
                self._shapes[template] = connection.execute(SHAPE).fetchone()
        with psycopg.connect(url) as connection:
            used = [sql.Identifier(row[0]) for row in connection.execute(USED)]
            if used:
                connection.execute("SET session_replication_role = replica")  # some tables have triggers that refuse
                connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(sql.SQL(", ").join(used)))
            return bool(connection.execute(SHAPE).fetchone() == self._shapes[template])

    def _maintaining(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.address("postgres"), autocommit=True)

    def drop(self, url: str) -> None:
        """Remove a database that `url` made: thousands of them would fill the memory that holds the cluster."""
        name = _name(url)
        with self._maintaining() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def address(self, name: str) -> str:
        """The address of a database."""
        return address(self._folder, name)


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a cluster, and stop it at the end. Durability is off: these tests do not pull the plug on it."""
    settings = ("fsync=off", "full_page_writes=off", "autovacuum=off", "max_connections=200")
    with running(settings, within="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Cluster(folder)
