"""A power cut and a full disk: what was acknowledged stays, what cannot be done is said, and work goes on after."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from dodeca import app as composition
from dodeca.kernel.jobs import QueuedJob
from dodeca.kernel.mail import SentMail
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Config
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import of
from tests.support.server import LiveServer, dodeca

pytestmark = pytest.mark.slow
UNLIMITED = {
    "DODECA_SHORTENER_ANONYMOUS_PER_MINUTE": "0",
    "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0",
}
BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0 Safari/537.36"}
DISK_MEGABYTES = 32
MOST_TRIES = 3000
"""SQLite writes into room that its log has already: the disk is felt only when that is used up."""


class Load:
    """Makes links, follows one, and queues jobs, until the server is gone."""

    def __init__(self, server: LiveServer) -> None:
        self.url = server.url
        self.made: list[str] = []
        self.followed: list[int] = []
        self.queued: list[str] = []
        self.target = self.shorten("https://example.com/followed").json()
        kinds = (self._make, self._follow, self._queue)
        self.threads = [threading.Thread(target=kind, args=(n,)) for n in range(2) for kind in kinds]
        for thread in self.threads:
            thread.start()

    def shorten(self, url: str) -> httpx.Response:
        return httpx.post(f"{self.url}/api/shortener/shorten", json={"url": url}, headers=BROWSER)

    def _make(self, worker: int) -> None:
        with httpx.Client(base_url=self.url, headers=BROWSER) as http:
            for number in range(100_000):
                try:
                    answer = http.post("/api/shortener/shorten", json={"url": f"https://example.com/{worker}/{number}"})
                except httpx.TransportError:
                    return
                self.made.append(answer.raise_for_status().json()["id"])

    def _follow(self, _worker: int) -> None:
        with httpx.Client(base_url=self.url, headers=BROWSER) as http:
            for number in range(100_000):
                try:
                    answer = http.get(f"/s/{self.target['short_code']}")
                except httpx.TransportError:
                    return
                assert answer.status_code == 302
                self.followed.append(number)

    def _queue(self, worker: int) -> None:
        with httpx.Client(base_url=self.url, headers=BROWSER) as http:
            for number in range(100_000):
                name = f"{worker}-{number}"
                try:
                    answer = http.post("/api/probe/work", json={"note": name})
                except httpx.TransportError:
                    return
                assert answer.status_code == 202
                self.queued.append(name)


def wait_for(true: object, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.05)


def opened(data: Path) -> Platform:
    return composition.compose(Config(environment={}, overrides={"data": data}))


@pytest.mark.timeout(300)
def test_after_kill_9_under_load_everything_acknowledged_is_there_and_jobs_ran_once(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", "--only", "shortener,probe", probed=True, **UNLIMITED).start()
    load = Load(server)
    wait_for(lambda: min(len(load.made), len(load.followed), len(load.queued)) >= 100)

    server.kill()
    for thread in load.threads:
        thread.join()
    server.start()
    platform = opened(server.data)
    try:
        left = select(QueuedJob.id).where(QueuedJob.name == "probe.note").limit(1)
        wait_for(lambda: platform.db.read(lambda session: session.scalar(left)) is None)
        assert server.stop() == 0
        of(platform).folder.fold()
        clicks = select(Link.id, Link.clicks)
        rows = platform.db.read(lambda session: {row.id: row.clicks for row in session.execute(clicks)})
        notes = platform.db.read(
            lambda session: Counter(session.scalars(select(SentMail.subject).where(SentMail.to == "note")))
        )
    finally:
        of(platform).close()
        platform.close()
    doctor = dodeca("doctor", data=server.data, probed=True)

    assert [link for link in load.made if int(link) not in rows] == []
    assert len(load.followed) <= rows[int(load.target["id"])] <= len(load.followed) + len(load.threads)
    assert [name for name in load.queued if name not in notes] == []
    assert {name: count for name, count in notes.items() if count != 1} == {}
    assert doctor.returncode == 0, doctor.stdout


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system: `sudo make test`, as CI does")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left; gives the file that holds it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


@pytest.mark.timeout(300)
def test_on_a_full_disk_writes_wait_reads_go_on_and_room_heals_it(small_disk: Path) -> None:
    data = small_disk / "data"
    server = LiveServer(data, "--only", "shortener,probe", probed=True, **UNLIMITED)
    server.log = small_disk.parent / "server.log"
    server.start()
    try:
        with httpx.Client(base_url=server.url, headers=BROWSER, timeout=60) as http:
            link = http.post("/api/shortener/shorten", json={"url": "https://example.com/before"}).json()
            assert http.get(f"/s/{link['short_code']}").status_code == 302

            filler = fill(small_disk)
            answers: list[httpx.Response] = []
            while len(answers) < MOST_TRIES and (not answers or answers[-1].status_code == 200):
                body = {"url": f"https://example.com/full/{len(answers)}"}
                answers.append(http.post("/api/shortener/shorten", json=body))
            full = answers[-1]
            reads = [
                http.get(path).status_code
                for path in (f"/s/{link['short_code']}", "/api/probe/items", "/healthz", "/readyz", "/shortener/")
            ]

            filler.unlink()
            after = http.post("/api/shortener/shorten", json={"url": "https://example.com/after"})
            found = [http.get(f"/s/{made.json()['short_code']}").status_code for made in [*answers[:-1], after]]
    finally:
        server.stop()
    checks = json.loads(dodeca("doctor", "--json", data=data, probed=True).stdout)

    assert full.status_code == 503, f"not full after {len(answers)} writes"
    assert full.headers["content-type"] == "application/problem+json"
    assert reads == [302, 200, 200, 200, 200]
    assert after.status_code == 200
    assert set(found) == {302}
    assert [check["name"] for check in checks if check["problems"]] == ["disk"]  # it is small, and doctor says so
