"""Tables of the gateway: orders, payments, refunds, customers and what they pay with.

No column anywhere holds a card's full number or its security code: cards go to the acquirers' vaults, and what is
kept is the vault's reference, six and four digits, the network, the expiry and a keyed fingerprint.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model

UNSETTLED = "unsettled_since IS NOT NULL"
UNCAPTURED = "status <> 'captured'"
UNCLAIMED = "mail_receipt AND payer_account_id IS NULL AND claimed_by IS NULL"
METHODS = ("card", "upi", "netbanking", "wallet", "bank_transfer")


def partial(name: str, where: str, *columns: str, unique: bool = False) -> Index:
    """An index of the rows that `where` is true of: the others cost nothing."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def present(name: str, *columns: str) -> Index:
    """An index of the rows whose first column is set."""
    return partial(name, f"{columns[0]} IS NOT NULL", *columns)


class Customer(Model):
    """Somebody whom a merchant knows. Unique by mail and telephone together, in a merchant and mode (index)."""

    __tablename__ = "payments_customers"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
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
        partial(
            "uq_payments_customers_email_contact",
            "email <> '' OR contact <> ''",
            "merchant_id",
            "mode",
            "email",
            "contact",
            unique=True,
        ),
        Index("ix_payments_customers_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )


class Card(Model):
    """A card as far as it may be kept. `vault` maps an acquirer to its reference for the card.

    One that a merchant took has its `mode`; one that a person keeps to pay with has neither."""

    __tablename__ = "payments_cards"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str | None] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str | None]
    name: Mapped[str]
    last4: Mapped[str]
    bin: Mapped[str]
    network: Mapped[str]
    type: Mapped[str]
    expiry_month: Mapped[int]
    expiry_year: Mapped[int]
    country: Mapped[str]
    fingerprint: Mapped[str]
    vault: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("length(last4) = 4 AND length(bin) <= 6 AND expiry_month BETWEEN 1 AND 12", name="masked"),
    )


class Token(Model):
    """What a customer of a merchant agreed to be charged with again. At most one a customer and card (unique)."""

    __tablename__ = "payments_tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    customer_id: Mapped[str] = mapped_column(ForeignKey("payments_customers.id"), index=True)
    method: Mapped[str]
    card_id: Mapped[str | None] = mapped_column(ForeignKey("payments_cards.id"))
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

    __tablename__ = "payments_methods"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(index=True)
    method_type: Mapped[str]
    card_id: Mapped[str | None] = mapped_column(ForeignKey("payments_cards.id"))
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

    __tablename__ = "payments_orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
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
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("payments_customers.id"))
    source: Mapped[str] = mapped_column(default="order")
    source_id: Mapped[str | None]
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
        Index("ix_payments_orders_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        present("ix_payments_orders_source_id", "source_id"),
        partial(
            "ix_payments_orders_receipt", "receipt IS NOT NULL", "merchant_id", "mode", "receipt", "created_at", "id"
        ),
        present("ix_payments_orders_payer_account_id", "payer_account_id", "created_at", "id"),
    )


class Payment(Model):
    """One try of somebody to pay. Captured whole and once; refunds together never exceed it (check).

    created → authorized → captured → refunded, or failed; `service.states` has all moves. `capturing_at` is set while
    an acquirer is asked to capture. `hold_id` is the reservation in the payer's purse where that pays.
    `unsettled_since` is when its money came, while a settlement is to pay it out: never for what went into a purse or
    to the merchant's own bank account, and not while it is disputed. A transfer that reached a bank has its reference
    in `acquirer_reference`, once in a merchant and mode (index). `claimed_by` is the account that proved to read the
    mail address which a guest gave (`service.guests`): it sees the payment, and has no other part in it."""

    __tablename__ = "payments_payments"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    order_id: Mapped[str | None] = mapped_column(ForeignKey("payments_orders.id"), index=True)
    invoice_id: Mapped[str | None]
    subscription_id: Mapped[str | None]
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("payments_customers.id"))
    token_id: Mapped[str | None] = mapped_column(ForeignKey("payments_tokens.id"))
    card_id: Mapped[str | None] = mapped_column(ForeignKey("payments_cards.id"))
    payer_account_id: Mapped[str | None]
    claimed_by: Mapped[str | None]
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
    settlement_id: Mapped[str | None] = mapped_column(ForeignKey("payments_settlements.id"))
    unsettled_since: Mapped[datetime | None]
    authorized_at: Mapped[datetime | None]
    capturing_at: Mapped[datetime | None]
    captured_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("amount > 0 AND amount_refunded >= 0 AND amount_refunded <= amount", name="amount"),
        CheckConstraint("status IN ('created', 'authorized', 'captured', 'refunded', 'failed')", name="status"),
        CheckConstraint("method IN ('card', 'upi', 'netbanking', 'wallet', 'bank_transfer')", name="method"),
        Index("ix_payments_payments_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        partial("ix_payments_payments_status", UNCAPTURED, "merchant_id", "mode", "status", "created_at", "id"),
        Index("ix_payments_payments_fingerprint", "merchant_id", "fingerprint", "created_at"),
        partial("ix_payments_payments_failed", "status = 'failed'", "merchant_id", "fingerprint", "created_at"),
        partial("ix_payments_payments_authorized", "status = 'authorized'", "expires_at"),
        partial("ix_payments_payments_challenged", "status = 'created' AND challenge IS NOT NULL", "created_at"),
        partial(
            "ix_payments_payments_unsettled_since", UNSETTLED, "merchant_id", "mode", "currency", "unsettled_since"
        ),
        Index(  # without a reference there is one too: NULL would be unlike NULL
            "uq_payments_payments_bank_reference",
            "merchant_id",
            "mode",
            func.coalesce(text("acquirer_reference"), text("''")),
            unique=True,
            sqlite_where=text("acquirer = 'bank'"),
            postgresql_where=text("acquirer = 'bank'"),
        ),
        present("ix_payments_payments_capturing_at", "capturing_at"),
        present("ix_payments_payments_payer_account_id", "payer_account_id"),
        present("ix_payments_payments_claimed_by", "claimed_by"),
        Index(
            "ix_payments_payments_unclaimed",
            func.lower(text("email")),
            sqlite_where=text(UNCLAIMED),
            postgresql_where=text(UNCLAIMED),
        ),
        present("ix_payments_payments_settlement_id", "settlement_id"),
    )


class Attempt(Model):
    """One question to one acquirer for a payment. The id is the idempotency key that the acquirer sees.

    At most one row a payment and number (unique). outcome: asked, challenge, approved, declined, unavailable, unknown;
    it moves on from asked, challenge and unknown only."""

    __tablename__ = "payments_attempts"

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments_payments.id"))
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
        partial("ix_payments_attempts_asked", "outcome = 'asked'", "created_at"),
    )


class Split(Model):
    """Another merchant's share of a payment: a commission, or money in escrow (`hold_until`).

    The ledger moved it when the payment was captured: to the other's account, or, while it is held, to the other's
    reserve, from where it is released once (`released_at`). `settlement_id` is the other's settlement; the payment's
    own settlement pays out what the splits leave."""

    __tablename__ = "payments_splits"

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments_payments.id"), index=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    hold_until: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    unsettled_since: Mapped[datetime | None]
    settlement_id: Mapped[str | None] = mapped_column(ForeignKey("payments_settlements.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        partial("ix_payments_splits_held", "released_at IS NULL", "hold_until"),
        partial("ix_payments_splits_unsettled_since", UNSETTLED, "merchant_id", "mode", "currency", "unsettled_since"),
        present("ix_payments_splits_settlement_id", "settlement_id"),
    )


class Reversal(Model):
    """What a refund or a lost dispute took back of a split, in minor units: together never more than the split
    (`service.splits`, which locks it).

    The ledger moved it from the split's merchant to the payment's. It is a debit of a settlement of the first
    (`settlement_id`), not before that is released, and a credit of one of the second (`credited_id`); of neither while
    the refund is pending. A refund that fails gives it back, and the row goes."""

    __tablename__ = "payments_reversals"

    id: Mapped[str] = mapped_column(primary_key=True)
    refund_id: Mapped[str | None] = mapped_column(ForeignKey("payments_refunds.id"))
    dispute_id: Mapped[str | None] = mapped_column(ForeignKey("payments_disputes.id"))
    split_id: Mapped[str] = mapped_column(ForeignKey("payments_splits.id"), index=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments_payments.id"), index=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    to_merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    settlement_id: Mapped[str | None] = mapped_column(ForeignKey("payments_settlements.id"))
    credited_id: Mapped[str | None] = mapped_column(ForeignKey("payments_settlements.id"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("refund_id", "split_id"),
        UniqueConstraint("dispute_id", "split_id"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("(refund_id IS NULL) <> (dispute_id IS NULL)", name="cause"),
        partial("ix_payments_reversals_unsettled", "settlement_id IS NULL", "merchant_id", "mode", "currency"),
        partial("ix_payments_reversals_uncredited", "credited_id IS NULL", "to_merchant_id", "mode", "currency"),
        present("ix_payments_reversals_settlement_id", "settlement_id"),
        present("ix_payments_reversals_credited_id", "credited_id"),
    )


class RoutingDecision(Model):
    """Why a payment was sent where it was: at most one a payment (primary key), never changed.

    `candidates` holds each acquirer's eligibility, success rate, fee, score and reason, in order of preference."""

    __tablename__ = "payments_routing"

    payment_id: Mapped[str] = mapped_column(ForeignKey("payments_payments.id"), primary_key=True)
    chosen: Mapped[str | None]
    strategy: Mapped[str]
    rule: Mapped[str | None]
    explored: Mapped[bool] = mapped_column(default=False)
    candidates: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Refund(Model):
    """Money that goes back for a payment. pending → processed or failed; a failed one frees its share again.

    `hold_id` is the reservation on the merchant's account while the acquirer is asked. `reverses`: others give their
    shares of the payment back in proportion (`Reversal`)."""

    __tablename__ = "payments_refunds"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments_payments.id"), index=True)
    amount: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")
    speed: Mapped[str] = mapped_column(default="normal")
    receipt: Mapped[str | None]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reverses: Mapped[bool] = mapped_column(default=True)
    acquirer_reference: Mapped[str | None]
    hold_id: Mapped[str | None]
    settlement_id: Mapped[str | None] = mapped_column(ForeignKey("payments_settlements.id"), index=True)
    processed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('pending', 'processed', 'failed')", name="status"),
        Index("ix_payments_refunds_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        partial(
            "ix_payments_refunds_unsettled",
            "settlement_id IS NULL AND status = 'processed'",
            "merchant_id",
            "mode",
            "currency",
        ),
    )


class Settlement(Model):
    """What a merchant is paid out of captured payments, in one currency: credits minus debits of its items.

    Payments and refunds name the settlement they are in, so none is in two. `asked` is what a request for one on demand
    said of it."""

    __tablename__ = "payments_settlements"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    fees: Mapped[int]
    tax: Mapped[int]
    status: Mapped[str] = mapped_column(default="created")
    utr: Mapped[str]
    ondemand_id: Mapped[str | None] = mapped_column(index=True)
    asked: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    processed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('created', 'initiated', 'processed', 'failed', 'reversed')", name="status"),
        Index("ix_payments_settlements_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )


class Payout(Model):
    """Money on its way from a purse or a merchant to a bank account; the account's details are kept masked.

    created → initiated → processed, failed or reversed. `owner` and `code` name the ledger account that pays. What a
    merchant was paid so is taken off a settlement, which it then names. One on demand is such a payout of a part of
    what is captured; `asked` is what was said of it."""

    __tablename__ = "payments_payouts"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    code: Mapped[str]
    mode: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    destination: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(default="created")
    reference: Mapped[str | None]
    settlement_id: Mapped[str | None] = mapped_column(ForeignKey("payments_settlements.id"))
    asked: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    processed_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("owner", "mode", "reference"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('created', 'initiated', 'processed', 'failed', 'reversed')", name="status"),
        Index("ix_payments_payouts_owner_created_at", "owner", "created_at", "id"),
        present("ix_payments_payouts_settlement_id", "settlement_id"),
        partial(
            "ix_payments_payouts_unsettled",
            "settlement_id IS NULL AND status = 'processed' AND code = 'merchant'",
            "owner",
            "mode",
            "currency",
        ),
    )
