"""Invoices: drafted, issued with an order, paid at their own page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from dodeca.kernel import clock, mail
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.ids import random_base62
from dodeca.kernel.money import MOST_MINOR_UNITS, check_currency, formatted
from dodeca.products.payments import billing_entities, entities, hooks, ids, outside
from dodeca.products.payments.models import Customer, Invoice, Item, Order, Payment
from dodeca.products.payments.service import events, orders, states
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.inputs import amount_of, flag_of, notes_of, number_of, text_of
from dodeca.products.payments.service.orders import OrderRequest
from dodeca.products.payments.service.payment_links import moment_of, person_of

MOST_LINES = 50
OPEN = ("issued", "partially_paid")
ADDRESS = ("line1", "line2", "city", "zipcode", "state", "country", "contact", "name", "tag", "landmark")


def create(session: WriteSession, desk: Desk, values: Mapping[str, Any], *, source: str = "invoice") -> Invoice:
    """Make an invoice, issued unless `draft` is 1; `source` is its order's. Raises Invalid, NotFound."""
    kind = str(values.get("type") or "invoice")
    if kind not in ("invoice", "link"):
        raise Invalid("The type is invoice or link.", field="type")
    row = Invoice(
        id=ids.new("inv"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        type=kind,
        status="draft",
        code=random_base62(8),
        amount=0,
        currency="INR",
        created_at=clock.now(),
    )
    _fill(session, desk, row, {"email_notify": True, "sms_notify": True, **values})
    session.add(row)
    session.flush()
    if not flag_of(values.get("draft"), "draft"):
        issue(session, desk, row, source=source)
    return row


def _fill(session: WriteSession, desk: Desk, row: Invoice, values: Mapping[str, Any]) -> None:
    """Take what is given into a draft."""
    if "currency" in values:
        row.currency = check_currency(str(values["currency"] or "INR"))
    for name, longest in (("description", 2048), ("receipt", 40), ("comment", 2048), ("terms", 2048)):
        if name in values:
            setattr(row, name, text_of(values[name], name, longest))
    for name in ("partial_payment", "sms_notify", "email_notify"):
        if name in values:
            setattr(row, name, flag_of(values[name], name, default=name != "partial_payment"))
    if "customer_id" in values or "customer" in values:
        _bill_to(session, desk, row, values)
    if "notes" in values:
        row.notes = notes_of(values["notes"])
    if "expire_by" in values:
        row.expire_by = moment_of(values["expire_by"], "expire_by")
    if values.get("date"):
        row.date = datetime.fromtimestamp(number_of(values["date"], "date", 0, 2**33) or 0, UTC)
    if "line_items" in values or "amount" in values:
        row.lines = lines_of(session, desk, row, values)
        row.amount = sum(line["amount"] * line["quantity"] for line in row.lines)
    if row.amount > MOST_MINOR_UNITS:
        raise Invalid("The amount exceeds the maximum amount allowed.", field="amount")


def _bill_to(session: ReadSession, desk: Desk, row: Invoice, values: Mapping[str, Any]) -> None:
    wanted = text_of(values.get("customer_id"), "customer_id", 40)
    if wanted is not None:
        customer = desk.find(session, Customer, wanted)
        row.customer_id = customer.id
        row.customer = {"name": customer.name or "", "email": customer.email, "contact": customer.contact}
    else:
        given = values.get("customer")
        row.customer_id, row.customer = None, {**person_of(given), **_whereabouts(given)}


def _whereabouts(raw: object) -> dict[str, Any]:
    """The addresses of a customer that is not kept as one, and its tax number. Raises Invalid."""
    given = raw if isinstance(raw, Mapping) else {}
    found: dict[str, Any] = {}
    if given.get("gstin"):
        found["gstin"] = text_of(given["gstin"], "customer[gstin]", 20)
    for kind in ("billing_address", "shipping_address"):
        address = given.get(kind)
        if isinstance(address, Mapping) and address:
            parts = {name: text_of(address.get(name), f"customer[{kind}][{name}]", 255) for name in ADDRESS}
            found[kind] = {"id": ids.new("addr"), "type": kind, "primary": True, **parts}
        elif address:
            raise Invalid(f"The {kind} is an object.", field=f"customer[{kind}]")
    return found


def lines_of(session: ReadSession, desk: Desk, row: Invoice, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines of a request: of kept items or written out. A bare amount is one line. Raises Invalid, NotFound."""
    given = values.get("line_items")
    if isinstance(given, Mapping):  # a form's line_items[0][name]
        given = [given[key] for key in sorted(given, key=lambda k: (len(k), k))]
    if not given:
        if values.get("amount") is None:
            raise Invalid("The line_items field is required.", field="line_items")
        amount = amount_of(values["amount"], row.currency)
        return [_line(row.description or "Amount due", None, amount, row.currency, 1, None)]
    if not isinstance(given, list) or len(given) > MOST_LINES:
        raise Invalid(f"An invoice has 1 to {MOST_LINES} lines.", field="line_items")
    return [_line_of(session, desk, row, raw) for raw in given]


def _line_of(session: ReadSession, desk: Desk, row: Invoice, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise Invalid("A line item is an object.", field="line_items")
    known = next((line for line in row.lines or () if line["id"] == raw.get("id")), None)
    if known is not None:  # changing a draft: what is not given stays
        raw = {**known, **raw}
    quantity = number_of(raw.get("quantity") or 1, "quantity", 1, 10**6) or 1
    item_id = text_of(raw.get("item_id"), "item_id", 40)
    item = desk.find(session, Item, item_id) if item_id else None
    if item is not None and item.currency != row.currency:
        raise Invalid("The item's currency is not the invoice's.", field="currency")
    name = text_of(raw.get("name"), "name", 512) or (item.name if item else None)
    if name is None:
        raise Invalid("The name of a line item is required.", field="name")
    price = raw.get("amount", item.amount if item else None)
    described = text_of(raw.get("description"), "description", 2048) or (item.description if item else None)
    made = _line(name, described, amount_of(price, row.currency), row.currency, quantity, item_id)
    return made if known is None else {**made, "id": known["id"]}


def _line(
    name: str, description: str | None, amount: int, currency: str, quantity: int, item_id: str | None
) -> dict[str, Any]:
    return {
        "id": ids.new("li"),
        "item_id": item_id,
        "name": name,
        "description": description,
        "amount": amount,
        "currency": currency,
        "quantity": quantity,
    }


def line(name: str, amount: int, currency: str, quantity: int = 1) -> dict[str, Any]:
    """A line that the platform writes itself."""
    return _line(name, None, amount, currency, quantity, None)


def edit(session: WriteSession, desk: Desk, row: Invoice, values: Mapping[str, Any]) -> Invoice:
    """Change a draft; of an issued one only the notes, the comment and how it may be paid. Raises Conflict, Invalid."""
    if row.status == "draft":
        _fill(session, desk, row, values)
        session.flush()
        return row
    if row.status not in OPEN:
        raise Conflict(f"This invoice is {row.status}, so it cannot be changed.", field="id")
    allowed = {"notes", "comment", "receipt", "terms", "expire_by", "partial_payment"}
    if set(values) - allowed:
        raise Invalid("An issued invoice keeps its customer, lines and amount.", field=min(set(values) - allowed))
    _fill(session, desk, row, values)
    order = session.get_one_locked(Order, row.order_id)
    order.partial_payment, order.expires_at = row.partial_payment, row.expire_by
    return row


def issue(session: WriteSession, desk: Desk, row: Invoice, *, source: str = "invoice", told: bool = True) -> Order:
    """Make it payable. Raises Conflict, Invalid."""
    states.check("invoice", row.status, "issued")
    if not row.lines:
        raise Invalid("The line_items field is required.", field="line_items")
    order = orders.create(
        session,
        desk,
        OrderRequest(
            amount=amount_of(row.amount, row.currency),
            currency=row.currency,
            receipt=row.receipt,
            description=row.description or row.lines[0]["name"],
            capture="automatic",
            partial_payment=row.partial_payment,
            customer_id=row.customer_id,
            source=source,
            source_id=row.id,
            expires_at=row.expire_by,
        ),
    )
    row.order_id = order.id
    states.move("invoice", row, "issued")
    row.issued_at = clock.now()
    session.flush()
    if told:
        send(session, desk, row)
    return order


def send(session: WriteSession, desk: Desk, row: Invoice) -> None:
    """Mail the invoice where it has an address and mail is wanted."""
    if row.email_notify and row.customer.get("email"):
        address = outside.address(f"/payments/i/{row.code}")
        mail.send(
            session,
            to=row.customer["email"],
            subject=f"Invoice from {desk.merchant.name}: {formatted(row.amount, row.currency)}"[:150],
            text=f"{desk.merchant.name} sends you an invoice over {formatted(row.amount, row.currency)}.\n\n"
            + "\n".join(f"{x['quantity']} × {x['name']}: {formatted(x['amount'], row.currency)}" for x in row.lines)
            + f"\n\nPay here: {address}\n",
            key=f"invoice:{row.id}",
        )


def cancel(session: WriteSession, desk: Desk, row: Invoice) -> Invoice:
    """Nobody can pay it any more. Raises Conflict."""
    states.move("invoice", row, "cancelled")
    row.cancelled_at = clock.now()
    _close_order(session, row)
    return row


def _close_order(session: WriteSession, row: Invoice) -> None:
    if row.order_id is not None:
        session.get_one_locked(Order, row.order_id).expires_at = clock.now()


def delete(session: WriteSession, row: Invoice) -> None:
    """Remove a draft. Raises Conflict for any other."""
    if row.status != "draft":
        raise Conflict("Only a draft can be deleted.", field="id")
    session.delete(row)


def expire(session: WriteSession, limit: int = 100) -> int:
    """Close what nobody paid in time; gives how many."""
    due = select(Invoice).where(Invoice.status.in_(OPEN), Invoice.expire_by <= clock.now()).limit(limit)
    rows = list(session.scalars(due.with_for_update(skip_locked=True)))
    for row in rows:
        desk = desk_by_id(session, row.merchant_id, row.mode)
        states.move("invoice", row, "expired")
        row.expired_at = clock.now()
        _close_order(session, row)
        session.flush()
        events.emit(session, desk, "invoice.expired", {"invoice": shown(session, row)})
    return len(rows)


def by_code(session: ReadSession, code: str) -> Invoice:
    """The invoice of a short address. Raises NotFound."""
    row = session.scalar(select(Invoice).where(Invoice.code == code))
    if row is None or row.order_id is None:
        raise NotFound("There is no such invoice.")
    return row


def shown(session: ReadSession, row: Invoice) -> dict[str, Any]:
    """The invoice as clients see it."""
    order = session.get(Order, row.order_id) if row.order_id else None
    return billing_entities.invoice(row, order)


def mark_paid(session: WriteSession, desk: Desk, row: Invoice, order: Order | None, payment: Payment | None) -> None:
    """Note a payment; tell when the whole is paid."""
    whole = order is None or order.status == "paid"
    status = "paid" if whole else "partially_paid"
    if row.status != status:
        states.move("invoice", row, status)
    if payment is not None:
        row.payment_id = payment.id
    if not whole:
        return
    row.paid_at = clock.now()
    session.flush()
    told: dict[str, Any] = {}
    if payment is not None and order is not None:
        told = {"payment": entities.payment(payment), "order": entities.order(order)}
    events.emit(session, desk, "invoice.paid", {**told, "invoice": shown(session, row)})


def _captured(session: WriteSession, desk: Desk, order: Order, payment: Payment) -> None:
    row = session.get_locked(Invoice, order.source_id)
    if row is not None and row.status in OPEN:
        payment.invoice_id = row.id
        mark_paid(session, desk, row, order, payment)


hooks.on_captured["invoice"] = hooks.on_captured[orders.REGISTRATION] = _captured
