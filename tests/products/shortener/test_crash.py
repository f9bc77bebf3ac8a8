"""A real server, killed under load: what it acknowledged is there afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from tests.products.shortener.conftest import CHROME

from dodeca import app as composition
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Config
from dodeca.products.shortener import invariants
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import of

SECONDS_TO_START = 60


class Server:
    """`dodeca serve` in a process of its own, on a free port of loopback."""

    def __init__(self, data: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DODECA_")}
        environment |= {"DODECA_SHORTENER_ANONYMOUS_PER_MINUTE": "0", "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}
        command = [sys.executable, "-m", "dodeca", "serve", "--data", str(data), "--port", "0", "--only", "shortener"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self.url = self._address()

    def _address(self) -> str:
        assert self.process.stdout is not None
        give_up = threading.Timer(SECONDS_TO_START, self.process.kill)
        give_up.start()
        for line in self.process.stdout:
            found = re.search(r"ready: (http://\S+?)/", line)
            if found:
                give_up.cancel()
                return found[1]
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        """As the kernel does when memory runs out: no goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server."""
    running = Server(tmp_path / "data")
    yield running
    running.kill()


def opened(data: Path) -> Platform:
    """The same data, after the crash."""
    return composition.compose(Config(environment={}, overrides={"data": data, "only": "shortener"}))


@pytest.mark.slow
def test_kill_9_under_load_loses_no_acknowledged_link_and_no_click(server: Server, tmp_path: Path) -> None:
    with httpx.Client(base_url=server.url, headers={"User-Agent": CHROME}) as http:
        target = http.post("/api/shortener/shorten", json={"url": "https://example.com/clicked"}).json()
    made: list[str] = []
    followed: list[int] = []

    def load(creating: bool) -> None:
        with httpx.Client(base_url=server.url, headers={"User-Agent": CHROME}) as http:
            for number in range(100_000):
                try:
                    if creating:
                        answer = http.post("/api/shortener/shorten", json={"url": f"https://example.com/{number}"})
                        assert answer.status_code == 200
                        made.append(answer.json()["id"])
                    else:
                        assert http.get(f"/s/{target['short_code']}").status_code == 302
                        followed.append(number)
                except httpx.TransportError:
                    return

    threads = [threading.Thread(target=load, args=(number % 2 == 0,)) for number in range(6)]
    for thread in threads:
        thread.start()
    while len(made) < 100 or len(followed) < 100:
        time.sleep(0.01)
    server.kill()
    for thread in threads:
        thread.join()

    platform = opened(tmp_path / "data")
    try:
        of(platform).folder.fold()
        rows = platform.db.read(
            lambda session: {row.id: row.clicks for row in session.execute(select(Link.id, Link.clicks))}
        )
        broken = {name: list(platform.db.read(check)) for name, check in invariants.invariants.items()}
        broken["journals"] = list(invariants.journals_are_folded(platform))
    finally:
        of(platform).close()
        platform.close()
    assert [link_id for link_id in made if int(link_id) not in rows] == []
    # A click whose answer was on its way when the process died is recorded, but nobody saw it.
    assert len(followed) <= rows[int(target["id"])] <= len(followed) + 3
    assert {name: found for name, found in broken.items() if found} == {}
