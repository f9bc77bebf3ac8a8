"""ISO 20022: camt.053 (statement), camt.052 (report), camt.054 (notification), versions .02 to .08.

Elements are found by their local names, because each version has its own namespace. No DTD is read, no entity
resolved, nothing fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from dodeca.kernel.errors import Invalid
from dodeca.kernel.money import exponent
from dodeca.products.payments.service.statements.parsed import Line, Statement, Unreadable

ROOTS = {"BkToCstmrStmt": ("camt.053", "Stmt"), "BkToCstmrAcctRpt": ("camt.052", "Rpt")}
ROOTS["BkToCstmrDbtCdtNtfctn"] = ("camt.054", "Ntfctn")
OPENING, CLOSING = ("OPBD", "PRCD"), ("CLBD",)
BOOKED = ("BOOK", "")


def read(raw: bytes) -> tuple[str, list[Statement]]:
    """Format and statements. Raises Unreadable."""
    if b"<!DOCTYPE" in raw[:4000].upper() or b"<!ENTITY" in raw.upper():
        raise Unreadable("A statement has no DOCTYPE.", field="file")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("The file is not well-formed XML.", field="file") from error
    for element in root:
        known = ROOTS.get(_name(element))
        if known is not None:
            return known[0], [_statement(child) for child in element if _name(child) == known[1]]
    raise Unreadable("The file is XML, but not camt.052, 053 or 054.", field="file")


def _name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _all(element: Any, path: str) -> Iterator[Any]:
    first, _, rest = path.partition("/")
    for child in element:
        if _name(child) == first:
            if rest:
                yield from _all(child, rest)
            else:
                yield child


def _text(element: Any, *paths: str) -> str:
    """The text of the first path that is there."""
    for path in paths:
        for found in _all(element, path):
            if found.text and found.text.strip():
                return str(found.text.strip())
    return ""


def _amount(element: Any, currency: str) -> tuple[int, str]:
    for found in _all(element, "Amt"):
        code = found.get("Ccy") or currency
        return _minor(found.text or "", code), code
    raise Unreadable("An entry has no amount.", field="file")


def _minor(text: str, currency: str) -> int:
    try:
        scaled = Decimal(text.strip()).scaleb(exponent(currency))
    except (InvalidOperation, ValueError) as error:
        raise Unreadable("An amount is not a number.", field="file") from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or abs(scaled) > 10**15:
        raise Unreadable("An amount does not fit its currency.", field="file")
    return int(scaled)


def _signed(element: Any, currency: str) -> tuple[int, str]:
    amount, code = _amount(element, currency)
    return (-amount if _text(element, "CdtDbtInd") == "DBIT" else amount), code


def _statement(element: Any) -> Statement:
    account = _text(element, "Acct/Id/IBAN", "Acct/Id/Othr/Id")
    currency = _text(element, "Acct/Ccy")
    opening = closing = None
    for balance in _all(element, "Bal"):
        kind = _text(balance, "Tp/CdOrPrtry/Cd")
        if kind in OPENING and opening is None:
            opening, currency = _signed(balance, currency)
        elif kind in CLOSING:
            closing, currency = _signed(balance, currency)
    lines = [line for entry in _all(element, "Ntry") for line in _lines(entry, currency)]
    return Statement(account, currency or (lines[0].currency if lines else ""), opening, closing, lines)


def _lines(entry: Any, currency: str) -> Iterator[Line]:
    """One line an entry, or one a transaction where a batch lists all of them with their amounts."""
    if _text(entry, "Sts/Cd", "Sts") not in BOOKED:
        return
    total, code = _signed(entry, currency)
    booked = _day(_text(entry, "BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm"))
    reference = _text(entry, "AcctSvcrRef", "NtryRef")
    details = list(_all(entry, "NtryDtls/TxDtls"))
    sign = -1 if total < 0 else 1
    parts: list[int] = []
    if len(details) > 1:
        parts = [_part(detail, code) * sign for detail in details]
    if not parts or sum(parts) != total or 0 in parts:
        only = details[0] if len(details) == 1 else None
        yield _line(entry, only, booked, total, code, reference)
        return
    for detail, amount in zip(details, parts, strict=True):
        yield _line(entry, detail, booked, amount, code, _text(detail, "Refs/AcctSvcrRef") or reference)


def _part(detail: Any, currency: str) -> int:
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        for found in _all(detail, path):
            return abs(_minor(found.text or "", found.get("Ccy") or currency))
    return 0


def _line(entry: Any, detail: Any, booked: date, amount: int, currency: str, reference: str) -> Line:
    if detail is None:
        return Line(booked, amount, currency, reference, _text(entry, "AddtlNtryInf"))
    words = [found.text.strip() for found in _all(detail, "RmtInf/Ustrd") if found.text]
    words += [found.text.strip() for found in _all(detail, "RmtInf/Strd/CdtrRefInf/Ref") if found.text]
    end_to_end = _text(detail, "Refs/EndToEndId")
    if end_to_end and end_to_end != "NOTPROVIDED":
        words.append(end_to_end)
    other = "Dbtr" if amount > 0 else "Cdtr"
    name = _text(detail, f"RltdPties/{other}/Nm", f"RltdPties/{other}/Pty/Nm")
    text = " ".join(dict.fromkeys(words)) or _text(entry, "AddtlNtryInf")
    return Line(booked, amount, currency, reference, text[:1000], name[:140])


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise Invalid("An entry has no booking date.", field="file") from error
