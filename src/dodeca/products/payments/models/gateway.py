"""Tables of the gateway: orders, payments, refunds, customers and what they pay with.

No column anywhere holds a card's full number or its security code: cards go to the acquirers' vaults, and what is
kept is the vault's reference, six and four digits, the network, the expiry and a keyed fingerprint.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model

METHODS = ("card", "upi", "netbanking", "wallet", "bank_transfer")


class Customer(Model):
    """Somebody whom a merchant knows. Unique by mail and telephone together, in a merchant and mode (index)."""

    __tablename__ = "payment_customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("merchants.id"))
    mode: Mapped[str]
    name: Mapped[str | None]
    email: Mapped[str] = mapped_column(default="")
    contact: Mapped[str] = mapped_column(default="")
    gstin: Mapped[str | None]
    zone: Mapped[str | None]
    account_id: Mapped[str | None] = mapped_column(index=True)
    test_clock_id: Mapped[str | None]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        Index(
            "uq_payment_customers_email_contact",
            "merchant_id",
            "mode",
            "email",
            "contact",
            unique=True,
            sqlite_where=text("email <> '' OR contact <> ''"),
            postgresql_where=text("email <> '' OR contact <> ''"),
        ),
        Index("ix_payment_customers_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )


class Card(Model):
    """A card as far as it may be kept. `vault` maps an acquirer to its reference for the card."""

    __tablename__ = "payment_cards"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str | None] = mapped_column(ForeignKey("merchants.id"), index=True)
    name: Mapped[str]
    last4: Mapped[str]
    bin: Mapped[str]
    network: Mapped[str]
    type: Mapped[str]
    expiry_month: Mapped[int]
    expiry_year: Mapped[int]
    country: Mapped[str]
    fingerprint: Mapped[str] = mapped_column(index=True)
    vault: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("length(last4) = 4 AND length(bin) <= 6 AND expiry_month BETWEEN 1 AND 12", name="masked"),
    )


class Token(Model):
    """What a customer of a merchant agreed to be charged with again. At most one a customer and card (unique)."""

    __tablename__ = "payment_tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("merchants.id"))
    mode: Mapped[str]
    customer_id: Mapped[str] = mapped_column(ForeignKey("payment_customers.id"), index=True)
    method: Mapped[str]
    card_id: Mapped[str | None] = mapped_column(ForeignKey("payment_cards.id"))
    fingerprint: Mapped[str]
    vpa: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="active")
    used_at: Mapped[datetime] = mapped_column(default=clock.now)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("customer_id", "fingerprint"),
        CheckConstraint("status IN ('active', 'cancelled')", name="status"),
    )


class PaymentMethod(Model):
    """What a person pays with in all products. `chargeable` is false where only a masked number was given."""

    __tablename__ = "payment_methods"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(index=True)
    method_type: Mapped[str]
    card_id: Mapped[str | None] = mapped_column(ForeignKey("payment_cards.id"))
    masked: Mapped[str]
    expiry: Mapped[str | None]
    network: Mapped[str | None]
    vpa: Mapped[str | None]
    chargeable: Mapped[bool]
    is_default: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Order(Model):
    """A sum that a merchant wants for something. amount_paid and what is being captured never exceed it (check).

    created → attempted → paid. `payee_account_id`: the money goes to that person's purse and not to the merchant.
    `reference` is another product's own key for it (unique there)."""

    __tablename__ = "payment_orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("merchants.id"))
    mode: Mapped[str]
    amount: Mapped[int]
    amount_paid: Mapped[int] = mapped_column(default=0)
    amount_capturing: Mapped[int] = mapped_column(default=0)
    currency: Mapped[str]
    status: Mapped[str] = mapped_column(default="created")
    attempts: Mapped[int] = mapped_column(default=0)
    receipt: Mapped[str | None]
    description: Mapped[str | None]
    capture: Mapped[str] = mapped_column(default="manual")
    manual_expiry_period: Mapped[int | None]
    partial_payment: Mapped[bool] = mapped_column(default=False)
    first_payment_min_amount: Mapped[int | None]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    lines: Mapped[list[Any]] = mapped_column(default=list)
    splits: Mapped[list[Any]] = mapped_column(default=list)
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("payment_customers.id"))
    source: Mapped[str] = mapped_column(default="order")
    source_id: Mapped[str | None] = mapped_column(index=True)
    payer_account_id: Mapped[str | None]
    payee_account_id: Mapped[str | None]
    reference: Mapped[str | None]
    return_url: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("merchant_id", "mode", "reference"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("amount_paid >= 0 AND amount_capturing >= 0", name="not_negative"),
        CheckConstraint("amount_paid + amount_capturing <= amount", name="paid_at_most_once"),
        CheckConstraint("status IN ('created', 'attempted', 'paid')", name="status"),
        Index("ix_payment_orders_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        Index("ix_payment_orders_payer_account_id", "payer_account_id", "created_at", "id"),
    )


class Payment(Model):
    """One try of somebody to pay. Captured whole and once; refunds together never exceed it (check).

    created → authorized → captured → refunded, or failed; `service.states` has all moves. `capturing_at` is set while
    an acquirer is asked to capture. `hold_id` is the reservation in the payer's purse where that pays."""

    __tablename__ = "payments"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("merchants.id"))
    mode: Mapped[str]
    order_id: Mapped[str | None] = mapped_column(ForeignKey("payment_orders.id"), index=True)
    invoice_id: Mapped[str | None] = mapped_column(index=True)
    subscription_id: Mapped[str | None] = mapped_column(index=True)
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("payment_customers.id"))
    token_id: Mapped[str | None] = mapped_column(ForeignKey("payment_tokens.id"))
    card_id: Mapped[str | None] = mapped_column(ForeignKey("payment_cards.id"))
    payer_account_id: Mapped[str | None] = mapped_column(index=True)
    amount: Mapped[int]
    amount_refunded: Mapped[int] = mapped_column(default=0)
    currency: Mapped[str]
    method: Mapped[str]
    status: Mapped[str] = mapped_column(default="created")
    fee: Mapped[int | None]
    tax: Mapped[int | None]
    bank: Mapped[str | None]
    wallet: Mapped[str | None]
    vpa: Mapped[str | None]
    email: Mapped[str] = mapped_column(default="")
    contact: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    description: Mapped[str | None]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    acquirer: Mapped[str | None]
    acquirer_reference: Mapped[str | None]
    challenge: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    risk: Mapped[dict[str, Any]] = mapped_column(default=dict)
    fingerprint: Mapped[str | None]
    auto_capture: Mapped[bool] = mapped_column(default=False)
    save: Mapped[bool] = mapped_column(default=False)
    mail_receipt: Mapped[bool] = mapped_column(default=False)
    recurring: Mapped[bool] = mapped_column(default=False)
    hold_id: Mapped[str | None]
    ip: Mapped[str | None]
    callback_url: Mapped[str | None]
    settlement_id: Mapped[str | None] = mapped_column(ForeignKey("settlements.id"), index=True)
    authorized_at: Mapped[datetime | None]
    capturing_at: Mapped[datetime | None]
    captured_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("amount > 0 AND amount_refunded >= 0 AND amount_refunded <= amount", name="amount"),
        CheckConstraint("status IN ('created', 'authorized', 'captured', 'refunded', 'failed')", name="status"),
        CheckConstraint("method IN ('card', 'upi', 'netbanking', 'wallet', 'bank_transfer')", name="method"),
        Index("ix_payments_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        Index("ix_payments_fingerprint", "fingerprint", "created_at"),
        Index("ix_payments_status_authorized_at", "status", "authorized_at"),
        Index("ix_payments_captured_at", "merchant_id", "mode", "captured_at"),
        Index(
            "ix_payments_capturing_at",
            "capturing_at",
            sqlite_where=text("capturing_at IS NOT NULL"),
            postgresql_where=text("capturing_at IS NOT NULL"),
        ),
    )


class Attempt(Model):
    """One question to one acquirer for a payment. The id is the idempotency key that the acquirer sees.

    At most one row a payment and number (unique). outcome: asked, challenge, approved, declined, unavailable, unknown;
    it moves on from asked, challenge and unknown only."""

    __tablename__ = "payment_attempts"

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    number: Mapped[int]
    acquirer: Mapped[str]
    vault: Mapped[str | None]
    outcome: Mapped[str] = mapped_column(default="asked")
    reason: Mapped[str | None]
    latency_ms: Mapped[int | None]
    propensity: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("payment_id", "number"),
        CheckConstraint(
            "outcome IN ('asked', 'challenge', 'approved', 'declined', 'unavailable', 'unknown')", name="outcome"
        ),
    )


class RoutingDecision(Model):
    """Why a payment was sent where it was: at most one a payment (primary key), never changed.

    `candidates` holds each acquirer's eligibility, success rate, fee, score and reason, in order of preference."""

    __tablename__ = "payment_routing"

    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"), primary_key=True)
    chosen: Mapped[str | None]
    strategy: Mapped[str]
    rule: Mapped[str | None]
    explored: Mapped[bool] = mapped_column(default=False)
    candidates: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Refund(Model):
    """Money that goes back for a payment. pending → processed or failed; a failed one frees its share again.

    `hold_id` is the reservation on the merchant's account while the acquirer is asked."""

    __tablename__ = "payment_refunds"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("merchants.id"))
    mode: Mapped[str]
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"), index=True)
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")
    speed: Mapped[str] = mapped_column(default="normal")
    receipt: Mapped[str | None]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    acquirer_reference: Mapped[str | None]
    hold_id: Mapped[str | None]
    settlement_id: Mapped[str | None] = mapped_column(ForeignKey("settlements.id"), index=True)
    processed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('pending', 'processed', 'failed')", name="status"),
        Index("ix_payment_refunds_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )


class Settlement(Model):
    """What a merchant is paid out of captured payments, in one currency: credits minus debits of its items.

    Payments and refunds name the settlement they are in, so none is in two."""

    __tablename__ = "settlements"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("merchants.id"))
    mode: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    fees: Mapped[int]
    tax: Mapped[int]
    status: Mapped[str] = mapped_column(default="created")
    utr: Mapped[str]
    ondemand_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    processed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('created', 'initiated', 'processed', 'failed', 'reversed')", name="status"),
        Index("ix_settlements_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )


class Payout(Model):
    """Money on its way from a purse or a merchant to a bank account; the account's details are kept masked.

    created → initiated → processed, failed or reversed. `owner` and `code` name the ledger account that pays."""

    __tablename__ = "payment_payouts"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    code: Mapped[str]
    mode: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    destination: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(default="created")
    reference: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    processed_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("owner", "mode", "reference"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('created', 'initiated', 'processed', 'failed', 'reversed')", name="status"),
        Index("ix_payment_payouts_owner_created_at", "owner", "created_at", "id"),
    )
