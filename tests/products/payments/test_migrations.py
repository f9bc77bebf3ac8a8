"""The migration that gave all tables the product's name keeps every row, its references and what nobody may change."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import DBAPIError

from dodeca import catalogue
from dodeca.kernel.db import migrations, open_database
from dodeca.migrations.versions.payments_0004_one_prefix import NEW, TABLES

BEFORE, AFTER = "payments_0003", "payments_0004"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GIVEN: dict[str, Any] = {"mode": "test", "currency": "INR", "last4": "4242", "bin": "424242", "period": "monthly"}


CHANGES: dict[str, list[dict[str, Any]]] = {
    "ledger_accounts": [
        {"id": name, "owner": name, "code": "merchant", "debits_pending": 0, "credit_limit": None}
        for name in ("a", "b")
    ],
    "ledger_transfers": [
        {"id": "1", "debit_account_id": "a", "credit_account_id": "b", "state": "pending", "pending_id": None},
        {"id": "2", "debit_account_id": "a", "credit_account_id": "b", "state": "posted", "pending_id": "1"},
    ],
    "payment_orders": [{"amount": 3, "amount_paid": 1, "amount_capturing": 1}],
}
"""What the checks and references of some tables want."""


def value_of(column: sa.Column[Any], choices: dict[str, str]) -> Any:
    """Something that the column takes."""
    if column.name in choices:  # of a check
        return choices[column.name]
    if column.name in GIVEN:
        return GIVEN[column.name]
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return False
    if isinstance(kind, (sa.Integer, sa.Numeric, sa.Float)):
        return 1
    if isinstance(kind, sa.DateTime):
        return MOMENT
    if isinstance(kind, sa.Date):
        return MOMENT.date()
    if isinstance(kind, sa.LargeBinary):
        return b"x"
    return {} if isinstance(kind, sa.JSON) else f"{column.table.name}-{column.name}"[:60]


def filled(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """A row in every table of payments, in the order of their references; two accounts, and a reservation that is
    posted. Gives them by table."""
    tables = sa.MetaData()
    tables.reflect(connection, only=TABLES)
    inspector, made = sa.inspect(connection), dict[str, list[dict[str, Any]]]()
    for table in tables.sorted_tables:
        checks = " ".join(str(check["sqltext"]) for check in inspector.get_check_constraints(table.name))
        choices = dict(re.findall(r"(\w+)\)?(?:::text)? (?:IN \(|= ANY \(\(?ARRAY\[)'([^']+)'", checks))
        row = {column.name: value_of(column, choices) for column in table.columns}
        for key in table.foreign_key_constraints:
            others = made.get(key.referred_table.name)
            for element in key.elements:
                row[element.parent.name] = others[0][element.column.name] if others else None
        made[table.name] = [{**row, **change} for change in CHANGES.get(table.name, [{}])]
        for each in made[table.name]:
            connection.execute(table.insert().values(each))
    return made


def rows(connection: sa.Connection, name: str) -> list[dict[str, Any]]:
    """All rows of a table, by their first column."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    return [dict(row) for row in connection.execute(sa.select(table).order_by(table.columns[0])).mappings()]


def test_renaming_the_tables_keeps_all_rows_and_rules(database_url: str) -> None:
    catalogue.products()
    database = open_database(database_url)
    config = migrations.alembic_config(database.url)
    engine = sa.create_engine(database.url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
        assert set(filled(connection)) == set(TABLES)
        before = {name: rows(connection, name) for name in TABLES}

    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, AFTER)

    with engine.begin() as connection:
        names = set(sa.inspect(connection).get_table_names())
        assert {NEW[name]: rows(connection, NEW[name]) for name in TABLES} == {NEW[n]: r for n, r in before.items()}
        assert names.isdisjoint(set(TABLES) - set(NEW.values()))
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    for statement, refusal in (
        ("UPDATE payments_ledger_transfers SET amount = 2", "append-only"),
        ("DELETE FROM payments_events", "append-only"),
        ("UPDATE payments_ledger_accounts SET mode = 'other'", "mode"),
        ("UPDATE payments_orders SET amount_paid = 3", "paid_at_most_once"),
        ("DELETE FROM payments_merchants", "(?i)foreign key"),
    ):
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys=ON")
            with pytest.raises(DBAPIError, match=refusal):
                connection.exec_driver_sql(statement)
    engine.dispose()
    migrations.upgrade(database)
    assert migrations.pending(database) == []
    database.close()
