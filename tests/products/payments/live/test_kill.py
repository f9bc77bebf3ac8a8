"""`kill -9` while acquirers are being asked: what was acknowledged is there once, and what was not comes to an end."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.products.payments.live.conftest import CARD, Shop, new_shop
from tests.support.server import LiveServer, dodeca

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SLOW = 700
"""Milliseconds that a simulator takes to answer: it is then asked between two units of work, as one outside is."""
TOGETHER = 6
AMOUNT = 5000
UNFINISHED = {
    "authorise": "SELECT count(*) FROM payments_attempts WHERE outcome = 'asked'",
    "capture": "SELECT count(*) FROM payments_payments WHERE capturing_at IS NOT NULL",
    "refund": "SELECT count(*) FROM payments_refunds WHERE status = 'pending'",
    "withdrawal": "SELECT count(*) FROM payments_payouts",
}


@dataclass
class Gateway:
    """A server, its administrator, one merchant, and what was acknowledged to it."""

    server: LiveServer
    admin: str
    shop: Shop = field(init=False)
    acknowledged: dict[str, list[str]] = field(default_factory=lambda: {stage: [] for stage in ("order", *UNFINISHED)})

    def ask(self, method: str, path: str, **body: Any) -> Any:
        headers = {"authorization": f"Bearer {self.admin}"}
        return self.server.request(method, path, json=body, headers=headers, timeout=60).raise_for_status().json()

    def count(self, statement: str) -> int:
        with sqlite3.connect(f"file:{self.server.data / 'dodeca.sqlite3'}?mode=ro", uri=True) as connection:
            return int(connection.execute(statement).fetchone()[0])

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        url = f"{self.server.url}/payments/v1{path}"
        answer = httpx.post(url, json=body, auth=self.shop.key, timeout=30)
        return dict(answer.raise_for_status().json())


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Slow acquirers, a purse with some money, and a clock that can be moved."""
    data = tmp_path_factory.mktemp("killed") / "data"
    for action in ("create", "token"):
        made = dodeca("admin", action, "boss", data=data)
        assert made.returncode == 0, made.stderr
    options = ("--only", "payments", "--no-demo", "--test-clock")
    found = Gateway(LiveServer(data, *options, probed=False).start(), made.stdout.split()[-1])
    found.shop = new_shop(found.server)
    card = {"method_type": "card", "card_number": CARD["number"], "expiry_date": "12/40"}
    method = found.shop.ask("POST", "/users/me/payment_methods", json=card).json()["payment_method_id"]
    deposit = {"amount": AMOUNT, "currency": "INR", "payment_method_id": method}
    assert found.shop.ask("POST", "/wallet/deposits", json=deposit).json()["status"] == "paid"
    for name in ("sim-alpha", "sim-beta", "sim-gamma"):
        found.ask("PATCH", f"/api/payments/acquirers/{name}", latency_ms=SLOW)
    yield found
    found.server.stop()


def cycle(gateway: Gateway, stage: str) -> None:
    """Order, authorise, capture, refund or withdraw, as far as `stage`; each answer that came is noted."""
    seen = gateway.acknowledged
    if stage == "withdrawal":
        body = {"amount": 1000, "currency": "INR", "destination": {"name": "Asha", "iban": "DE89370400440532013000"}}
        answer = gateway.shop.ask("POST", "/wallet/withdrawals", json=body)
        if answer.status_code == 201:
            seen[stage].append(answer.json()["payout_id"])
        return
    order = gateway.post("/orders", amount=AMOUNT, currency="INR")["id"]
    seen["order"].append(order)
    body = {"amount": AMOUNT, "currency": "INR", "order_id": order, "method": "card", "card": CARD}
    payment = gateway.post("/payments/create/json", **body)["razorpay_payment_id"]
    seen["authorise"].append(payment)
    if stage == "authorise":
        return
    gateway.post(f"/payments/{payment}/capture", amount=AMOUNT, currency="INR")
    seen["capture"].append(payment)
    if stage == "refund":
        gateway.post(f"/payments/{payment}/refund", amount=2000)
        seen["refund"].append(payment)


def tried(call: Callable[[], None]) -> None:
    try:
        call()
    except httpx.HTTPError:
        return


@pytest.mark.parametrize("stage", ["authorise", "capture", "refund", "withdrawal"])
def test_what_kill_9_interrupts_is_finished_once_and_nothing_acknowledged_is_lost(gateway: Gateway, stage: str) -> None:
    before = gateway.count(UNFINISHED[stage])
    with ThreadPoolExecutor(TOGETHER) as pool:
        for _ in range(TOGETHER):
            pool.submit(tried, lambda: cycle(gateway, stage))
        ends = time.monotonic() + 60
        while gateway.count(UNFINISHED[stage]) <= before and time.monotonic() < ends:
            threading.Event().wait(0.01)
        interrupted = gateway.count(UNFINISHED[stage])
        gateway.server.kill()

    gateway.server.start()
    asked = ("authorise", "capture", "refund")
    for _ in range(10):
        gateway.ask("POST", "/api/admin/clock", advance_seconds=90)
        if not any(gateway.count(UNFINISHED[name]) for name in asked):
            break

    assert interrupted > before, "the load never came to this stage"
    assert gateway.ask("GET", "/api/payments/ledger/audit")["ok"]
    check_nothing_is_lost_or_doubled(gateway)
    assert [name for name in asked if gateway.count(UNFINISHED[name])] == []


def check_nothing_is_lost_or_doubled(gateway: Gateway) -> None:
    seen, rows = gateway.acknowledged, {}
    for row in payments_of(gateway):
        rows[row["id"]] = row
    assert set(seen["authorise"]) <= set(rows)
    assert all(rows[payment]["captured"] for payment in seen["capture"])
    assert all(rows[payment]["amount_refunded"] == 2000 for payment in seen["refund"])
    assert all(row["amount_refunded"] in (0, 2000) for row in rows.values())
    assert {row["status"] for row in rows.values()} <= {"authorized", "captured"}
    assert max(Counter(row["order_id"] for row in rows.values() if row["captured"]).values(), default=1) == 1
    orders = gateway.count("SELECT count(*) FROM payments_orders")
    assert orders >= len(seen["order"])
    left = gateway.shop.ask("GET", "/wallet").json()["balances"][0]
    payouts = gateway.count("SELECT count(*) FROM payments_payouts")
    assert payouts >= len(seen["withdrawal"])
    assert left["available"] == AMOUNT - 1000 * payouts
    # One whose job was running when the process died stays initiated until the job's lease is over.
    assert gateway.count("SELECT count(*) FROM payments_payouts WHERE status IN ('failed', 'reversed')") == 0


def payments_of(gateway: Gateway) -> list[dict[str, Any]]:
    url = f"{gateway.server.url}/payments/v1/payments?count=100"
    items: list[dict[str, Any]] = httpx.get(url, auth=gateway.shop.key, timeout=30).raise_for_status().json()["items"]
    return items
