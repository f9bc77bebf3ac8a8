"""How rows are found and kept apart: by an index however many there are, by mode, and once where nothing names them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.products.payments.gateway import Shop

from dodeca.kernel import clock, ids
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.platform import Platform
from dodeca.products.payments import acquirers
from dodeca.products.payments.models import Card, Invoice, Order, Payment, PaymentEvent
from dodeca.products.payments.service import catalog, events, orders, refunds, reports, settlements, subscriptions
from dodeca.products.payments.service.desk import Desk


@pytest.fixture
def shop(platform: Platform) -> Shop:
    return Shop(platform)


def walks(session: Any, statement: Any) -> list[str]:
    """The steps of SQLite's plan that read all payments of a merchant, or of everybody."""
    sql = str(statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
    plan = [row[3] for row in session.execute(text("EXPLAIN QUERY PLAN " + sql.replace(":", r"\:")))]
    return [step for step in plan if step.startswith("SCAN payments_") or "merchant_id_created_at" in step]


def test_a_payment_is_found_by_what_a_person_knows_of_it(shop: Shop) -> None:
    order = shop.order(receipt="R-1")
    paid = shop.capture(shop.pay(order_id=order.id, email="anna@example.org"))
    other = Shop(shop.platform, "other-account")
    other.capture(other.pay(order_id=other.order(receipt="R-1").id, email="anna@example.org"))
    refund = shop.refund(paid, 100)
    row = shop.platform.db.write(lambda s: settlements.on_demand(s, shop.desk, "INR"))

    def search(words: str) -> list[str]:
        return shop.platform.db.read(lambda s: [p.id for p in s.scalars(reports.found(s, shop.desk, words))])

    for words in (paid.id, order.id, "R-1", refund.id, row.id, "anna@example.org", "4242"):
        assert search(words) == [paid.id], words
    theirs = other.platform.db.read(lambda s: [p.id for p in s.scalars(other.desk.owned(Payment))])
    for words in (*theirs, "R-2", "pay_nothing", "1111", "x@example.org"):
        assert search(words) == [], words


def test_looking_up_walks_through_no_ones_payments(shop: Shop) -> None:
    if shop.platform.db.dialect != "sqlite":
        return
    order = shop.order(receipt="R-1")
    paid = shop.capture(shop.pay(order_id=order.id))
    newest = (Payment.created_at.desc(), Payment.id.desc())

    def plans(session: Any) -> dict[str, list[str]]:
        wanted = {w: reports.found(session, shop.desk, w) for w in (paid.id, order.id, "R-1")}
        wanted["failed"] = reports.in_status(shop.desk.owned(Payment), "failed")
        return {w: walks(session, found.order_by(*newest).limit(30)) for w, found in wanted.items()}

    assert shop.platform.db.read(plans) == {paid.id: [], order.id: [], "R-1": [], "failed": []}
    of_type = events.log(shop.desk, "refund.failed")
    told = of_type.order_by(PaymentEvent.created_at.desc(), PaymentEvent.id.desc()).limit(30)
    assert shop.platform.db.read(lambda s: walks(s, told)) == []
    receipts = shop.desk.owned(Order).where(Order.receipt == "R-1")
    listed = receipts.order_by(Order.created_at.desc(), Order.id.desc()).limit(10)
    assert shop.platform.db.read(lambda s: walks(s, listed)) == []


def test_the_tries_to_pay_an_order_are_its_merchants_alone(shop: Shop) -> None:
    order = shop.order()
    paid = shop.pay(order_id=order.id)
    stranger = Shop(shop.platform, "stranger").desk

    found = shop.platform.db.read(lambda s: [p.id for p in orders.payments_of(s, shop.desk, order)])
    assert found == [paid.id]
    with pytest.raises(NotFound):
        shop.platform.db.read(lambda s: orders.payments_of(s, stranger, order))


def test_a_card_belongs_to_the_mode_that_it_was_used_in(shop: Shop) -> None:
    card_id = shop.pay().card_id or ""

    assert shop.platform.db.read(lambda s: shop.desk.find(s, Card, card_id).last4) == "4242"
    with pytest.raises(NotFound):
        shop.platform.db.read(lambda s: Desk(shop.desk.merchant, "live").find(s, Card, card_id))


def test_what_nothing_names_is_there_once_too(shop: Shop) -> None:
    item = {"name": "Gym", "amount": 30_000, "currency": "INR"}
    plan = {"period": "monthly", "interval": 1, "item": item}

    def subscribed(session: WriteSession) -> str:
        plan_id = catalog.create_plan(session, shop.desk, plan).id
        return subscriptions.create(session, shop.desk, {"plan_id": plan_id, "total_count": 12}).id

    name = shop.platform.db.write(subscribed)
    owned = {"merchant_id": shop.desk.merchant.id, "mode": "test", "currency": "INR", "amount": 100}

    def bill(session: WriteSession) -> None:
        code = ids.random_base62(8)
        session.add(Invoice(id=f"inv_{code}", code=code, subscription_id=name, created_at=clock.now(), **owned))

    def transfer(session: WriteSession) -> None:
        name = f"pay_{ids.random_base62(14)}"
        session.add(Payment(id=name, method="bank_transfer", acquirer="bank", created_at=clock.now(), **owned))

    for again in (bill, transfer):
        shop.platform.db.write(again)
        with pytest.raises(IntegrityError):
            shop.platform.db.write(again)


def test_a_refund_that_fails_leaves_the_shares_with_others(shop: Shop) -> None:
    agent = Shop(shop.platform, "agent")
    share = {"merchant_id": agent.desk.merchant.id, "amount": 5000, "hold_until": None}
    order = shop.order(50_000, splits=(share,), capture="automatic")
    paid = shop.pay("4000000000005126", order_id=order.id)

    assert shop.refund(paid).status == "failed"

    assert [b["pending"] for b in shop.platform.db.read(lambda s: settlements.balance(s, agent.desk))] == [5000]
    assert shop.payment(paid.id).amount_refunded == 0


def test_a_share_goes_back_while_the_acquirer_is_asked_and_comes_again_when_it_refuses(shop: Shop) -> None:
    agent = Shop(shop.platform, "agent")
    share = {"merchant_id": agent.desk.merchant.id, "amount": 5000, "hold_until": None}
    order = shop.order(50_000, splits=(share,), capture="automatic")
    paid = shop.pay("4000000000005126", order_id=order.id)
    for name in acquirers.SIMULATORS:
        shop.platform.db.write(lambda s, n=name: acquirers.configure(s, n, {"latency_ms": 1}, None))  # type: ignore[misc]

    def pending() -> int:
        return sum(b["pending"] for b in shop.platform.db.read(lambda s: settlements.balance(s, agent.desk)))

    asked = shop.platform.db.write(lambda s: refunds.begin(s, shop.desk, paid.id, 20_000))
    assert (asked.status, pending()) == ("pending", 3000)

    clock.advance(60)
    shop.work()

    assert (shop.refund(paid, 1).status, pending()) == ("failed", 5000)
