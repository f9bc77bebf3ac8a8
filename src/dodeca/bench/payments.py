"""Payments: order, authorisation and capture over HTTP, beside what the disk can commit and beside localstripe, which
keeps everything in memory and a pickle; a bank's statement, routing and `checkout.js`; then an audit of the books.

Options: `--clients 1,16`, how many merchants' programs ask at once; `--preload N`, captured payments that are there
before (default 0; a million is what the specification wants to be no slower): the same is then measured without them
first, in rates and in the server's processor time a cycle, which other load on the machine disturbs less; `--peer no`
leaves localstripe out. Where PostgreSQL's server is installed, one in a temporary folder is measured too; `--postgresql
no` leaves it out.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import msgspec

from dodeca.bench.harness import Result, Say, compared, cpu_seconds, free_port, loading, median, process
from dodeca.bench.parts import payments_desk, postgres
from dodeca.bench.parts.payments_copies import multiply
from dodeca.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Program:
    """A merchant's account and key."""

    account: str
    key: str
    secret: str


Ask = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
Measured = dict[int, list[Result]]
"""Results by number of clients."""

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dodeca.kernel.db import WriteSession
    from dodeca.kernel.platform import Platform
    from dodeca.products.payments.models import Payment

CARD = {"number": "4242424242424242", "name": "Bench", "expiry_month": "12", "expiry_year": "2040", "cvv": "123"}
AMOUNT = 50_000
LEAST_FLAT = 0.8
LEAST_RATE = 200.0
PASSWORD = "a bench needs a password too"  # noqa: S105 - of an account in a temporary folder
PROGRAMS = 32
"""Merchants whose keys each client takes turns with: each may ask 100 times a second."""
PEER_TIMES = 5.0
PEER = """
import sys
from aiohttp import web
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None)
"""
"""localstripe's own command listens on all addresses of the machine."""
PEER_STORE = Path("/tmp/localstripe.pickle")  # noqa: S108 - localstripe's choice
NO_LIMITS = {"DODECA_REQUESTS_PER_MINUTE": "0", "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}


def run(*, runs: int, seconds: float, options: Mapping[str, str], say: Say) -> list[Result]:
    """Cycles a second by number of clients, their latencies, the disk's commits a second, and the audit."""
    clients, preload, with_peer, with_postgres = _read(options)
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder:
        data, empty = Path(folder) / "data", Path(folder) / "empty"
        commits = median([commits_a_second(Path(folder)) for _ in range(3)])
        results = [Result(name="The disk: synced commits", value=commits, unit="/s")]
        before: Measured = {}
        programs = _programs(data)
        if preload:
            before, _ = _measured(empty, _programs(empty), clients, runs, seconds, False, say)
            _preload(data, preload, [program.account for program in programs], say)
        after, theirs = _measured(data, programs, clients, runs, seconds, with_peer, say)
        for count, ours in after.items():
            results += [_rated(ours[0], count, commits), *ours[1:], *theirs.get(count, ())]
            if preload:
                results += _flat(before[count], ours, preload)
        results += [*_desk(data, programs[0], say), _audit(data)]
    if with_postgres and postgres.binaries() is None:
        say("PostgreSQL's server is not installed: measured on SQLite alone.")
    elif with_postgres:
        results += _on_postgres(clients, runs, seconds, say)
    return results


def _on_postgres(clients: Sequence[int], runs: int, seconds: float, say: Say) -> list[Result]:
    """The same with PostgreSQL in place of SQLite: rates, latencies, refusals, processor time, and the audit."""
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder, postgres.running() as cluster:
        url, data = postgres.address(cluster, "postgres"), Path(folder) / "data"
        command = [sys.executable, "-m", "dodeca", "migrate", "--data", str(data)]
        subprocess.run(  # noqa: S603 - our own command
            command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "DODECA_DATABASE_URL": url}
        )
        say("PostgreSQL:")
        found, _ = _measured(data, _programs(data, url), clients, runs, seconds, False, say, url)
        for count, rows in found.items():
            if count > 1:
                met = rows[0].value >= LEAST_RATE
                rows[0] = msgspec.structs.replace(rows[0], target=f"≥ {LEAST_RATE:.0f}", met=met)
        results = [*(row for rows in found.values() for row in rows), _audit(data, url)]
    return [msgspec.structs.replace(result, name=f"PostgreSQL: {result.name}") for result in results]


def _measured(
    data: Path,
    programs: Sequence[Program],
    clients: Sequence[int],
    runs: int,
    seconds: float,
    with_peer: bool,
    say: Say,
    database_url: str = "",
) -> tuple[Measured, Measured]:
    """What clients get of a server, and of the peer beside it, by their number."""
    ours: Measured = {}
    theirs: Measured = {}
    with server(data, database_url) as (url, process_id), peer(with_peer) as other:
        for count in clients:
            ours[count] = _cycles(
                lambda number: Client(httpx.URL(url), programs, number), count, runs, seconds, say, process_id
            )
            if other is not None:
                theirs[count] = _beside(other, ours[count][0], count, runs, seconds, say)
            elif with_peer:
                say("localstripe is not installed (pip install localstripe): nothing to compare with.")
    return ours, theirs


def _read(options: Mapping[str, str]) -> tuple[list[int], int, bool, bool]:
    unknown = sorted(set(options) - {"clients", "preload", "peer", "postgresql"})
    if unknown:
        raise Invalid(f"There is no option --{unknown[0]}. Known: --clients, --preload, --peer, --postgresql.")
    clients, preload = options.get("clients", "1,16").split(","), options.get("preload", "0")
    if not all(count.isdecimal() and 1 <= int(count) <= 256 for count in clients):
        raise Invalid("--clients is a list of numbers from 1 to 256.", field="clients")
    if not preload.isdecimal():
        raise Invalid("--preload is a number.", field="preload")
    if options.get("peer", "localstripe") not in ("localstripe", "no"):
        raise Invalid("--peer is localstripe or no.", field="peer")
    if options.get("postgresql", "yes") not in ("yes", "no"):
        raise Invalid("--postgresql is yes or no.", field="postgresql")
    numbers = [int(count) for count in clients]
    return numbers, int(preload), options.get("peer") != "no", options.get("postgresql") != "no"


def commits_a_second(folder: Path, seconds: float = 1.0) -> float:
    """How often this disk can make a small row durable: SQLite's commits with synchronous=FULL, one after another."""
    path = folder / "commits.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
    ends, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < ends:
        connection.execute("INSERT INTO t VALUES (1)")
        count += 1
    connection.close()
    return count / seconds


@contextmanager
def server(data: Path, database_url: str = "") -> Iterator[tuple[str, int]]:
    """A real `dodeca serve` of payments alone, on SQLite or that database: its address and its process."""
    port = free_port()
    environment = {**NO_LIMITS, **({"DODECA_DATABASE_URL": database_url} if database_url else {})}
    command = [sys.executable, "-m", "dodeca", "serve", "--data", str(data), "--port", str(port), "--only", "payments"]
    with process([*command, "--no-demo"], f"http://127.0.0.1:{port}/readyz", environment) as running:
        yield f"http://127.0.0.1:{port}", running.pid


def _programs(data: Path, database_url: str = "") -> list[Program]:
    """Merchants with a key each; their server is gone afterwards."""
    with server(data, database_url) as (url, _):
        return [registered(url, f"bench{number}") for number in range(PROGRAMS)]


def registered(url: str, name: str) -> Program:
    """A new account, which is a merchant with its first call, and its key."""
    account = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    made = httpx.post(f"{url}/api/accounts/register", json=account).raise_for_status().json()
    body = {"name": "bench", "scopes": ["payments"]}
    headers = {"authorization": f"Bearer {made['token']}"}
    key = httpx.post(f"{url}/api/accounts/keys", json=body, headers=headers).raise_for_status().json()
    return Program(made["user_id"], key["key_id"], key["key_secret"])


# Preloading


@contextmanager
def opened(data: Path, database_url: str = "") -> Iterator[Platform]:
    """The bench's installation in this process, while no server runs on it."""
    from dodeca import app
    from dodeca.kernel.db import migrations
    from dodeca.kernel.settings import Config

    overrides = {"data": data, "workers_inline": False, "only": "payments", "database_url": database_url}
    platform = app.compose(Config(overrides=overrides))
    migrations.ensure(platform.db)
    try:
        yield platform
    finally:
        platform.close()


def _preload(data: Path, count: int, accounts: Sequence[str], say: Say) -> None:
    """Captured payments of these accounts' merchants, settled as far as they are due: one of each through the service,
    the others as copies of the first."""
    from dodeca.kernel import clock
    from dodeca.products.payments.service import ledger, settlements

    with opened(data) as platform:
        made = [platform.db.write(partial(_pay, platform, account)) for account in accounts[:count]]
        while platform.db.write(ledger.fold):
            pass
    path = data / "dodeca.sqlite3"
    multiply(path, made[0].id, [payment.merchant_id for payment in made], count - len(made), clock.now(), say)
    with opened(data) as platform:
        for merchant_id, mode, currency in platform.db.read(settlements.due):
            say(f"settling {merchant_id}")
            while platform.db.write(partial(settlements.settle, merchant_id=merchant_id, mode=mode, currency=currency)):
                pass
        while platform.db.write(ledger.fold):
            pass


def _pay(platform: Platform, account: str, session: WriteSession) -> Payment:
    from dodeca.products.payments import flows
    from dodeca.products.payments.acquirers.protocol import CardData
    from dodeca.products.payments.models import Payment
    from dodeca.products.payments.service import orders, paying
    from dodeca.products.payments.service.desk import till_of

    card = CardData(CARD["number"], CARD["cvv"], 12, 2040, CARD["name"])
    desk = till_of(session, account, "test")
    order = orders.create(session, desk, orders.OrderRequest(AMOUNT, "INR", capture="automatic"))
    facts = flows.card_facts(platform.keyring, card)
    request = paying.PayRequest(AMOUNT, "INR", "card", order_id=order.id, card=facts)
    step = flows.immediately(session, paying.begin(session, desk, request), card)
    return session.get_one(Payment, step.payment_id)


# Cycles


@dataclass
class Client:
    """One program that makes orders and pays them, on one kept connection."""

    url: httpx.URL
    programs: Sequence[Program]
    number: int
    times: list[float] = field(default_factory=list)
    errors: int = 0

    async def work(self, ends: float) -> None:
        """Cycle until the time is over."""
        reader, writer = await asyncio.open_connection(self.url.host, self.url.port)
        ask = partial(self._ask, reader, writer)
        try:
            while (started := time.perf_counter()) < ends:
                self.number += 1
                if await self.cycle(ask):
                    self.times.append(time.perf_counter() - started)
                else:
                    self.errors += 1
        finally:
            writer.close()

    async def cycle(self, ask: Ask) -> bool:
        """Order, authorise, capture; whether the money was taken."""
        order = await ask("/payments/v1/orders", {"amount": AMOUNT, "currency": "INR"})
        body: dict[str, Any] = {"amount": AMOUNT, "currency": "INR", "method": "card", "card": CARD}
        body |= {"order_id": order.get("id"), "email": "bench@example.org", "contact": "9000090000"}
        paid = await ask("/payments/v1/payments/create/json", body)
        path = f"/payments/v1/payments/{paid.get('razorpay_payment_id')}/capture"
        done = await ask(path, {"amount": AMOUNT, "currency": "INR"})
        return bool(done.get("captured"))

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        content, kind = self.written(body)
        program = self.programs[self.number % len(self.programs)]
        credentials = base64.b64encode(f"{program.key}:{program.secret}".encode()).decode()
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {self.url.host}:{self.url.port}\r\nContent-Type: {kind}\r\n"
            f"Authorization: Basic {credentials}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        found = msgspec.json.decode(await reader.readexactly(int(length[1]) if length else 0) or b"{}")
        return dict(found) if isinstance(found, dict) else {}

    def written(self, body: Mapping[str, Any]) -> tuple[bytes, str]:
        """A body and its type."""
        return msgspec.json.encode(body), "application/json"


@dataclass
class PeerClient(Client):
    """The same against localstripe: a PaymentIntent of a known card that is confirmed, then captured."""

    card: str = ""

    async def cycle(self, ask: Ask) -> bool:
        """See Client."""
        if not self.card:
            card = {"card[number]": CARD["number"], "card[exp_month]": 12, "card[exp_year]": 2040, "card[cvc]": "123"}
            self.card = str((await ask("/v1/payment_methods", {"type": "card", **card})).get("id"))
        wanted = {"amount": AMOUNT, "currency": "inr", "capture_method": "manual", "payment_method": self.card}
        intent = await ask("/v1/payment_intents", wanted)
        await ask(f"/v1/payment_intents/{intent.get('id')}/confirm", {})
        done = await ask(f"/v1/payment_intents/{intent.get('id')}/capture", {"amount_to_capture": AMOUNT})
        return done.get("status") == "succeeded"

    def written(self, body: Mapping[str, Any]) -> tuple[bytes, str]:
        """A form."""
        return urlencode(body).encode(), "application/x-www-form-urlencoded"


@contextmanager
def peer(wanted: bool) -> Iterator[tuple[str, int] | None]:
    """localstripe in a process of its own on loopback: its address and its process; None where it is not wanted or not
    installed."""
    if not wanted or importlib.util.find_spec("localstripe") is None:
        yield None
        return
    port = free_port()
    PEER_STORE.unlink(missing_ok=True)
    try:
        with process([sys.executable, "-c", PEER, str(port)], f"http://127.0.0.1:{port}/") as running:
            yield f"http://127.0.0.1:{port}", running.pid
    finally:
        PEER_STORE.unlink(missing_ok=True)


async def _loaded(make: Callable[[int], Client], count: int, seconds: float) -> list[Client]:
    clients = [make(number) for number in range(count)]
    ends = time.perf_counter() + seconds
    await asyncio.gather(*[client.work(ends) for client in clients])
    return clients


def _cycles(
    make: Callable[[int], Client], count: int, runs: int, seconds: float, say: Say, process_id: int
) -> list[Result]:
    """Rate, latencies, refusals, and what of the server's processor a cycle takes."""
    rates, times, errors = [], [], 0
    loading(_loaded(make, count, min(1.0, seconds)))
    spent = cpu_seconds(process_id)
    for number in range(runs):
        say(f"{count} clients: run {number + 1} of {runs}")
        started = time.perf_counter()
        clients = loading(_loaded(make, count, seconds))
        took = time.perf_counter() - started
        done = [one for client in clients for one in client.times]
        rates.append(len(done) / took)
        times += done
        errors += sum(client.errors for client in clients)
    spent = cpu_seconds(process_id) - spent
    ordered, name = sorted(times), f"Cycles, {count} {'client' if count == 1 else 'clients'}"
    results = [Result(name=name, value=median(rates), unit="/s", runs=rates)]
    for part in (0.5, 0.95, 0.99):
        value = ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else 0.0
        results.append(Result(name=f"{name}, p{part * 100:.0f}", value=value, unit="ms"))
    results.append(Result(name=f"{name}, refused", value=errors, unit="", target="0", met=errors == 0))
    return [*results, Result(name=f"{name}, processor time", value=spent / max(len(times), 1) * 1000, unit="ms")]


def _flat(before: list[Result], after: list[Result], preload: int) -> list[Result]:
    """Whether it is as quick with many payments as without: within a fifth, in rate and in processor time."""
    rate = compared(f"{after[0].name}, of those when empty", after[0].runs, before[0].runs, at_least=LEAST_FLAT)
    cost = compared(f"{after[-1].name}, of that when empty", [after[-1].value], [before[-1].value], unit="ms")
    met = cost.ratio is not None and cost.ratio <= 1 / LEAST_FLAT
    return [rate, msgspec.structs.replace(cost, target=f"≤ {1 / LEAST_FLAT:.2f} with {preload:,} payments", met=met)]


def _rated(result: Result, count: int, commits: float) -> Result:
    """The rate beside what the specification wants of it."""
    least, target = commits / 6, f"≥ {commits / 6:,.0f} (half of the disk's commits ÷ 3)"
    if count > 1:
        least = max(LEAST_RATE, commits / 3)
        target = f"≥ {LEAST_RATE:.0f} and the disk's commits ÷ 3 ({commits / 3:,.0f})"
    return msgspec.structs.replace(result, target=target, met=result.value >= least)


def _beside(other: tuple[str, int], ours: Result, count: int, runs: int, seconds: float, say: Say) -> list[Result]:
    """localstripe under the same load, in the same minute."""
    say("localstripe:")
    programs, (url, process_id) = [Program("", "sk_test_12345", "")], other
    found = _cycles(lambda number: PeerClient(httpx.URL(url), programs, number), count, runs, seconds, say, process_id)
    theirs = [msgspec.structs.replace(result, name=f"localstripe: {result.name}") for result in (found[0], *found[-2:])]
    name = f"{ours.name}, times localstripe's"
    return [*theirs, compared(name, [ours.value], [found[0].value], at_least=PEER_TIMES)]


def _desk(data: Path, program: Program, say: Say) -> list[Result]:
    """What else a merchant's day takes."""
    with opened(data) as platform:
        raw = payments_desk.statement(platform, program.account)
        decided = payments_desk.decided(platform, program.account)
    with server(data) as (url, _):
        key = (program.key, program.secret)
        return [*payments_desk.imported(url, key, raw, say), decided, payments_desk.loaded(url)]


def _audit(data: Path, database_url: str = "") -> Result:
    from dodeca.products.payments import invariants

    with opened(data, database_url) as platform:
        violations = platform.db.read(invariants.audit)
    count = sum(len(rows) for rows in violations.values())
    return Result(name="Violations that the audit found", value=count, unit="", target="0", met=count == 0)
