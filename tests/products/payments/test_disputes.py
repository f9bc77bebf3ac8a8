"""Disputes: from the bank's wish to the decision, and what becomes of the money. On SQLite; see
test_gateway_postgresql.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.products.payments.gateway import Shop
from tests.products.payments.test_gateway import prepared_url, settings, shop

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.products.payments import acquirers
from dodeca.products.payments.models import Dispute, Document, LedgerAccount, Payment, PaymentEvent
from dodeca.products.payments.service import disputes, documents, ledger, recon, settlements
from dodeca.products.payments.service.ledger import Balance, Place

__all__ = ["prepared_url", "settings", "shop"]
DISPUTED = "4000000000000259"
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def disputed(shop: Shop, amount: int = 50_000) -> Dispute:
    """The dispute of a payment that was just captured."""
    payment = shop.pay(DISPUTED, amount, capture=True)
    return shop.platform.db.read(lambda s: s.scalars(select(Dispute).where(Dispute.payment_id == payment.id)).one())


def act(shop: Shop, unit: Callable[[WriteSession], Dispute]) -> Dispute:
    return shop.platform.db.write(unit)


def contest(shop: Shop, dispute: Dispute, values: Mapping[str, Any]) -> Dispute:
    return act(shop, lambda s: disputes.contest(s, shop.desk, dispute.id, values))


def place_of(shop: Shop, code: str = "merchant") -> Place:
    return Place(shop.desk.merchant.id, code, "INR", "test")


def merchants(shop: Shop, code: str = "merchant") -> Balance:
    return shop.platform.db.read(lambda s: ledger.balance(s, place_of(shop, code)))


def again(shop: Shop, dispute: Dispute) -> Dispute:
    return shop.platform.db.read(lambda s: s.get_one(Dispute, dispute.id))


def told(shop: Shop) -> list[str]:
    """What the merchant was told of disputes, in order."""
    mine = select(PaymentEvent.type).where(PaymentEvent.merchant_id == shop.desk.merchant.id)
    wanted = mine.where(PaymentEvent.type.like("payment.dispute.%")).order_by(PaymentEvent.created_at, PaymentEvent.id)
    return [kind.removeprefix("payment.dispute.") for kind in shop.platform.db.read(lambda s: s.scalars(wanted).all())]


def document(shop: Shop) -> Document:
    blob = asyncio.run(documents.store(shop.platform, PDF))
    return shop.platform.db.write(
        lambda s: documents.add(s, shop.desk, blob, name="receipt.pdf", purpose="dispute_evidence")
    )


def test_a_disputed_payment_is_captured_and_its_money_reserved(shop: Shop) -> None:
    dispute = disputed(shop)

    assert (dispute.status, dispute.amount, dispute.phase) == ("open", 50_000, "chargeback")
    assert dispute.respond_by - dispute.created_at == pytest.approx(timedelta(days=7), abs=timedelta(seconds=5))
    assert merchants(shop).held == 50_000
    assert shop.payment(dispute.payment_id).status == "captured"
    assert told(shop) == ["created"]


def test_an_accepted_dispute_is_taken_off_the_next_settlement(shop: Shop) -> None:
    dispute = disputed(shop)
    before = merchants(shop).posted
    shop.pay(capture=True, amount=200_000)

    lost = act(shop, lambda s: disputes.accept(s, shop.desk, dispute.id))

    assert (lost.status, told(shop)) == ("lost", ["created", "lost"])
    assert merchants(shop).held == 0
    settled = shop.platform.db.write(lambda s: settlements.on_demand(s, shop.desk, "INR"))
    assert settled.amount == before + 200_000 - 4720 - 50_000
    start = clock.now() - timedelta(days=1)
    lines = shop.platform.db.read(lambda s: recon.lines(s, shop.desk, start, start + timedelta(days=2), 0, 1000))
    assert sum(line["credit"] - line["debit"] for line in lines) == settled.amount
    assert [line["dispute_id"] for line in lines if line["type"] == "adjustment"] == [dispute.id]
    assert merchants(shop).posted == 0


def test_a_lost_dispute_takes_from_others_as_much_of_their_shares_as_they_have(shop: Shop) -> None:
    agent, courier = Shop(shop.platform, "agent"), Shop(shop.platform, "courier")
    shares = [
        {"merchant_id": agent.desk.merchant.id, "amount": 10_000, "hold_until": None},
        {"merchant_id": courier.desk.merchant.id, "amount": 3000, "hold_until": clock.ahead(days=9).isoformat()},
    ]
    order = shop.order(splits=tuple(shares), capture="automatic")
    paid = shop.pay("4000000000000259", order_id=order.id)
    dispute = shop.platform.db.read(lambda s: disputes.of_payment(s, paid))
    assert dispute is not None
    theirs, bank = place_of(agent), Place("bank", "bank", "INR", "test")

    def spend(session: WriteSession) -> None:
        ledger.post(session, "spent", [ledger.Entry(theirs, bank, 4000, "settlement")])
        session.get_one(LedgerAccount, theirs.id).credit_limit = 0  # as of a live one

    shop.platform.db.write(spend)

    act(shop, lambda s: disputes.accept(s, shop.desk, dispute.id))

    assert (merchants(agent).posted, merchants(courier, "reserve").posted) == (0, 0)
    assert merchants(shop).posted == -1180 - 4000  # what nobody has any more is the seller's to bear


def test_one_who_shows_a_document_wins(shop: Shop) -> None:
    dispute, paper = disputed(shop), document(shop)
    before = merchants(shop).posted

    draft = contest(shop, dispute, {"summary": "It was delivered.", "shipping_proof": [paper.id], "action": "draft"})
    assert (draft.status, draft.evidence["shipping_proof"]) == ("open", [paper.id])
    assert contest(shop, dispute, {"action": "submit"}).status == "under_review"
    clock.advance(disputes.REVIEW_SECONDS + 1)
    shop.work()

    assert again(shop, dispute).status == "won"
    assert merchants(shop) == Balance(before, 0, 0)
    assert told(shop) == ["created", "under_review", "won"]


def test_words_alone_do_not_win(shop: Shop) -> None:
    dispute = disputed(shop)

    contest(shop, dispute, {"summary": "It was delivered.", "action": "submit"})
    clock.advance(disputes.REVIEW_SECONDS + 1)
    shop.work()

    assert again(shop, dispute).status == "lost"


def test_an_acquirer_that_is_away_decides_later(shop: Shop) -> None:
    dispute = disputed(shop)
    name = shop.payment(dispute.payment_id).acquirer or ""
    contest(shop, dispute, {"summary": "It was delivered.", "action": "submit"})
    shop.platform.db.write(lambda s: acquirers.configure(s, name, {"outage": True}, None))
    clock.advance(disputes.REVIEW_SECONDS + 1)
    shop.work()
    assert again(shop, dispute).status == "under_review"

    shop.platform.db.write(lambda s: acquirers.configure(s, name, {"outage": False}, None))
    clock.advance(600)
    shop.work()

    assert again(shop, dispute).status == "lost"


def test_a_disputed_payment_is_not_refunded_beside(shop: Shop) -> None:
    dispute, won = disputed(shop), disputed(shop)
    shop.platform.db.write(lambda s: disputes.contest(s, shop.desk, won.id, {"summary": "No.", "action": "submit"}))
    shop.platform.db.write(lambda s: disputes.decide(s, won.id, "won"))

    with pytest.raises(Conflict, match="disputed"):
        shop.refund(shop.payment(dispute.payment_id))

    assert shop.refund(shop.payment(won.payment_id)).status == "processed"


def test_a_dispute_that_nobody_answers_is_lost_after_a_week(shop: Shop) -> None:
    dispute = disputed(shop)
    clock.advance(6.5 * 86_400)
    shop.work()
    assert again(shop, dispute).status == "open"

    clock.advance(86_400)
    shop.work()

    assert again(shop, dispute).status == "lost"


def test_a_decided_dispute_stays_decided(shop: Shop) -> None:
    dispute = disputed(shop)
    act(shop, lambda s: disputes.accept(s, shop.desk, dispute.id))

    with pytest.raises(Conflict, match="lost"):
        act(shop, lambda s: disputes.accept(s, shop.desk, dispute.id))
    with pytest.raises(Conflict, match="lost"):
        contest(shop, dispute, {"summary": "But still.", "action": "submit"})
    shop.platform.db.write(lambda s: disputes.decide(s, dispute.id, "won"))
    assert again(shop, dispute).status == "lost"


def test_an_answer_is_checked_and_a_strangers_papers_are_not_to_be_had(shop: Shop) -> None:
    dispute, other = disputed(shop), Shop(shop.platform, "other-account")
    paper = document(other)

    for values, field in (
        ({"action": "perhaps"}, "action"),
        ({"action": "submit"}, "summary"),
        ({"amount": 50_001}, "amount"),
        ({"billing_proof": "doc_1"}, "billing_proof"),
        ({"others": ["doc_1"]}, "others"),
    ):
        with pytest.raises(Invalid) as refused:
            contest(shop, dispute, values)
        assert refused.value.field == field
    with pytest.raises(NotFound):
        contest(shop, dispute, {"billing_proof": [paper.id]})
    with pytest.raises(NotFound):
        act(other, lambda s: disputes.accept(s, other.desk, dispute.id))
    assert again(shop, dispute).evidence == {}


def test_a_disputed_deposit_is_reserved_in_the_purse(shop: Shop) -> None:
    order = shop.order(30_000, capture="automatic", payee_account_id="somebody")
    payment = shop.pay(DISPUTED, 30_000, order_id=order.id)
    purse = Place("somebody", "purse", "INR", "test")

    assert shop.platform.db.read(lambda s: s.get_one(Payment, payment.id)).status == "captured"
    assert shop.platform.db.read(lambda s: ledger.balance(s, purse)) == Balance(30_000, 30_000, 0)
