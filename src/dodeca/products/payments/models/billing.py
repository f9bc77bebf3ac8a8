"""Tables of what merchants ask money with: links, invoices, plans and subscriptions, QR codes, virtual accounts.

None of them moves money. Each makes an order (`source` names the kind, `source_id` the row) and is told through
`hooks` when that order is paid; what was paid is the order's `amount_paid`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model

PERIODS = ("daily", "weekly", "monthly", "yearly")


class PaymentLink(Model):
    """An address where anybody can pay an order, whole or in parts (`order.partial_payment`).

    created → partially_paid → paid; open → expired, cancelled. `code` is the last part of its short address (unique);
    `reference_id` is the merchant's own and used once (unique)."""

    __tablename__ = "payments_links"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    order_id: Mapped[str] = mapped_column(ForeignKey("payments_orders.id"), unique=True)
    code: Mapped[str] = mapped_column(unique=True)
    amount: Mapped[int]
    currency: Mapped[str]
    description: Mapped[str | None]
    reference_id: Mapped[str | None]
    customer: Mapped[dict[str, Any]] = mapped_column(default=dict)
    notify: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reminder_enable: Mapped[bool] = mapped_column(default=False)
    reminded_at: Mapped[datetime | None]
    upi_link: Mapped[bool] = mapped_column(default=False)
    callback_url: Mapped[str | None]
    callback_method: Mapped[str | None]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    status: Mapped[str] = mapped_column(default="created")
    expire_by: Mapped[datetime]
    expired_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("merchant_id", "mode", "reference_id"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('created', 'partially_paid', 'paid', 'expired', 'cancelled')", name="status"),
        Index("ix_payments_links_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        Index("ix_payments_links_status_expire_by", "status", "expire_by"),
    )


class Item(Model):
    """Something with a price that invoices and plans name. One that is used is switched off, not deleted."""

    __tablename__ = "payments_items"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    amount: Mapped[int]
    currency: Mapped[str]
    type: Mapped[str] = mapped_column(default="invoice")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("type IN ('invoice', 'plan', 'addon')", name="type"),
        Index("ix_payments_items_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )


class Plan(Model):
    """A price that recurs every `interval` periods. Never changed: subscriptions rely on it."""

    __tablename__ = "payments_plans"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    item_id: Mapped[str] = mapped_column(ForeignKey("payments_items.id"))
    period: Mapped[str]
    interval: Mapped[int]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("period IN ('daily', 'weekly', 'monthly', 'yearly')", name="period"),
        CheckConstraint('"interval" BETWEEN 1 AND 4000', name="interval"),
        Index("ix_payments_plans_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )


class TestClock(Model):
    """A moment that customers made with it live in, until it is moved forward."""

    __tablename__ = "payments_test_clocks"
    __test__ = False  # no test class, whatever its name

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"), index=True)
    now: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Subscription(Model):
    """A customer's agreement to pay a plan's price each cycle, `total_count` times.

    Cycle k begins at `anchor_at` plus k times the plan's interval, counted in `zone`: 31 January, 28 February,
    31 March. `charge_at` is when money is to be taken next; while a charge is under way `charging_invoice_id` is set.
    `credit` (minor units) is what a change of plan left over; the next invoices use it up. What is charged is `card_id`
    or `vpa`, agreed to by the first payment. `failures` counts the failed charges of the open invoice.

    created → authenticated → active ⇄ pending → halted → active; `service.states` has all moves."""

    __tablename__ = "payments_subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    plan_id: Mapped[str] = mapped_column(ForeignKey("payments_plans.id"))
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("payments_customers.id"))
    payer_account_id: Mapped[str | None] = mapped_column(index=True)
    test_clock_id: Mapped[str | None] = mapped_column(ForeignKey("payments_test_clocks.id"), index=True)
    reference: Mapped[str | None]
    code: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(default="created")
    quantity: Mapped[int] = mapped_column(default=1)
    total_count: Mapped[int]
    paid_count: Mapped[int] = mapped_column(default=0)
    zone: Mapped[str] = mapped_column(default="UTC")
    method: Mapped[str | None]
    card_id: Mapped[str | None] = mapped_column(ForeignKey("payments_cards.id"))
    vpa: Mapped[str | None]
    email: Mapped[str] = mapped_column(default="")
    contact: Mapped[str] = mapped_column(default="")
    anchor_at: Mapped[datetime | None]
    cycle: Mapped[int] = mapped_column(default=0)
    start_at: Mapped[datetime | None]
    current_start: Mapped[datetime | None]
    current_end: Mapped[datetime | None]
    charge_at: Mapped[datetime | None]
    charging_invoice_id: Mapped[str | None]
    open_invoice_id: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    auth_attempts: Mapped[int] = mapped_column(default=0)
    credit: Mapped[int] = mapped_column(default=0)
    scheduled: Mapped[dict[str, Any] | None]
    cancel_at_cycle_end: Mapped[bool] = mapped_column(default=False)
    trial_told_at: Mapped[datetime | None]
    customer_notify: Mapped[bool] = mapped_column(default=True)
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    expire_by: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("merchant_id", "mode", "reference"),
        CheckConstraint("quantity >= 1 AND total_count >= 1 AND paid_count >= 0 AND credit >= 0", name="counts"),
        CheckConstraint(
            "status IN ('created', 'authenticated', 'active', 'pending', 'halted', 'paused', 'cancelled', 'completed', "
            "'expired')",
            name="status",
        ),
        Index("ix_payments_subscriptions_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        Index(
            "ix_payments_subscriptions_charge_at",
            "charge_at",
            sqlite_where=text("charge_at IS NOT NULL"),
            postgresql_where=text("charge_at IS NOT NULL"),
        ),
    )


class Addon(Model):
    """Something charged once on top of a subscription's next invoice, which `invoice_id` then names."""

    __tablename__ = "payments_addons"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    subscription_id: Mapped[str] = mapped_column(ForeignKey("payments_subscriptions.id"), index=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("payments_items.id"))
    quantity: Mapped[int] = mapped_column(default=1)
    invoice_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("quantity >= 1", name="quantity"),
        Index("ix_payments_addons_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
    )


class Invoice(Model):
    """A bill with its lines. draft → issued → partially_paid → paid; open → cancelled, expired.

    Once issued it has an order and its lines and amount stay. A subscription has one invoice a `period_key` (unique),
    and one without (index): no cycle is billed twice."""

    __tablename__ = "payments_invoices"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    type: Mapped[str] = mapped_column(default="invoice")
    status: Mapped[str] = mapped_column(default="draft")
    code: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("payments_customers.id"))
    customer: Mapped[dict[str, Any]] = mapped_column(default=dict)
    lines: Mapped[list[Any]] = mapped_column(default=list)
    amount: Mapped[int]
    currency: Mapped[str]
    description: Mapped[str | None]
    receipt: Mapped[str | None]
    comment: Mapped[str | None]
    terms: Mapped[str | None]
    order_id: Mapped[str | None] = mapped_column(ForeignKey("payments_orders.id"), unique=True)
    payment_id: Mapped[str | None]
    subscription_id: Mapped[str | None] = mapped_column(ForeignKey("payments_subscriptions.id"))
    period_key: Mapped[str | None]
    billing_start: Mapped[datetime | None]
    billing_end: Mapped[datetime | None]
    partial_payment: Mapped[bool] = mapped_column(default=False)
    sms_notify: Mapped[bool] = mapped_column(default=True)
    email_notify: Mapped[bool] = mapped_column(default=True)
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    date: Mapped[datetime | None]
    expire_by: Mapped[datetime | None]
    issued_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    expired_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("subscription_id", "period_key"),
        Index(
            "uq_payments_invoices_without_period",
            "subscription_id",
            unique=True,
            sqlite_where=text("period_key IS NULL"),
            postgresql_where=text("period_key IS NULL"),
        ),
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint(
            "status IN ('draft', 'issued', 'partially_paid', 'paid', 'cancelled', 'expired')", name="status"
        ),
        Index("ix_payments_invoices_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        Index("ix_payments_invoices_status_expire_by", "status", "expire_by"),
    )


class QrCode(Model):
    """A picture that leads a payer's app here. One for single use is closed by its first payment."""

    __tablename__ = "payments_qr_codes"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    code: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    usage: Mapped[str]
    name: Mapped[str | None]
    description: Mapped[str | None]
    fixed_amount: Mapped[bool] = mapped_column(default=False)
    payment_amount: Mapped[int | None]
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("payments_customers.id"))
    tax_invoice: Mapped[dict[str, Any] | None]
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    status: Mapped[str] = mapped_column(default="active")
    received_amount: Mapped[int] = mapped_column(default=0)
    received_count: Mapped[int] = mapped_column(default=0)
    close_by: Mapped[datetime | None]
    close_reason: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("status IN ('active', 'closed')", name="status"),
        CheckConstraint("usage IN ('single_use', 'multiple_use')", name="usage"),
        Index("ix_payments_qr_codes_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        Index("ix_payments_qr_codes_status_close_by", "status", "close_by"),
    )


class VirtualAccount(Model):
    """Bank account numbers that a merchant gives to one payer, so that transfers to them say whose they are.

    `receivers` holds them as clients see them; `account_number` is the bank account's (unique)."""

    __tablename__ = "payments_virtual_accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(ForeignKey("payments_merchants.id"))
    mode: Mapped[str]
    account_number: Mapped[str] = mapped_column(unique=True)
    vpa: Mapped[str | None]
    name: Mapped[str]
    description: Mapped[str | None]
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("payments_customers.id"))
    amount_expected: Mapped[int | None]
    amount_paid: Mapped[int] = mapped_column(default=0)
    receivers: Mapped[list[Any]] = mapped_column(default=list)
    allowed_payers: Mapped[list[Any]] = mapped_column(default=list)
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    status: Mapped[str] = mapped_column(default="active")
    close_by: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("status IN ('active', 'closed')", name="status"),
        Index("ix_payments_virtual_accounts_merchant_id_created_at", "merchant_id", "mode", "created_at", "id"),
        Index("ix_payments_virtual_accounts_status_close_by", "status", "close_by"),
    )
