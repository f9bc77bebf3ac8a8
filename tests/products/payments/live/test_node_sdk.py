"""Razorpay's own Node SDK, and the members that its type declarations promise."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.products.payments.live.conftest import Shop
from tests.support.npm import CLIENTS, packages

pytestmark = [pytest.mark.clients, pytest.mark.slow]
PROMISED = {
    "order": ("orders", "RazorpayOrder"),
    "payment": ("payments", "RazorpayPayment"),
    "card": ("payments", "RazorpayCard"),
    "refund": ("refunds", "RazorpayRefund"),
    "customer": ("customers", "RazorpayCustomer"),
    "link": ("paymentLink", "RazorpayPaymentLink"),
    "item": ("items", "RazorpayItem"),
    "invoice": ("invoices", "RazorpayInvoice"),
    "plan": ("plans", "RazorPayPlans"),
    "subscription": ("subscriptions", "RazorpaySubscription"),
    "addon": ("addons", "RazorpayAddon"),
    "settlement": ("settlements", "RazorpaySettlement"),
    "qr": ("qrCode", "RazorpayQrCode"),
    "account": ("virtualAccounts", "RazorpayVirtualAccount"),
    "dispute": ("disputes", "RazorpayDispute"),
    "document": ("documents", "RazorpayDocument"),
    "fund": ("fundAccount", "RazorpayFundAccount"),
    "registration": ("invoices", "RazorpayInvoice"),
    "token": ("tokens", "RazorpayToken"),
    "elsewhere": ("tokens", "RazorpyProcessPayment"),
    "webhook": ("webhooks", "RazorpayWebhook"),
    "iin": ("iins", "RazorpayIin"),
    "onDemand": ("settlements", "RazorpayInstantSettlement"),
    "reconLine": ("settlements", "RazorpaySettlementRecon"),
}
"""What the script saw, and the interface that declares it."""


@pytest.fixture(scope="module")
def package() -> Path:
    """The npm package."""
    return packages() / "razorpay"


@pytest.fixture(scope="module")
def seen(package: Path, shop: Shop) -> dict[str, Any]:
    """All that the script saw."""
    done = subprocess.run(
        ["node", str(CLIENTS / "razorpay.cjs"), f"{shop.url}/payments", *shop.key],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_every_call_answers(seen: dict[str, Any]) -> None:
    assert (seen["verified"], seen["subscriptionVerified"], seen["webhookVerified"]) == (True, True, True)
    assert (seen["captured"]["status"], seen["payment"]["card"]["last4"]) == ("captured", "4242")
    assert seen["declined"]["statusCode"] == 400
    assert seen["declined"]["error"]["reason"] == "insufficient_funds"
    assert (seen["refund"]["amount"], seen["refunds"]["count"]) == (10_000, 1)
    assert seen["token"]["card"]["last4"] == "4242"
    elsewhere = seen["elsewhere"]
    assert (elsewhere["card"]["last4"], elsewhere["token_number"].isdecimal(), seen["ended"]["statusCode"]) == (
        "4242",
        True,
        400,
    )
    assert (seen["savedToken"]["card"]["last4"], seen["savedDeleted"], seen["iin"]["network"]) == ("4242", [], "Visa")
    assert seen["intent"]["link"].endswith("&am=12.00&cu=INR")
    assert (seen["vpa"]["success"], seen["methods"]["upi"], seen["transfers"]["count"]) == (True, True, 0)
    without = (seen["noTransfer"], seen["noDowntime"], *seen["notOffered"])
    assert [answer["statusCode"] for answer in without] == [400] * 6
    assert (seen["linkAgain"]["status"], seen["linkCancelled"]["status"]) == ("paid", "cancelled")
    assert (seen["issued"]["status"], seen["issued"]["amount"]) == ("issued", 5100)
    assert (seen["invoiceDeleted"], seen["itemDeleted"], seen["addonDeleted"]) == ([], [], [])
    assert (seen["pending"]["quantity"], seen["paused"]["status"], seen["resumed"]["status"]) == (2, "paused", "active")
    assert (seen["ending"]["status"], seen["cancelled"]["status"]) == ("active", "cancelled")
    assert sum(r["credit"] - r["debit"] for r in seen["recon"]["items"]) == seen["onDemand"]["amount_settled"]
    assert (seen["qrClosed"]["status"], seen["accountClosed"]["status"]) == ("closed", "closed")
    assert seen["webhooks"]["count"] == 1
    assert (seen["contested"]["status"], seen["accepted"]["amount_deducted"]) == ("open", 3000)
    assert ([f["id"] for f in seen["funds"]["items"]], seen["bankDeleted"]["success"]) == ([seen["fund"]["id"]], True)
    assert (seen["unknown"]["statusCode"], seen["unknown"]["error"]["code"]) == (400, "BAD_REQUEST_ERROR")


def members(text: str, name: str) -> set[str]:
    """The required members of an interface and of what it extends, but for those that a subtype makes optional."""
    found = re.search(rf"interface {name}(?: extends ([^{{]+?))?\s*\{{", text)
    if found is None:
        return set()
    depth, end = 1, found.end()
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    body, depth = text[found.end() : end - 1], 0
    required: set[str] = set()
    optional: set[str] = set()
    for line in body.splitlines():
        member = re.match(r"\s*'?(\w+)'?(\??)\s*:", line)
        if member and depth == 0:
            (optional if member[2] else required).add(member[1])
        depth += line.count("{") - line.count("}")
    for base in re.findall(r"\b(Razorpay\w+|RazorPay\w+)\b", found[1] or ""):
        if not re.search(rf"(Partial|PartialOptional|Omit|Pick)<\s*{base}", found[1] or ""):
            required |= members(text, base) - optional
    return required


@pytest.mark.parametrize("kind", PROMISED)
def test_answers_have_the_members_that_the_types_require(kind: str, seen: dict[str, Any], package: Path) -> None:
    file, name = PROMISED[kind]
    text = re.sub(r"/\*.*?\*/", "", (package / f"dist/types/{file}.d.ts").read_text(), flags=re.S)
    required = members(text, name)
    assert len(required) > 2
    assert required - set(seen[kind]) == set()
