"""What a person pays with: saved cards and UPI handles, for all products."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.products.payments import ids
from dodeca.products.payments.models import Card, PaymentMethod
from dodeca.products.payments.service import cards
from dodeca.products.payments.service.cards import CardFacts

MOST = 50


def methods_of(session: ReadSession, account_id: str) -> Sequence[PaymentMethod]:
    """A person's methods, the default first, then newest first."""
    mine = select(PaymentMethod).where(PaymentMethod.account_id == account_id)
    order = (PaymentMethod.is_default.desc(), PaymentMethod.created_at.desc(), PaymentMethod.id)
    return session.scalars(mine.order_by(*order)).all()


def method(session: ReadSession, account_id: str, method_id: str) -> PaymentMethod:
    """One of them. Raises NotFound."""
    row = session.get(PaymentMethod, method_id)
    if row is None or row.account_id != account_id:
        raise NotFound("Payment method not found", field="payment_method_id")
    return row


def chargeable(session: ReadSession, account_id: str, method_id: str) -> PaymentMethod:
    """The same, where it can be charged. Raises Invalid, NotFound."""
    row = method(session, account_id, method_id)
    if not row.chargeable:
        raise Invalid("This method was given masked and cannot be charged.", field="payment_method_id")
    return row


def save(
    session: WriteSession,
    account_id: str,
    method_type: str,
    *,
    facts: CardFacts | None = None,
    vault: dict[str, str] | None = None,
    masked: str = "",
    expiry: str | None = None,
    vpa: str | None = None,
) -> PaymentMethod:
    """Keep a method. With `vault` (references of acquirers) it can be charged, otherwise it is a note to oneself."""
    known = methods_of(session, account_id)
    if len(known) >= MOST:
        raise Conflict(f"You have {MOST} payment methods. Remove one first.")
    if method_type not in ("card", "upi", "netbanking", "wallet", "bank_transfer"):
        raise Invalid("method_type is card, upi, netbanking, wallet or bank_transfer.", field="method_type")
    card: Card | None = None
    if facts is not None:
        card = cards.keep(session, None, facts)
        card.vault = dict(vault or {})
        masked, expiry = f"**** **** **** {facts.last4}", f"{facts.expiry_month:02}/{facts.expiry_year % 100:02}"
    row = PaymentMethod(
        id=ids.new("pm"),
        account_id=account_id,
        method_type=method_type,
        card_id=card.id if card else None,
        masked=masked,
        expiry=expiry,
        network=facts.network if facts else None,
        vpa=vpa,
        chargeable=bool(vault) or vpa is not None,
        is_default=not known,
        created_at=clock.now(),
    )
    session.flush()
    session.add(row)
    session.flush()
    return row


def expiry_of(text: str | None) -> tuple[int, int]:
    """Month and year of a date MM/YY (or MM/YYYY) that is not over. Raises Invalid."""
    month, _, year = (text or "").partition("/")
    try:
        return cards.read_expiry(month, year)
    except Invalid as error:
        wrong = error.message if year else "The expiry_date is MM/YY."
        raise Invalid(wrong, field="expiry_date") from error


def renew(session: WriteSession, row: PaymentMethod, text: str) -> None:
    """The bank has sent a new card with the same number. Raises Invalid, Conflict."""
    if row.method_type != "card":
        raise Conflict("Only a card expires.", field="expiry_date")
    month, year = expiry_of(text)
    row.expiry = f"{month:02}/{year % 100:02}"
    if row.card_id is not None:
        card = session.get_one(Card, row.card_id)
        card.expiry_month, card.expiry_year = month, year


def make_default(session: WriteSession, row: PaymentMethod) -> None:
    """Use this one first."""
    mine = update(PaymentMethod).where(PaymentMethod.account_id == row.account_id)
    session.execute(mine.values(is_default=False))
    row.is_default = True


def remove(session: WriteSession, row: PaymentMethod) -> None:
    """Forget a method, and the vault's references with it; payments made with it keep their card's last digits."""
    if row.card_id is not None:
        card = session.get(Card, row.card_id)
        if card is not None:
            card.vault = {}
    session.delete(row)
