"""Receipts and invoices to keep, as PDF files."""

from __future__ import annotations

from typing import Any

from litestar import Response

from dodeca.kernel.errors import Conflict
from dodeca.kernel.http import Access, Calling, DbRead, FromPath, get
from dodeca.products.payments import links
from dodeca.products.payments.acting import Till
from dodeca.products.payments.models import Card, Merchant, Order, Payment
from dodeca.products.payments.service import invoices


@get("/receipt/{payment_id:str}/{proof:str}/pdf", access=Access.PUBLIC)
def receipt_file(session: DbRead, call: Calling, payment_id: FromPath[str], proof: FromPath[str]) -> Response[Any]:
    """The payer's receipt. 409 while the money is not taken."""
    links.check(call.platform, payment_id, proof)
    return _receipt(session, session.get_one(Payment, payment_id))


@get("/dashboard/payments/{payment_id:str}/receipt", access=Access.MEMBER)
def merchant_receipt_file(session: DbRead, desk: Till, payment_id: FromPath[str]) -> Response[Any]:
    """The same for the merchant."""
    return _receipt(session, desk.find(session, Payment, payment_id))


def _receipt(session: DbRead, payment: Payment) -> Response[Any]:
    from dodeca.products.payments import papers  # takes 33 MB, and few ask for a receipt

    if payment.captured_at is None:
        raise Conflict("There is a receipt once the money is taken.")
    card = session.get(Card, payment.card_id) if payment.card_id else None
    shop = session.get_one(Merchant, payment.merchant_id).name
    return _file(papers.receipt(payment, shop, card), f"receipt-{payment.id}.pdf")


@get("/i/{code:str}/pdf", access=Access.PUBLIC)
def invoice_file(session: DbRead, code: FromPath[str]) -> Response[Any]:
    """An issued invoice."""
    from dodeca.products.payments import papers

    row = invoices.by_code(session, code)
    order = session.get(Order, row.order_id) if row.order_id else None
    paid = order.amount_paid if order is not None else row.amount if row.status == "paid" else 0
    shop = session.get_one(Merchant, row.merchant_id).name
    return _file(papers.invoice(row, shop, paid), f"invoice-{row.id}.pdf")


def _file(content: bytes, name: str) -> Response[Any]:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, media_type="application/pdf", headers=headers)


routes = [receipt_file, merchant_receipt_file, invoice_file]
