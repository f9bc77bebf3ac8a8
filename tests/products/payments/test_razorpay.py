"""Razorpay's own Python SDK against a running `dodeca serve`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import razorpay
from razorpay.errors import BadRequestError

pytestmark = [pytest.mark.clients, pytest.mark.slow]
CARD = {"number": "4242424242424242", "name": "Asha Rao", "expiry_month": "12", "expiry_year": "2040", "cvv": "123"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of our own on a free port."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = tmp_path_factory.mktemp("served")
    run = [sys.executable, "-c", "from dodeca.cli import main; main()"]
    command = [*run, "serve", "--port", str(port), "--data", str(data), "--no-demo"]
    source = str(Path(__file__).parents[3] / "src")
    environment = {**os.environ, "DODECA_OUTBOUND_ALLOW_PRIVATE": "1", "PYTHONPATH": source}
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=Path(__file__).parents[3])
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            if httpx.get(url + "/readyz").status_code == 200:
                break
        except httpx.TransportError:
            pass
        assert process.poll() is None, (data / "log").read_text()
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def key(server: str) -> tuple[str, str]:
    """A new merchant's key."""
    account = {"username": "corner", "password": "a long enough pass phrase 9", "email": "c@example.org"}
    token = httpx.post(server + "/api/accounts/register", json=account).json()["token"]
    body = {"name": "shop", "scopes": ["payments"]}
    made = httpx.post(server + "/api/accounts/keys", json=body, headers={"authorization": f"Bearer {token}"}).json()
    assert made["key_id"].startswith("rzp_test_")
    return made["key_id"], made["key_secret"]


@pytest.fixture(scope="module")
def client(server: str, key: tuple[str, str]) -> Any:
    """The SDK."""
    return razorpay.Client(auth=key, base_url=server + "/payments")


def paid(client: Any, amount: int = 50_000, **more: Any) -> dict[str, Any]:
    order = client.order.create({"amount": amount, "currency": "INR", "payment_capture": 1})
    body = {"amount": amount, "currency": "INR", "order_id": order["id"], "method": "card", "card": CARD}
    made: dict[str, Any] = client.payment.createPaymentJson(
        {**body, "email": "a@example.org", "contact": "+919000090000", **more}
    )
    return made


def test_orders(client: Any) -> None:
    order = client.order.create({"amount": 50_000, "currency": "INR", "receipt": "r1", "notes": {"k": "v"}})
    assert (order["status"], order["amount_due"], order["notes"]) == ("created", 50_000, {"k": "v"})
    assert client.order.fetch(order["id"])["id"] == order["id"]
    assert client.order.all({"receipt": "r1"})["items"][0]["id"] == order["id"]
    assert client.order.edit(order["id"], {"notes": {"a": "b"}})["notes"] == {"a": "b"}
    assert client.order.payments(order["id"])["count"] == 0


def test_a_payment_is_signed_captured_and_refunded(client: Any) -> None:
    made = paid(client)
    assert client.utility.verify_payment_signature(made)
    payment = client.payment.fetch(made["razorpay_payment_id"])
    assert (payment["status"], payment["fee"], payment["tax"]) == ("captured", 1180, 180)
    assert client.payment.fetchCardDetails(payment["id"])["last4"] == "4242"

    refund = client.payment.refund(payment["id"], {"amount": 20_000, "notes": {"why": "late"}})

    assert (refund["status"], refund["amount"]) == ("processed", 20_000)
    assert client.refund.fetch(refund["id"])["payment_id"] == payment["id"]
    assert client.payment.fetch_multiple_refund(payment["id"])["count"] == 1
    assert client.payment.fetch_refund_id(payment["id"], refund["id"])["id"] == refund["id"]
    assert client.refund.edit(refund["id"], {"notes": {"x": "y"}})["notes"] == {"x": "y"}
    assert client.refund.create({"payment_id": payment["id"]})["amount"] == 30_000
    assert client.payment.fetch(payment["id"])["refund_status"] == "full"


def test_manual_capture(client: Any) -> None:
    order = client.order.create({"amount": 1000, "currency": "INR"})
    body = {"amount": 1000, "currency": "INR", "order_id": order["id"], "method": "card", "card": CARD}
    made = client.payment.createPaymentJson({**body, "email": "a@b.co", "contact": "9000090000"})
    with pytest.raises(BadRequestError, match="must be equal"):
        client.payment.capture(made["razorpay_payment_id"], 999, {"currency": "INR"})

    payment = client.payment.capture(made["razorpay_payment_id"], 1000, {"currency": "INR"})

    assert payment["captured"] is True
    assert client.order.fetch(order["id"])["status"] == "paid"


def test_3d_secure(client: Any) -> None:
    made = paid(client, card={**CARD, "number": "4111111111111111"})
    assert [step["action"] for step in made["next"]] == ["otp_generate", "redirect"]
    payment_id = made["razorpay_payment_id"]
    assert client.payment.otpGenerate(payment_id)["razorpay_payment_id"] == payment_id
    with pytest.raises(BadRequestError, match="OTP"):
        client.payment.otpSubmit(payment_id, {"otp": "1"})

    assert client.utility.verify_payment_signature(client.payment.otpSubmit(payment_id, {"otp": "12345"}))


def test_a_decline_says_why(client: Any, server: str, key: tuple[str, str]) -> None:
    body = {"amount": 1000, "currency": "INR", "method": "card", "card": {**CARD, "number": "4000000000000127"}}
    answer = httpx.post(server + "/payments/v1/payments/create/json", json=body, auth=key)

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["reason"], error["code"]) == ("incorrect_cvv", "BAD_REQUEST_ERROR")
    assert error["metadata"]["payment_id"].startswith("pay_")


def test_customers_and_tokens(client: Any) -> None:
    customer = client.customer.create({"name": "Asha", "email": "asha@example.org", "contact": "9123456780"})
    same = client.customer.create({"email": "asha@example.org", "contact": "9123456780", "fail_existing": "0"})
    assert same["id"] == customer["id"]
    with pytest.raises(BadRequestError, match="already exists"):
        client.customer.create({"email": "asha@example.org", "contact": "9123456780"})
    assert client.customer.edit(customer["id"], {"name": "Asha Rao"})["name"] == "Asha Rao"

    paid(client, customer_id=customer["id"], save=1)
    (token,) = client.token.all(customer["id"])["items"]
    body = {"amount": 500, "currency": "INR", "customer_id": customer["id"], "token": token["id"], "recurring": "1"}
    charged = client.payment.createRecurring({**body, "email": "a@b.co", "contact": "9000090000"})

    assert client.payment.fetch(charged["razorpay_payment_id"])["status"] == "captured"
    assert client.token.fetch(customer["id"], token["id"])["card"]["last4"] == "4242"
    client.token.delete(customer["id"], token["id"])
    assert client.token.all(customer["id"])["count"] == 0


def test_settlements_and_recon(client: Any) -> None:
    paid(client, 10_000)
    now = time.gmtime()

    settled = client.settlement.create_ondemand_settlement({"amount": 100, "settle_full_balance": True})

    assert settled["status"] == "processed"
    assert client.settlement.fetch_ondemand_settlement_id(settled["id"])["id"] == settled["id"]
    rows = client.settlement.report({"year": now.tm_year, "month": now.tm_mon, "day": now.tm_mday})["items"]
    assert sum(r["credit"] - r["debit"] for r in rows) == settled["amount_settled"]
    assert client.settlement.fetch(rows[0]["settlement_id"])["amount"] == settled["amount_settled"]


def test_webhooks(client: Any) -> None:
    body = {"url": "https://example.org/hook", "events": {"payment.captured": True}, "secret": "whisper"}
    hook = client.webhook.create(body)
    assert hook["secret_exists"] is True
    assert client.webhook.all()["count"] == 1
    changed = client.webhook.edit(hook["id"], None, {"url": "https://example.org/other"})
    assert changed["url"] == "https://example.org/other"
    client.webhook.delete(hook["id"], hook["owner_id"])
    assert client.webhook.all()["count"] == 0


def test_the_methods_need_the_keys_id_alone_and_nothing_else_does(server: str, key: tuple[str, str]) -> None:
    assert httpx.get(server + "/payments/v1/methods", auth=(key[0], "")).json()["card"] is True
    refused = httpx.get(server + "/payments/v1/orders", auth=(key[0], ""))
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "BAD_REQUEST_ERROR"


def test_unknown_and_foreign_ids_look_alike(client: Any) -> None:
    with pytest.raises(BadRequestError, match="does not exist"):
        client.payment.fetch("pay_00000000000000")


def test_a_repeated_key_gives_the_first_answer(server: str, key: tuple[str, str]) -> None:
    url, headers = server + "/payments/v1/payments/create/json", {"idempotency-key": "k1"}
    body = {"amount": 1000, "currency": "INR", "method": "card", "card": CARD}
    first = httpx.post(url, json=body, auth=key, headers=headers)
    again = httpx.post(url, json=body, auth=key, headers=headers)
    other = httpx.post(url, json={**body, "amount": 2000}, auth=key, headers=headers)

    assert first.json() == again.json()
    assert other.status_code == 400


@pytest.mark.parametrize(
    "body", [b"[1]", b"{", b"[" * 5000, b'{"amount": true}', b'{"amount": 1e20}', b'{"a":"\\u0000"}']
)
def test_bad_bodies_are_bad_requests(server: str, key: tuple[str, str], body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = httpx.post(server + "/payments/v1/orders", content=body, auth=key, headers=headers)
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], dict)
