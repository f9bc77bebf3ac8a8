"""The product's own API and its pages, in this process. One application for all: each test has its own people."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.support.platform import Factory

from dodeca import app as composition
from dodeca.kernel.settings import Config
from dodeca.products.payments import invariants
from dodeca.products.payments.models import Payment
from dodeca.products.payments.service import captures, orders
from dodeca.products.payments.service.desk import till_of

_numbers = itertools.count(1)
CARD = {"number": "4242424242424242", "expiry_month": 12, "expiry_year": 2040, "cvv": "123"}


class Person:
    """Somebody with a token."""

    def __init__(self, client: TestClient[Any], make: Factory, name: str) -> None:
        self.client = client
        self.account = make.account(name, email=f"{name}@example.org")
        self.headers = {"authorization": f"Bearer {make.token(self.account)}"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        options = {"json": body} if body is not None else {}
        return self.client.request(method, "/api/payments" + path, headers={**self.headers, **headers}, **options)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Factory]:
    """Factories of a platform that lives as long as the module."""
    folder = tmp_path_factory.mktemp("payments")
    shutil.copyfile(sqlite_template, folder / "test.sqlite3")
    url = f"sqlite:///{folder / 'test.sqlite3'}"
    overrides = {"data": folder / "data", "database_url": url, "workers_inline": False}
    platform = composition.compose(Config(environment={}, overrides=overrides), address="http://127.0.0.1:8000")
    yield Factory(platform, None)
    assert platform.db.read(invariants.audit) == {}
    platform.close()


@pytest.fixture(scope="module")
def web(make: Factory) -> Iterator[TestClient[Any]]:
    """The whole application."""
    with TestClient(composition.application(make.platform), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture
def anna(web: TestClient[Any], make: Factory) -> Person:
    return Person(web, make, f"anna{next(_numbers)}")


@pytest.fixture
def bert(web: TestClient[Any], make: Factory) -> Person:
    return Person(web, make, f"bert{next(_numbers)}")


def paid(person: Person, amount: int = 50_000, currency: str = "INR", **more: Any) -> str:
    body = {"amount": amount, "currency": currency, "method": "card", "card": CARD, "capture": True, **more}
    answer = person.ask("POST", "/payments", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["payment_id"])


def test_users_register_and_sign_in(web: TestClient[Any]) -> None:
    body = {"username": "carla", "password": "a long enough pass phrase 9", "email": "carla@example.org"}
    made = web.post("/api/payments/users", json=body)
    assert (made.status_code, made.json()["message"]) == (200, "User registered successfully")
    assert web.post("/api/payments/users", json=body).status_code == 409

    good = web.post("/api/payments/login", json={"username": "carla", "password": body["password"]})
    bad = web.post("/api/payments/login", json={"username": "carla", "password": "wrong"})

    assert good.json()["message"] == "Authentication successful"
    assert (bad.status_code, bad.json()["message"]) == (401, "Authentication failed")


def test_one_sees_oneself_only(anna: Person, bert: Person) -> None:
    assert anna.ask("GET", f"/users/{anna.account.username}").json()["user_id"] == anna.account.id
    other = anna.ask("GET", f"/users/{bert.account.id}")
    assert (other.status_code, other.json()["message"]) == (404, "User not found")


def test_a_payment_is_captured_and_refunded(anna: Person) -> None:
    payment_id = paid(anna)
    entity = anna.ask("GET", f"/payments/{payment_id}").json()
    assert (entity["status"], entity["amount_decimal"], entity["risk"]["outcome"]) == ("captured", "500.00", "allow")

    refund = anna.ask("POST", f"/payments/{payment_id}/refund?amount=20000").json()

    assert refund["status"] == "processed"
    assert anna.ask("GET", "/balance").json()[0]["pending"] == 50_000 - 1180 - 20_000
    moved = anna.ask("GET", f"/ledger/journal?payment_id={payment_id}").json()["transfers"]
    assert [t["code"] for t in moved][:3] == ["capture", "fees", "tax"]


def test_a_decline_is_402_and_no_acquirer_502(anna: Person) -> None:
    body = {"amount": 1000, "currency": "INR", "method": "card", "card": {**CARD, "number": "4000000000000002"}}
    declined = anna.ask("POST", "/payments", body)
    nobody = anna.ask("POST", "/payments", {"amount": 1000, "currency": "JPY", "method": "upi", "vpa": "a@b"})

    assert (declined.status_code, declined.json()["reason"]) == (402, "payment_declined")
    assert nobody.status_code == 502


@pytest.mark.parametrize("number", [CARD["number"], "4000000000000002"])
def test_a_repeated_key_pays_or_is_declined_once(anna: Person, number: str) -> None:
    body = {"amount": 1000, "currency": "INR", "method": "card", "card": {**CARD, "number": number}}
    answers = [anna.ask("POST", "/payments", body, **{"idempotency-key": "k"}) for _ in range(2)]

    assert answers[0].status_code == answers[1].status_code
    assert answers[0].json() == answers[1].json()
    assert len(anna.ask("GET", "/reports/transactions").json()) == 1


def test_a_saved_method_pays_and_nobody_elses(anna: Person, bert: Person) -> None:
    card = {"method_type": "card", "card_number": CARD["number"], "expiry_date": "12/40"}
    saved = anna.ask("POST", "/users/me/payment_methods", card).json()
    masked = anna.ask("POST", "/users/me/payment_methods", {**card, "card_number": "**** **** **** 4242"}).json()

    def pay(person: Person, method: dict[str, Any]) -> Any:
        body = {"amount": 1000, "currency": "INR", "method": "card", "capture": True}
        return person.ask("POST", "/payments", {**body, "payment_method_id": method["payment_method_id"]})

    assert pay(anna, saved).json()["status"] == "captured"
    assert (pay(anna, masked).status_code, pay(bert, saved).status_code) == (400, 404)


@pytest.mark.parametrize("amount", [10.5, True, "x", 0, -1, 10**20, None, 99, "1_000", "10.5"])
def test_amounts_that_are_none_are_refused(anna: Person, amount: object) -> None:
    body = {"amount": amount, "currency": "INR", "method": "card", "card": CARD}
    assert anna.ask("POST", "/payments", body).status_code == 400


@pytest.mark.parametrize("note", [{"cvv": "123"}, {"n": "card 4242 4242 4242 4242"}])
def test_card_data_in_notes_is_refused(anna: Person, note: dict[str, str]) -> None:
    body = {"amount": 1000, "currency": "INR", "method": "card", "card": CARD, "notes": note}
    assert anna.ask("POST", "/payments", body).status_code == 400


def test_strangers_get_nothing_of_a_payment(anna: Person, bert: Person) -> None:
    payment_id = paid(anna)
    calls = [("GET", ""), ("POST", "/capture"), ("POST", "/refund"), ("GET", "/routing")]

    assert [bert.ask(m, f"/payments/{payment_id}{p}").status_code for m, p in calls] == [404] * 4


def test_routing_says_why(anna: Person) -> None:
    found = anna.ask("GET", f"/payments/{paid(anna)}/routing").json()
    assert found["attempts"][0]["outcome"] == "approved"
    assert {c["acquirer"] for c in found["candidates"]} == {"sim-alpha", "sim-beta", "sim-gamma"}

    dry = {"amount": 1000, "currency": "INR", "method": "card", "success_rate": {"sim-alpha": 0.1}}
    assert anna.ask("POST", "/routing/route", dry).json()["chosen"] != "sim-alpha"


def test_rules_are_checked_when_they_are_saved(anna: Person) -> None:
    good = {"rules": [{"when": "currency == 'INR'", "then": ["sim-gamma"]}], "strategy": "cost"}
    assert anna.ask("PUT", "/routing/rules", good).status_code == 200
    assert (
        anna.ask("PUT", "/routing/rules", {"rules": [{"when": "nope > 1", "then": ["sim-gamma"]}]}).status_code == 400
    )
    block = {"rules": [{"name": "big", "when": "amount > 1000", "action": "block"}]}
    assert anna.ask("PUT", "/fraud/rules", block).status_code == 200

    refused = anna.ask("POST", "/payments", {"amount": 2000, "currency": "INR", "method": "card", "card": CARD})

    assert (refused.status_code, refused.json()["reason"]) == (402, "risk_blocked")
    assert anna.ask("GET", "/fraud/alerts").json()["alerts"][0]["outcome"] == "block"


def test_the_purse_is_filled_given_and_withdrawn(anna: Person, bert: Person) -> None:
    method = anna.ask(
        "POST",
        "/users/me/payment_methods",
        {"method_type": "card", "card_number": "4242 4242 4242 4242", "expiry_date": "12/40"},
    ).json()
    assert (method["card_number"], method["chargeable"]) == ("**** **** **** 4242", True)
    deposit = {"amount": 5000, "currency": "INR", "payment_method_id": method["payment_method_id"]}
    assert anna.ask("POST", "/wallet/deposits", deposit).json()["status"] == "paid"

    gift = anna.ask("POST", "/wallet/transfers", {"amount": 2000, "currency": "INR", "to": bert.account.username})
    iban = {"name": "Anna", "iban": "DE89370400440532013000"}
    out = anna.ask("POST", "/wallet/withdrawals", {"amount": 1000, "currency": "INR", "destination": iban})
    short = anna.ask("POST", "/wallet/transfers", {"amount": 9000, "currency": "INR", "to": bert.account.username})

    assert (gift.status_code, out.status_code, short.status_code) == (201, 201, 402)
    assert anna.ask("GET", "/wallet").json()["balances"] == [{"currency": "INR", "available": 2000, "held": 0}]


def test_a_deposit_that_is_repeated_with_its_key_is_one_and_with_another_sum_refused(anna: Person) -> None:
    card = {"method_type": "card", "card_number": "4242 4242 4242 4242", "expiry_date": "12/40"}
    method = anna.ask("POST", "/users/me/payment_methods", card).json()["payment_method_id"]

    def deposit(amount: int) -> Any:
        body = {"amount": amount, "currency": "INR", "payment_method_id": method}
        return anna.ask("POST", "/wallet/deposits", body, **{"idempotency-key": "d1"})

    first, again, other = deposit(5000), deposit(5000), deposit(6000)

    assert first.json()["status"] == "paid"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
    assert anna.ask("GET", "/wallet").json()["balances"] == [{"currency": "INR", "available": 5000, "held": 0}]


def test_transactions_are_listed_for_their_payer(anna: Person, bert: Person) -> None:
    made = anna.ask(
        "POST", "/users/me/transactions", {"amount": 1000, "currency": "INR", "payee": bert.account.username}
    ).json()
    rows = anna.ask("GET", f"/users/{anna.account.id}/transactions").json()
    missing = anna.ask("GET", "/users/me/transactions/order_x")

    assert rows[0]["transaction_id"] == made["transaction_id"]
    assert (missing.status_code, missing.json()["message"]) == (404, "Transaction not found")
    assert bert.ask("GET", f"/users/me/transactions/{made['transaction_id']}").status_code == 404


def test_reports_quote_what_a_spreadsheet_would_run(anna: Person) -> None:
    paid(anna, customer_details={"email": "=cmd@example.org"})
    text = anna.ask("GET", "/reports/transactions?format=csv").text
    assert "'=cmd@example.org" in text
    assert anna.ask("GET", "/analytics/summary").json()["by_method"][0]["volume"] == 50_000


def test_the_checkout_takes_a_3d_secure_card_without_javascript(
    web: TestClient[Any], anna: Person, make: Factory
) -> None:
    made = anna.ask("POST", "/wallet/deposits", {"amount": 5000, "currency": "INR"}).json()
    path = made["checkout_url"].removeprefix("http://127.0.0.1:8000")
    origin = {"sec-fetch-site": "same-origin"}
    assert web.get(path).status_code == 200
    typed = {"method": "card", "number": "4111111111111111", "expiry": "12/40", "cvv": "123"}

    bank = web.post(path, data=typed, headers=origin, follow_redirects=False)
    assert bank.status_code == 303, bank.text[-2000:]
    wrong = web.post(bank.headers["location"], data={"otp": "1"}, headers=origin)
    assert (wrong.status_code, "2 tries left" in wrong.text) == (400, True)
    right = web.post(bank.headers["location"], data={"otp": "1234"}, headers=origin)

    assert "Paid" in right.text
    assert anna.ask("GET", "/wallet").json()["balances"][0]["available"] == 5000


def test_a_refused_checkout_shows_the_form_without_the_card(web: TestClient[Any], anna: Person) -> None:
    made = anna.ask("POST", "/wallet/deposits", {"amount": 5000, "currency": "INR"}).json()
    path = made["checkout_url"].removeprefix("http://127.0.0.1:8000")
    typed = {"method": "card", "number": "4000000000000127", "expiry": "12/40", "cvv": "987", "email": "a@b.co"}

    answer = web.post(path, data=typed, headers={"sec-fetch-site": "same-origin"})

    assert answer.status_code == 402
    assert "incorrect CVV" in answer.text
    assert "a@b.co" in answer.text
    assert "4000000000000127" not in answer.text
    assert not re.search(r"\b987\b", answer.text)  # in the hexadecimal digits of a token it may be


def test_the_receipt_of_what_nobody_took_says_so(web: TestClient[Any], anna: Person, make: Factory) -> None:
    desk = make.platform.db.write(lambda s: till_of(s, anna.account.id, "test"))
    made = make.platform.db.write(lambda s: orders.create(s, desk, orders.OrderRequest(50_000, "INR")))
    typed = {"method": "card", "number": "4242424242424242", "expiry": "12/40", "cvv": "123"}
    origin = {"sec-fetch-site": "same-origin"}
    path = web.post(f"/payments/checkout/{made.id}", data=typed, headers=origin).url.path
    assert "has your payment" in web.get(path).text

    make.platform.db.write(lambda s: captures.void(s, s.get_one(Payment, path.split("/")[3])))

    assert "did not take this payment, so your money was set free" in web.get(path).text


def test_a_payments_page_needs_its_proof(web: TestClient[Any], anna: Person) -> None:
    payment_id = paid(anna)
    assert web.get(f"/payments/receipt/{payment_id}/{'0' * 32}").status_code == 404


def test_what_razorpays_clients_know_and_this_gateway_does_not_is_named(anna: Person) -> None:
    def ask(method: str, path: str) -> Any:
        return anna.client.request(method, f"/payments/v1{path}", headers=anna.headers)

    for method, path, word in (
        ("POST", "/transfers", "Transfers"),
        ("GET", "/payments/pay_x/transfers/y", "Transfers"),
        ("GET", "/nothing/of/it", "not found"),
    ):
        answer = ask(method, path)
        assert answer.status_code == 400, path
        assert answer.json()["error"]["code"] == "BAD_REQUEST_ERROR"
        assert word in answer.json()["error"]["description"], path
    assert (ask("GET", "/iins/424242").json()["network"], ask("GET", "/iins/000000").json()["network"]) == (
        "Visa",
        None,
    )
    assert ask("GET", "/iins/42").status_code == 400


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("start_date=0001-01-01&end_date=9999-12-31", 200, None),
        ("end_date=10000-01-01", 400, "end_date"),
        ("start_date=soon", 400, "start_date"),
        ("start_date=2026-02-01&end_date=2026-01-01", 400, "end_date"),
    ],
)
def test_a_report_is_of_any_days_of_the_calendar(anna: Person, query: str, status: int, field: str | None) -> None:
    answer = anna.ask("GET", f"/reports/transactions?{query}")

    assert answer.status_code == status
    if field is not None:
        assert answer.json()["field"] == field
