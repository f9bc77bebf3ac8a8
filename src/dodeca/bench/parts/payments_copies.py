"""Many payments quickly: one is made through the service, and its rows are copied under new keys.

Through the service a million take an hour. A copy has all rows of a captured payment, in every table and index that
they are in; the books' counters grow by the copied transfers, so the audit finds nothing. For SQLite, which the bench's
own server runs on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dodeca.kernel import clock
from dodeca.kernel.ids import base62

if TYPE_CHECKING:
    from dodeca.bench.harness import Say
    from dodeca.kernel.db import WriteSession
    from dodeca.kernel.platform import Platform

BATCH = 2000
"""Payments a transaction."""
DAYS = 60.0
"""How long ago the first copy was made; the others follow at even steps."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one table that belong to the payment, and which of their columns hold keys or moments."""

    table: str
    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]

    def copies(self, replaced: Callable[[Any], Any]) -> list[tuple[Any, ...]]:
        """The rows of one copy."""
        return [tuple(map(replaced, row)) for row in self.rows]


def multiply(platform: Platform, payment_id: str, count: int, say: Say) -> None:
    """Copy a captured payment `count` times."""
    template = platform.db.write(lambda session: _template(session.info["driver"], payment_id))
    keys = _keys(template)
    first = clock.ago(days=DAYS)
    for start in range(0, count, BATCH):
        some = range(start, min(start + BATCH, count))
        moments = [first + timedelta(days=DAYS) * (number / count) for number in some]
        platform.db.write(lambda session, m=moments: _copy(session, template, keys, m))  # type: ignore[misc]
        if start and start % 100_000 == 0:
            say(f"{start:,} of {count:,} payments")


def _template(driver: sqlite3.Connection, payment_id: str) -> list[_Rows]:
    """All rows of the payment, as the driver gives them; parents first."""
    wanted = (
        ("payments_orders", "id = (SELECT order_id FROM payments_payments WHERE id = :id)"),
        ("payments_cards", "id = (SELECT card_id FROM payments_payments WHERE id = :id)"),
        ("payments_payments", "id = :id"),
        ("payments_routing", "payment_id = :id"),
        ("payments_attempts", "payment_id = :id"),
        ("payments_events", "body LIKE '%' || :id || '%'"),
        ("payments_ledger_journals", "payment_id = :id"),
        (
            "payments_ledger_transfers",
            "journal_id IN (SELECT id FROM payments_ledger_journals WHERE payment_id = :id)",
        ),
    )
    found = []
    for table, where in wanted:
        cursor = driver.execute(f"SELECT * FROM {table} WHERE {where}", {"id": payment_id})  # noqa: S608 - ours
        found.append(_Rows(table, [column[0] for column in cursor.description], cursor.fetchall()))
    return found


def _keys(template: Sequence[_Rows]) -> list[str]:
    """The primary keys of the rows, each of which a copy has its own for."""
    of_own = [rows for rows in template if "id" in rows.columns]
    return [str(row[rows.columns.index("id")]) for rows in of_own for row in rows.rows]


def _copy(session: WriteSession, template: Sequence[_Rows], keys: Sequence[str], moments: Sequence[datetime]) -> None:
    driver: sqlite3.Connection = session.info["driver"]
    made: dict[str, list[tuple[Any, ...]]] = {rows.table: [] for rows in template}
    for moment in moments:
        named, at = _named(keys, moment), moment.replace(tzinfo=None).isoformat(" ", "microseconds")

        def replaced(value: Any, named: dict[str, str] = named, at: str = at) -> Any:
            if not isinstance(value, str):
                return value
            known = named.get(value)
            if known is not None:
                return known
            if value.startswith("capture:"):
                return "capture:" + named[value[8:]]
            return at if len(value) == len(at) and value[4] == "-" == value[7] else value

        for rows in template:
            made[rows.table] += rows.copies(replaced)
    for rows in template:
        places = ", ".join("?" * len(rows.columns))
        driver.executemany(f"INSERT INTO {rows.table} VALUES ({places})", made[rows.table])  # noqa: S608 - ours
    _book(driver, template[-1], len(moments))


def _named(keys: Sequence[str], moment: datetime) -> dict[str, str]:
    """New keys of the same shape that sort by the moment."""
    time = base62(int(moment.timestamp() * 1_000_000), 10)
    found: dict[str, str] = {}
    for number, key in enumerate(keys):
        prefix, underscore, _ = key.partition("_")
        found[key] = f"{prefix}_{time}{number:04}" if underscore else f"00{time.ljust(20, '0')}{number:04}"
    return found


def _book(driver: sqlite3.Connection, transfers: _Rows, count: int) -> None:
    """Let the accounts' counters follow from the copied transfers."""
    debit, credit, amount = (
        transfers.columns.index(name) for name in ("debit_account_id", "credit_account_id", "amount")
    )
    for row in transfers.rows:
        for account, column in ((row[debit], "debits_posted"), (row[credit], "credits_posted")):
            driver.execute(
                f"UPDATE payments_ledger_accounts SET {column} = {column} + ? WHERE id = ?",  # noqa: S608 - ours
                (row[amount] * count, account),
            )
