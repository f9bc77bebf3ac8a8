"""A backup made while the server works, and its way back."""

from __future__ import annotations

import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from tests.cli.conftest import Done, Run
from tests.support import postgres
from tests.support.server import LiveServer

from dodeca import app as composition
from dodeca.kernel.platform import removing, saving
from dodeca.kernel.settings import Config
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import of

pytestmark = pytest.mark.slow
UNLIMITED = {"DODECA_SHORTENER_ANONYMOUS_PER_MINUTE": "0", "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}
BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0 Safari/537.36"}


At = Callable[..., Done]


@pytest.fixture
def at(run: Run, monkeypatch: pytest.MonkeyPatch) -> At:
    """Run a command on the database of a URL (empty: SQLite in the data folder)."""

    def command(url: str, *arguments: object, data: Path) -> Done:
        monkeypatch.setenv("DODECA_DATABASE_URL", url)
        return run(*arguments, "--data", data)

    return command


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Where the database is, and an empty place to bring it back to; empty texts for SQLite in the data folder."""
    if request.param == "sqlite":
        return "", ""
    cluster: postgres.Cluster = request.getfixturevalue("postgres_cluster")
    return cluster.url(), cluster.url()


def succeeded(done: Done) -> str:
    assert done.code == 0, done.err[-2000:]
    return done.out


class Load:
    """Makes links and follows one of them until told to stop."""

    def __init__(self, url: str) -> None:
        self.made: list[str] = []
        self.followed = 0
        self._url = url
        self._stopped = threading.Event()
        with httpx.Client(base_url=url, headers=BROWSER) as http:
            self.target = http.post("/api/shortener/shorten", json={"url": "https://example.com/followed"}).json()
        self._threads = [threading.Thread(target=work) for work in (self._make, self._follow)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _make(self) -> None:
        with httpx.Client(base_url=self._url, headers=BROWSER) as http:
            while not self._stopped.is_set():
                answer = http.post("/api/shortener/shorten", json={"url": f"https://example.com/{len(self.made)}"})
                self.made.append(answer.raise_for_status().json()["id"])

    def _follow(self) -> None:
        with httpx.Client(base_url=self._url, headers=BROWSER) as http:
            while not self._stopped.is_set():
                assert http.get(f"/s/{self.target['short_code']}").status_code == 302
                self.followed += 1
                time.sleep(0.002)


@pytest.fixture
def server(tmp_path: Path, urls: tuple[str, str], at: At) -> Iterator[LiveServer]:
    variables = {**UNLIMITED, "DODECA_DATABASE_URL": urls[0]}
    data = tmp_path / "data"
    succeeded(at(urls[0], "migrate", data=data))
    running = LiveServer(data, "--only", "shortener", probed=False, **variables).start()
    yield running
    running.kill()


def test_a_backup_made_under_load_holds_all_that_was_acknowledged_before_it(
    server: LiveServer, tmp_path: Path, urls: tuple[str, str], at: At
) -> None:
    file, fresh = tmp_path / "all.backup", tmp_path / "restored"
    with Load(server.url) as load:
        while len(load.made) < 50 or load.followed < 50:
            time.sleep(0.01)
        made, followed = list(load.made), load.followed
        written = at(urls[0], "backup", file, data=server.data)
        while_serving = at(urls[0], "restore", file, "--force", data=server.data)

    succeeded(written)
    assert while_serving.code == 1
    assert "Stop the server first" in while_serving.err
    succeeded(at(urls[1], "restore", file, data=fresh))
    assert at(urls[1], "restore", file, data=fresh).code == 1
    succeeded(at(urls[1], "doctor", data=fresh))

    overrides = {"data": fresh, "database_url": urls[1], "only": "shortener"}
    platform = composition.compose(Config(environment={}, overrides=overrides))
    try:
        of(platform).folder.fold()
        clicks = select(Link.id, Link.clicks)
        rows = platform.db.read(lambda session: {row.id: row.clicks for row in session.execute(clicks)})
    finally:
        of(platform).close()
        platform.close()
    assert [link for link in made if int(link) not in rows] == []
    assert rows[int(load.target["id"])] >= followed
    assert (fresh / "secret.key").read_bytes() == (server.data / "secret.key").read_bytes()
    assert (fresh / "secret.key").stat().st_mode & 0o077 == 0


def test_nothing_is_removed_while_a_backup_is_made(tmp_path: Path) -> None:
    with saving(tmp_path), saving(tmp_path), removing(tmp_path) as during:
        pass
    with removing(tmp_path) as after:
        pass

    assert (during, after) == (False, True)


def test_a_damaged_backup_changes_nothing(tmp_path: Path, at: At) -> None:
    data, file, damaged = tmp_path / "data", tmp_path / "all.backup", tmp_path / "damaged.backup"
    succeeded(at("", "migrate", data=data))
    succeeded(at("", "backup", file, data=data))
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(damaged, "w") as copy:
        for name in whole.namelist():
            content = whole.read(name)
            copy.writestr(name, content[:-1] + b"\x00" if name == "database" else content)
    before = (data / "dodeca.sqlite3").read_bytes()

    refused = at("", "restore", damaged, "--force", data=data)

    assert refused.code == 1
    assert "damaged. Nothing was changed." in refused.err
    assert (data / "dodeca.sqlite3").read_bytes() == before
