"""One real `dodeca serve` for all tests here, a merchant on it, and a place that takes its webhooks."""

from __future__ import annotations

import http.server
import itertools
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import razorpay
from requests.adapters import HTTPAdapter
from tests.support.server import LiveServer
from urllib3.util import Retry

PASSWORD = "a long enough pass phrase 9"
CARD = {"number": "4242424242424242", "name": "Asha Rao", "expiry_month": "12", "expiry_year": "2040", "cvv": "123"}
ASKING_AGAIN = Retry(5, status_forcelist=[429], allowed_methods=None, raise_on_status=False)
"""A key may ask a hundred times a second; who asks more often is told when to come again."""
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of payments alone, whose clock can be moved."""
    data = tmp_path_factory.mktemp("payments") / "data"
    options = ("--only", "payments", "--no-demo", "--test-clock")
    server = LiveServer(data, *options, probed=False, DODECA_OUTBOUND_ALLOW_PRIVATE="1").start()
    yield server
    server.stop()


@dataclass
class Shop:
    """A merchant: its token, its key and Razorpay's own client."""

    url: str
    token: str
    key: tuple[str, str]
    client: Any = field(repr=False)
    username: str = ""

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One call of the product's own API."""
        headers = {"authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return httpx.request(method, f"{self.url}/api/payments{path}", headers=headers, timeout=60, **options)

    def paid(self, amount: int = 50_000, card: dict[str, str] = CARD, **more: Any) -> dict[str, Any]:
        """An order and what trying to pay it gives."""
        order = self.client.order.create({"amount": amount, "currency": "INR", "payment_capture": 1})
        body = {"amount": amount, "currency": "INR", "order_id": order["id"], "method": "card", "card": card}
        made: dict[str, Any] = self.client.payment.createPaymentJson(
            {**body, "email": "asha@example.org", "contact": "+919000090000", **more}
        )
        return made

    def pay_order(self, order_id: str, amount: int, **more: Any) -> dict[str, Any]:
        """Pay an order that is there."""
        body = {"amount": amount, "currency": "INR", "order_id": order_id, "method": "card", "card": CARD}
        made: dict[str, Any] = self.client.payment.createPaymentJson(
            {**body, "email": "asha@example.org", "contact": "+919000090000", **more}
        )
        return made


def new_shop(server: LiveServer) -> Shop:
    """A new merchant."""
    name = f"corner{next(_numbers)}"
    account = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    token = server.post("/api/accounts/register", json=account).raise_for_status().json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    made = server.post("/api/accounts/keys", json={"name": "shop", "scopes": ["payments"]}, headers=headers).json()
    key = (made["key_id"], made["key_secret"])
    client: Any = razorpay.Client(auth=key, base_url=server.url + "/payments")
    client.session.mount(server.url, HTTPAdapter(max_retries=ASKING_AGAIN))
    return Shop(server.url, token, key, client, name)


@pytest.fixture(scope="module")
def shop(live: LiveServer) -> Shop:
    """A merchant of the module's own."""
    return new_shop(live)


@pytest.fixture(scope="module")
def client(shop: Shop) -> Any:
    """Razorpay's Python client."""
    return shop.client


@dataclass
class Hook:
    """What came to a webhook's address, and what it answers."""

    url: str
    got: queue.Queue[tuple[dict[str, str], bytes]] = field(default_factory=queue.Queue)
    answers: list[int] = field(default_factory=list)

    def next(self, kind: str, seconds: float = 20) -> tuple[dict[str, str], bytes]:
        """The next event of a kind."""
        while True:
            headers, body = self.got.get(timeout=seconds)
            if json.loads(body)["event"] == kind:
                return headers, body


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A local address that takes webhooks; `answers` are the statuses of the next calls, then 200."""
    found = Hook("")

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            found.got.put(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: pytest's output is not a log."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield found
    server.shutdown()
    server.server_close()
