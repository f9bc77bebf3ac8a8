"""SWIFT MT940 and MT942, read by the package mt-940."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import mt940

from dodeca.kernel.money import exponent
from dodeca.products.payments.service.statements.parsed import Line, Statement, Unreadable

EMPTY = ("", "NONREF", "NOTPROVIDED")


def read(raw: bytes) -> tuple[str, list[Statement]]:
    """Format and statements. Raises Unreadable."""
    text = _decoded(raw)
    try:
        found = mt940.parse_statements(text, options=mt940.Options.all())
        statements = [_statement(one) for one in found]
    except Unreadable:
        raise
    except (ValueError, RuntimeError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError) as error:
        raise Unreadable(f"This is not readable as MT940: {str(error)[:150]}", field="file") from error
    if not statements or not any(one.account for one in statements):
        raise Unreadable("The file has no MT940 statement.", field="file")
    return ("mt942" if ":34F:" in text else "mt940"), statements


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _statement(found: Any) -> Statement:
    head = found.data
    opening = head.get("final_opening_balance") or head.get("intermediate_opening_balance")
    closing = head.get("final_closing_balance") or head.get("intermediate_closing_balance")
    currency = str(opening.amount.currency if opening else closing.amount.currency if closing else "")
    lines = [_line(one.data, currency) for one in found.transactions if one.data.get("amount") is not None]
    account = str(head.get("account_identification") or "")
    return Statement(account, currency, _balance(opening), _balance(closing), lines)


def _balance(found: Any) -> int | None:
    return None if found is None else _minor(found.amount.amount, str(found.amount.currency))


def _minor(amount: Decimal, currency: str) -> int:
    scaled = amount.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value() or abs(scaled) > 10**15:
        raise Unreadable("An amount does not fit its currency.", field="file")
    return int(scaled)


def _line(data: dict[str, Any], currency: str) -> Line:
    code = str(data.get("currency") or currency)
    booked = data.get("entry_date") or data.get("date")
    if not isinstance(booked, date):
        raise Unreadable("A transaction has no date.", field="file")
    parts = ("purpose", "additional_purpose", "end_to_end_reference", "customer_reference", "extra_details")
    words = [str(data[name]).strip() for name in parts if data.get(name) and str(data[name]).strip() not in EMPTY]
    text = " ".join(dict.fromkeys(words)) or str(data.get("transaction_details") or data.get("posting_text") or "")
    reference = str(data.get("bank_reference") or "").strip()
    return Line(
        date(booked.year, booked.month, booked.day),
        _minor(data["amount"].amount, code),
        code,
        "" if reference in EMPTY else reference,
        " ".join(text.split())[:1000],
        str(data.get("applicant_name") or data.get("recipient_name") or "").strip()[:140],
    )
