"""Customers of a merchant and the tokens they can be charged with again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, NotFound
from dodeca.products.payments import ids
from dodeca.products.payments.models import Card, Customer, Payment, TestClock, Token
from dodeca.products.payments.service import cards
from dodeca.products.payments.service.cards import CardFacts
from dodeca.products.payments.service.cycles import zone_of
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.inputs import contact_of, email_of, flag_of, notes_of, text_of
from dodeca.products.payments.service.rows import made_once


def create_customer(session: WriteSession, desk: Desk, values: Mapping[str, Any]) -> Customer:
    """Make a customer. `fail_existing` false gives the known one instead of Conflict."""
    email, contact = email_of(values.get("email")), contact_of(values.get("contact"))
    fail = flag_of(values.get("fail_existing"), "fail_existing", default=True)
    if email or contact:
        same = desk.owned(Customer).where(Customer.email == email, Customer.contact == contact)
        known = session.scalar(same)
        if known is not None:
            if fail:
                raise Conflict("Customer already exists for the merchant", field="email")
            return known
    clock_id = text_of(values.get("test_clock"), "test_clock", 40)
    if clock_id is not None:
        known_clock = session.get(TestClock, clock_id)
        if known_clock is None or known_clock.merchant_id != desk.merchant.id or desk.mode != "test":
            raise NotFound("The id provided does not exist", field="test_clock")
    row = Customer(
        id=ids.new("cust"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        name=text_of(values.get("name"), "name", 100),
        email=email,
        contact=contact,
        gstin=text_of(values.get("gstin"), "gstin", 15),
        notes=notes_of(values.get("notes")),
        test_clock_id=clock_id,
        zone=zone_of(str(values["zone"])) if values.get("zone") else None,
        created_at=clock.now(),
    )
    with claiming(session, Customer, otherwise=Conflict("Customer already exists for the merchant", field="email")):
        session.add(row)
    return row


def edit_customer(session: WriteSession, row: Customer, values: Mapping[str, Any]) -> Customer:
    """Change what is given. Raises Conflict when another has the same mail and telephone."""
    with claiming(session, Customer, otherwise=Conflict("Customer already exists for the merchant", field="email")):
        if "name" in values:
            row.name = text_of(values["name"], "name", 100)
        if "email" in values:
            row.email = email_of(values["email"])
        if "contact" in values:
            row.contact = contact_of(values["contact"])
        if "gstin" in values:
            row.gstin = text_of(values["gstin"], "gstin", 15)
        if "notes" in values:
            row.notes = notes_of(values["notes"])
    return row


def remember(session: WriteSession, desk: Desk, payment: Payment, card: Card | None) -> str | None:
    """The token of what a customer has just paid with, made if it is new."""
    fingerprint = card.fingerprint if card is not None else payment.vpa
    if payment.customer_id is None or fingerprint is None:
        return payment.token_id
    return _renewed(session, desk, payment.customer_id, payment.method, fingerprint, card, payment.vpa).id


def add_card(
    session: WriteSession, desk: Desk, customer: Customer, facts: CardFacts, vaults: Mapping[str, str]
) -> tuple[Token, Card]:
    """Keep a card for a customer without a payment; the known token of the same card is renewed."""
    card = cards.keep(session, desk, facts, vaults)
    return _renewed(session, desk, customer.id, "card", card.fingerprint, card, None), card


def _renewed(
    session: WriteSession,
    desk: Desk,
    customer_id: str,
    method: str,
    fingerprint: str,
    card: Card | None,
    vpa: str | None,
) -> Token:
    """A customer's token of a card or UPI address, active from now on."""
    same = select(Token).where(Token.customer_id == customer_id, Token.fingerprint == fingerprint)
    token = session.scalar(same)
    if token is None:
        new = Token(
            id=ids.new("token"),
            merchant_id=desk.merchant.id,
            mode=desk.mode,
            customer_id=customer_id,
            method=method,
            fingerprint=fingerprint,
            vpa=vpa,
        )
        token = made_once(session, new, lambda: session.scalar(same))
    token.status, token.used_at = "active", clock.now()
    if card is not None:
        token.card_id = card.id
    session.flush()
    return token


def tokens_of(session: ReadSession, customer: Customer) -> list[tuple[Token, Card | None]]:
    """A customer's active tokens with their cards, newest first."""
    mine = (
        select(Token, Card)
        .outerjoin(Card, Card.id == Token.card_id)
        .where(Token.customer_id == customer.id, Token.status == "active")
        .order_by(Token.created_at.desc(), Token.id.desc())
    )
    return [(row[0], row[1]) for row in session.execute(mine)]
