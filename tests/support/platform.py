"""A platform for tests: factories, an HTTP client, work on the queue."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import httpx
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from dodeca import app as composition
from dodeca.commons.accounts.models import Account, ApiKey
from dodeca.commons.accounts.service import keys, people, roles, sessions
from dodeca.commons.accounts.vault import vault_of
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.mail import SentMail
from dodeca.kernel.platform import Platform

T = TypeVar("T")
ADDRESS = "http://dodeca.local"
PASSWORD = "correct horse battery staple"
_HASHES: dict[str, str] = {}
_numbers = itertools.count(1)


@contextmanager
def open_session(platform: Platform) -> Iterator[WriteSession]:
    """A unit of work that the caller ends. While it writes, SQLite has no other writer."""
    engine = getattr(platform.db, "_write_engine", platform.db.engine)
    with engine.connect() as connection, WriteSession(connection, expire_on_commit=False) as session:
        if platform.db.dialect == "sqlite":
            session.info.update(driver=connection.connection.dbapi_connection, connection=connection)
        yield session


class Factory:
    """Makes what a test needs; state only what matters."""

    def __init__(self, platform: Platform, session: WriteSession | None) -> None:
        self.platform = platform
        self._session = session

    def run(self, unit: Callable[[WriteSession], T]) -> T:
        """Run a unit in the test's session where there is one, else commit it."""
        if self._session is None:
            return self.platform.db.write(unit)
        result = unit(self._session)
        self._session.flush()
        return result

    def account(
        self,
        username: str = "",
        *,
        password: str | None = None,
        email: str | None = None,
        email_verified: bool = False,
        name: str | None = None,
        roles_too: Sequence[str] = (),
    ) -> Account:
        """An account; with a password only where one is given, as hashing takes a while."""
        username = username or f"person{next(_numbers)}"
        password_hash = self.hashed(password) if password is not None else None

        def unit(session: WriteSession) -> Account:
            account = people.create(
                session,
                username,
                password_hash=password_hash,
                email=email,
                email_verified=email_verified,
                name=name,
                reserved_too=True,
            )
            for role in roles_too:
                roles.grant(session, None, account, role)
            return account

        return self.run(unit)

    def hashed(self, password: str) -> str:
        """A password's hash; the same one each time."""
        if password not in _HASHES:
            _HASHES[password] = vault_of(self.platform).passwords.hash(password)
        return _HASHES[password]

    def token(self, account: Account, *, days: float = 1) -> str:
        """A bearer token."""
        vault = vault_of(self.platform)
        return self.run(lambda session: sessions.issue_token(session, account, vault, days=days))

    def key(self, account: Account, scopes: Sequence[str] = (), **options: Any) -> tuple[ApiKey, str]:
        """An API key and its secret."""
        vault = vault_of(self.platform)
        return self.run(lambda session: keys.create(session, account, "Key", scopes, vault, products=scopes, **options))


class Client:
    """A person or program at the application: keeps cookies like a browser, and sends a token where it has one."""

    def __init__(self, http: TestClient[Any], platform: Platform, headers: Mapping[str, str] | None = None) -> None:
        self.http = http
        self.platform = platform
        self.headers = dict(headers or {})

    def with_token(self, token: str) -> Client:
        """The same application, as the holder of a bearer token."""
        return self.with_headers({"Authorization": f"Bearer {token}"})

    def with_headers(self, headers: Mapping[str, str]) -> Client:
        """The same application and cookies, with further headers."""
        return Client(self.http, self.platform, {**self.headers, **headers})

    def at(self, address: str) -> Client:
        """The same, calling from another address."""
        return self.with_headers({"X-Forwarded-For": address})

    def stranger(self) -> Client:
        """Another browser at the same application, without cookies."""
        other = TestClient(self.http.app, base_url=str(self.http.base_url))
        other.blocking_portal = self.http.blocking_portal
        return Client(other, self.platform)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; redirects are not followed."""
        headers = {**self.headers, **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, follow_redirects=False, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        """PATCH."""
        return self.request("PATCH", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        """PUT."""
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """DELETE."""
        return self.request("DELETE", path, **options)

    def submit(self, path: str, data: Mapping[str, Any], page: str = "", **options: Any) -> httpx.Response:
        """Open `page` (default: the form's own path), then send the form with its token, as a browser without
        JavaScript and without Fetch Metadata does."""
        shown = self.get(page or path)
        token = re.search(r'name="csrf_token" value="([^"]*)"', shown.text)
        assert token is not None, f"{page or path} has no form: {shown.status_code}"
        return self.post(path, data={"csrf_token": token[1], **data}, **options)


def at_loopback(app: Any) -> Any:
    """The application as a client on this machine calls it: a trusted proxy, so `Client.at` can name others."""

    async def called(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            scope["client"] = ("127.0.0.1", 50_000)
        await app(scope, receive, send)

    return called


_idle: dict[tuple[object, ...], list[Litestar]] = {}
"""Applications that no test uses now: making one takes longer than most tests."""


@contextmanager
def applied(platform: Platform) -> Iterator[Litestar]:
    """The application of `platform`, which others use afterwards."""
    kind = (tuple(manifest.name for manifest in platform.manifests), platform.settings.max_body_bytes)
    idle = _idle.setdefault(kind, [])
    app = composition.attached(idle.pop(), platform) if idle else composition.application(platform)
    yield app
    idle.append(app)


@contextmanager
def running(platform: Platform) -> Iterator[Client]:
    """The application of `platform` as a client sees it."""
    with applied(platform) as app:
        routed = composition.by_hostname(platform, cast(Any, app))
        with TestClient(at_loopback(routed), base_url=ADDRESS, raise_server_exceptions=False) as http:
            yield Client(http, platform)


def work(platform: Platform) -> None:
    """Run all jobs that are due."""
    asyncio.run(composition.runner(platform).run_due())


def mails(platform: Platform, to: str = "") -> Sequence[SentMail]:
    """Deliver what waits, and give the embedded mailbox, newest first."""
    work(platform)

    def unit(session: ReadSession) -> Sequence[SentMail]:
        statement = select(SentMail).order_by(SentMail.sent_at.desc(), SentMail.id.desc())
        return session.scalars(statement.where(SentMail.to == to) if to else statement).all()

    return platform.db.read(unit)


def token_in(mail: SentMail) -> str:
    """The token of the link in a mail."""
    link = re.search(r"https?://\S+", mail.text)
    assert link is not None
    return parse_qs(urlsplit(link[0]).query)["token"][0]
