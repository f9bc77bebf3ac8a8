"""One purse for all products: it pays in another one, whose subscription is seen and ended here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.products.payments.test_dashboard import CARD, Browser, make, payer, shop, web
from tests.support.platform import Factory

from dodeca.kernel import clock, mail, outbox
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import Job, JobContext, JobRunner, job
from dodeca.kernel.platform import Platform
from dodeca.products.payments import flows, invariants, public
from dodeca.products.payments.jobs import jobs
from dodeca.products.payments.public import Payee, PaymentCaptured, SubscriptionChanged

__all__ = ["make", "payer", "shop", "web"]


class Magazine:
    """Another product, as far as it has to do with money: it sells single issues and subscriptions through
    `payments.public`, and hears what became of them from the outbox."""

    def __init__(self, platform: Platform, owner: Browser) -> None:
        self.platform = platform
        self.payee = Payee(owner.account.id, "The Magazine")
        self.sold: list[str] = []
        self.told: list[tuple[str, str]] = []

        @job("magazine.paid", payload=PaymentCaptured)
        def paid(session: WriteSession, context: JobContext, event: PaymentCaptured) -> None:
            if event.reference.startswith("magazine:"):  # each product hears of all
                self.sold.append(event.reference)

        @job("magazine.subscribed", payload=SubscriptionChanged)
        def subscribed(session: WriteSession, context: JobContext, event: SubscriptionChanged) -> None:
            self.told.append((event.reference, event.what))

        self._jobs: list[Job[Any]] = [paid, subscribed]
        outbox.subscribe(PaymentCaptured, paid)
        outbox.subscribe(SubscriptionChanged, subscribed)

    def work(self) -> None:
        asyncio.run(JobRunner(self.platform, [*jobs, *self._jobs, mail.deliver]).run_due())

    def issue(self, reader: Browser) -> public.OrderMade:
        def order(session: WriteSession) -> public.OrderMade:
            reference = f"magazine:issue:{reader.name}"
            return public.create_order(session, self.payee, 4000, "INR", reference, payer_id=reader.account.id)

        return self.platform.db.write(order)

    def subscribe(self, reader: Browser) -> public.SubscriptionMade:
        def agree(session: WriteSession) -> public.SubscriptionMade:
            reference = f"magazine:year:{reader.name}"
            return public.subscribe(session, self.payee, reader.account.id, "The Magazine", 3000, "INR", reference)

        return self.platform.db.write(agree)

    def may_read(self, subscription_id: str) -> bool:
        until = self.platform.db.read(lambda s: public.entitlement(s, subscription_id))
        return until is not None and until > clock.now()


@pytest.fixture
def magazine(make: Factory, shop: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Magazine]:
    monkeypatch.setattr(outbox, "_subscribers", {})
    yield Magazine(make.platform, shop)
    assert make.platform.db.read(invariants.audit) == {}


@pytest.fixture
def reader(payer: Browser) -> Browser:
    """Somebody with 100 rupees in the purse."""
    order = re.search(r"order_\w{14}", payer.post("/purse/deposits", amount="100.00"))
    assert order is not None
    payer.post(f"/checkout/{order[0]}", form=CARD)
    return payer


def test_the_purse_pays_in_another_product_in_one_click(magazine: Magazine, reader: Browser) -> None:
    made = magazine.issue(reader)
    assert "Pay from your purse (₹100.00)" in reader.get(made.checkout_url.removeprefix("/payments"))

    receipt = reader.post(made.checkout_url.removeprefix("/payments"), method="purse")
    magazine.work()

    assert "has your payment" in receipt
    assert magazine.sold == [f"magazine:issue:{reader.name}"]
    home = reader.get("/")
    assert ["₹60.00" in home, "₹40.00" in home] == [True, True]


def test_a_subscription_of_another_product_is_paid_and_ended_here(magazine: Magazine, reader: Browser) -> None:
    made = magazine.subscribe(reader)
    assert not magazine.may_read(made.id)

    reader.post(made.checkout_url.removeprefix("/payments"), method="purse")
    magazine.work()
    assert magazine.may_read(made.id)
    assert ("magazine:year:" + reader.name, "activated") in magazine.told
    home = reader.get("/")
    assert ["The Magazine" in home, "₹70.00" in home] == [True, True]

    cancel = f"/purse/subscriptions/{made.id}/cancellation"
    assert cancel in home  # the first click leads there, the second ends it
    assert "ends soon" in reader.post(cancel)
    assert magazine.may_read(made.id)  # what is paid for

    clock.advance(32 * 86_400)
    reader.headers = {
        **reader.headers,
        "authorization": f"Bearer {Factory(magazine.platform, None).token(reader.account)}",
    }
    asyncio.run(flows.bill_all(magazine.platform))
    magazine.work()

    assert not magazine.may_read(made.id)
    assert magazine.told[-1] == ("magazine:year:" + reader.name, "cancelled")
    assert "₹70.00" in reader.get("/")
