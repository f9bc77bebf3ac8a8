"""`kill -9` under load, many at once, and what must never reach the disk."""

from __future__ import annotations

import base64
import re
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from razorpay.errors import BadRequestError
from tests.products.payments.live.conftest import CARD, Shop, new_shop
from tests.support.server import LiveServer, dodeca

pytestmark = [pytest.mark.slow]
CARDS = ("4242424242424242", "5555555555554444", "4111111111111111", "4000000000000127", "4000000000006660")
SECURITY_CODE = "9174"
CYCLES = 6
ENOUGH = 15
"""Refunds before the server is killed: by then every step of a cycle was being done when it died."""
TOGETHER = 20


class Cycles:
    """Orders, authorisations, captures and refunds from several threads, and what was acknowledged of them."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.seen = shop, {"orders": [], "authorised": [], "captured": [], "refunded": []}  # type: ignore[var-annotated]
        self.stopped = threading.Event()

    def work(self) -> None:
        with httpx.Client(base_url=f"{self.shop.url}/payments/v1", auth=self.shop.key, timeout=20) as client:
            try:
                while not self.stopped.is_set():
                    self.cycle(client)
            except httpx.HTTPError:
                return

    def cycle(self, client: httpx.Client) -> None:
        order = self.post(client, "/orders", amount=5000, currency="INR")["id"]
        self.seen["orders"].append(order)
        body = {"amount": 5000, "currency": "INR", "order_id": order, "method": "card", "card": CARD}
        paid = self.post(client, "/payments/create/json", **body)["razorpay_payment_id"]
        self.seen["authorised"].append(paid)
        self.post(client, f"/payments/{paid}/capture", amount=5000, currency="INR")
        self.seen["captured"].append(paid)
        self.post(client, f"/payments/{paid}/refund", amount=1000)
        self.seen["refunded"].append(paid)

    def post(self, client: httpx.Client, path: str, **body: Any) -> Any:
        """What is answered; a key may ask 100 times a second, so who is too quick asks again."""
        while (answer := client.post(path, json=body)).status_code == 429:
            self.stopped.wait(0.2)
        return answer.raise_for_status().json()


@pytest.mark.timeout(400)
def test_what_was_acknowledged_is_there_after_kill_9_and_nothing_twice(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", "--only", "payments", "--no-demo", probed=False).start()
    load = Cycles(new_shop(server))
    threads = [threading.Thread(target=load.work) for _ in range(CYCLES)]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + 60
    while len(load.seen["refunded"]) < ENOUGH and time.monotonic() < ends:
        threading.Event().wait(0.05)

    server.kill()
    load.stopped.set()
    for thread in threads:
        thread.join(30)

    assert len(load.seen["refunded"]) >= ENOUGH
    again = dodeca("payments", "audit", data=tmp_path / "data")
    assert again.returncode == 0, again.stdout + again.stderr
    server.start()
    try:
        rows = payments_of(load.shop, server)
        good = Counter(row["order_id"] for row in rows.values() if row["captured"])
        assert set(load.seen["authorised"]) <= set(rows)
        assert all(rows[name]["captured"] for name in load.seen["captured"])
        assert all(rows[name]["amount_refunded"] == 1000 for name in load.seen["refunded"])
        assert max(good.values()) == 1
    finally:
        server.stop()
    assert dodeca("payments", "audit", data=tmp_path / "data").returncode == 0


def payments_of(shop: Shop, server: LiveServer) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    while True:
        path = f"{server.url}/payments/v1/payments?count=100&skip={len(found)}"
        page = httpx.get(path, auth=shop.key, timeout=30).raise_for_status().json()["items"]
        found |= {row["id"]: row for row in page}
        if len(page) < 100:
            return found


def test_twenty_at_once_have_one_effect(live: LiveServer) -> None:
    shop = new_shop(live)
    order = shop.client.order.create({"amount": 5000, "currency": "INR"})
    payment = shop.pay_order(order["id"], 5000)["razorpay_payment_id"]
    link = shop.client.payment_link.create({"amount": 7000, "currency": "INR", "customer": {}})

    def capture(_: int) -> bool:
        return tried(lambda: shop.client.payment.capture(payment, 5000, {"currency": "INR"}))

    def refund(_: int) -> bool:
        return tried(lambda: shop.client.payment.refund(payment, {"amount": 2000}))

    def pay(_: int) -> bool:
        return tried(lambda: shop.pay_order(link["order_id"], 7000))

    with ThreadPoolExecutor(TOGETHER) as pool:
        captures, refunds = sum(pool.map(capture, range(TOGETHER))), sum(pool.map(refund, range(TOGETHER)))
        list(pool.map(pay, range(TOGETHER)))

    assert (captures, refunds) == (1, 2)
    entity = shop.client.payment.fetch(payment)
    assert (entity["captured"], entity["amount_refunded"]) == (True, 4000)
    assert shop.client.payment_link.fetch(link["id"])["amount_paid"] == 7000
    tries = shop.client.order.payments(link["order_id"])["items"]
    assert sum(row["captured"] for row in tries) == 1
    assert {row["status"] for row in tries if not row["captured"]} <= {"refunded", "failed"}


def tried(call: Any) -> bool:
    try:
        call()
    except BadRequestError:
        return False
    return True


def test_twenty_withdrawals_at_once_take_what_is_there(live: LiveServer) -> None:
    shop = new_shop(live)
    card = {"method_type": "card", "card_number": "4242424242424242", "expiry_date": "12/40"}
    method = shop.ask("POST", "/users/me/payment_methods", json=card).json()["payment_method_id"]
    deposit = {"amount": 5000, "currency": "INR", "payment_method_id": method}
    assert shop.ask("POST", "/wallet/deposits", json=deposit).json()["status"] == "paid"
    body = {"amount": 1000, "currency": "INR", "destination": {"name": "Asha", "iban": "DE89370400440532013000"}}

    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(lambda _: shop.ask("POST", "/wallet/withdrawals", json=body), range(TOGETHER)))

    assert Counter(answer.status_code for answer in answers) == {201: 5, 402: 15}
    assert shop.ask("GET", "/wallet").json()["balances"] == [{"currency": "INR", "available": 0, "held": 0}]


@pytest.mark.timeout(300)
def test_no_card_number_or_security_code_reaches_the_disk(tmp_path: Path) -> None:
    """Good, challenged, declined, lost and malformed payments, saved cards, the checkout page, exports and logs."""
    server = LiveServer(tmp_path / "data", "--only", "payments", "--no-demo", probed=False).start()
    try:
        shop = new_shop(server)
        for number in CARDS:
            card = {**CARD, "number": number, "cvv": SECURITY_CODE}
            tried(lambda card=card: shop.paid(card=card))
            order = shop.client.order.create({"amount": 5000, "currency": "INR", "payment_capture": 1})
            form = {"method": "card", "number": number, "expiry": "12/40", "cvv": SECURITY_CODE, "email": "a@b.co"}
            server.post(f"/payments/checkout/{order['id']}", data=form, headers={"sec-fetch-site": "same-origin"})
            server.post(f"/payments/checkout/{order['id']}?number={number}", data={**form, "expiry": "x"})
            kept = {"method_type": "card", "card_number": number, "expiry_date": "12/40", "cvv": SECURITY_CODE}
            shop.ask("POST", "/users/me/payment_methods", json=kept)
            notes = {"amount": 5000, "currency": "INR", "notes": {"a": number}}
            httpx.post(f"{server.url}/payments/v1/orders", json=notes, auth=shop.key)
            shop.ask("POST", "/payments", content=f'{{"card": {{"number": "{number}", "cvv": "{SECURITY_CODE}"')
        report = shop.ask("GET", "/reports/transactions?format=csv").content
    finally:
        server.stop()

    files = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    files |= {server.log: server.log.read_bytes(), tmp_path / "report.csv": report}
    assert sum(map(len, files.values())) > 100_000
    for path, content in files.items():
        for number in CARDS:
            spaced = " ".join(re.findall("....", number))
            assert number.encode() not in content, f"{number} in {path.name}"
            assert spaced.encode() not in content, f"{spaced} in {path.name}"
        assert not re.search(rb"(?i)cvv\W{1,8}" + SECURITY_CODE.encode(), content), path.name
        assert not re.search(rb"\b" + SECURITY_CODE.encode() + rb"\b", content), path.name


def test_a_request_that_is_cut_short_is_refused_and_makes_nothing(live: LiveServer) -> None:
    shop = new_shop(live)
    host, port = live.url.removeprefix("http://").split(":")
    credentials = base64.b64encode(":".join(shop.key).encode()).decode()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /payments/v1/orders HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {credentials}\r\n"
            'Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"amount": 5000, "currency": "INR"}'.encode()
        )
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"BAD_REQUEST_ERROR" in answer
    assert shop.client.order.all()["count"] == 0
