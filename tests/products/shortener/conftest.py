"""What the shortener's tests share."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
from tests.support.platform import Client, Factory

from dodeca.commons.accounts.models import Account
from dodeca.kernel.http import Principal
from dodeca.kernel.platform import Platform
from dodeca.products.shortener import invariants
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import Shortener, creating, of, wishes

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Safari/537.36"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def principal(account: Account, *roles: str) -> Principal:
    """The account as the one who calls."""
    return Principal(account_id=account.id, username=account.username, roles=frozenset({"member", *roles}))


class Links:
    """Makes links for tests; state only what matters."""

    def __init__(self, shortener: Shortener, make: Factory) -> None:
        self.shortener = shortener
        self.make = make

    def new(self, actor: Principal | None = None, long_url: str = "https://example.com/page", **fields: Any) -> Link:
        """A link, of a new account unless `actor` is given."""
        actor = actor or principal(self.make.account())
        password = fields.pop("password", None)
        wish = wishes.NewLink(long_url=long_url, **fields)
        hashed = self.shortener.passwords.hash(password) if password else None
        with self.shortener.codes.reserved(1, readable=1) as codes:
            made = self.make.run(
                lambda session: creating.create(session, self.shortener, actor, wish, codes, password_hash=hashed)
            )
        return made.link

    def now(self, link: Link) -> Link:
        """The link as the database has it."""
        return self.shortener.db.read(lambda session: session.get_one(Link, link.id))


@pytest.fixture
def shortener(platform: Platform) -> Iterator[Shortener]:
    """The platform's shortener; at the end everything that must be true is."""
    found = of(platform)
    yield found
    found.folder.fold()
    broken = {name: list(platform.db.read(check)) for name, check in invariants.invariants.items()}
    broken["journals"] = list(invariants.journals_are_folded(platform))
    found.close()
    assert {name: ids for name, ids in broken.items() if ids} == {}


@pytest.fixture
def links(shortener: Shortener, make: Factory) -> Links:
    """Factories of links."""
    return Links(shortener, make)


@pytest.fixture
def alice(make: Factory) -> Account:
    """Somebody with an account."""
    return make.account()


@pytest.fixture
def member(client: Client, make: Factory, alice: Account) -> Client:
    """Alice at the API."""
    return client.with_token(make.token(alice, days=4000))


@pytest.fixture
def stranger(client: Client, make: Factory) -> Client:
    """Another member at the API."""
    return client.with_token(make.token(make.account(), days=4000))


@pytest.fixture
def visitor(client: Client) -> Client:
    """A person with a browser."""
    return client.with_headers({"User-Agent": CHROME})


class DnsServer:
    """A name server on loopback that knows the TXT records in `records`."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                data, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(data)
            answer = dns.message.make_response(query)
            question = query.question[0]
            text = self.records.get(question.name.to_text())
            if text is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            else:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", f'"{text}"'))
            self._socket.sendto(answer.to_wire(), peer)

    def close(self) -> None:
        """Stop."""
        self._socket.close()


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    """A name server of the test's own."""
    server = DnsServer()
    yield server
    server.close()
