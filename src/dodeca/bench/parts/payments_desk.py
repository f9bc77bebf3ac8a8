"""What a merchant's desk does, measured: a statement of many lines imported over HTTP, a decision whom to ask, and how
much a shop's page loads."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING, Any

import httpx

from dodeca.bench.harness import Result, Say, median
from dodeca.kernel import clock
from dodeca.kernel.errors import DodecaError

if TYPE_CHECKING:
    from dodeca.kernel.db import WriteSession
    from dodeca.kernel.platform import Platform

LINES = 100_000
NAMING = 0.1
"""The part of them that pays an order, which books a payment; the rest is what else happens to a bank account."""
AMOUNT = 50_000
MOST_SECONDS, MOST_MICROSECONDS, MOST_KILOBYTES = 30.0, 300.0, 40.0
RULES = 10
"""None of them holds, so that all are asked and the acquirers ranked after them."""
DECISIONS = 2_000


def statement(platform: Platform, account: str, lines: int = LINES) -> bytes:
    """A bank's CSV whose first lines pay orders, which are made for it."""
    from dodeca.products.payments.service import orders
    from dodeca.products.payments.service.desk import till_of

    def make(session: WriteSession) -> list[str]:
        desk, request = till_of(session, account, "test"), orders.OrderRequest(AMOUNT, "EUR", capture="automatic")
        return [orders.create(session, desk, request).id for _ in range(min(wanted, 500))]

    wanted, made = round(lines * NAMING), list[str]()
    while len(made) < wanted:
        made += platform.db.write(make)
    made = made[:wanted]
    texts = [*made, *(f"Coffee and cake {number}" for number in range(wanted, lines))]
    today = clock.now().date()
    rows = (f"{today},{AMOUNT / 100:.2f},EUR,BANK{n:08d},{text},Payer {n}" for n, text in enumerate(texts))
    return "\n".join(["date,amount,currency,reference,text,counterparty", *rows]).encode()


def imported(url: str, key: tuple[str, str], raw: bytes, say: Say) -> list[Result]:
    """How long the import takes, and what a second one finds to do. Raises DodecaError where lines are lost."""
    lines = raw.count(b"\n")
    say(f"A statement of {lines:,} lines")
    found, seconds = _import(url, key, raw)
    if (found["lines"], found["duplicates"]) != (lines, 0) or found["matched"] != round(lines * NAMING):
        raise DodecaError(f"The import lost lines: {found}")
    again, _ = _import(url, key, raw)
    new = lines - int(again["duplicates"])
    return [
        Result(
            name=f"Statement of {lines:,} lines imported",
            value=seconds,
            unit="s",
            target=f"< {MOST_SECONDS:.0f}",
            met=seconds < MOST_SECONDS,
        ),
        Result(name="Lines that a second import kept", value=new, unit="", target="0", met=new == 0),
    ]


def _import(url: str, key: tuple[str, str], raw: bytes) -> tuple[dict[str, Any], float]:
    started = time.perf_counter()
    answer = httpx.post(f"{url}/api/payments/reconciliation/imports", content=raw, auth=key, timeout=600)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found, time.perf_counter() - started


def decided(platform: Platform, account: str) -> Result:
    """What a decision whom to ask takes, beside rules of a merchant's own."""
    from dodeca.products.payments import acquirers
    from dodeca.products.payments.service import routing, rules
    from dodeca.products.payments.service.desk import till_of

    conditions = [
        {"when": f'amount > {10**9 + number} && card.network == "Visa"', "then": ["sim-beta"]}
        for number in range(RULES)
    ]

    def decide(session: WriteSession) -> list[float]:
        desk = till_of(session, account, "test")
        routing.set_rules(session, desk.merchant, conditions, routing.STRATEGIES[0])
        installed = acquirers.installed(session, desk.mode)
        took = []
        for _ in range(DECISIONS):
            started = time.perf_counter()
            routing.decide(desk.merchant, installed, rules.SAMPLE, {})
            took.append((time.perf_counter() - started) * 1e6)
        routing.set_rules(session, desk.merchant, [], routing.STRATEGIES[0])
        return took

    value = median(platform.db.write(decide))
    name = f"A decision whom to ask, {RULES} rules"
    return Result(name=name, value=value, unit="µs", target=f"< {MOST_MICROSECONDS:.0f}", met=value < MOST_MICROSECONDS)


def loaded(url: str) -> Result:
    """What `checkout.js` weighs on its way to a shop's page."""
    script = httpx.get(f"{url}/payments/v1/checkout.js").raise_for_status().content
    value = len(gzip.compress(script, 6)) / 1024
    return Result(
        name="checkout.js, gzipped",
        value=value,
        unit="KB",
        target=f"< {MOST_KILOBYTES:.0f}",
        met=value < MOST_KILOBYTES,
    )
