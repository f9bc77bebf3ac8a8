"""All tables of payments begin with its name; indexes follow what is asked of payments

Revision: payments_0004
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

from dodeca.products.payments.triggers import statements

revision = "payments_0004"
down_revision = "payments_0003"
branch_labels = None
depends_on = None

TABLES = (
    "merchants",
    "ledger_accounts",
    "ledger_journals",
    "ledger_transfers",
    "ledger_tails",
    "payment_customers",
    "payment_cards",
    "payment_tokens",
    "payment_methods",
    "payment_orders",
    "settlements",
    "payments",
    "payment_attempts",
    "payment_routing",
    "payment_refunds",
    "payment_payouts",
    "payment_webhooks",
    "payment_events",
    "payment_deliveries",
    "payment_acquirers",
    "payment_acquirer_stats",
    "payment_links",
    "payment_items",
    "payment_plans",
    "payment_test_clocks",
    "payment_subscriptions",
    "payment_addons",
    "payment_invoices",
    "payment_qr_codes",
    "payment_virtual_accounts",
    "payment_bank_references",
    "payment_statement_imports",
    "payment_statement_lines",
)
"""Their old names; those that others refer to come first."""
NEW = {name: "payments_" + name.removeprefix("payment_") for name in TABLES}
IMMUTABLE = ("ledger_journals", "ledger_transfers", "payment_events")
_LONGEST_FIRST = sorted(TABLES, key=len, reverse=True)


def upgrade() -> None:
    """Apply."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        _rename_on_sqlite(connection)
    else:
        _rename_on_postgresql(connection)
    for old in IMMUTABLE:
        for statement in statements(NEW[old], connection.dialect.name):
            op.execute(statement)
    _change_indexes()


def _renamed(sql: str) -> str:
    """`sql` with the new names of tables, and of the constraints and indexes that are called after them."""
    return re.sub(r"\w+", lambda found: _word(found[0]), sql)


def _word(word: str) -> str:
    kind, rest = (word[:3], word[3:]) if word[:3] in ("ix_", "uq_", "ck_", "fk_", "pk_") else ("", word)
    for old in _LONGEST_FIRST:
        if rest == old or (kind and rest.startswith(old + "_")):
            return kind + NEW[old] + rest[len(old) :]
    return word


def _rename_on_sqlite(connection: sa.Connection) -> None:
    """SQLite cannot rename a constraint: each table is made anew, filled, and the old one dropped."""
    find = sa.text("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL")
    indexes = []
    for old in TABLES:
        for kind, name, sql in connection.execute(find, {"table": old}).all():
            if kind == "table" and name == old:
                op.execute(sa.text(_renamed(sql).replace(":", "\\:")))
            elif kind == "index":
                indexes.append(_renamed(sql))
        op.execute(f"INSERT INTO {NEW[old]} SELECT * FROM {old}")  # noqa: S608 - names of ours
    for old in reversed(TABLES):
        op.execute(f"DROP TABLE {old}")
    for index in indexes:
        op.execute(sa.text(index.replace(":", "\\:")))


def _rename_on_postgresql(connection: sa.Connection) -> None:
    constraints = sa.text("SELECT conname FROM pg_constraint WHERE conrelid = CAST(:table AS regclass)")
    indexes = sa.text("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = :table")
    for old in IMMUTABLE:
        op.execute(f"DROP TRIGGER {old}_no_change ON {old}")
        op.execute(f"DROP FUNCTION {old}_refuse()")
    for old, new in NEW.items():
        op.execute(f"ALTER TABLE {old} RENAME TO {new}")
        named = [name for (name,) in connection.execute(constraints, {"table": new})]
        other = [name for (name,) in connection.execute(indexes, {"table": new}) if name not in named]
        for name in named:
            if _renamed(name) != name:
                op.execute(f'ALTER TABLE {new} RENAME CONSTRAINT "{name}" TO "{_renamed(name)}"')
        for name in other:
            if _renamed(name) != name:
                op.execute(f'ALTER INDEX "{name}" RENAME TO "{_renamed(name)}"')


def _change_indexes() -> None:
    """Indexes that nothing asks for go; those of columns that are mostly empty keep only the rows that are not."""
    for table, column in (
        ("payments_cards", "merchant_id"),
        ("payments_cards", "fingerprint"),
        ("payments_payments", "invoice_id"),
        ("payments_payments", "subscription_id"),
        ("payments_payments", "fingerprint"),
        ("payments_payments", "status_authorized_at"),
        ("payments_payments", "payer_account_id"),
        ("payments_payments", "settlement_id"),
        ("payments_orders", "source_id"),
        ("payments_orders", "payer_account_id"),
    ):
        op.drop_index(f"ix_{table}_{column}", table)
    card = ["merchant_id", "fingerprint", "created_at"]
    op.create_index("ix_payments_payments_fingerprint", "payments_payments", card)
    unsettled = "settlement_id IS NULL AND captured_at IS NOT NULL"
    for name, table, columns, where in (
        ("payments_failed", "payments_payments", card, "status = 'failed'"),
        ("payments_authorized", "payments_payments", ["expires_at"], "status = 'authorized'"),
        ("payments_unsettled", "payments_payments", ["merchant_id", "mode", "currency", "captured_at"], unsettled),
        ("payments_payer_account_id", "payments_payments", ["payer_account_id"], "payer_account_id IS NOT NULL"),
        ("payments_settlement_id", "payments_payments", ["settlement_id"], "settlement_id IS NOT NULL"),
        ("orders_source_id", "payments_orders", ["source_id"], "source_id IS NOT NULL"),
        (
            "orders_payer_account_id",
            "payments_orders",
            ["payer_account_id", "created_at", "id"],
            "payer_account_id IS NOT NULL",
        ),
        ("attempts_asked", "payments_attempts", ["created_at"], "outcome = 'asked'"),
    ):
        op.create_index(
            f"ix_payments_{name}", table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
