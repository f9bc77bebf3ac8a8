"""Many payments quickly: one is made through the service, and its rows are copied under new keys.

Through the service a million take an hour. Here SQLite itself writes the copies: each statement makes one row of every
payment of a batch, out of a table of their keys and moments. A copy has all rows of a captured payment, in every table
and index that they are in, under keys of the same form; its events tell of itself; the books' counters grow by the
copied transfers. For SQLite, which the bench's own server runs on, and while nobody else has the file open.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulid import ULID

from dodeca.kernel.ids import base62

if TYPE_CHECKING:
    from dodeca.bench.harness import Say

BATCH = 5000
"""Payments of one merchant in a row, and in one transaction: what bounds the memory."""
DAYS = 60
"""How long ago the first copy was made; the others follow at even steps until now."""
TOLD_EVERY = 100_000
BULK = ("foreign_keys=OFF", "journal_mode=OFF", "synchronous=OFF", "cache_size=-262144", "temp_store=MEMORY")
"""Each page is written once, and nothing is looked up again that was copied: a fill that dies is thrown away."""
ITS_TABLES = (
    ("payments_orders", "id = (SELECT order_id FROM payments_payments WHERE id = :id)"),
    ("payments_cards", "id = (SELECT card_id FROM payments_payments WHERE id = :id)"),
    ("payments_payments", "id = :id"),
    ("payments_routing", "payment_id = :id"),
    ("payments_attempts", "payment_id = :id"),
    ("payments_events", "body LIKE '%' || :id || '%'"),
    ("payments_ledger_journals", "payment_id = :id"),
    ("payments_ledger_transfers", "journal_id IN (SELECT id FROM payments_ledger_journals WHERE payment_id = :id)"),
)
"""Where a captured payment has rows, parents first."""
SUFFIXES = 4
"""How many keys of one kind (events) a payment has at most."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one table that belong to the payment, as the driver gives them."""

    table: str
    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]

    def of(self, column: str) -> list[Any]:
        """The values of a column."""
        return [row[self.columns.index(column)] for row in self.rows]


def multiply(path: Path, payment_id: str, merchants: Sequence[str], count: int, until: datetime, say: Say) -> None:
    """Copy a captured payment `count` times, for each of `merchants` in turn, in the database of a file.

    Each merchant's accounts are there already."""
    with closing(sqlite3.connect(path, isolation_level=None)) as driver:
        for setting in BULK:
            driver.execute(f"PRAGMA {setting}")
        template = [_rows(driver, table, where, payment_id) for table, where in ITS_TABLES]
        copied = _Copied(template, payment_id)
        suffixes = ", ".join(f"suffix{number}" for number in range(SUFFIXES))
        driver.execute(f"CREATE TEMP TABLE copies (at, unix, time, ulid, digest, merchant, {suffixes})")
        statements = [statement for rows in template for statement in copied.statements(rows)]
        for start in range(0, count, BATCH):
            some = range(start, min(start + BATCH, count))
            merchant = merchants[start // BATCH % len(merchants)]
            driver.execute("BEGIN IMMEDIATE")
            driver.execute("DELETE FROM copies")
            places = ", ".join("?" * (6 + SUFFIXES))
            driver.executemany(f"INSERT INTO copies VALUES ({places})", _keys(some, merchant, until, count))  # noqa: S608
            for statement, values in statements:
                driver.execute(statement, values)
            _book(driver, template[-1], copied.merchant, merchant, len(some))
            driver.execute("COMMIT")
            if start and start % TOLD_EVERY == 0:
                say(f"{start:,} of {count:,} payments")
        driver.execute("PRAGMA journal_mode=WAL")


def _rows(driver: sqlite3.Connection, table: str, where: str, payment_id: str) -> _Rows:
    cursor = driver.execute(f"SELECT * FROM {table} WHERE {where}", {"id": payment_id})  # noqa: S608 - ours
    return _Rows(table, [column[0] for column in cursor.description], cursor.fetchall())


def _keys(some: range, merchant: str, until: datetime, count: int) -> Iterator[tuple[Any, ...]]:
    """A row of `copies` for each: its moment in all the ways in which rows write it, and what its keys are made of."""
    for number in some:
        moment = until - timedelta(days=DAYS) * ((count - number) / count)
        at = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        seconds = moment.timestamp()
        suffixes = [base62(number * SUFFIXES + place, 6) for place in range(SUFFIXES)]
        ulid = str(ULID.from_timestamp(seconds)).lower()
        yield at, int(seconds), base62(int(seconds * 1000), 8), ulid, f"{number:016x}", merchant, *suffixes


class _Copied:
    """How the values of the original's rows become SQL expressions over `copies`."""

    def __init__(self, template: Sequence[_Rows], payment_id: str) -> None:
        by_table = {rows.table: rows for rows in template}
        payments = by_table["payments_payments"]
        self.merchant: str = payments.of("merchant_id")[0]
        self._made = datetime.fromisoformat(payments.of("created_at")[0])
        self._expressions = {self.merchant: "merchant", **self._new_keys(by_table)}
        self._expressions[payments.of("acquirer_reference")[0].rpartition(":")[2]] = "digest"
        unix = int(self._made.replace(tzinfo=UTC).timestamp())
        self._expressions |= {str(unix + later): "unix" for later in range(3)}
        moment = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"
        self._known = re.compile(f"({'|'.join(map(re.escape, self._expressions))}|{moment})")

    def _new_keys(self, by_table: Mapping[str, _Rows]) -> dict[str, str]:
        found = dict.fromkeys(by_table["payments_ledger_journals"].of("id"), "ulid")
        if len(found) != 1:
            raise ValueError("The payment to copy is one that a single journal has captured.")
        for rows in by_table.values():
            if "id" in rows.columns and not rows.table.startswith("payments_ledger"):
                for place, name in enumerate(rows.of("id")):
                    found[name] = f"'{name.partition('_')[0]}_' || time || suffix{place}"
        return found

    def statements(self, rows: _Rows) -> Iterator[tuple[str, list[Any]]]:
        """For each row the statement that copies it, and the statement's values."""
        for row in rows.rows:
            values: list[Any] = []
            columns = ", ".join(self._expression(value, values) for value in row)
            yield f"INSERT INTO {rows.table} SELECT {columns} FROM copies ORDER BY rowid", values  # noqa: S608 - ours

    def _expression(self, value: Any, values: list[Any]) -> str:
        if not isinstance(value, str) or self._known.search(value) is None:
            values.append(value)
            return "?"
        parts = []
        for place, part in enumerate(self._known.split(value)):
            if place % 2:
                parts.append(self._expressions.get(part) or self._moment(part))
            elif part:
                values.append(part)
                parts.append("?")
        return " || ".join(parts)

    def _moment(self, text: str) -> str:
        """A moment as many days after the copy's as it was after the original's."""
        days = round((datetime.fromisoformat(text) - self._made) / timedelta(days=1))
        return f"date(at, '+{days} days') || substr(at, 11)" if days else "at"


def _book(driver: sqlite3.Connection, transfers: _Rows, original: str, merchant: str, count: int) -> None:
    """Let the accounts' counters follow from the copied transfers."""
    sides = (("debit_account_id", "debits_posted"), ("credit_account_id", "credits_posted"))
    for side, column in sides:
        for account, amount in zip(transfers.of(side), transfers.of("amount"), strict=True):
            driver.execute(
                f"UPDATE payments_ledger_accounts SET {column} = {column} + ? WHERE id = ?",  # noqa: S608 - ours
                (amount * count, account.replace(original, merchant)),
            )
