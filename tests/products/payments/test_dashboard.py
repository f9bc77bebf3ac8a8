"""The pages of merchants and payers, in this process: each shows what is there, and its forms work."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.support.platform import Factory, mails

from dodeca import app as composition
from dodeca.kernel.settings import Config

HERE = {"sec-fetch-site": "same-origin"}
CARD = {"method": "card", "number": "4242 4242 4242 4242", "expiry": "12/40", "cvv": "123"}
_numbers = itertools.count(1)
DASHBOARD = ("", "/links", "/subscriptions", "/settlements", "/reconciliation", "/analytics", "/routing", "/risk",
             "/webhooks", "/developers", "/settings")  # fmt: skip


class Browser:
    """Somebody signed in."""

    def __init__(self, http: TestClient[Any], make: Factory) -> None:
        self.http, self.name = http, f"shop{next(_numbers)}"
        self.account = make.account(self.name, email=f"{self.name}@example.org")
        self._make = make
        self.sign_in()

    def sign_in(self) -> None:
        """A new token."""
        self.headers = {**HERE, "authorization": f"Bearer {self._make.token(self.account)}"}

    def get(self, path: str) -> str:
        answer = self.http.get(f"/payments{path}", headers={**self.headers, "accept": "text/html"})
        assert answer.status_code == 200, answer.text[-1500:]
        return str(answer.text)

    def post(self, path: str, *, status: int = 200, form: dict[str, str] | None = None, **more: str) -> str:
        answer = self.http.post(
            f"/payments{path}", data={**(form or {}), **more}, headers=self.headers, follow_redirects=True
        )
        assert answer.status_code == status, answer.text[-1500:]
        return str(answer.text)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Factory]:
    folder = tmp_path_factory.mktemp("payments")
    shutil.copyfile(sqlite_template, folder / "test.sqlite3")
    url = f"sqlite:///{folder / 'test.sqlite3'}"
    overrides = {"data": folder / "data", "database_url": url, "workers_inline": False}
    platform = composition.compose(Config(environment={}, overrides=overrides), address="http://127.0.0.1:8000")
    yield Factory(platform, None)
    platform.close()


@pytest.fixture(scope="module")
def web(make: Factory) -> Iterator[TestClient[Any]]:
    with TestClient(composition.application(make.platform), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture
def shop(web: TestClient[Any], make: Factory) -> Browser:
    return Browser(web, make)


@pytest.fixture
def payer(web: TestClient[Any], make: Factory) -> Browser:
    return Browser(web, make)


def link_of(page: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:8000/payments(/l/\w+)", page)
    assert found is not None
    return found[1]


def checkout_of(payer: Browser, link: str) -> str:
    answer = payer.http.get(f"/payments{link}", follow_redirects=False)
    return str(answer.headers["location"].removeprefix("/payments"))


def test_an_empty_dashboard_says_where_to_begin(shop: Browser) -> None:
    for path in DASHBOARD:
        assert "<h1" in shop.get(f"/dashboard{path}")


def test_the_first_test_payment_needs_no_program(shop: Browser, payer: Browser, make: Factory) -> None:
    page = shop.post("/dashboard/developers/keys")
    secret = re.search(r"rzp_test_\w+&#34;, &#34;(\w{24})&#34;", page)
    assert secret is not None  # in the code that is to be copied
    assert secret[1] not in shop.get("/dashboard/developers")

    checkout = shop.post("/dashboard/developers/orders")

    assert "Test order" in checkout
    order = re.search(r"order_\w{14}", checkout)
    assert order is not None
    paid = payer.post(f"/checkout/{order[0]}", form=CARD, email="first@example.org")
    assert "has your payment" in paid
    payment = re.search(r"pay_\w{14}", shop.get("/dashboard"))
    assert payment is not None

    shop.post(f"/dashboard/payments/{payment[0]}/refund", amount="250")

    inbox = payer.http.get("/inbox", headers={**payer.headers, "accept": "text/html"}).text
    told = [f"Receipt: ₹500.00 to {shop.name}", f"Refund: ₹250.00 from {shop.name}"]
    assert [title in inbox for title in told] == [True, True]
    assert sorted(mail.subject for mail in mails(make.platform, "first@example.org")) == told


def test_a_merchant_says_who_it_is_how_it_takes_money_and_what_it_is_told_of(
    shop: Browser, payer: Browser, make: Factory
) -> None:
    business = {"name": "Corner Books", "email": "ask@books.example", "contact": "+911234567890"}
    shop.post("/dashboard/settings/business", form=business, website="https://books.example")
    shop.post("/dashboard/settings/taking", capture="automatic", zone="Asia/Kolkata")
    bank = {"holder": "Corner Books Ltd", "account_number": "DE89 3704 0044 0532 0130 00"}
    page = shop.post("/dashboard/settings/bank_account", form=bank)
    assert ["DE89370400440532013000" in page, 'value="Corner Books"' in page, "₹488.20" in page] == [True] * 3
    refused = shop.post("/dashboard/settings/business", status=400, form=business, website="javascript:alert(1)")
    assert ["http or https" in refused, "javascript:alert(1)" in refused] == [True, True]
    assert "not a valid IBAN" in shop.post(
        "/dashboard/settings/bank_account", status=400, holder="C", account_number="DE00"
    )
    shop.post("/dashboard/settings/told", disputes="on")

    order = re.search(r"order_\w{14}", shop.post("/dashboard/developers/orders"))
    assert order is not None
    disputed = {**CARD, "number": "4000000000000259"}
    receipt = payer.post(f"/checkout/{order[0]}", form=disputed, email="reader@example.org")
    assert ["ask@books.example" in receipt, "https://books.example" in receipt] == [True, True]
    assert "ask@books.example" in mails(make.platform, "reader@example.org")[0].text

    inbox = shop.http.get("/inbox", headers={**shop.headers, "accept": "text/html"}).text
    assert "Dispute created: ₹500.00" in inbox
    shop.post("/dashboard/settings/told")
    payment = re.search(r"pay_\w{14}", shop.get("/dashboard"))
    assert payment is not None
    shop.post(f"/dashboard/payments/{payment[0]}/dispute")
    inbox = shop.http.get("/inbox", headers={**shop.headers, "accept": "text/html"}).text
    assert "Dispute lost" not in inbox
    assert "DE89370400440532013000" not in shop.post("/dashboard/settings/bank_account/removal")


def test_the_purse_is_sent_from_and_withdrawn(shop: Browser, payer: Browser) -> None:
    checkout = payer.post("/purse/deposits", amount="100.00")
    order = re.search(r"order_\w{14}", checkout)
    assert order is not None
    payer.post(f"/checkout/{order[0]}", form=CARD)
    assert "/payments/purse/transfers" in payer.get("/")

    payer.post("/purse/transfers", to=shop.name, amount="30")
    refused = payer.post("/purse/transfers", status=402, to=shop.name, amount="71")
    nobody = payer.post("/purse/transfers", status=404, to="nobody at all", amount="1")
    payer.post("/purse/withdrawals", name="P", account_number="DE89370400440532013000", amount="20")
    wrong = payer.post("/purse/withdrawals", status=400, name="P", account_number="DE00", amount="1")

    assert "not enough money" in refused
    assert "nobody of this name" in nobody
    assert "not a valid IBAN" in wrong
    assert "₹50.00" in payer.get("/purse/withdrawals")
    assert "₹30.00" in shop.get("/")


def test_a_link_is_made_paid_in_three_steps_and_found_everywhere(shop: Browser, payer: Browser) -> None:
    link = link_of(shop.post("/dashboard/links", amount="120.50", description="Tea", email="p@example.org"))

    checkout = checkout_of(payer, link)
    assert "₹120.50" in payer.get(checkout)
    receipt = payer.post(checkout, form=CARD, email="p@example.org")

    assert "has your payment" in receipt
    assert "paid" in shop.get("/dashboard/links")
    assert "Tea" in payer.get("/")
    assert "₹120.50" in shop.get("/dashboard/analytics")
    assert "order.paid" in shop.get("/dashboard/webhooks")
    payment = re.search(r"/dashboard/payments/(pay_\w+)", shop.get("/dashboard"))
    assert payment is not None
    page = shop.get(f"/dashboard/payments/{payment[1]}")
    assert "Why this acquirer" in page
    assert "sim-alpha" in page
    assert "Refund made" in shop.post(f"/dashboard/payments/{payment[1]}/refund", amount="20.50")


def test_a_payment_is_found_and_its_papers_are_pdf_files(shop: Browser, payer: Browser, make: Factory) -> None:
    link = link_of(shop.post("/dashboard/links", amount="77.00", description="Teapot", email="q@example.org"))
    receipt = payer.post(checkout_of(payer, link), form=CARD, email="q@example.org")
    payment = re.search(r"/payments/receipt/(pay_\w+)/\w+/pdf", receipt)
    assert payment is not None
    stranger = Browser(shop.http, make)

    for words in (payment[1], "q@example.org", "4242"):
        assert f"payments/{payment[1]}" in shop.get(f"/dashboard?q={words}"), words
        assert f"payments/{payment[1]}" not in stranger.get(f"/dashboard?q={words}"), words
    assert "Nothing found" in shop.get("/dashboard?q=order_of_nobody")
    file = payer.http.get(payment[0])
    assert (file.status_code, file.content[:5]) == (200, b"%PDF-")
    own = f"/payments/dashboard/payments/{payment[1]}/receipt"
    assert shop.http.get(own, headers=shop.headers).content[:5] == b"%PDF-"
    assert shop.http.get(own, headers=stranger.headers).status_code == 404
    assert payer.http.get(payment[0].replace("/pdf", "x/pdf")).status_code == 404


def test_a_paid_link_shows_what_it_was_for_not_nothing(shop: Browser, payer: Browser) -> None:
    link = link_of(shop.post("/dashboard/links", amount="1200.00", description="Bats"))
    checkout = checkout_of(payer, link)
    payer.post(checkout, form=CARD)

    page = payer.get(checkout)

    assert "This is paid" in page
    assert "<h1>₹1,200.00</h1>" in page


@pytest.mark.parametrize("expiry", ["1240", "12 40", "12-40", " 12 / 2040 ", "122040", "140", "1/40"])
def test_an_expiry_is_read_as_a_telephones_keypad_types_it(shop: Browser, payer: Browser, expiry: str) -> None:
    link = link_of(shop.post("/dashboard/links", amount="10.00"))

    receipt = payer.post(checkout_of(payer, link), form={**CARD, "expiry": expiry})

    assert "has your payment" in receipt


@pytest.mark.parametrize("expiry", ["", "12", "13/40", "1/2/40", "12/4", "soon"])
def test_what_is_no_expiry_is_named_beside_the_field(shop: Browser, payer: Browser, expiry: str) -> None:
    link = link_of(shop.post("/dashboard/links", amount="10.00"))

    refused = payer.post(checkout_of(payer, link), status=400, form={**CARD, "expiry": expiry})

    assert "The expiry date is not valid." in refused


def test_a_receipt_says_when(shop: Browser, payer: Browser) -> None:
    link = link_of(shop.post("/dashboard/links", amount="10.00"))

    receipt = payer.post(checkout_of(payer, link), form=CARD)

    assert re.search(r"<dt>On</dt>\s*<dd><time datetime=", receipt)


def test_a_guest_may_sign_in_first_but_not_inside_a_shops_page(shop: Browser, payer: Browser) -> None:
    path = checkout_of(payer, link_of(shop.post("/dashboard/links", amount="10.00")))
    offer = f"/login?next=%2Fpayments{path.replace('/', '%2F')}"

    alone, framed = (shop.http.get(f"/payments{path}{more}").text for more in ("", "?embedded=1"))

    assert [offer in alone, "/login" in framed, "/login" in payer.get(path)] == [True, False, False]


def test_a_shops_page_with_a_wrong_order_shows_its_payer_a_page(shop: Browser) -> None:
    key = re.search(r"rzp_test_\w{14}", shop.post("/dashboard/developers/keys"))
    assert key is not None

    def opened(key_id: str, accept: str) -> Any:
        body, headers = {"key": key_id, "order_id": "ORDER_ID", "embedded": "1"}, {"accept": accept}
        return shop.http.post("/payments/v1/checkout/embedded", data=body, headers=headers, follow_redirects=False)

    page, program = opened(key[0], "text/html,*/*"), opened(key[0], "*/*")
    stranger = opened("rzp_test_00000000000000", "text/html,*/*")

    assert page.status_code == program.status_code == 400
    assert "This payment cannot be opened" in page.text
    assert "frame-ancestors *" in page.headers["content-security-policy"]
    assert program.json()["error"]["description"] == "The id provided does not exist"
    assert (stranger.status_code, "www-authenticate" in stranger.headers) == (401, False)


def test_what_is_given_back_in_part_says_so(shop: Browser, payer: Browser) -> None:
    payer.post(checkout_of(payer, link_of(shop.post("/dashboard/links", amount="50.00"))), form=CARD)
    payment = re.search(r"/dashboard/payments/(pay_\w+)", shop.get("/dashboard"))
    assert payment is not None
    assert "partly refunded" not in shop.get("/dashboard")

    page = shop.post(f"/dashboard/payments/{payment[1]}/refund", amount="20.00")

    assert "partly refunded" in page
    assert "partly refunded" in shop.get("/dashboard")
    assert "partly refunded" not in shop.post(f"/dashboard/payments/{payment[1]}/refund")


def test_a_page_without_a_program_is_told_who_captures(shop: Browser) -> None:
    told = "captures what is paid"
    assert told in shop.get("/dashboard/developers")

    shop.post("/dashboard/settings/taking", capture="automatic", zone="UTC")

    assert told not in shop.get("/dashboard/developers")


def test_deliveries_name_their_address_where_there_are_several(shop: Browser, payer: Browser) -> None:
    shop.post("/dashboard/webhooks", url="https://one.example/hook")
    payer.post(checkout_of(payer, link_of(shop.post("/dashboard/links", amount="50.00"))), form=CARD)
    named = '<span class="faint small">one.example</span>'
    assert named not in shop.get("/dashboard/webhooks")

    page = shop.post("/dashboard/webhooks", url="https://two.example/hook")

    assert page.count(named) == 4  # authorised, captured, the order paid, the link paid


def test_a_link_in_parts_asks_how_much(shop: Browser, payer: Browser) -> None:
    link = link_of(shop.post("/dashboard/links", amount="100.00", accept_partial="on"))
    checkout = checkout_of(payer, link)
    assert "How much of it" in payer.get(checkout)

    payer.post(checkout, form=CARD, amount="40.00")

    assert "₹60.00" in payer.get(checkout)
    assert "₹40.00" in shop.get("/dashboard/links")


def test_a_cancelled_link_says_so(shop: Browser, payer: Browser) -> None:
    page = shop.post("/dashboard/links", amount="5.00")
    link, name = link_of(page), re.search(r"/dashboard/links/(plink_\w+)/cancellation", page)
    assert name is not None
    shop.post(f"/dashboard/links/{name[1]}/cancellation")

    assert "This link was cancelled" in payer.get(checkout_of(payer, link))


def test_a_payer_agrees_to_a_subscription_and_ends_it_in_two_clicks(shop: Browser, payer: Browser) -> None:
    page = shop.post("/dashboard/plans", name="Tea box", amount="300.00", period="monthly")
    plan = re.search(r'<option value="(plan_\w+)"', page)
    assert plan is not None
    made = shop.http.post(
        "/payments/dashboard/subscriptions", data={"plan_id": plan[1]}, headers=shop.headers, follow_redirects=False
    )
    checkout = made.headers["location"].removeprefix("/payments")
    assert "₹300.00 monthly, 12 times" in payer.get(checkout)
    payer.post(checkout, form=CARD)

    mine = payer.get("/")
    cancel = re.search(r"/purse/subscriptions/(sub_\w+)/cancellation", mine)
    assert cancel is not None
    assert "End Tea box?" in payer.get(f"/purse/subscriptions/{cancel[1]}/cancellation")
    assert "ends soon" in payer.post(f"/purse/subscriptions/{cancel[1]}/cancellation")
    shop.post(f"/purse/subscriptions/{cancel[1]}/cancellation", status=404)


def a_rule(at: int, *conditions: tuple[str, str, str], **more: str) -> dict[str, str]:
    form = {f"rule-{at}": ""} | {f"{name}-{at}": value for name, value in more.items()}
    for to, condition in enumerate(conditions):
        form |= {f"{part}-{at}-{to}": v for part, v in zip(("fact", "comparison", "value"), condition, strict=True)}
    return form


def values_in(page: str, control: str) -> list[str]:
    """What the controls of a name hold, in their order."""
    return re.findall(rf'name="{control}-[0-9-]+" value="([^"]*)"', page)


def test_routing_rules_are_put_together_moved_and_saved(shop: Browser) -> None:
    assert "No rules" in shop.get("/dashboard/routing")
    assert values_in(shop.post("/dashboard/routing", do="add"), "value") == [""]
    form = {"strategy": "cost", "then-0-0": "sim-beta", "then-1-0": "sim-gamma", "then-1-1": "sim-alpha"}
    form |= a_rule(0, ("amount", "gt", "100000"), ("method", "in", "card, UPI")) | a_rule(1, ("currency", "eq", "inr"))

    moved = shop.post("/dashboard/routing", form=form, do="up:1")
    assert [values_in(moved, "value"), "Not saved yet" in moved] == [["inr", "100000", "card, UPI"], True]
    more = shop.post("/dashboard/routing", form=form, do="add-condition:1")
    assert values_in(more, "value") == ["100000", "card, UPI", "inr", ""]
    fewer = shop.post("/dashboard/routing", form=form, do="remove-condition:0:0")
    assert values_in(fewer, "value") == ["card, UPI", "inr"]
    assert values_in(shop.post("/dashboard/routing", form=form, do="remove:0"), "value") == ["inr"]
    assert "No rules" in shop.get("/dashboard/routing")  # none of this was saved

    shop.post("/dashboard/routing", form=form, do="save")

    kept = shop.http.get("/api/payments/routing/rules", headers=shop.headers).json()
    assert kept["strategy"] == "cost"
    assert kept["rules"] == [
        {"when": 'amount > 100000 && method in ["card", "upi"]', "then": ["sim-beta"]},
        {"when": 'currency == "INR"', "then": ["sim-gamma", "sim-alpha"]},
    ]
    assert values_in(shop.get("/dashboard/routing"), "value") == ["100000", "card, upi", "INR"]


def test_what_is_wrong_with_a_rule_is_said_beside_it_and_nothing_typed_is_lost(shop: Browser) -> None:
    large = a_rule(0, ("amount", "gt", "5000"), name="Large", action="review")
    for wrong, message in (
        (("amount", "starts", "5"), "is one of"),
        (("velocity.card_hour", "ge", "many"), "whole number"),
        (("method", "eq", "cheque"), "netbanking"),
        (("expression", "eq", "nope > 1"), "does not work"),
        (("card.network", "eq", ""), "fill this in"),
    ):
        refused = shop.post("/dashboard/risk", status=400, form=large | a_rule(1, wrong, name="Odd", action="block"))
        assert values_in(refused, "value") == ["5000", wrong[2].replace(">", "&gt;")]
        assert [message in refused, "Rule 2, condition 1" in refused, 'id="f-value-1-0-error"' in refused] == [True] * 3
    assert 'id="f-name-0-error"' in shop.post("/dashboard/risk", status=400, form={**large, "name-0": " "})
    twice = a_rule(0, ("amount", "gt", "1")) | {"strategy": "cost", "then-0-0": "sim-beta", "then-0-2": "sim-beta"}
    assert 'id="f-then-0-2-error"' in shop.post("/dashboard/routing", status=400, form=twice)

    shop.post("/dashboard/risk", form=large | a_rule(1, name="All", action="allow"))

    kept = shop.http.get("/api/payments/fraud/rules", headers=shop.headers).json()["rules"]
    assert [rule["when"] for rule in kept] == ["amount > 5000", "true"]
    assert "Every payment." in shop.get("/dashboard/risk")


def test_a_statement_is_imported_and_its_line_waits_in_the_inbox(shop: Browser) -> None:
    file = {"file": ("july.csv", b"Date,Amount,Description\n2026-07-01,12.50,Coffee shop\n", "text/csv")}
    answer = shop.http.post("/payments/dashboard/reconciliation", files=file, headers=shop.headers)

    assert answer.status_code == 200
    assert "Coffee shop" in answer.text
    again = shop.http.post("/payments/dashboard/reconciliation", files=file, headers=shop.headers)
    assert again.text.count("Coffee shop") == 1


def test_what_is_captured_can_be_settled_at_once(shop: Browser, payer: Browser) -> None:
    link = link_of(shop.post("/dashboard/links", amount="100.00"))
    payer.post(checkout_of(payer, link), form=CARD)

    listed = shop.post("/dashboard/settlements", currency="INR")
    assert "₹97.64" in listed
    (settlement,) = re.findall(r"/dashboard/settlements/setl_\w+", listed)
    made_of = shop.get(settlement)
    assert "₹97.64" in made_of
    assert "fee ₹2.36 taken off" in made_of
    theirs = payer.http.get(f"/payments{settlement}", headers={**payer.headers, "accept": "text/html"})
    assert theirs.status_code == 404
    assert "no balance" in shop.post("/dashboard/settlements", status=402, currency="INR")


def test_a_disputed_payment_is_given_back(shop: Browser, payer: Browser) -> None:
    checkout = checkout_of(payer, link_of(shop.post("/dashboard/links", amount="120.50", description="Tea")))
    payer.post(checkout, form={**CARD, "number": "4000 0000 0000 0259"}, email="p@example.org")
    found = re.search(r"/payments(/dashboard/payments/pay_\w+)", shop.get("/dashboard"))
    assert found is not None
    page = shop.get(found[1])
    assert "Goods or services not received" in page
    assert "at the latest" in page
    assert "Empty: all of the" not in page

    page = shop.post(f"{found[1]}/dispute")

    assert "comes off the next settlement" in page
    assert "Give the money back" not in page
    shop.post(f"{found[1]}/dispute", status=409)
    payer.post(f"{found[1]}/dispute", status=404)
