"""First tables

Revision: payments_0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json, UtcDateTime
from dodeca.products.payments import triggers

revision = "payments_0001"
down_revision = None
branch_labels = ("payments",)
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("debits_posted", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("credits_posted", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("debits_pending", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("credits_pending", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("credit_limit", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint(
            "code <> 'merchant' OR credit_limit IS NULL "
            "OR credits_posted - debits_posted - debits_pending >= -credit_limit",
            name=op.f("ck_ledger_accounts_credit_limit"),
        ),
        sa.CheckConstraint(
            "code IN ('purse', 'hold', 'merchant', 'payout', 'fees', 'tax', "
            "'receivable', 'bank', 'suspense', 'reserve')",
            name=op.f("ck_ledger_accounts_code"),
        ),
        sa.CheckConstraint(
            "code NOT IN ('purse', 'hold', 'payout', 'reserve') "
            "OR credits_posted - debits_posted - debits_pending >= 0",
            name=op.f("ck_ledger_accounts_never_negative"),
        ),
        sa.CheckConstraint("mode IN ('test', 'live')", name=op.f("ck_ledger_accounts_mode")),
        sa.CheckConstraint(
            "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
            name=op.f("ck_ledger_accounts_counters"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint("id", "currency", "mode", name=op.f("uq_ledger_accounts_id_currency_mode")),
        sa.UniqueConstraint(
            "owner", "code", "currency", "mode", name=op.f("uq_ledger_accounts_owner_code_currency_mode")
        ),
    )
    op.create_table(
        "ledger_journals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("payment_id", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_journals")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_journals_key")),
    )
    with op.batch_alter_table("ledger_journals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_journals_payment_id"), ["payment_id"], unique=False)
    op.create_table(
        "merchants",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("capture", sa.String(), nullable=False),
        sa.Column("bank_account", Json, nullable=True),
        sa.Column("routing", Json, nullable=False),
        sa.Column("fraud", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("capture IN ('manual', 'automatic')", name=op.f("ck_merchants_capture")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchants")),
        sa.UniqueConstraint("account_id", name=op.f("uq_merchants_account_id")),
    )
    op.create_table(
        "payment_acquirer_stats",
        sa.Column("acquirer", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("network", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("successes", sa.Double(), nullable=False),
        sa.Column("failures", sa.Double(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("acquirer", "method", "network", "currency", name=op.f("pk_payment_acquirer_stats")),
    )
    op.create_table(
        "payment_acquirers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_payment_acquirers")),
    )
    op.create_table(
        "payment_payouts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("destination", Json, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("processed_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('created', 'initiated', 'processed', 'failed', 'reversed')",
            name=op.f("ck_payment_payouts_status"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_payouts_amount")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_payouts")),
        sa.UniqueConstraint("owner", "mode", "reference", name=op.f("uq_payment_payouts_owner_mode_reference")),
    )
    with op.batch_alter_table("payment_payouts", schema=None) as batch_op:
        batch_op.create_index("ix_payment_payouts_owner_created_at", ["owner", "created_at", "id"], unique=False)
    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("journal_id", sa.String(), nullable=False),
        sa.Column("debit_account_id", sa.String(), nullable=False),
        sa.Column("credit_account_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("pending_id", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state <> 'pending' OR pending_id IS NULL", name=op.f("ck_ledger_transfers_pending_is_first")
        ),
        sa.CheckConstraint(
            "state <> 'voided' OR pending_id IS NOT NULL", name=op.f("ck_ledger_transfers_void_resolves")
        ),
        sa.CheckConstraint("state IN ('posted', 'pending', 'voided')", name=op.f("ck_ledger_transfers_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_transfers_amount")),
        sa.CheckConstraint("debit_account_id <> credit_account_id", name=op.f("ck_ledger_transfers_two_accounts")),
        sa.ForeignKeyConstraint(
            ["credit_account_id", "currency", "mode"],
            ["ledger_accounts.id", "ledger_accounts.currency", "ledger_accounts.mode"],
            name="fk_ledger_transfers_credit",
        ),
        sa.ForeignKeyConstraint(
            ["debit_account_id", "currency", "mode"],
            ["ledger_accounts.id", "ledger_accounts.currency", "ledger_accounts.mode"],
            name="fk_ledger_transfers_debit",
        ),
        sa.ForeignKeyConstraint(["journal_id"], ["ledger_journals.id"], name=op.f("fk_ledger_transfers_journal_id")),
        sa.ForeignKeyConstraint(["pending_id"], ["ledger_transfers.id"], name=op.f("fk_ledger_transfers_pending_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfers")),
        sa.UniqueConstraint("pending_id", name=op.f("uq_ledger_transfers_pending_id")),
    )
    with op.batch_alter_table("ledger_transfers", schema=None) as batch_op:
        batch_op.create_index("ix_ledger_transfers_credit_account_id_id", ["credit_account_id", "id"], unique=False)
        batch_op.create_index("ix_ledger_transfers_debit_account_id_id", ["debit_account_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ledger_transfers_journal_id"), ["journal_id"], unique=False)
    op.create_table(
        "payment_cards",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("last4", sa.String(), nullable=False),
        sa.Column("bin", sa.String(), nullable=False),
        sa.Column("network", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("expiry_month", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("expiry_year", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("vault", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "length(last4) = 4 AND length(bin) <= 6 AND expiry_month BETWEEN 1 AND 12",
            name=op.f("ck_payment_cards_masked"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_cards_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_cards")),
    )
    with op.batch_alter_table("payment_cards", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_cards_fingerprint"), ["fingerprint"], unique=False)
        batch_op.create_index(batch_op.f("ix_payment_cards_merchant_id"), ["merchant_id"], unique=False)
    op.create_table(
        "payment_customers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("gstin", sa.String(), nullable=True),
        sa.Column("zone", sa.String(), nullable=True),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("notes", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_customers_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_customers")),
    )
    with op.batch_alter_table("payment_customers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_customers_account_id"), ["account_id"], unique=False)
        batch_op.create_index(
            "ix_payment_customers_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            "uq_payment_customers_email_contact",
            ["merchant_id", "mode", "email", "contact"],
            unique=True,
            sqlite_where=sa.text("email <> '' OR contact <> ''"),
            postgresql_where=sa.text("email <> '' OR contact <> ''"),
        )
    op.create_table(
        "payment_events",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_events_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_events")),
    )
    with op.batch_alter_table("payment_events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_events_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
    op.create_table(
        "payment_webhooks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("events", Json, nullable=False),
        sa.Column("alert_email", sa.String(), nullable=True),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("mode IN ('test', 'live')", name=op.f("ck_payment_webhooks_mode")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_webhooks_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_webhooks")),
    )
    with op.batch_alter_table("payment_webhooks", schema=None) as batch_op:
        batch_op.create_index("ix_payment_webhooks_merchant_id_mode", ["merchant_id", "mode"], unique=False)
    op.create_table(
        "settlements",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("fees", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tax", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("utr", sa.String(), nullable=False),
        sa.Column("ondemand_id", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("processed_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('created', 'initiated', 'processed', 'failed', 'reversed')", name=op.f("ck_settlements_status")
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_settlements_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlements")),
    )
    with op.batch_alter_table("settlements", schema=None) as batch_op:
        batch_op.create_index(
            "ix_settlements_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_settlements_ondemand_id"), ["ondemand_id"], unique=False)
    op.create_table(
        "ledger_tails",
        sa.Column("transfer_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("debits_posted", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("credits_posted", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("debits_pending", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("credits_pending", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_tails_account_id")),
        sa.ForeignKeyConstraint(["transfer_id"], ["ledger_transfers.id"], name=op.f("fk_ledger_tails_transfer_id")),
        sa.PrimaryKeyConstraint("transfer_id", "account_id", name=op.f("pk_ledger_tails")),
    )
    with op.batch_alter_table("ledger_tails", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_tails_account_id"), ["account_id"], unique=False)
    op.create_table(
        "payment_deliveries",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("last_status", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'given_up')", name=op.f("ck_payment_deliveries_state")),
        sa.ForeignKeyConstraint(["event_id"], ["payment_events.id"], name=op.f("fk_payment_deliveries_event_id")),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["payment_webhooks.id"], name=op.f("fk_payment_deliveries_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_deliveries")),
        sa.UniqueConstraint("event_id", "webhook_id", name=op.f("uq_payment_deliveries_event_id_webhook_id")),
    )
    with op.batch_alter_table("payment_deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_payment_deliveries_webhook_id", ["webhook_id", "created_at"], unique=False)
    op.create_table(
        "payment_methods",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("method_type", sa.String(), nullable=False),
        sa.Column("card_id", sa.String(), nullable=True),
        sa.Column("masked", sa.String(), nullable=False),
        sa.Column("expiry", sa.String(), nullable=True),
        sa.Column("network", sa.String(), nullable=True),
        sa.Column("vpa", sa.String(), nullable=True),
        sa.Column("chargeable", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["payment_cards.id"], name=op.f("fk_payment_methods_card_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_methods")),
    )
    with op.batch_alter_table("payment_methods", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_methods_account_id"), ["account_id"], unique=False)
    dialect = op.get_bind().dialect.name
    for table in ("ledger_journals", "ledger_transfers", "payment_events"):
        for statement in triggers.statements(table, dialect):
            op.execute(statement)


def downgrade() -> None:
    """Undo; indexes and triggers go with their tables."""
    for table in (
        "payment_methods",
        "payment_deliveries",
        "ledger_tails",
        "settlements",
        "payment_webhooks",
        "payment_events",
        "payment_customers",
        "payment_cards",
        "ledger_transfers",
        "payment_payouts",
        "payment_acquirers",
        "payment_acquirer_stats",
        "merchants",
        "ledger_journals",
        "ledger_accounts",
    ):
        op.drop_table(table)
