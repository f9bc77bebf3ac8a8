"""Taking subscriptions' money: the first payment, each cycle's, and what follows when one fails.

A charge is an invoice and an order first; how its payment ends is told by hooks, whether at once, by an inquiry after a
crash, or by the payer at the invoice's page. So no cycle is charged twice, and none is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select

from dodeca.kernel import clock, mail
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict
from dodeca.kernel.ids import random_base62
from dodeca.kernel.money import formatted
from dodeca.products.payments import entities, hooks, ids, outside
from dodeca.products.payments.models import Customer, Invoice, Order, Payment, Subscription, TestClock
from dodeca.products.payments.service import cycles, invoices, states, subscriptions
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.inputs import LEAST
from dodeca.products.payments.service.paying import PayRequest
from dodeca.products.payments.service.steps import PURSE, Step
from dodeca.products.payments.service.subscriptions import Terms, locked, now_of, tell, terms_of

RETRY_DAYS = (1, 2, 3)
"""Days after the charge was due on which a failed one is tried again; then the subscription is halted."""
AUTHENTICATION_AMOUNT = 100
"""What a subscription that starts later is agreed to with: taken and set free at once."""
TRIAL_TOLD = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class First:
    """What the payer pays to agree: an order, or (None) an amount that is set free again."""

    subscription_id: str
    order_id: str | None
    invoice_id: str | None
    amount: int
    currency: str


def prepare_first(session: WriteSession, subscription_id: str) -> First:
    """The first payment of a subscription; the same one however often it is asked for. Raises Conflict, NotFound."""
    row = locked(session, subscription_id)
    desk = desk_by_id(session, row.merchant_id, row.mode)
    now = now_of(session, row)
    if row.status not in ("created", "pending", "halted"):
        raise Conflict(f"This subscription is {row.status} already.", field="subscription_id")
    if row.expire_by is not None and row.expire_by <= now:
        raise Conflict("This subscription has expired.", field="subscription_id")
    terms = terms_of(session, row)
    currency = terms.item.currency
    if row.open_invoice_id is None:
        if row.start_at is not None and row.start_at > now:
            extra = [invoices.line(i.name, i.amount, currency, a.quantity) for a, i in _waiting(session, row)]
            if not extra:
                return First(row.id, None, None, max(AUTHENTICATION_AMOUNT, LEAST.get(currency, 1)), currency)
            _invoice(session, desk, row, terms, "upfront", extra, None, None)
        else:
            _cycle_invoice(session, desk, row, terms, row.start_at or now)
    invoice = session.get_one(Invoice, row.open_invoice_id)
    return First(row.id, invoice.order_id, invoice.id, invoice.amount, currency)


def first_amount(session: ReadSession, row: Subscription) -> tuple[int, str]:
    """What `prepare_first` will ask for, and its currency."""
    terms, now = terms_of(session, row), now_of(session, row)
    currency = terms.item.currency
    if row.open_invoice_id is not None:
        return session.get_one(Invoice, row.open_invoice_id).amount, currency
    extra = sum(item.amount * addon.quantity for addon, item in _waiting(session, row))
    if row.start_at is not None and row.start_at > now:
        return extra or max(AUTHENTICATION_AMOUNT, LEAST.get(currency, 1)), currency
    return max(0, terms.total + extra - row.credit), currency


def _waiting(session: ReadSession, row: Subscription) -> list[Any]:
    return subscriptions.waiting_addons(session, row)


def _cycle_invoice(session: WriteSession, desk: Desk, row: Subscription, terms: Terms, start: datetime) -> Invoice:
    """The bill of the cycle that begins at `start`, with waiting add-ons and less the credit."""
    plan = terms.plan
    if row.anchor_at is None:
        row.anchor_at, row.cycle = start, 0
    begin = cycles.boundary(row.anchor_at, plan.period, plan.interval, row.cycle, row.zone)
    end = cycles.boundary(row.anchor_at, plan.period, plan.interval, row.cycle + 1, row.zone)
    lines = [invoices.line(terms.item.name, terms.item.amount, terms.item.currency, terms.quantity)]
    lines += [invoices.line(i.name, i.amount, i.currency, a.quantity) for a, i in _waiting(session, row)]
    return _invoice(session, desk, row, terms, f"cycle:{clock.rfc3339(begin)}", lines, begin, end)


def _invoice(
    session: WriteSession,
    desk: Desk,
    row: Subscription,
    terms: Terms,
    key: str,
    lines: list[dict[str, Any]],
    begin: datetime | None,
    end: datetime | None,
) -> Invoice:
    currency = terms.item.currency
    gross = sum(x["amount"] * x["quantity"] for x in lines)
    used = min(row.credit, gross)
    if 0 < gross - used < LEAST.get(currency, 1):  # too little to charge: the credit waits for the next one
        used = max(0, gross - LEAST.get(currency, 1))
    row.credit -= used
    if used:
        lines = [*lines, invoices.line("Credit of your change of plan", -used, currency)]
    customer = session.get(Customer, row.customer_id) if row.customer_id else None
    name = customer.name or "" if customer else ""
    invoice = Invoice(
        id=ids.new("inv"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        type="invoice",
        status="draft",
        code=random_base62(8),
        customer_id=row.customer_id,
        customer={"name": name, "email": row.email, "contact": row.contact},
        lines=lines,
        amount=gross - used,
        currency=currency,
        description=terms.item.name,
        subscription_id=row.id,
        period_key=key,
        billing_start=begin,
        billing_end=end,
        email_notify=False,
        sms_notify=False,
        created_at=now_of(session, row),
    )
    session.add(invoice)
    session.flush()
    for addon, _item in _waiting(session, row):
        addon.invoice_id = invoice.id
    row.open_invoice_id = invoice.id
    if invoice.amount:
        invoices.issue(session, desk, invoice, source="subscription", told=False)
    session.flush()
    return invoice


def due(session: ReadSession, clock_id: str | None = None, limit: int = 200) -> list[str]:
    """Subscriptions whose time has come: all of the platform's clock, or those of a test clock."""
    now, same = _present(session, clock_id)
    wanted = select(Subscription.id).where(
        same,
        Subscription.charge_at <= now,
        Subscription.charging_invoice_id.is_(None),
        Subscription.status.in_(("authenticated", "active", "pending")),
    )
    return list(session.scalars(wanted.order_by(Subscription.charge_at, Subscription.id).limit(limit)))


def _present(session: ReadSession, clock_id: str | None) -> tuple[datetime, ColumnElement[bool]]:
    """The time of the platform's clock or of a test clock, and which subscriptions live by it."""
    if clock_id is None:
        return clock.now(), Subscription.test_clock_id.is_(None)
    return session.get_one(TestClock, clock_id).now, Subscription.test_clock_id == clock_id


def begin_charge(session: WriteSession, subscription_id: str) -> Step | None:
    """Start what is due for a subscription: its end, its change, its bill. None where no acquirer is to be asked."""
    from dodeca.products.payments.service import paying

    row = locked(session, subscription_id)
    now = now_of(session, row)
    waits = row.charging_invoice_id is not None or row.charge_at is None or row.charge_at > now
    if waits or row.charge_at is None or row.status not in ("authenticated", "active", "pending"):
        return None
    desk = desk_by_id(session, row.merchant_id, row.mode)
    if row.cancel_at_cycle_end:
        subscriptions.cancel(session, desk, row)
        return None
    if row.scheduled and row.open_invoice_id is None:
        _apply_scheduled(session, desk, row)
    if row.open_invoice_id is None:
        invoice = _cycle_invoice(session, desk, row, terms_of(session, row), row.charge_at)
    else:
        invoice = session.get_one(Invoice, row.open_invoice_id)
    if not invoice.amount:
        states.move("invoice", invoice, "issued")
        invoices.mark_paid(session, desk, invoice, None, None)
        _paid(session, desk, row, invoice, None)
        return None
    row.charging_invoice_id = invoice.id
    session.flush()
    request = PayRequest(
        amount=invoice.amount,
        currency=invoice.currency,
        method=row.method or "card",
        order_id=invoice.order_id,
        customer_id=row.customer_id,
        kept_card_id=row.card_id,
        vpa=row.vpa,
        wallet=PURSE if row.method == "wallet" else None,
        email=row.email,
        contact=row.contact,
        recurring=True,
        capture=True,
        payer_account_id=row.payer_account_id,
        invoice_id=invoice.id,
        subscription_id=row.id,
    )
    return paying.begin(session, desk, request)


def _apply_scheduled(session: WriteSession, desk: Desk, row: Subscription) -> None:
    """A change at the end of the cycle: the next cycle begins with it, in the new rhythm where that differs."""
    start, old = row.charge_at, terms_of(session, row).plan
    change = row.scheduled or {}
    row.current_start, row.current_end, kept = None, None, (row.current_start, row.current_end)
    subscriptions.apply_change(session, row, change, now_of(session, row))
    row.current_start, row.current_end = kept
    new = terms_of(session, row).plan
    if (old.period, old.interval) != (new.period, new.interval):
        row.anchor_at, row.cycle = start, 0
    tell(session, desk, row, "updated")


def change_now(session: WriteSession, desk: Desk, row: Subscription, values: Any) -> None:
    """Change a subscription; what is due for the rest of the running cycle becomes an add-on of the next invoice.

    Raises what `subscriptions.edit` does."""
    before = row.credit
    terms = terms_of(session, row)
    if str(values.get("schedule_change_at") or "now") == "now" and row.status == "active":
        change = subscriptions.change_of(session, desk, row, values)
        owed = subscriptions.apply_change(session, row, change, now_of(session, row)) if change else 0
        if owed:
            item = {"name": f"{terms_of(session, row).item.name}: rest of this cycle", "amount": owed}
            item["currency"] = terms.item.currency
            subscriptions.add_addon(session, desk, row, {"item": item, "quantity": 1})
        if change or before != row.credit:
            tell(session, desk, row, "updated")
        return
    subscriptions.edit(session, desk, row, values)


# What becomes of payments


def _captured(session: WriteSession, desk: Desk, order: Order, payment: Payment) -> None:
    invoice = session.get_one_locked(Invoice, order.source_id)
    if invoice.subscription_id is None or invoice.status not in ("issued", "partially_paid"):
        return
    payment.invoice_id, payment.subscription_id = invoice.id, invoice.subscription_id
    invoices.mark_paid(session, desk, invoice, order, payment)
    if invoice.status == "paid":
        _paid(session, desk, locked(session, invoice.subscription_id), invoice, payment)


def _paid(session: WriteSession, desk: Desk, row: Subscription, invoice: Invoice, payment: Payment | None) -> None:
    if payment is not None and not payment.recurring:
        _agree(row, payment)
    if row.charging_invoice_id == invoice.id:
        row.charging_invoice_id = None
    if row.open_invoice_id == invoice.id:
        row.open_invoice_id = None
    row.failures = 0
    if row.status in ("cancelled", "completed", "expired"):
        return
    if row.status == "created":
        states.move("subscription", row, "authenticated")
        tell(session, desk, row, "authenticated")
    if invoice.period_key is None or not invoice.period_key.startswith("cycle:"):
        return
    row.paid_count += 1
    row.cycle += 1
    row.current_start, row.current_end = invoice.billing_start, invoice.billing_end
    began, was_halted = row.status != "active", row.status == "halted"
    if began:
        states.move("subscription", row, "active")
    subscriptions.schedule_next(session, row, skip=was_halted)
    if began:
        tell(session, desk, row, "activated")
    tell(session, desk, row, "charged", **({"payment": entities.payment(payment)} if payment is not None else {}))
    if row.paid_count >= row.total_count:
        states.move("subscription", row, "completed")
        row.charge_at, row.ended_at = None, now_of(session, row)
        tell(session, desk, row, "completed")
    elif row.cancel_at_cycle_end:
        row.charge_at = row.current_end


def _agree(row: Subscription, payment: Payment) -> None:
    """Charge from now on what this payment was made with."""
    row.method, row.card_id, row.vpa = payment.method, payment.card_id, payment.vpa
    row.payer_account_id = row.payer_account_id or payment.payer_account_id
    row.email, row.contact = row.email or payment.email, row.contact or payment.contact


def _failed(session: WriteSession, desk: Desk, order: Order, payment: Payment) -> None:
    if payment.subscription_id is None:
        return
    row = locked(session, payment.subscription_id)
    if not payment.recurring:
        row.auth_attempts += 1
        return
    if row.charging_invoice_id is None or row.charging_invoice_id != payment.invoice_id:
        return
    invoice = session.get_one(Invoice, row.charging_invoice_id)
    row.charging_invoice_id = None
    row.failures += 1
    if row.status not in ("authenticated", "active", "pending"):
        return
    if row.status != "pending":
        states.move("subscription", row, "pending")
        tell(session, desk, row, "pending")
    wanted_at = invoice.billing_start or invoice.created_at
    if row.failures <= len(RETRY_DAYS):
        row.charge_at = wanted_at + timedelta(days=RETRY_DAYS[row.failures - 1])
    else:
        row.charge_at = None
        states.move("subscription", row, "halted")
        tell(session, desk, row, "halted")
    _mail_failure(session, desk, row, invoice, payment)


def _mail_failure(session: WriteSession, desk: Desk, row: Subscription, invoice: Invoice, payment: Payment) -> None:
    if not (row.email and row.customer_notify):
        return
    total = formatted(invoice.amount, invoice.currency)
    why = (payment.error or {}).get("description", "")
    mail.send(
        session,
        to=row.email,
        subject=f"{desk.merchant.name}: a payment of {total} failed"[:150],
        text=f"We could not take {total} for {invoice.description}. {why}\n\n"
        f"Pay it with another card: {outside.address(f'/payments/i/{invoice.code}')}\n",
        key=f"failed:{payment.id}",
    )


def _authorised(session: WriteSession, desk: Desk, payment: Payment) -> None:
    """The payment that a later start is agreed to with; it is voided after this."""
    if payment.subscription_id is None:
        return
    row = locked(session, payment.subscription_id)
    _agree(row, payment)
    if row.status == "created":
        states.move("subscription", row, "authenticated")
        row.charge_at = row.start_at
        tell(session, desk, row, "authenticated")


def tell_trial_ends(session: WriteSession, clock_id: str | None = None, limit: int = 100) -> int:
    """Mail those whose first charge is three days away, once, before it is taken; gives how many."""
    now, same = _present(session, clock_id)
    soon = (
        select(Subscription)
        .where(
            same,
            Subscription.status == "authenticated",
            Subscription.trial_told_at.is_(None),
            Subscription.charge_at <= now + TRIAL_TOLD,
        )
        .limit(limit)
    )
    rows = list(session.scalars(soon.with_for_update(skip_locked=True)))
    for row in rows:
        row.trial_told_at = now
        if row.email and row.customer_notify and row.charge_at is not None:
            terms, desk = terms_of(session, row), desk_by_id(session, row.merchant_id, row.mode)
            total = formatted(terms.total, terms.item.currency)
            mail.send(
                session,
                to=row.email,
                subject=f"{desk.merchant.name}: {total} on {row.charge_at:%d %B %Y}"[:150],
                text=f"Your subscription of {terms.item.name} begins on {row.charge_at:%d %B %Y}. We then take {total}."
                f"\n\nSee or cancel it: {outside.address('/payments/')}\n",
                key=f"trial:{row.id}",
            )
    return len(rows)


def expire(session: WriteSession, clock_id: str | None = None, limit: int = 100) -> int:
    """End what nobody agreed to in time; gives how many."""
    now, same = _present(session, clock_id)
    old = select(Subscription).where(same, Subscription.status == "created", Subscription.expire_by <= now)
    rows = list(session.scalars(old.limit(limit).with_for_update(skip_locked=True)))
    for row in rows:
        states.move("subscription", row, "expired")
        row.ended_at = now
    return len(rows)


hooks.on_captured["subscription"] = _captured
hooks.on_failed["subscription"] = _failed
hooks.on_authorised["subscription"] = _authorised
