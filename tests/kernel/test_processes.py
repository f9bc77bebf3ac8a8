"""Several server processes and the one that watches over them: how they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.forked import Process
from tests.support.server import LiveServer

pytestmark = [pytest.mark.slow]
WAIT_SECONDS = 60


@pytest.fixture
def several(tmp_path: Path) -> LiveServer:
    return LiveServer(tmp_path / "data", "--workers", "2")


def children(process: Process) -> list[Path]:
    """What was started by a process and still is there."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [Path("/proc", number) for number in listed]


def running(process: Path) -> bool:
    """Whether it still runs. What has ended stays listed until its new parent, if that is a shell, looks for it."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(true: Callable[[], bool]) -> bool:
    """Wait until something is so; tells whether it became so."""
    ends = time.monotonic() + WAIT_SECONDS
    while not true() and time.monotonic() < ends:
        time.sleep(0.005)
    return true()


def test_they_stop_although_they_were_about_to_start(several: LiveServer) -> None:
    process = several.begin()
    assert until(lambda: len(children(process)) == 2)
    started = children(process)

    assert several.stop() == 0
    assert not any(map(running, started))


def test_they_end_when_the_one_that_watches_over_them_is_killed(several: LiveServer) -> None:
    process = several.start().process
    assert process is not None
    assert until(lambda: len(children(process)) == 2)
    started = children(process)

    several.kill()

    assert until(lambda: not any(map(running, started)))
