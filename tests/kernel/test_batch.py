"""Batch: everything acknowledged is stored, in order, in few transactions, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodeca.kernel.batch import GroupWriter
from dodeca.kernel.errors import Unavailable


class Store:
    """A table of numbers in SQLite that can be away, or slow, and refuses negative ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.down = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.groups: list[int] = []
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE n (number INTEGER PRIMARY KEY CHECK (number >= 0), at INTEGER)")

    def flush(self, numbers: list[int]) -> None:
        self.entered.set()
        self.gate.wait()
        if self.down:
            raise Unavailable("the database is away")
        with sqlite3.connect(self.path) as connection:
            rows = [(number, len(self.groups) * 1000 + place) for place, number in enumerate(numbers)]
            connection.executemany("INSERT INTO n VALUES (?, ?)", rows)
        self.groups.append(len(numbers))

    def numbers(self) -> list[int]:
        with sqlite3.connect(self.path) as connection:
            return [number for (number,) in connection.execute("SELECT number FROM n ORDER BY at")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "n.sqlite")


@pytest.fixture
def writer(store: Store) -> Iterator[GroupWriter[int]]:
    writer = GroupWriter("numbers", store.flush, max_group=100, max_waiting=1000)
    yield writer
    store.gate.set()
    writer.close(timeout=1.0)


def test_what_a_thread_was_told_is_written_is_stored(writer: GroupWriter[int], store: Store) -> None:
    writer.write(7)

    assert store.numbers() == [7]


def test_what_a_coroutine_was_told_is_written_is_stored(writer: GroupWriter[int], store: Store) -> None:
    async def write_many() -> None:
        await asyncio.gather(*(writer.awrite(number) for number in range(500)))
        assert len(store.numbers()) == 500

    asyncio.run(write_many())

    assert sum(store.groups) == 500
    assert max(store.groups) <= 100


def test_what_gathers_during_a_commit_is_one_group_in_order(writer: GroupWriter[int], store: Store) -> None:
    store.gate.clear()
    writer.append(0)
    store.entered.wait()
    for number in range(1, 51):
        writer.append(number)
    store.gate.set()

    assert writer.drain(10)
    assert store.groups == [1, 50]
    assert store.numbers() == list(range(51))


def test_many_threads_lose_nothing(writer: GroupWriter[int], store: Store) -> None:
    def produce(first: int) -> None:
        for number in range(first, first + 100):
            writer.write(number)

    threads = [threading.Thread(target=produce, args=(first,)) for first in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(store.numbers()) == list(range(800))
    assert len(store.groups) < 800


def test_too_much_waiting_is_refused_and_the_rest_is_stored(writer: GroupWriter[int], store: Store) -> None:
    store.gate.clear()
    writer.append(0)
    store.entered.wait()
    for number in range(1, 1001):
        writer.append(number)

    with pytest.raises(Unavailable):
        writer.append(1001)

    assert (writer.refused, writer.waiting) == (1, 1000)
    store.gate.set()
    writer.drain(10)
    assert store.numbers() == list(range(1001))


def test_one_bad_item_fails_alone(writer: GroupWriter[int], store: Store) -> None:
    async def write_some() -> list[BaseException | None]:
        store.gate.clear()
        writer.append(100)
        store.entered.wait()
        writes = asyncio.gather(*(writer.awrite(n) for n in (1, -2, 3)), return_exceptions=True)
        await asyncio.sleep(0)
        writer.append(-4)
        writer.append(5)
        store.gate.set()
        return await writes

    outcome = asyncio.run(write_some())
    writer.drain(10)

    assert outcome[0] is outcome[2] is None
    assert isinstance(outcome[1], sqlite3.IntegrityError)
    assert store.numbers() == [100, 1, 3, 5]
    assert writer.lost == 1


def test_during_an_outage_who_waits_is_told_and_the_rest_is_kept(writer: GroupWriter[int], store: Store) -> None:
    store.down = True
    writer.append(1)
    with pytest.raises(Unavailable):
        writer.write(2)
    writer.append(3)

    store.down = False

    assert writer.drain(10)
    assert store.numbers() == [1, 3]


def test_an_outage_in_the_midst_of_single_writes_keeps_the_rest(store: Store) -> None:
    calls: list[list[int]] = []

    def flush(numbers: list[int]) -> None:
        calls.append(numbers)
        store.gate.wait()
        if len(calls) == 4:
            raise Unavailable("the database is away")
        store.flush(numbers)

    writer = GroupWriter("numbers", flush)
    store.gate.clear()
    writer.append(0)
    for number in (1, -2, 3):
        writer.append(number)
    store.gate.set()

    assert writer.drain(10)
    assert store.numbers() == [0, 1, 3]
    writer.close()


def test_items_nobody_waits_for_gather(store: Store) -> None:
    writer = GroupWriter("numbers", store.flush, linger=60.0)
    for number in range(50):
        writer.append(number)
    assert store.numbers() == []

    writer.write(50)

    assert store.groups == [51]
    writer.append(51)
    assert writer.drain(10)
    assert store.groups == [51, 1]
    writer.close()


def test_closing_writes_what_waits_and_then_refuses(store: Store) -> None:
    writer = GroupWriter("numbers", store.flush, linger=60.0)
    for number in range(50):
        writer.append(number)

    writer.close()

    assert store.numbers() == list(range(50))
    with pytest.raises(Unavailable):
        writer.append(51)


def test_closing_during_an_outage_ends_and_counts_what_is_lost(store: Store) -> None:
    store.down = True
    writer = GroupWriter("numbers", store.flush)
    writer.append(1)

    writer.close(timeout=0.2)

    assert writer.lost == 1
    assert not writer._thread.is_alive()


def test_a_caller_that_went_away_disturbs_nobody(writer: GroupWriter[int], store: Store) -> None:
    async def scenario() -> None:
        store.gate.clear()
        leaving = asyncio.ensure_future(writer.awrite(1))
        staying = asyncio.ensure_future(writer.awrite(2))
        await asyncio.sleep(0)
        leaving.cancel()
        store.gate.set()
        await staying

    asyncio.run(scenario())

    assert store.numbers() == [1, 2]


PROGRAM = """
import os, sqlite3, sys, threading
from dodeca.kernel.batch import GroupWriter

def flush(numbers):
    with sqlite3.connect(sys.argv[1], timeout=30) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.executemany("INSERT INTO n VALUES (?, 0)", [(n,) for n in numbers])

writer = GroupWriter("numbers", flush)

def produce(first):
    for number in range(first, first + 1_000_000):
        writer.write(number)
        os.write(1, b"%d\\n" % number)

for first in range(0, 8_000_000, 1_000_000):
    threading.Thread(target=produce, args=(first,)).start()
"""


def test_a_killed_process_has_stored_all_that_it_acknowledged(store: Store) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, store.path],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(300)]
    process.kill()
    acknowledged += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    process.wait()
    process.stdout.close()

    assert set(acknowledged) <= set(store.numbers())
