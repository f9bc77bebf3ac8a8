"""What the specification's table of the own API names, row by row, that test_api.py does not ask yet."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.products.payments.test_api import Person, anna, bert, make, paid, web
from tests.support.platform import Factory

from dodeca.kernel import clock
from dodeca.kernel.clock import rfc3339
from dodeca.products.payments import flows
from dodeca.products.payments.acquirers.protocol import CardData
from dodeca.products.payments.service import billing
from dodeca.products.payments.service.desk import till_of
from dodeca.products.payments.service.paying import PayRequest

__all__ = ["anna", "bert", "make", "web"]
CSV = "date;amount;currency;text;reference\n2026-01-02;50.00;EUR;{text};N-1\n2026-01-03;-12.50;EUR;Rent;N-2\n"
BANK = {"name": "Anna", "account_number": "50100012345678", "ifsc": "HDFC0000053"}


def razorpay(person: Person, method: str, path: str, body: Any = None) -> Any:
    options = {"json": body} if body is not None else {}
    answer = person.client.request(method, f"/payments/v1{path}", headers=person.headers, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def plan(person: Person, amount: int = 30_000) -> str:
    item = {"name": "Gym", "amount": amount, "currency": "INR"}
    return str(razorpay(person, "POST", "/plans", {"period": "monthly", "interval": 1, "item": item})["id"])


def agree(make: Factory, person: Person, subscription_id: str) -> None:
    """The payer's first charge."""
    platform = make.platform
    first = platform.db.write(lambda s: billing.prepare_first(s, subscription_id))
    desk = platform.db.write(lambda s: till_of(s, person.account.id, "test"))
    request = PayRequest(
        first.amount, "INR", "card", order_id=first.order_id, subscription_id=subscription_id, capture=True
    )
    card = CardData("4242424242424242", "123", 12, 2040, "Anna")
    asyncio.run(flows.pay(platform, desk, request, card))


def test_a_subscription_is_seen_changed_and_ended_by_its_merchant_and_by_nobody_else(
    anna: Person, bert: Person, make: Factory
) -> None:
    made = anna.ask("POST", "/subscriptions", {"plan_id": plan(anna), "total_count": 12})
    assert (made.status_code, made.json()["status"]) == (201, "created")
    path = f"/subscriptions/{made.json()['id']}"
    assert "/payments/s/" in made.json()["checkout_url"]
    assert anna.ask("GET", path + "/preview").json()["amount"] == 30_000
    agree(make, anna, made.json()["id"])
    assert anna.ask("GET", path).json()["status"] == "active"
    assert anna.ask("GET", path + "/preview").json()["amount"] == 30_000

    changed = anna.ask("PATCH", path, {"new_plan_id": plan(anna, 45_000), "at_cycle_end": True})

    assert changed.status_code == 200
    assert anna.ask("GET", path + "/preview").json()["amount"] == 45_000
    for method, where in (("GET", path), ("GET", path + "/preview"), ("DELETE", path)):
        assert bert.ask(method, where).status_code == 404
    assert bert.ask("GET", "/subscriptions/mine").json() == []
    assert anna.ask("DELETE", path).json()["status"] == "cancelled"


def test_payment_methods_are_preferred_and_removed(anna: Person, bert: Person) -> None:
    card = {"method_type": "card", "card_number": "4242424242424242", "expiry_date": "12/40", "cvv": "123"}
    first = anna.ask("POST", "/users/me/payment_methods", card).json()["payment_method_id"]
    masked = anna.ask("POST", "/users/me/payment_methods", {**card, "card_number": "**** **** **** 1111"}).json()
    assert (masked["card_number"], masked["chargeable"]) == ("**** **** **** 1111", False)

    assert anna.ask("PATCH", f"/users/me/payment_methods/{first}", {"is_default": True}).json()["is_default"] is True
    renewed = anna.ask("PATCH", f"/users/me/payment_methods/{first}", {"expiry_date": "01/45"})
    assert (renewed.json()["expiry_date"], renewed.json()["is_default"]) == ("01/45", True)
    wrong = anna.ask("PATCH", f"/users/me/payment_methods/{first}", {"expiry_date": "13/45"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "expiry_date")
    assert bert.ask("DELETE", f"/users/me/payment_methods/{first}").status_code == 404
    assert anna.ask("DELETE", f"/users/me/payment_methods/{first}").status_code == 204

    left = anna.ask("GET", "/users/me/payment_methods").json()
    assert [one["payment_method_id"] for one in left] == [masked["payment_method_id"]]


def test_acquirers_tell_how_they_are(anna: Person) -> None:
    found = {one["name"]: one for one in anna.ask("GET", "/acquirers").json()["acquirers"]}
    assert set(found) == {"sim-alpha", "sim-beta", "sim-gamma"}
    assert found["sim-beta"]["currencies"] is None
    assert anna.ask("PATCH", "/acquirers/sim-alpha", {"outage": True}).status_code == 403


def test_events_are_listed_and_sent_again(anna: Person, bert: Person) -> None:
    hook = {"url": "https://example.org/hook", "secret": "whisper", "events": ["payment.captured"]}
    razorpay(anna, "POST", "/webhooks", hook)
    payment_id = paid(anna)
    found = anna.ask("GET", "/events?type=payment.captured").json()["events"]
    assert [event["body"]["payload"]["payment"]["entity"]["id"] for event in found] == [payment_id]
    assert anna.ask("GET", f"/events/{found[0]['id']}").json() == found[0]

    again = anna.ask("POST", f"/events/{found[0]['id']}/replay")

    assert (again.status_code, again.json()) == (202, {"deliveries": 1})
    assert bert.ask("POST", f"/events/{found[0]['id']}/replay").status_code == 404
    first = anna.ask("GET", "/events?limit=1").json()
    rest = anna.ask("GET", f"/events?cursor={first['next_cursor']}").json()["events"]
    assert first["events"][0]["id"] not in {event["id"] for event in rest}


def test_a_merchants_settings_are_checked_and_used(anna: Person) -> None:
    for change, field in (
        ({"capture": "later"}, "capture"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"bank_account": {"name": "Anna", "iban": "DE00"}}, "iban"),
        ({"bank_account": {**BANK, "ifsc": "HDFC1"}}, "ifsc"),
    ):
        answer = anna.ask("PATCH", "/merchant", change)
        assert (answer.status_code, answer.json()["field"]) == (400, field)

    changed = anna.ask("PATCH", "/merchant", {"capture": "automatic", "zone": "Asia/Kolkata", "bank_account": BANK})

    assert changed.status_code == 200
    seen = anna.ask("GET", "/merchant").json()
    assert (seen["capture"], seen["zone"], seen["bank_account"]["ifsc"]) == ("automatic", "Asia/Kolkata", BANK["ifsc"])
    order = razorpay(anna, "POST", "/orders", {"amount": 1000, "currency": "INR"})["id"]
    paid(anna, 1000, order_id=order)
    assert razorpay(anna, "GET", f"/orders/{order}")["status"] == "paid"


def test_what_was_earned_is_paid_out_to_ones_own_account(anna: Person, make: Factory) -> None:
    nowhere = anna.ask("POST", "/payouts", {"amount": 1000, "currency": "INR"})
    assert nowhere.status_code == 402
    paid(anna, 100_000)
    clock.advance(timedelta(days=3).total_seconds())
    anna.headers = {"authorization": f"Bearer {make.token(anna.account)}"}
    assert anna.ask("POST", "/payouts", {"amount": 1000, "currency": "INR"}).json()["field"] == "bank_account"
    anna.ask("PATCH", "/merchant", {"bank_account": BANK})

    made = anna.ask("POST", "/payouts", {"amount": 1000, "currency": "INR"})

    assert (made.status_code, made.json()["status"]) == (201, "created")
    listed = anna.ask("GET", "/payouts").json()["payouts"]
    assert [(row["amount"], row["destination"]["account_number"]) for row in listed] == [(1000, "…5678")]


def test_an_order_is_paid_by_bank_transfer_to_the_merchants_own_account(anna: Person, bert: Person) -> None:
    order = razorpay(anna, "POST", "/orders", {"amount": 5000, "currency": "EUR"})["id"]
    assert anna.ask("GET", f"/orders/{order}/bank_transfer").status_code == 409
    anna.ask("PATCH", "/merchant", {"bank_account": {"name": "Anna", "iban": "DE89370400440532013000"}})

    told = anna.ask("GET", f"/orders/{order}/bank_transfer").json()

    assert (told["iban"], told["amount"], told["reference"][:2]) == ("DE89370400440532013000", 5000, "RF")
    assert "<svg" in told["qr_svg"]
    assert bert.ask("GET", f"/orders/{order}/bank_transfer").status_code == 404

    read = anna.client.post("/api/payments/reconciliation/parse", content=CSV.format(text="x"), headers=anna.headers)
    assert (read.status_code, read.json()["format"]) == (200, "csv")
    assert [line["amount"] for line in read.json()["statements"][0]["lines"]] == [5000, -1250]
    body = CSV.format(text=f"Invoice {told['reference']}")
    taken = anna.client.post("/api/payments/reconciliation/imports", content=body, headers=anna.headers).json()
    assert (taken["lines"], taken["matched"], taken["unmatched"], taken["duplicates"]) == (2, 1, 1, 0)
    lines = anna.ask("GET", f"/reconciliation/imports/{taken['import_id']}/lines").json()["lines"]
    assert {line["status"] for line in lines} == {"matched", "unmatched"}
    assert razorpay(anna, "GET", f"/orders/{order}")["status"] == "paid"
    open_line = next(line for line in lines if line["status"] == "unmatched")
    wrong = anna.ask("POST", f"/reconciliation/lines/{open_line['line_id']}/match", {"entity_id": order})
    assert wrong.status_code == 409
    day = anna.ask("GET", "/reconciliation/report?date=2026-01-02").json()["currencies"]
    assert [(side["currency"], side["bank_matched"]) for side in day] == [("EUR", 5000)]
    assert anna.ask("GET", "/reconciliation/report?date=yesterday").status_code == 400


def test_a_payment_link_is_made_and_opens(anna: Person, web: TestClient[Any]) -> None:
    made = anna.ask("POST", "/payment_links", {"amount": 1000, "currency": "INR", "customer_email": "p@example.org"})

    assert (made.status_code, made.json()["status"]) == (201, "created")
    page = web.get(made.json()["payment_link"].removeprefix("http://127.0.0.1:8000"), follow_redirects=True)
    assert page.status_code == 200


def test_a_payer_of_the_callers_is_told_something_and_nobody_else(anna: Person, bert: Person) -> None:
    told = {"user_id": bert.account.id, "message": "Your parcel is on its way."}
    assert anna.ask("POST", "/notifications", told).status_code == 404
    method = {"method_type": "card", "card_number": "4242424242424242", "expiry_date": "12/40", "cvv": "123"}
    method_id = bert.ask("POST", "/users/me/payment_methods", method).json()["payment_method_id"]
    body = {"amount": 1000, "currency": "INR", "payee": anna.account.username, "payment_method_id": method_id}
    assert bert.ask("POST", "/users/me/transactions", body).json()["status"] == "paid"

    assert anna.ask("POST", "/notifications", told).status_code == 201


def test_a_test_clock_runs_what_falls_due(anna: Person, bert: Person) -> None:
    made = anna.ask("POST", "/test_clocks", {"now": "2027-01-31T09:00:00Z"}).json()

    moved = anna.ask("POST", f"/test_clocks/{made['id']}/advance", {"seconds": 86_400})

    assert moved.json() == {"id": made["id"], "now": "2027-02-01T09:00:00Z", "charges": 0}
    assert anna.ask("POST", f"/test_clocks/{made['id']}/advance", {"seconds": -1}).status_code == 400
    assert bert.ask("POST", f"/test_clocks/{made['id']}/advance", {"seconds": 1}).status_code == 404
    assert anna.ask("POST", "/test_clocks", {"now": "soon"}).status_code == 400
    assert made["now"] == rfc3339(clock.parse_rfc3339("2027-01-31T09:00:00Z"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/orders/1/bank_transfer"),
        ("GET", "/reconciliation/imports/imp_none/lines"),
        ("GET", "/payments/pay_none/routing"),
        ("GET", "/events/evt_none"),
        ("GET", "/subscriptions/sub_none"),
        ("GET", "/ledger/journal?payment_id=pay_none"),
    ],
)
def test_what_is_not_there_is_not_found(anna: Person, method: str, path: str) -> None:
    assert anna.ask(method, path).status_code in (404, 405)
