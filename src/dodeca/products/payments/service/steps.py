"""What is to be asked next of an acquirer, and the rows that its answer changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, bindparam, exists

from dodeca.kernel.db import ReadSession, Together, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.products.payments.acquirers.protocol import Acquirer, Ask
from dodeca.products.payments.models import Attempt, Card, Merchant, Order, Payment, RoutingDecision, Webhook
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.ledger import Place

PURSE, BANK = "purse", "bank"
OWN = (PURSE, BANK)
"""What stands for an acquirer where money needs none: a purse's, and a transfer that reached the bank account."""
Ahead = Callable[[Merchant], None]
"""What is asked as soon as the merchant is known."""


@dataclass(slots=True)
class Work:
    """The rows of a payment that this unit of work holds: locked, or made by it. They are changed first and stored
    together, each once, as a whole unit often is a single question that is answered at once."""

    desk: Desk
    payment: Payment
    order: Order | None = None
    card: Card | None = None
    decision: RoutingDecision | None = None
    attempt: Attempt | None = None

    def store(self, session: WriteSession) -> None:
        """Write what has changed, in the order of the foreign keys. Before others are told of it, and at the end."""
        rows = (self.card, self.payment, self.order, self.decision, self.attempt)
        session.store(*(row for row in rows if row is not None))


class Step(msgspec.Struct, frozen=True):
    """What happens next: ask an acquirer, capture at one, or nothing more. `ask` belongs to the first; `reference`,
    `amount` and `currency` to the second. `refused` says why nothing more can be done.

    `work` is what the unit that made the step holds; it means nothing to another unit."""

    kind: Literal["ask", "capture", "done"]
    payment_id: str
    work: Work | None = None
    acquirer: Acquirer | None = None
    ask: Ask | None = None
    reference: str = ""
    amount: int = 0
    currency: str = ""
    refused: str = ""


def locked(session: WriteSession, payment_id: str, desk: Desk | None = None) -> Work:
    """A payment and its order, both locked, the order first; only one of `desk`, if that is given. Raises NotFound."""
    known = session.get(Payment, payment_id) if desk is None else desk.find(session, Payment, payment_id)
    if known is None:
        raise NotFound("The id provided does not exist", field="id")
    order = session.get_locked(Order, known.order_id) if known.order_id is not None else None
    payment = session.get_locked(Payment, payment_id) or known
    return Work(desk or desk_by_id(session, payment.merchant_id, payment.mode), payment, order)


_merchant_id = bindparam("merchant_id", type_=Merchant.id.type)
_has_webhooks = exists().where(
    Webhook.merchant_id == _merchant_id, Webhook.mode == bindparam("mode"), Webhook.disabled_at.is_(None)
)


def _its_order(rows: Select[Any]) -> Select[Any]:
    return rows.where(Order.id == bindparam("order_id"), Order.merchant_id == _merchant_id)


def _its_payment(rows: Select[Any]) -> Select[Any]:
    found = rows.select_from(Payment).join(Order, Order.id == Payment.order_id)
    found = found.outerjoin(Card, Card.id == Payment.card_id)
    return found.where(Payment.id == bindparam("payment_id"), Payment.merchant_id == _merchant_id)


_order = Together(Order, also=[_has_webhooks], joined=_its_order, lock=(Order,))
_payment = Together(Payment, Order, Card, also=[_has_webhooks], joined=_its_payment, lock=(Order, Payment))
"""The order is locked first, as everywhere."""


def desk_with(session: ReadSession, desk: Desk, *, order_id: str | None = None, payment_id: str | None = None) -> Desk:
    """Look up an order, or a payment with its order, that the unit of work is about to lock, locked; what merchants are
    told of comes with the same statement."""
    row, its = None, {"merchant_id": desk.merchant.id, "mode": desk.mode}
    if payment_id is not None:
        row = _payment.first(session, payment_id=payment_id, **its)
    elif order_id is not None:
        row = _order.first(session, order_id=order_id, **its)
    return desk if row is None else Desk(desk.merchant, desk.mode, has_webhooks=bool(row[-1]))


def earned_by(work: Work) -> Place:
    """The account that a capture credits: the merchant's, or the purse of somebody who pays into it."""
    payment, order = work.payment, work.order
    if order is not None and order.payee_account_id is not None:
        return Place(order.payee_account_id, "purse", payment.currency, payment.mode)
    return Place(payment.merchant_id, "merchant", payment.currency, payment.mode)


def card_of(session: ReadSession, work: Work) -> Card | None:
    """The card that the payment is made with."""
    if work.card is None and work.payment.card_id is not None:
        work.card = session.get(Card, work.payment.card_id)
    return work.card
