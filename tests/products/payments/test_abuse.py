"""What somebody may try with addresses and frames."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.support.platform import Client, Factory

from dodeca.kernel.errors import Invalid
from dodeca.products.payments.service import rules

CARD = {"method": "card", "number": "4242424242424242", "expiry": "12/40", "cvv": "123"}
HERE = {"sec-fetch-site": "same-origin"}
BAD = ["javascript:alert(1)", "data:text/html,x", "//evil.example/x", "/\\evil.example", "ftp://shop.example/x"]


@pytest.fixture
def shop(client: Client, make: Factory) -> Client:
    return client.with_token(make.token(make.account()))


def ordered(shop: Client) -> str:
    """A new order's id."""
    answer = shop.post("/payments/v1/orders", json={"amount": 5000, "currency": "INR", "payment_capture": 1})
    return str(answer.json()["id"])


def test_only_the_checkout_may_be_framed(shop: Client) -> None:
    def policy(path: str) -> str:
        answer = shop.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 200, path
        found = re.search(r"frame-ancestors [^;]+", answer.headers["content-security-policy"])
        return found[0] if found else ""

    own = ("", "/dashboard", "/dashboard/developers", "/dashboard/settings", "/purse/transfers")

    assert {policy(f"/payments{path}" if path else "/payments/") for path in own} == {"frame-ancestors 'none'"}
    assert policy(f"/payments/checkout/{ordered(shop)}") == "frame-ancestors * file:"


@pytest.mark.parametrize("address", BAD)
def test_a_payer_is_sent_back_to_the_web_only_and_pays_nothing_before(shop: Client, address: str) -> None:
    order_id = ordered(shop)
    path = f"/payments/checkout/{order_id}"

    refused: Any = shop.request("POST", path, params={"callback_url": address}, data=CARD, headers=HERE)

    assert (refused.status_code, "http or https" in refused.text) == (400, True)
    assert shop.get(f"/payments/v1/orders/{order_id}").json()["attempts"] == 0


@pytest.mark.parametrize("address", BAD)
def test_a_link_leads_back_to_the_web_only(shop: Client, address: str) -> None:
    body = {"amount": 5000, "currency": "INR", "callback_url": address, "callback_method": "get"}

    refused = shop.post("/payments/v1/payment_links", json=body)

    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "callback_url")


@pytest.mark.parametrize(
    "condition",
    [
        "[1, 2].all(x, x > 0)",
        "[1, 2] . exists (x, x > 0)",
        '"a".matches("a")',
        "[1, 2]. // behind a comment\n all(x, x > 0)",
        "[1, 2].all // behind a comment\n (x, x > 0)",
        '"a".matches // behind a comment\n ("a")',
        "[1, 2].existsOne(x, x > 0)",
        r"""r"\" == "" || [1, 2].all(x, x > 0) || r"\" == "" """,
        r"""r"\" != "" // a comment, not a part of a text: " """,
        r"""'it\'s' != "" || [1, 2].all(x, x > 0) || '' == ''""",
        """'''it's''' != "" || [1, 2].all(x, x > 0) || '' == ''""",
    ],
)
def test_a_condition_that_could_take_long_is_neither_saved_nor_asked(condition: str) -> None:
    with pytest.raises(Invalid, match=r"^This condition does not work: (Loops|Comments)"):
        rules.check_rule(condition, "when")

    assert rules.Facts({}).fulfil(condition) is False  # one that was saved before


@pytest.mark.parametrize(
    ("condition", "address"),
    [
        ('customer.email == "//a@example.org"', "//a@example.org"),
        ("customer.email.contains('//')", "a//b@example.org"),
        ("customer.email in ['a@example.org', 'all(b)//@example.org']", "all(b)//@example.org"),
        (r"""customer.email == 'it\'s // "here"'""", """it's // "here\""""),
        (r"""customer.email == "it's // \"here\"" """, """it's // "here\""""),
        (r"""customer.email == r"\" || customer.email == r"//\" """, "//\\"),
        ('''customer.email == """a " // matches(b"""''', 'a " // matches(b'),
    ],
)
def test_what_looks_like_a_comment_or_a_loop_may_stand_in_a_text(condition: str, address: str) -> None:
    rules.check_rule(condition, "when")

    assert rules.Facts({"customer": {"email": address}}).fulfil(condition) is True
    assert rules.Facts({"customer": {"email": "other@example.org"}}).fulfil(condition) is False
