"""Razorpay's own Python SDK: links, items, invoices, plans, subscriptions, QR codes, virtual accounts."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from razorpay.errors import BadRequestError
from tests.products.payments.live.conftest import CARD, Shop

pytestmark = [pytest.mark.clients, pytest.mark.slow]


def test_payment_links_are_paid_in_parts(client: Any, shop: Shop) -> None:
    customer = {"name": "Asha", "email": "asha@example.org", "contact": "9000090000"}
    body = {"amount": 10_000, "currency": "INR", "accept_partial": True, "first_min_partial_amount": 2000}
    link = client.payment_link.create({**body, "reference_id": "L1", "description": "Tea", "customer": customer})
    assert (link["status"], link["amount_paid"], link["short_url"].startswith(shop.url)) == ("created", 0, True)
    with pytest.raises(BadRequestError, match="reference_id"):
        client.payment_link.create({**body, "reference_id": "L1"})
    with pytest.raises(BadRequestError, match="first payment"):
        shop.pay_order(link["order_id"], 1000)

    shop.pay_order(link["order_id"], 2000)
    partly = client.payment_link.fetch(link["id"])
    shop.pay_order(link["order_id"], 8000)
    whole = client.payment_link.fetch(link["id"])

    assert (partly["status"], partly["amount_paid"]) == ("partially_paid", 2000)
    assert (whole["status"], whole["amount_paid"], len(whole["payments"])) == ("paid", 10_000, 2)
    assert client.payment_link.all({"reference_id": "L1"})["payment_links"][0]["id"] == link["id"]
    with pytest.raises(BadRequestError, match="paid"):
        client.payment_link.cancel(link["id"])


def test_a_cancelled_link_takes_nothing(client: Any, shop: Shop) -> None:
    link = client.payment_link.create({"amount": 5000, "currency": "INR", "customer": {"email": "a@example.org"}})
    expires = int(time.time()) + 3600
    changed = client.payment_link.edit(link["id"], {"expire_by": expires, "notes": {"a": "b"}, "reference_id": "L2"})
    assert (changed["expire_by"], changed["notes"], changed["reference_id"]) == (expires, {"a": "b"}, "L2")
    assert client.payment_link.notifyBy(link["id"], "email") == {"success": True}

    assert client.payment_link.cancel(link["id"])["status"] == "cancelled"

    with pytest.raises(BadRequestError, match="expired"):
        shop.pay_order(link["order_id"], 5000)


def test_items_and_invoices(client: Any, shop: Shop) -> None:
    item = client.item.create({"name": "Mug", "description": "Blue", "amount": 20_000, "currency": "INR"})
    assert client.item.edit(item["id"], {"name": "Big mug", "amount": "25000"})["amount"] == 25_000
    assert client.item.all()["items"][0]["id"] == item["id"]
    customer = client.customer.create({"name": "Ravi", "email": "ravi@example.org", "fail_existing": "0"})
    lines = [{"item_id": item["id"], "quantity": 2}, {"name": "Postage", "amount": 5000}]
    body = {"type": "invoice", "customer_id": customer["id"], "line_items": lines, "draft": "1", "currency": "INR"}

    draft = client.invoice.create(body)
    client.invoice.edit(draft["id"], {"line_items": [{"id": draft["line_items"][0]["id"]}, lines[1]]})
    edited = client.invoice.edit(draft["id"], {"comment": "Thanks", "receipt": "R7"})
    issued = client.invoice.issue(draft["id"])
    shop.pay_order(issued["order_id"], 55_000)
    settled = client.invoice.fetch(draft["id"])

    assert (draft["status"], draft["amount"], draft["order_id"]) == ("draft", 55_000, None)
    assert (edited["comment"], edited["invoice_number"]) == ("Thanks", "R7")
    assert (issued["status"], issued["customer_details"]["email"]) == ("issued", "ravi@example.org")
    assert (settled["status"], settled["amount_due"], settled["payment_id"][:4]) == ("paid", 0, "pay_")
    assert client.invoice.all({"receipt": "R7"})["count"] == 1


def test_invoices_are_cancelled_deleted_and_sent(client: Any) -> None:
    address = {"line1": "4 Mill Lane", "zipcode": "560068", "city": "Bengaluru", "country": "in"}
    customer = {"email": "a@example.org", "billing_address": address}
    body = {"type": "link", "amount": 9000, "currency": "INR", "customer": customer}
    open_one = client.invoice.create(body)
    assert client.invoice.fetch(open_one["id"])["customer_details"]["billing_address"].items() >= address.items()
    assert client.invoice.notify_by(open_one["id"], "email") == {"success": True}
    assert client.invoice.cancel(open_one["id"])["status"] == "cancelled"
    draft = client.invoice.create({**body, "draft": "1"})

    assert client.invoice.delete(draft["id"]) == []

    with pytest.raises(BadRequestError, match="does not exist"):
        client.invoice.fetch(draft["id"])
    with pytest.raises(BadRequestError, match="line_items"):
        client.invoice.create({"type": "invoice"})


def subscription(client: Any, **more: Any) -> dict[str, Any]:
    item = {"name": "Tea box", "amount": 30_000, "currency": "INR"}
    plan = client.plan.create({"period": "monthly", "interval": 1, "item": item, "notes": {"k": "v"}})
    made: dict[str, Any] = client.subscription.create({"plan_id": plan["id"], "total_count": 12, **more})
    return made


def agree(client: Any, wanted: dict[str, Any], amount: int = 30_000) -> dict[str, Any]:
    body = {"amount": amount, "currency": "INR", "subscription_id": wanted["id"], "method": "card", "card": CARD}
    made: dict[str, Any] = client.payment.createPaymentJson({**body, "email": "s@example.org", "contact": "9000090000"})
    return made


def test_a_subscription_is_agreed_to_by_its_first_charge(client: Any) -> None:
    wanted = subscription(client, addons=[{"item": {"name": "Set-up", "amount": 5000, "currency": "INR"}}])
    assert client.plan.fetch(wanted["plan_id"])["item"]["name"] == "Tea box"
    assert client.plan.all()["items"][0]["id"] == wanted["plan_id"]

    signed = agree(client, wanted, 35_000)

    assert client.utility.verify_subscription_payment_signature(signed)
    active = client.subscription.fetch(wanted["id"])
    assert (active["status"], active["paid_count"], active["remaining_count"]) == ("active", 1, 11)
    assert active["charge_at"] == active["current_end"] > time.time() + 27 * 86_400
    bills = client.invoice.all({"subscription_id": wanted["id"]})["items"]
    assert [(bill["status"], bill["amount"], len(bill["line_items"])) for bill in bills] == [("paid", 35_000, 2)]
    assert client.addon.all()["items"][0]["subscription_id"] == wanted["id"]


def test_a_later_start_is_agreed_to_with_an_amount_that_is_set_free(client: Any) -> None:
    starts = int(time.time()) + 10 * 86_400
    wanted = subscription(client, start_at=starts)

    signed = agree(client, wanted, 100)

    assert client.utility.verify_subscription_payment_signature(signed)
    assert client.payment.fetch(signed["razorpay_payment_id"])["status"] == "refunded"
    agreed = client.subscription.fetch(wanted["id"])
    assert (agreed["status"], agreed["charge_at"], agreed["paid_count"]) == ("authenticated", starts, 0)


def test_a_subscription_is_changed_paused_resumed_and_cancelled(client: Any) -> None:
    wanted = subscription(client)
    agree(client, wanted)
    name = wanted["id"]
    addon = client.subscription.createAddon(name, {"item": {"name": "Cup", "amount": 900, "currency": "INR"}})
    assert client.addon.fetch(addon["id"])["item"]["amount"] == 900
    assert client.addon.delete(addon["id"]) == []

    later = client.subscription.edit(name, {"quantity": 3, "schedule_change_at": "cycle_end"})
    assert (later["quantity"], later["has_scheduled_changes"]) == (1, True)
    assert client.subscription.pending_update(name)["quantity"] == 3
    assert client.subscription.cancel_scheduled_changes(name)["has_scheduled_changes"] is False
    assert client.subscription.edit(name, {"quantity": 2})["quantity"] == 2
    assert client.subscription.pause(name, {"pause_at": "now"})["status"] == "paused"
    assert client.subscription.resume(name, {"resume_at": "now"})["status"] == "active"
    ending = client.subscription.cancel(name, {"cancel_at_cycle_end": 1})
    ended = client.subscription.cancel(name, {"cancel_at_cycle_end": 0})

    assert (ending["status"], ended["status"], ended["ended_at"] is None) == ("active", "cancelled", False)
    assert client.subscription.all({"plan_id": wanted["plan_id"]})["count"] == 1


def test_qr_codes(client: Any, shop: Shop) -> None:
    body = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": 3000, "name": "Till 1"}
    code = client.qrcode.create({**body, "notes": {"k": "v"}})
    picture = httpx.get(code["image_url"])
    assert (picture.status_code, picture.content[:4]) == (200, b"\x89PNG")
    app = code["image_url"].removesuffix("/image.png")

    paid = httpx.post(app, data={}, headers={"sec-fetch-site": "same-origin"}, follow_redirects=True)

    assert paid.status_code == 200
    for _ in range(100):
        closed = client.qrcode.fetch(code["id"])
        if closed["status"] == "closed":
            break
        time.sleep(0.1)
    assert (closed["close_reason"], closed["payments_amount_received"]) == ("paid", 3000)
    (payment,) = client.qrcode.fetch_all_payments(code["id"])["items"]
    assert (payment["method"], payment["status"]) == ("upi", "captured")
    assert client.qrcode.all({"payment_id": payment["id"]})["items"][0]["id"] == code["id"]
    other = client.qrcode.create({"type": "upi_qr", "usage": "multiple_use"})
    assert client.qrcode.close(other["id"])["close_reason"] == "on_demand"


def test_virtual_accounts_are_credited(client: Any, shop: Shop) -> None:
    body = {"receivers": {"types": ["bank_account"]}, "description": "Rent", "amount_expected": 70_000}
    account = client.virtual_account.create(body)
    number = account["receivers"][0]["account_number"]
    receivers = client.virtual_account.add_receiver(account["id"], {"types": ["vpa"]})["receivers"]
    payer = {"type": "bank_account", "bank_account": {"ifsc": "HDFC0000053", "account_number": "50100099"}}
    allowed = client.virtual_account.add_allowed_player(account["id"], payer)["allowed_payers"]
    transfer = {"account_number": number, "amount": 70_000, "currency": "INR", "reference": "UTR1", "name": "Ravi"}

    foreign = shop.ask("POST", "/simulator/bank_transfers", json={**transfer, "from_account": "666777"})
    client.virtual_account.delete_allowed_player(account["id"], allowed[0]["id"])
    first = shop.ask("POST", "/simulator/bank_transfers", json=transfer)
    again = shop.ask("POST", "/simulator/bank_transfers", json=transfer)

    assert (foreign.status_code, first.status_code, again.json()) == (409, 201, first.json())
    assert client.virtual_account.fetch(account["id"])["amount_paid"] == 70_000
    (payment,) = client.virtual_account.payments(account["id"])["items"]
    assert (payment["method"], payment["status"]) == ("bank_transfer", "captured")
    assert client.payment.bank_transfer(payment["id"])["virtual_account_id"] == account["id"]
    by_upi = {"vpa": receivers[1]["address"], "from_vpa": "ravi@bank", "amount": 500, "currency": "INR"}
    upi = shop.ask("POST", "/simulator/bank_transfers", json={**by_upi, "reference": "RRN1"}).json()["payment_id"]
    came = client.payment.upi_transfer(upi)
    assert (came["payer_vpa"], came["rrn"], came["virtual_account_id"]) == ("ravi@bank", "RRN1", account["id"])
    assert client.virtual_account.close(account["id"])["status"] == "closed"
    closed = shop.ask("POST", "/simulator/bank_transfers", json={**transfer, "reference": "UTR2"})
    assert closed.status_code == 409
