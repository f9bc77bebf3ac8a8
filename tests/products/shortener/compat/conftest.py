"""People with keys at the foreign APIs, and visitors of what they made."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.support.platform import ADDRESS, Client, Factory, running

from dodeca import app as composition
from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession, metadata
from dodeca.kernel.http import Principal
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Config
from dodeca.products.shortener.service import domains, of

_numbers = itertools.count(1)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"


@dataclass
class Member:
    """Somebody with an account and a key."""

    account: Account
    key: str
    client: Client

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request with the key as bearer token."""
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **options)

    def bitly(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A call of Bitly's API."""
        return self.call(method, f"/shortener/v4/{path}", **options)

    def shlink(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A call of Shlink's API."""
        headers = {"X-Api-Key": self.key, **options.pop("headers", {})}
        return self.client.request(method, f"/shortener/rest/v3/{path}", headers=headers, **options)

    def yourls(self, **parameters: Any) -> httpx.Response:
        """A call of YOURLS' API, in JSON unless another format is asked for."""
        given = {"signature": self.key, "format": "json", **parameters}
        return self.client.get("/shortener/yourls-api.php", params=given)

    def shortened(self, url: str = "https://example.com/", **more: Any) -> dict[str, Any]:
        """A new short URL, as Shlink shows it."""
        made = self.shlink("POST", "short-urls", json={"longUrl": url, **more})
        assert made.status_code == 200, made.text
        return dict(made.json())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A composed platform on each engine, for all tests of a file: each has its own people."""
    folder = tmp_path_factory.mktemp("compat")
    url = f"sqlite:///{folder / 'test.sqlite3'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_cluster").url()
    overrides = {"data": folder, "database_url": url, "workers_inline": False, "anonymous_requests_per_minute": 0}
    composed = composition.compose(Config(environment={}, overrides=overrides), address=ADDRESS)
    composed.db.write(lambda session: metadata.create_all(session.connection()))
    yield composed
    of(composed).close()
    composed.close()


@pytest.fixture(scope="module")
def application(platform: Platform) -> Iterator[Client]:
    """The running application."""
    with running(platform) as visitor:
        yield visitor


@pytest.fixture
def client(application: Client) -> Client:
    """A visitor without cookies."""
    return application.stranger()


@pytest.fixture
def unique() -> str:
    """A word that no other test uses."""
    return f"n{next(_numbers)}x"


@pytest.fixture
def member(client: Client, make: Factory) -> Member:
    """Somebody."""
    account = make.account(email=f"person{next(_numbers)}@example.org")
    return Member(account, make.key(account, ["shortener"])[1], client)


@pytest.fixture
def other(client: Client, make: Factory) -> Member:
    """Somebody else."""
    account = make.account()
    return Member(account, make.key(account, ["shortener"])[1], client)


@pytest.fixture
def visit(client: Client, platform: Platform) -> Callable[..., None]:
    """Follow a short code so many times, and bring the visits into the numbers."""

    def follow(code: str, times: int = 1, *, agent: str = BROWSER, **headers: str) -> None:
        for _ in range(times):
            client.get(f"/s/{code}", headers={"User-Agent": agent, **headers})
        of(platform).folder.fold()

    return follow


@pytest.fixture
def own_domain(platform: Platform, member: Member, make: Factory, unique: str) -> str:
    """A served domain of the member."""
    actor = Principal(account_id=member.account.id, username=member.account.username)
    host = f"{unique}.example.net"

    def unit(session: WriteSession) -> None:
        domains.add(session, of(platform), actor, host).active_since = clock.now()

    make.run(unit)
    return host
