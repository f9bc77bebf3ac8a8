"""Folding in a process of its own."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.products.shortener.conftest import CHROME, Links
from tests.support.servers import eventually

from dodeca.kernel import clock
from dodeca.products.shortener import apart
from dodeca.products.shortener.journal import Click, Recorded
from dodeca.products.shortener.rollups import Progress
from dodeca.products.shortener.service import Shortener

pytestmark = pytest.mark.slow
CLICKS = 3_000


@contextmanager
def folding_apart(shortener: Shortener) -> Iterator[list[Progress]]:
    """What the process tells while the block runs."""
    told: list[Progress] = []
    stop = threading.Event()
    thread = threading.Thread(target=apart.fold, args=(shortener.platform.config, stop, told.append))
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def click(shortener: Shortener, link_id: int) -> None:
    for number in range(CLICKS):
        at = int(clock.timestamp() * 1000)
        shortener.journal.append(Click(link_id, at, Recorded.VISIT, f"203.0.113.{number % 50}", CHROME))


def test_another_process_counts_and_tells_the_new_numbers(shortener: Shortener, links: Links) -> None:
    link = links.new()
    click(shortener, link.id)

    with folding_apart(shortener) as told:
        eventually(lambda: links.now(link).clicks == CLICKS, "All clicks are counted.")
        eventually(lambda: bool(told) and told[-1].lag == 0, "Nothing waits any more.")

    numbers = [news.numbers for progress in told for news in progress.news]
    assert numbers[-1]["clicks"] == CLICKS
    assert numbers[-1]["unique_visitors"] == 50
    assert links.now(link).unique_visitors == 50


def test_a_killed_process_counts_nothing_twice(shortener: Shortener, links: Links) -> None:
    link = links.new()
    click(shortener, link.id)

    with folding_apart(shortener) as told:
        eventually(lambda: bool(told), "Folding has begun.")
        for process in multiprocessing.active_children():
            process.kill()
    shortener.folder.fold()

    assert links.now(link).clicks == CLICKS
