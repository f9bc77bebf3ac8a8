"""QR codes and virtual accounts: money that comes without somebody at a checkout."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, func, literal_column, select

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.ids import random_base62
from dodeca.products.payments import billing_entities, entities, hooks, ids
from dodeca.products.payments.models import Customer, Order, Payment, QrCode, VirtualAccount
from dodeca.products.payments.service import attempts, events, orders
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.inputs import (
    account_number_of,
    amount_of,
    flag_of,
    ifsc_of,
    notes_of,
    number_of,
    text_of,
)
from dodeca.products.payments.service.orders import OrderRequest
from dodeca.products.payments.service.steps import BANK, Work

BANK_IFSC, BANK_NAME = "DODE0000001", "Dodeca Simulated Bank"
MOST_PAYERS = 10


# QR codes


def create_qr(session: WriteSession, desk: Desk, values: Mapping[str, Any]) -> QrCode:
    """Make a QR code. Raises Invalid, NotFound."""
    kind, usage = str(values.get("type") or ""), str(values.get("usage") or "")
    if kind not in ("upi_qr", "bharat_qr"):
        raise Invalid("The type is upi_qr or bharat_qr.", field="type")
    if usage not in ("single_use", "multiple_use"):
        raise Invalid("The usage is single_use or multiple_use.", field="usage")
    fixed = flag_of(values.get("fixed_amount"), "fixed_amount")
    amount = amount_of(values.get("payment_amount"), "INR", field="payment_amount") if fixed else None
    invoice = values.get("tax_invoice")
    row = QrCode(
        id=ids.new("qr"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        code=random_base62(10),
        type=kind,
        usage=usage,
        name=text_of(values.get("name"), "name", 100),
        description=text_of(values.get("description"), "description", 2048),
        fixed_amount=fixed,
        payment_amount=amount,
        customer_id=_customer(session, desk, values),
        tax_invoice={str(k)[:40]: text_of(str(v), "tax_invoice", 100) for k, v in list(invoice.items())[:12]}
        if isinstance(invoice, Mapping)
        else None,
        notes=notes_of(values.get("notes")),
        status="active",
        received_amount=0,
        received_count=0,
        close_by=_later(values.get("close_by")),
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return row


def _customer(session: ReadSession, desk: Desk, values: Mapping[str, Any]) -> str | None:
    wanted = text_of(values.get("customer_id"), "customer_id", 40)
    return desk.find(session, Customer, wanted).id if wanted else None


def _later(raw: object) -> datetime | None:
    value = number_of(raw, "close_by", 0, 2**33)
    found = datetime.fromtimestamp(value, UTC) if value else None
    if found is not None and found <= clock.now():
        raise Invalid("close_by should be in the future.", field="close_by")
    return found


def close_qr(session: WriteSession, row: QrCode, reason: str = "on_demand") -> QrCode:
    """Take nothing more with it. Raises Conflict."""
    if row.status == "closed":
        raise Conflict("This QR code is closed already.", field="id")
    row.status, row.close_reason, row.closed_at = "closed", reason, clock.now()
    session.flush()
    return row


def qr_by_code(session: ReadSession, code: str) -> QrCode:
    """The QR code of an address. Raises NotFound."""
    row = session.scalar(select(QrCode).where(QrCode.code == code))
    if row is None:
        raise NotFound("There is no such QR code.")
    return row


def qr_order(session: WriteSession, row: QrCode, amount: int | None) -> Order:
    """An order for what somebody pays with a code. Raises Conflict, Invalid."""
    if row.status != "active":
        raise Conflict("This QR code is closed.")
    wanted = row.payment_amount if row.fixed_amount else amount
    if wanted is None:
        raise Invalid("The amount is missing.", field="amount")
    request = OrderRequest(
        amount=amount_of(wanted, "INR"),
        currency="INR",
        description=row.description or row.name,
        capture="automatic",
        customer_id=row.customer_id,
        source="qr_code",
        source_id=row.id,
    )
    return orders.create(session, desk_by_id(session, row.merchant_id, row.mode), request)


def _qr_takes(session: WriteSession, order: Order, payment: Payment) -> bool:
    """Not when it is closed, nor when it is for one payment and another is being captured: each has its own order."""
    row = session.get_one_locked(QrCode, order.source_id)
    if row.status != "active" or row.usage != "single_use":
        return row.status == "active"
    return _capturing_with.first(session, code_id=row.id, payment_id=payment.id) is None


_capturing_with = Prepared(
    select(Payment.id)
    .join(Order, Order.id == Payment.order_id)
    .where(
        Order.source == literal_column("'qr_code'"),
        Order.source_id == bindparam("code_id"),
        Payment.capturing_at.is_not(None),
        Payment.id != bindparam("payment_id"),
    ),
    autoflush=False,
)


def _qr_captured(session: WriteSession, desk: Desk, order: Order, payment: Payment) -> None:
    row = session.get_one_locked(QrCode, order.source_id)
    row.received_amount += payment.amount
    row.received_count += 1
    if row.usage == "single_use" and row.status == "active":
        close_qr(session, row, "paid")
    session.flush()
    told = {"payment": entities.payment(payment), "qr_code": billing_entities.qr_code(row)}
    events.emit(session, desk, "qr_code.credited", told)


# Virtual accounts


def create_account(session: WriteSession, desk: Desk, values: Mapping[str, Any]) -> VirtualAccount:
    """Make a virtual account with its receivers. Raises Invalid, NotFound."""
    wanted = values.get("receivers")
    types = _types(wanted)
    expected = values.get("amount_expected")
    number = f"2223330{secrets.randbelow(10**9):09}"
    row = VirtualAccount(
        id=ids.new("va"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        account_number=number,
        name=text_of(values.get("name"), "name", 100) or desk.merchant.name,
        description=text_of(values.get("description"), "description", 2048),
        customer_id=_customer(session, desk, values),
        amount_expected=amount_of(expected, "INR", field="amount_expected") if expected else None,
        amount_paid=0,
        receivers=[],
        allowed_payers=[],
        notes=notes_of(values.get("notes")),
        status="active",
        close_by=_later(values.get("close_by")),
        created_at=clock.now(),
    )
    given = values.get("allowed_payers") or []
    for raw in given.values() if isinstance(given, Mapping) else given:
        add_payer(row, raw)
    for kind in types:
        add_receiver(row, kind, wanted if isinstance(wanted, Mapping) else {})
    session.add(row)
    session.flush()
    return row


def _types(wanted: object) -> list[str]:
    given = wanted.get("types") if isinstance(wanted, Mapping) else None
    kinds = list(given.values()) if isinstance(given, Mapping) else given
    if not isinstance(kinds, list) or not kinds:
        raise Invalid("The receivers field is required.", field="receivers")
    if any(kind not in ("bank_account", "vpa") for kind in kinds):
        raise Invalid("A receiver is a bank_account or a vpa.", field="receivers")
    return list(dict.fromkeys(kinds))


def add_receiver(row: VirtualAccount, kind: str, values: Mapping[str, Any]) -> None:
    """Another way to pay into the account. Raises Conflict when it has it already."""
    if any(r["entity"] == kind for r in row.receivers):
        raise Conflict(f"This virtual account has a {kind.replace('_', ' ')} already.", field="types")
    if kind == "bank_account":
        made = {
            "id": ids.new("ba"),
            "entity": "bank_account",
            "ifsc": BANK_IFSC,
            "bank_name": BANK_NAME,
            "account_number": row.account_number,
            "name": row.name,
            "notes": [],
        }
    else:
        vpa = values.get("vpa")
        wish = text_of(vpa.get("descriptor"), "descriptor", 20) if isinstance(vpa, Mapping) else None
        name = f"rpy.payto{(wish or row.account_number[-9:]).lower()}"
        row.vpa = f"{name}@dodeca"
        made = {
            "id": ids.new("vpa"),
            "entity": "vpa",
            "username": name,
            "handle": "dodeca",
            "address": row.vpa,
        }
    row.receivers = [*row.receivers, made]


def add_payer(row: VirtualAccount, raw: Any) -> dict[str, Any]:
    """Take transfers from this bank account (and others so named) only. Raises Invalid."""
    account = raw.get("bank_account") if isinstance(raw, Mapping) else None
    if not isinstance(account, Mapping):
        raise Invalid("The bank_account field is required.", field="bank_account")
    if len(row.allowed_payers) >= MOST_PAYERS:
        raise Invalid(f"At most {MOST_PAYERS} allowed payers.", field="allowed_payers")
    number, ifsc = account_number_of(account.get("account_number")), ifsc_of(account.get("ifsc"))
    made = {
        "id": ids.new("ba"),
        "entity": "virtual_account_allowed_payer",
        "type": "bank_account",
        "bank_account": {"account_number": number, "ifsc": ifsc},
    }
    row.allowed_payers = [*row.allowed_payers, made]
    return made


def remove_payer(row: VirtualAccount, payer_id: str) -> None:
    """Raises NotFound."""
    left = [payer for payer in row.allowed_payers if payer["id"] != payer_id]
    if len(left) == len(row.allowed_payers):
        raise NotFound("The id provided does not exist", field="id")
    row.allowed_payers = left


def close_account(session: WriteSession, row: VirtualAccount) -> VirtualAccount:
    """Take nothing more on it. Raises Conflict."""
    if row.status == "closed":
        raise Conflict("This virtual account is closed already.", field="id")
    row.status, row.closed_at = "closed", clock.now()
    session.flush()
    return row


_credited = Prepared(
    select(Payment.id).where(
        Payment.merchant_id == bindparam("merchant_id"),
        Payment.mode == bindparam("mode"),
        Payment.acquirer == literal_column(f"'{BANK}'"),  # as the index has it
        func.coalesce(Payment.acquirer_reference, literal_column("''")) == bindparam("reference"),
    )
)


def credit(
    session: WriteSession,
    desk: Desk,
    amount: int,
    currency: str,
    *,
    reference: str,
    payer: str,
    order: Order | None = None,
    account: VirtualAccount | None = None,
    from_account: str = "",
    from_vpa: str | None = None,
) -> Payment:
    """Book a transfer that reached the bank, by UPI where it has `from_vpa`: a captured payment, for an order or a
    virtual account.

    The same `reference` gives the first payment again. Raises Conflict for an order that does not want the amount, a
    closed account, a foreign payer."""
    if order is not None:
        order = desk.lock(session, Order, order.id)  # before looking: whoever books the same transfer holds it
    known = _credited.first(session, merchant_id=desk.merchant.id, mode=desk.mode, reference=reference)
    if known is not None:
        return session.get_one(Payment, known[0])
    if account is not None:
        _check_credit(account, from_account)
        order = _order_of(session, desk, account, amount, currency)
    if order is None:
        raise Invalid("A transfer is for an order or a virtual account.", field="reference")
    payment = session.fresh(
        Payment,
        id=ids.new("pay"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        order_id=order.id,
        customer_id=order.customer_id,
        payer_account_id=order.payer_account_id,
        amount=amount,
        amount_refunded=0,
        currency=currency,
        method="upi" if from_vpa else "bank_transfer",
        vpa=from_vpa,
        status="created",
        name=payer[:100],
        description=order.description,
        risk={"score": 0, "outcome": "allow", "reasons": []},
        auto_capture=True,
        created_at=clock.now(),
    )
    _check_wanted(session, order, payment)
    order.attempts += 1
    if order.status == "created":
        order.status = "attempted"
    attempts.authorise(session, Work(desk, payment, order), BANK, reference)
    return payment


def _check_wanted(session: WriteSession, order: Order, payment: Payment) -> None:
    amount, due = payment.amount, order.amount - order.amount_paid
    is_over = orders.is_over(order) or not hooks.takes(session, order, payment)
    if order.currency != payment.currency or amount > due or is_over:
        raise Conflict("The order does not want this amount.", field="amount")
    if not order.partial_payment and amount != due:
        raise Conflict("The order is paid whole or not at all.", field="amount")


def _order_of(session: WriteSession, desk: Desk, account: VirtualAccount, amount: int, currency: str) -> Order:
    """What a transfer to a virtual account pays: an order of its amount."""
    request = OrderRequest(
        amount=amount_of(amount, currency, least=1),
        currency=currency,
        description=account.description or account.name,
        capture="automatic",
        customer_id=account.customer_id,
        source="virtual_account",
        source_id=account.id,
    )
    return orders.create(session, desk, request)


def _check_credit(account: VirtualAccount, from_account: str) -> None:
    if account.status != "active":
        raise Conflict("This virtual account is closed.", field="account_number")
    allowed = [payer["bank_account"]["account_number"] for payer in account.allowed_payers]
    if allowed and from_account not in allowed:
        raise Conflict("This virtual account takes nothing from that bank account.", field="from_account")


def account_by_vpa(session: ReadSession, desk: Desk, vpa: str) -> VirtualAccount:
    """The merchant's account that takes UPI at this address. Raises NotFound."""
    row = session.scalar(desk.owned(VirtualAccount).where(VirtualAccount.vpa == vpa).limit(1))
    if row is None:
        raise NotFound("There is no such address.", field="vpa")
    return row


def account_by_number(session: ReadSession, number: str) -> VirtualAccount:
    """Whose number it is. Raises NotFound."""
    row = session.scalar(select(VirtualAccount).where(VirtualAccount.account_number == number))
    if row is None:
        raise NotFound("There is no such account.", field="account_number")
    return row


def _account_captured(session: WriteSession, desk: Desk, order: Order, payment: Payment) -> None:
    row = session.get_one_locked(VirtualAccount, order.source_id)
    row.amount_paid += payment.amount
    session.flush()
    told = {"payment": entities.payment(payment), "virtual_account": billing_entities.virtual_account(row)}
    events.emit(session, desk, "virtual_account.credited", told)


def payments_of(session: ReadSession, desk: Desk, source: str, row_id: str) -> Any:
    """The statement of what was paid with a code or into an account."""
    mine = select(Order.id).where(Order.source == source, Order.source_id == row_id)
    return desk.owned(Payment).where(Payment.order_id.in_(mine), Payment.captured_at.is_not(None))


def expire(session: WriteSession, limit: int = 100) -> int:
    """Close what has reached its `close_by`; gives how many."""
    codes = select(QrCode).where(QrCode.status == "active", QrCode.close_by <= clock.now()).limit(limit)
    accounts = select(VirtualAccount).where(VirtualAccount.status == "active", VirtualAccount.close_by <= clock.now())
    found = list(session.scalars(codes.with_for_update(skip_locked=True)))
    for code in found:
        close_qr(session, code)
    rows = list(session.scalars(accounts.limit(limit).with_for_update(skip_locked=True)))
    for account in rows:
        close_account(session, account)
    return len(found) + len(rows)


hooks.on_captured["qr_code"] = _qr_captured
hooks.still_takes["qr_code"] = _qr_takes
hooks.on_captured["virtual_account"] = _account_captured
