"""CSV as banks export it: delimiter, decimal comma and the order of a date's parts are found out from the file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from dodeca.kernel.money import exponent
from dodeca.products.payments.service.statements.parsed import MOST_LINES, Line, Statement, Unreadable

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "booking date", "bookingdate", "transaction date", "posting date", "buchungstag", "buchungsdatum",
             "datum", "fecha", "value date", "wertstellung"),
    "amount": ("amount", "betrag", "importe", "montant", "transaction amount", "umsatz"),
    "debit": ("debit", "withdrawal", "withdrawals", "soll", "paid out", "debit amount", "withdrawal amt."),
    "credit": ("credit", "deposit", "deposits", "haben", "paid in", "credit amount", "deposit amt."),
    "currency": ("currency", "währung", "waehrung", "ccy", "divisa"),
    "reference": ("reference", "bank reference", "referenz", "transaction id", "utr", "ref no", "chq./ref.no.", "id"),
    "text": ("text", "description", "narration", "details", "verwendungszweck", "purpose", "memo", "remittance"),
    "counterparty": ("counterparty", "name", "payer", "payee", "auftraggeber", "beguenstigter", "zahlungspflichtiger",
                     "beguenstigter/zahlungspflichtiger", "party"),
    "account": ("account", "iban", "account number", "auftragskonto", "konto"),
    "balance": ("balance", "saldo", "closing balance", "kontostand"),
}  # fmt: skip
DELIMITERS = ",;\t|"
HEADER_ROWS = 20
"""How many rows may stand above the column names: banks put the account and the period there."""


def read(raw: bytes) -> list[Statement]:
    """The statements of a file: one an account and currency. Raises Unreadable."""
    text = _decoded(raw)
    rows, columns = _rows(text)
    if "date" not in columns or not ({"amount"} & set(columns) or {"debit", "credit"} <= set(columns)):
        raise Unreadable("The file has no columns that name a date and an amount.", field="file")
    days = [_cell(row, columns, "date") for row in rows]
    order = _order_of(days)
    comma = _has_comma([_cell(row, columns, name) for row in rows for name in ("amount", "debit", "credit")])
    grouped: dict[tuple[str, str], list[tuple[Line, str]]] = {}
    for row, day in zip(rows, days, strict=True):
        currency = (_cell(row, columns, "currency") or "EUR").upper()
        line = Line(
            _day(day, order),
            _amount(row, columns, currency, comma),
            currency,
            _cell(row, columns, "reference")[:140],
            _cell(row, columns, "text")[:1000],
            _cell(row, columns, "counterparty")[:140],
        )
        if line.amount:
            key = (_cell(row, columns, "account"), currency)
            grouped.setdefault(key, []).append((line, _cell(row, columns, "balance")))
    return [_statement(account, currency, found, comma) for (account, currency), found in grouped.items()]


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-16", "utf-8-sig") if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp1252", "replace")


def _rows(text: str) -> tuple[list[list[str]], dict[str, int]]:
    """The rows below the column names, and where each column is, with the delimiter that finds most of them."""
    best: tuple[int, str, int] = (0, ",", 0)
    head = text.splitlines()[:HEADER_ROWS]
    for delimiter in DELIMITERS:
        for number, names in enumerate(csv.reader(head, delimiter=delimiter)):
            found = len(_columns(names))
            if found > best[0]:
                best = (found, delimiter, number)
    if best[0] < 2:
        raise Unreadable("This is neither camt, MT940 nor a CSV with column names.", field="file")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=best[1])
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise Unreadable("The file is not readable as CSV.", field="file") from error
    above = next((i for i, row in enumerate(rows[:HEADER_ROWS]) if len(_columns(row)) == best[0]), 0)
    if len(rows) - above > MOST_LINES:
        raise Unreadable(f"At most {MOST_LINES} lines.", field="file")
    return rows[above + 1 :], _columns(rows[above])


def _columns(names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, name in enumerate(names):
        wanted = name.strip().strip('"').lower()
        for column, known in COLUMNS.items():
            if wanted in known and column not in found:
                found[column] = number
    return found


def _cell(row: Sequence[str], columns: Mapping[str, int], name: str) -> str:
    number = columns.get(name)
    return row[number].strip() if number is not None and number < len(row) else ""


def _order_of(days: Sequence[str]) -> str:
    """dmy unless a date says otherwise: its second number is above 12, or it begins with the year."""
    for day in days:
        parts = re.split(r"[./ -]", day)
        if len(parts[0]) == 4:
            return "ymd"
        if len(parts) >= 3 and parts[0].isdigit() and parts[1].isdigit():
            if int(parts[0]) > 12:
                return "dmy"
            if int(parts[1]) > 12:
                return "mdy"
    return "dmy"


def _day(text: str, order: str) -> date:
    parts = re.split(r"[./ T-]", text)[:3]
    if len(parts) < 3 or not all(part.isdigit() for part in parts):
        raise Unreadable(f"This is not a date: {text[:30]}", field="file")
    numbers = dict(zip(order, (int(part) for part in parts), strict=True))
    year = numbers["y"] + (2000 if numbers["y"] < 100 else 0)
    try:
        return date(year, numbers["m"], numbers["d"])
    except ValueError as error:
        raise Unreadable(f"This is not a date: {text[:30]}", field="file") from error


def _has_comma(amounts: Sequence[str]) -> bool:
    """Whether the comma separates decimals: it stands last somewhere, with one or two digits behind it."""
    votes = 0
    for amount in amounts:
        last = max(amount.rfind(","), amount.rfind("."))
        if last >= 0 and len(amount.rstrip("+- ")) - last - 1 in (1, 2):
            votes += 1 if amount[last] == "," else -1
    return votes > 0


def _number(text: str, currency: str, comma: bool) -> int:
    bare = re.sub(r"[^0-9,.+()-]", "", text)
    if text and not re.search(r"[0-9]", bare):
        raise Unreadable(f"This is not an amount: {text[:30]}", field="file")
    negative = bare.startswith(("-", "(")) or bare.endswith("-")
    digits = re.sub(r"[+()-]", "", bare)
    digits = digits.replace(".", "").replace(",", ".") if comma else digits.replace(",", "")
    try:
        scaled = Decimal(digits or "0").scaleb(exponent(currency))
    except InvalidOperation as error:
        raise Unreadable(f"This is not an amount: {text[:30]}", field="file") from error
    if scaled != scaled.to_integral_value() or scaled > 10**15:
        raise Unreadable(f"This amount does not fit its currency: {text[:30]}", field="file")
    return -int(scaled) if negative else int(scaled)


def _amount(row: Sequence[str], columns: Mapping[str, int], currency: str, comma: bool) -> int:
    if "amount" in columns:
        return _number(_cell(row, columns, "amount"), currency, comma)
    out = _number(_cell(row, columns, "debit"), currency, comma)
    return _number(_cell(row, columns, "credit"), currency, comma) - abs(out)


def _statement(account: str, currency: str, found: Sequence[tuple[Line, str]], comma: bool) -> Statement:
    """Opening and closing balances follow from the running one, where the file has it, oldest or newest first."""
    lines = [line for line, _balance in found]
    opening = closing = None
    if all(balance for _line, balance in found):
        first, last = found[0], found[-1]
        if lines[0].booked_on > lines[-1].booked_on:
            first, last = last, first
        opening = _number(first[1], currency, comma) - first[0].amount
        closing = _number(last[1], currency, comma)
    return Statement(account, currency, opening, closing, lines)
