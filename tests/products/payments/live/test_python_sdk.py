"""Razorpay's own Python SDK against a running `dodeca serve`."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from razorpay.errors import BadRequestError
from tests.products.payments.live.conftest import CARD, Shop

pytestmark = [pytest.mark.clients, pytest.mark.slow]


def test_orders(client: Any) -> None:
    order = client.order.create({"amount": 50_000, "currency": "INR", "receipt": "r1", "notes": {"k": "v"}})
    assert (order["status"], order["amount_due"], order["notes"]) == ("created", 50_000, {"k": "v"})
    assert client.order.fetch(order["id"])["id"] == order["id"]
    assert client.order.all({"receipt": "r1"})["items"][0]["id"] == order["id"]
    assert client.order.edit(order["id"], {"notes": {"a": "b"}})["notes"] == {"a": "b"}
    assert client.order.payments(order["id"])["count"] == 0


def test_a_payment_is_signed_captured_and_refunded(client: Any, shop: Shop) -> None:
    made = shop.paid()
    assert client.utility.verify_payment_signature(made)
    payment = client.payment.fetch(made["razorpay_payment_id"])
    assert (payment["status"], payment["fee"], payment["tax"]) == ("captured", 1180, 180)
    assert client.payment.fetchCardDetails(payment["id"])["last4"] == "4242"

    refund = client.payment.refund(payment["id"], {"amount": 20_000, "notes": {"why": "late"}})

    assert (refund["status"], refund["amount"]) == ("processed", 20_000)
    assert client.refund.fetch(refund["id"])["payment_id"] == payment["id"]
    assert client.payment.fetch_multiple_refund(payment["id"])["count"] == 1
    assert client.payment.fetch_multiple_refund(payment["id"], {"skip": 1})["count"] == 0
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
    (listed,) = client.order.all({"authorized": 1, "expand[]": "payments", "count": 1})["items"]
    assert [p["id"] for p in listed["payments"]["items"]] == [payment["id"]]


def test_3d_secure(client: Any, shop: Shop) -> None:
    made = shop.paid(card={**CARD, "number": "4111111111111111"})
    assert [step["action"] for step in made["next"]] == ["otp_generate", "redirect"]
    assert made["metadata"] == {"network": "Visa", "last4": "1111", "iin": "411111"}
    assert "411111" in client.iin.all({"flow": "otp"})["iins"]
    payment_id = made["razorpay_payment_id"]
    assert client.payment.otpGenerate(payment_id)["razorpay_payment_id"] == payment_id
    with pytest.raises(BadRequestError, match="OTP"):
        client.payment.otpSubmit(payment_id, {"otp": "1"})

    assert client.utility.verify_payment_signature(client.payment.otpSubmit(payment_id, {"otp": "12345"}))


def test_a_decline_says_why(shop: Shop) -> None:
    body = {"amount": 1000, "currency": "INR", "method": "card", "card": {**CARD, "number": "4000000000000127"}}
    answer = httpx.post(shop.url + "/payments/v1/payments/create/json", json=body, auth=shop.key)

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["reason"], error["code"]) == ("incorrect_cvv", "BAD_REQUEST_ERROR")
    assert error["metadata"]["payment_id"].startswith("pay_")


def test_customers_and_tokens(client: Any, shop: Shop) -> None:
    customer = client.customer.create({"name": "Asha", "email": "asha@example.org", "contact": "9123456780"})
    same = client.customer.create({"email": "asha@example.org", "contact": "9123456780", "fail_existing": "0"})
    assert same["id"] == customer["id"]
    with pytest.raises(BadRequestError, match="already exists"):
        client.customer.create({"email": "asha@example.org", "contact": "9123456780"})
    assert client.customer.edit(customer["id"], {"name": "Asha Rao"})["name"] == "Asha Rao"

    shop.paid(customer_id=customer["id"], save=1)
    (token,) = client.token.all(customer["id"])["items"]
    body = {"amount": 500, "currency": "INR", "customer_id": customer["id"], "token": token["id"], "recurring": "1"}
    charged = client.payment.createRecurring({**body, "email": "a@b.co", "contact": "9000090000"})

    assert client.payment.fetch(charged["razorpay_payment_id"])["status"] == "captured"
    assert client.token.fetch(customer["id"], token["id"])["card"]["last4"] == "4242"
    client.token.delete(customer["id"], token["id"])
    assert client.token.all(customer["id"])["count"] == 0


def test_a_card_is_kept_without_a_payment(client: Any) -> None:
    customer = client.customer.create({"name": "Lea", "email": "lea@example.org", "fail_existing": "0"})

    token = client.token.create({"customer_id": customer["id"], "method": "card", "card": CARD})

    assert (token["card"]["last4"], token["status"]) == ("4242", "active")
    assert client.token.fetchToken({"id": token["id"]})["customer_id"] == customer["id"]
    by_number = client.card.requestCardReference({"number": CARD["number"]})["payment_account_reference"]
    assert client.card.requestCardReference({"token": token["id"]})["payment_account_reference"] == by_number
    data = client.token.processPaymentOnAlternatePAorPG({"id": token["id"]})
    assert (len(data["token_number"]), data["card"]["last4"]) == (16, "4242")
    assert client.token.cancel(customer["id"], token["id"])["status"] == "cancellation_initiated"
    assert client.token.deleteToken({"id": token["id"]}) == []


def test_settlements_and_recon(client: Any, shop: Shop) -> None:
    shop.paid(10_000)
    now = time.gmtime()
    asked = {"amount": 100, "settle_full_balance": False, "description": "Rent", "notes": {"a": "b"}}
    part = client.settlement.create_ondemand_settlement(asked)
    assert (part["amount_settled"], part["description"], part["notes"]) == (100, "Rent", {"a": "b"})
    assert client.settlement.fetch_ondemand_settlement_id(part["id"]) == part
    with pytest.raises(BadRequestError, match="can be settled now"):
        client.settlement.create_ondemand_settlement({"amount": 10**9})

    settled = client.settlement.create_ondemand_settlement({"settle_full_balance": True})

    assert settled["status"] == "processed"
    assert client.settlement.fetch_ondemand_settlement_id(settled["id"])["id"] == settled["id"]
    rows = client.settlement.report({"year": now.tm_year, "month": now.tm_mon, "day": now.tm_mday})["items"]
    assert sum(r["credit"] - r["debit"] for r in rows) == settled["amount_settled"]
    assert [r["debit"] for r in rows if r["entity_id"] == part["id"]] == [100]
    assert client.settlement.fetch(rows[0]["settlement_id"])["amount"] == settled["amount_settled"]
    asked_for = client.settlement.fetch_all_ondemand_settlement()["items"]
    assert {one["id"] for one in asked_for} == {settled["id"], part["id"]}


def test_webhooks(client: Any) -> None:
    body = {"url": "https://example.org/hook", "events": {"payment.captured": True}, "secret": "whisper"}
    hook = client.webhook.create(body)
    assert hook["secret_exists"] is True
    assert client.webhook.all()["count"] == 1
    changed = client.webhook.edit(hook["id"], None, {"url": "https://example.org/other"})
    assert changed["url"] == "https://example.org/other"
    client.webhook.delete(hook["id"], hook["owner_id"])
    assert client.webhook.all()["count"] == 0


def test_the_methods_need_the_keys_id_alone_and_nothing_else_does(shop: Shop) -> None:
    assert httpx.get(shop.url + "/payments/v1/methods", auth=(shop.key[0], "")).json()["card"] is True
    refused = httpx.get(shop.url + "/payments/v1/orders", auth=(shop.key[0], ""))
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "BAD_REQUEST_ERROR"


def test_unknown_and_foreign_ids_look_alike(client: Any) -> None:
    with pytest.raises(BadRequestError, match="does not exist"):
        client.payment.fetch("pay_00000000000000")
    with pytest.raises(BadRequestError, match="does not exist"):
        client.order.all(headers={"X-Razorpay-Account": "acc_00000000000000"})


def test_a_repeated_key_gives_the_first_answer(shop: Shop) -> None:
    url, headers = shop.url + "/payments/v1/payments/create/json", {"idempotency-key": "k1"}
    body = {"amount": 1000, "currency": "INR", "method": "card", "card": CARD}
    first = httpx.post(url, json=body, auth=shop.key, headers=headers)
    again = httpx.post(url, json=body, auth=shop.key, headers=headers)
    other = httpx.post(url, json={**body, "amount": 2000}, auth=shop.key, headers=headers)

    assert first.json() == again.json()
    assert other.status_code == 400


@pytest.mark.parametrize(
    "body", [b"[1]", b"{", b"[" * 5000, b'{"amount": true}', b'{"amount": 1e20}', b'{"a":"\\u0000"}']
)
def test_bad_bodies_are_bad_requests(shop: Shop, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = httpx.post(shop.url + "/payments/v1/orders", content=body, auth=shop.key, headers=headers)
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], dict)


def test_a_dispute_is_contested_with_a_document(client: Any, shop: Shop) -> None:
    payment_id = shop.paid(card={**CARD, "number": "4000000000000259"})["razorpay_payment_id"]
    dispute = next(d for d in client.dispute.all()["items"] if d["payment_id"] == payment_id)
    file = ("delivery.pdf", b"%PDF-1.4\n%%EOF\n", "application/pdf")
    document = client.document.create({"file": file, "purpose": "dispute_evidence"})
    assert (document["mime_type"], document["name"]) == ("application/pdf", "delivery.pdf")
    assert client.document.fetch(document["id"]) == document
    with pytest.raises(BadRequestError):
        client.document.create({"file": ("run.sh", b"#!/bin/sh\n", "application/pdf"), "purpose": "dispute_evidence"})

    answer = {"summary": "It was delivered.", "shipping_proof": [document["id"]], "action": "submit"}
    contested = client.dispute.contest(dispute["id"], answer)

    assert (contested["status"], contested["evidence"]["shipping_proof"]) == ("under_review", [document["id"]])
    with pytest.raises(BadRequestError, match="under review"):
        client.dispute.accept(dispute["id"])
    assert client.dispute.fetch(dispute["id"])["amount_deducted"] == 0


def test_bank_accounts_of_customers(client: Any) -> None:
    customer = client.customer.create({"name": "Asha Rao", "email": "asha.bank@example.org"})["id"]
    account = {"name": "Asha Rao", "ifsc": "HDFC0000053", "account_number": "50100012345678"}
    fund = client.fund_account.create(
        {"customer_id": customer, "account_type": "bank_account", "bank_account": account}
    )
    assert (fund["active"], fund["bank_account"]["bank_name"]) == (True, "HDFC Bank")
    assert [one["id"] for one in client.fund_account.all({"customer_id": customer})["items"]] == [fund["id"]]
    assert client.fund_account.fetch(fund["id"], {}) == fund
    with pytest.raises(BadRequestError, match="IFSC"):
        client.fund_account.create({"customer_id": customer, "bank_account": {**account, "ifsc": "HDFC1"}})

    kept = client.customer.addBankAccount(
        customer, {"ifsc_code": "UTIB0000001", "account_number": "9170100", "beneficiary_name": "Asha"}
    )

    assert (kept["bank_name"], kept["name"]) == ("Axis Bank", "Asha")
    assert client.customer.deleteBankAccount(customer, kept["id"])["success"] is True
    with pytest.raises(BadRequestError):
        client.customer.deleteBankAccount(customer, kept["id"])


def test_a_registration_link_leaves_a_token(client: Any, shop: Shop) -> None:
    link = client.registration_link.create(
        {
            "customer": {"name": "Asha Rao", "email": "asha.agrees@example.org", "contact": "+919000090000"},
            "type": "link",
            "amount": 10_000,
            "currency": "INR",
            "description": "Gym, every month",
            "subscription_registration": {"method": "card", "max_amount": 50_000},
        }
    )
    assert (link["type"], link["status"]) == ("link", "issued")
    page = httpx.get(link["short_url"], follow_redirects=True)
    assert "may charge you here again" in page.text

    shop.pay_order(link["order_id"], 10_000)

    assert client.invoice.fetch(link["id"])["status"] == "paid"
    token = client.token.all(link["customer_id"])["items"][0]
    order = client.order.create({"amount": 20_000, "currency": "INR", "payment_capture": 1})
    charge = {"email": "asha.agrees@example.org", "contact": "+919000090000", "amount": 20_000, "currency": "INR"}
    made = client.payment.createRecurring(
        {**charge, "order_id": order["id"], "customer_id": link["customer_id"], "token": token["id"], "recurring": "1"}
    )
    assert client.payment.fetch(made["razorpay_payment_id"])["status"] == "captured"
