"""The demo of a new platform, when somebody loses patience."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.server import START_SECONDS, LiveServer


def accounts(data: Path) -> int:
    """How many there are, while somebody else writes; 0 where there is no database or table yet."""
    try:
        with closing(sqlite3.connect(f"file:{data}/dodeca.sqlite3?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM accounts").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@pytest.mark.slow
def test_a_demo_that_was_interrupted_is_not_taken_for_all_of_it(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", "--demo", probed=False)
    process = server.begin()
    ends = time.monotonic() + START_SECONDS
    while not accounts(server.data):
        assert process.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.005)
    server.kill()

    server.start()
    server.stop()

    log = server.log.read_text()
    assert "a part of it is missing" in log
    assert f"remove {server.data}, and start again" in log
