"""Payments: order, authorisation and capture over HTTP, beside what the disk can commit; then an audit of the books.

Options: `--clients 1,16`, how many merchants' programs ask at once; `--preload N`, captured payments that are there
before (default 0).
"""

from __future__ import annotations

import asyncio
import itertools
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from dodeca.bench.harness import Result, Say, free_port, median, process
from dodeca.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dodeca.kernel.platform import Platform

CARD = {"number": "4242424242424242", "name": "Bench", "expiry_month": "12", "expiry_year": "2040", "cvv": "123"}
AMOUNT = 50_000
PRELOAD_BATCH = 50
LEAST_RATE = 200.0
PASSWORD = "a bench needs a password too"  # noqa: S105 - of an account in a temporary folder
UNLIMITED_KEYS = 8
"""Keys that the clients share: each may ask 100 times a second."""
NO_LIMITS = {"DODECA_REQUESTS_PER_MINUTE": "0", "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}


def run(*, runs: int, seconds: float, options: Mapping[str, str], say: Say) -> list[Result]:
    """Cycles a second by number of clients, their latencies, the disk's commits a second, and the audit."""
    clients, preload = _read(options)
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder:
        data = Path(folder) / "data"
        commits = median([commits_a_second(Path(folder)) for _ in range(3)])
        results = [Result(name="The disk: synced commits", value=commits, unit="/s")]
        if preload:
            results.append(_preloaded(data, preload, say))
        with server(data) as url:
            keys = [_key(url, f"bench{number}") for number in range(UNLIMITED_KEYS)]
            for count in clients:
                results += _cycles(url, keys, count, runs, seconds, commits, say)
        results.append(_audit(data))
    return results


def _read(options: Mapping[str, str]) -> tuple[list[int], int]:
    unknown = sorted(set(options) - {"clients", "preload"})
    if unknown:
        raise Invalid(f"There is no option --{unknown[0]}. Known: --clients, --preload.")
    clients, preload = options.get("clients", "1,16").split(","), options.get("preload", "0")
    if not all(count.isdecimal() and 1 <= int(count) <= 256 for count in clients):
        raise Invalid("--clients is a list of numbers from 1 to 256.", field="clients")
    if not preload.isdecimal():
        raise Invalid("--preload is a number.", field="preload")
    return [int(count) for count in clients], int(preload)


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
def server(data: Path) -> Iterator[str]:
    """A real `dodeca serve` of payments alone."""
    port = free_port()
    command = [sys.executable, "-m", "dodeca", "serve", "--data", str(data), "--port", str(port), "--only", "payments"]
    with process([*command, "--no-demo"], f"http://127.0.0.1:{port}/readyz", NO_LIMITS):
        yield f"http://127.0.0.1:{port}"


def _key(url: str, name: str) -> tuple[str, str]:
    account = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    token = httpx.post(f"{url}/api/accounts/register", json=account).raise_for_status().json()["token"]
    body = {"name": "bench", "scopes": ["payments"]}
    headers = {"authorization": f"Bearer {token}"}
    made = httpx.post(f"{url}/api/accounts/keys", json=body, headers=headers).raise_for_status().json()
    return made["key_id"], made["key_secret"]


# Preloading


@contextmanager
def opened(data: Path) -> Iterator[Platform]:
    """The bench's installation in this process, while no server runs on it."""
    from dodeca import app
    from dodeca.kernel.db import migrations
    from dodeca.kernel.settings import Config

    platform = app.compose(Config(overrides={"data": data, "workers_inline": False, "only": "payments"}))
    migrations.ensure(platform.db)
    try:
        yield platform
    finally:
        platform.close()


def _preloaded(data: Path, count: int, say: Say) -> Result:
    """Captured payments of one merchant, made through the service, some in a unit of work."""
    from dodeca.kernel.db import WriteSession
    from dodeca.products.payments import flows
    from dodeca.products.payments.acquirers.protocol import CardData
    from dodeca.products.payments.service import orders, paying
    from dodeca.products.payments.service.desk import Desk, ensure_merchant
    from dodeca.products.payments.service.orders import OrderRequest
    from dodeca.products.payments.service.paying import PayRequest

    started = time.perf_counter()
    with opened(data) as platform:
        merchant = platform.db.write(lambda session: ensure_merchant(session, "bench-account", "Bench"))
        desk = Desk(merchant, "test")
        card = CardData(CARD["number"], CARD["cvv"], 12, 2040, CARD["name"])
        facts = flows.card_facts(platform.keyring, card)

        def unit(session: WriteSession, size: int) -> None:
            for _ in range(size):
                order = orders.create(session, desk, OrderRequest(AMOUNT, "INR", capture="automatic"))
                request = PayRequest(AMOUNT, "INR", "card", order_id=order.id, card=facts)
                flows.immediately(session, paying.begin(session, desk, request), card)

        for start in range(0, count, PRELOAD_BATCH):
            size = min(PRELOAD_BATCH, count - start)
            platform.db.write(lambda session, s=size: unit(session, s))  # type: ignore[misc]
            if start and start % 5000 == 0:
                say(f"{start:,} of {count:,} payments")
    return Result(name=f"Preloading {count:,} payments", value=count / (time.perf_counter() - started), unit="/s")


# Cycles


@dataclass(slots=True)
class Client:
    """One program that makes orders and pays them, on one kept connection."""

    url: httpx.URL
    key: tuple[str, str]
    times: list[float] = field(default_factory=list)
    errors: int = 0

    async def work(self, ends: float) -> None:
        """Cycle until the time is over."""
        reader, writer = await asyncio.open_connection(self.url.host, self.url.port)
        try:
            while (started := time.perf_counter()) < ends:
                if await self._cycle(reader, writer):
                    self.times.append(time.perf_counter() - started)
                else:
                    self.errors += 1
        finally:
            writer.close()

    async def _cycle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        order = await self._post(reader, writer, "/payments/v1/orders", {"amount": AMOUNT, "currency": "INR"})
        body: dict[str, Any] = {"amount": AMOUNT, "currency": "INR", "method": "card", "card": CARD}
        body |= {"order_id": order.get("id"), "email": "bench@example.org", "contact": "9000090000"}
        paid = await self._post(reader, writer, "/payments/v1/payments/create/json", body)
        wanted = {"amount": AMOUNT, "currency": "INR"}
        path = f"/payments/v1/payments/{paid.get('razorpay_payment_id')}/capture"
        done = await self._post(reader, writer, path, wanted)
        return bool(done.get("captured"))

    async def _post(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        content = msgspec.json.encode(body)
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {self.url.host}:{self.url.port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Basic {self.key[0]}:{self.key[1]}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        found = msgspec.json.decode(await reader.readexactly(int(length[1]) if length else 0) or b"{}")
        return dict(found) if isinstance(found, dict) else {}


async def _loaded(url: str, keys: Sequence[tuple[str, str]], count: int, seconds: float) -> list[Client]:
    chosen = itertools.cycle(keys)
    clients = [Client(httpx.URL(url), next(chosen)) for _ in range(count)]
    ends = time.perf_counter() + seconds
    await asyncio.gather(*[client.work(ends) for client in clients])
    return clients


def _cycles(
    url: str, keys: Sequence[tuple[str, str]], count: int, runs: int, seconds: float, commits: float, say: Say
) -> list[Result]:
    rates, times, errors = [], [], 0
    asyncio.run(_loaded(url, keys, count, min(1.0, seconds)))
    for number in range(runs):
        say(f"{count} clients: run {number + 1} of {runs}")
        started = time.perf_counter()
        clients = asyncio.run(_loaded(url, keys, count, seconds))
        took = time.perf_counter() - started
        done = [one for client in clients for one in client.times]
        rates.append(len(done) / took)
        times += done
        errors += sum(client.errors for client in clients)
    rate, ordered = median(rates), sorted(times)
    if count == 1:
        least, target = commits / 6, f"≥ {commits / 6:,.0f} (half of the disk's commits ÷ 3)"
    else:
        least = max(LEAST_RATE, commits / 3)
        target = f"≥ {LEAST_RATE:.0f} and the disk's commits ÷ 3 ({commits / 3:,.0f})"
    plural = "client" if count == 1 else "clients"
    results = [
        Result(name=f"Cycles, {count} {plural}", value=rate, unit="/s", runs=rates, target=target, met=rate >= least)
    ]
    for part in (0.5, 0.95, 0.99):
        value = ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else 0.0
        results.append(Result(name=f"Cycles, {count} {plural}, p{part * 100:.0f}", value=value, unit="ms"))
    name = f"Cycles, {count} {plural}, refused"
    return [*results, Result(name=name, value=errors, unit="", target="0", met=errors == 0)]


def _audit(data: Path) -> Result:
    from dodeca.products.payments import invariants

    with opened(data) as platform:
        violations = platform.db.read(invariants.audit)
    count = sum(len(rows) for rows in violations.values())
    return Result(name="Violations that the audit found", value=count, unit="", target="0", met=count == 0)
