"""Receipts and invoices as PDF files.

They use the fonts that every PDF reader has, so amounts are written with the currency's code, and a letter that Western
European text lacks is shown as a question mark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from dodeca.kernel.money import decimal_text
from dodeca.products.payments.models import Card, Invoice, Payment

MARGIN = 20
LINE = 8
"""Millimetres."""


def receipt(payment: Payment, shop: str, card: Card | None) -> bytes:
    """What was paid to whom, when, with what."""
    paper = _Paper("Receipt", shop, payment.mode)
    means = f"{card.network} ending in {card.last4}" if card is not None else payment.method.replace("_", " ")
    paper.facts(
        [
            ("Payment", payment.id),
            ("Order", payment.order_id or ""),
            ("Paid on", _day(payment.captured_at)),
            ("Paid by", payment.name or payment.email),
            ("With", means),
            ("For", payment.description or ""),
        ]
    )
    rows = [("Paid", payment.amount)]
    if payment.amount_refunded:
        rows += [("Given back", -payment.amount_refunded), ("Kept", payment.amount - payment.amount_refunded)]
    paper.sums(rows, payment.currency)
    return paper.finished()


def invoice(row: Invoice, shop: str, paid: int) -> bytes:
    """What is owed for what; `paid` minor units of it are paid."""
    paper = _Paper("Invoice", shop, row.mode)
    paper.facts(
        [
            ("Invoice", row.receipt or row.id),
            ("Date", _day(row.date or row.issued_at)),
            ("Due", _day(row.expire_by)),
            ("To", str(row.customer.get("name") or row.customer.get("email") or "")),
            ("For", row.description or ""),
            ("Terms", row.terms or ""),
        ]
    )
    lines = [(f"{line['quantity']} x {line['name']}", line["amount"] * line["quantity"]) for line in row.lines]
    paper.sums([*lines, ("Total", row.amount), ("Paid", paid), ("Due", row.amount - paid)], row.currency)
    return paper.finished()


def _day(moment: datetime | None) -> str:
    return f"{moment:%d %B %Y}" if moment is not None else ""


def _plain(text: str) -> str:
    return text.encode("cp1252", "replace").decode("cp1252")


class _Paper:
    """One A4 page, from top to bottom."""

    def __init__(self, title: str, shop: str, mode: str) -> None:
        self._pdf = FPDF(format="A4")
        self._pdf.set_margins(MARGIN, MARGIN)
        self._pdf.set_title(f"{title}: {_plain(shop)}")
        self._pdf.add_page()
        self._line(title, size=22, bold=True)
        self._line(shop, size=14)
        if mode == "test":
            self._line("This is test money: nothing was paid.", size=10)
        self._pdf.ln(LINE)

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Names and values; those without value are left out."""
        for name, value in facts:
            if value:
                self._pdf.set_font("Helvetica", "", 11)
                self._pdf.cell(40, LINE, _plain(name))
                self._pdf.multi_cell(0, LINE, _plain(value), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self._pdf.ln(LINE)

    def sums(self, rows: Sequence[tuple[str, int]], currency: str) -> None:
        """Amounts in minor units, right-aligned; the last is what counts."""
        for place, (name, amount) in enumerate(rows, 1):
            self._pdf.set_font("Helvetica", "B" if place == len(rows) else "", 11)
            self._pdf.cell(120, LINE, _plain(name), border="T")
            text = f"{currency} {decimal_text(amount, currency)}"
            self._pdf.cell(0, LINE, text, border="T", align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def finished(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())

    def _line(self, text: str, *, size: int, bold: bool = False) -> None:
        self._pdf.set_font("Helvetica", "B" if bold else "", size)
        self._pdf.multi_cell(0, size * 0.5, _plain(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
