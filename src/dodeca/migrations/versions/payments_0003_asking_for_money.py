"""Links, invoices, plans, subscriptions, QR codes, virtual accounts, bank statements

Revision: payments_0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import Json, UtcDateTime

revision = "payments_0003"
down_revision = "payments_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "payment_items",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("type IN ('invoice', 'plan', 'addon')", name=op.f("ck_payment_items_type")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_items_amount")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_items_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_items")),
    )
    with op.batch_alter_table("payment_items", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_items_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )

    op.create_table(
        "payment_statement_imports",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("lines", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("matched", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("unmatched", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("duplicates", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_payment_statement_imports_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_statement_imports")),
    )
    with op.batch_alter_table("payment_statement_imports", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_statement_imports_merchant_id", ["merchant_id", "mode", "created_at", "id"], unique=False
        )

    op.create_table(
        "payment_test_clocks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("now", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_test_clocks_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_test_clocks")),
    )
    with op.batch_alter_table("payment_test_clocks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_test_clocks_merchant_id"), ["merchant_id"], unique=False)

    op.create_table(
        "payment_plans",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("interval", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("notes", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("period IN ('daily', 'weekly', 'monthly', 'yearly')", name=op.f("ck_payment_plans_period")),
        sa.CheckConstraint('"interval" BETWEEN 1 AND 4000', name=op.f("ck_payment_plans_interval")),
        sa.ForeignKeyConstraint(["item_id"], ["payment_items.id"], name=op.f("fk_payment_plans_item_id")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_plans_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_plans")),
    )
    with op.batch_alter_table("payment_plans", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_plans_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )

    op.create_table(
        "payment_qr_codes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("usage", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("fixed_amount", sa.Boolean(), nullable=False),
        sa.Column("payment_amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("tax_invoice", Json, nullable=True),
        sa.Column("notes", Json, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("received_amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("received_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("close_by", UtcDateTime(), nullable=True),
        sa.Column("close_reason", sa.String(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'closed')", name=op.f("ck_payment_qr_codes_status")),
        sa.CheckConstraint("usage IN ('single_use', 'multiple_use')", name=op.f("ck_payment_qr_codes_usage")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["payment_customers.id"], name=op.f("fk_payment_qr_codes_customer_id")
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_qr_codes_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_qr_codes")),
        sa.UniqueConstraint("code", name=op.f("uq_payment_qr_codes_code")),
    )
    with op.batch_alter_table("payment_qr_codes", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_qr_codes_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index("ix_payment_qr_codes_status_close_by", ["status", "close_by"], unique=False)

    op.create_table(
        "payment_statement_lines",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("import_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("counterparty", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("matched_to", sa.String(), nullable=True),
        sa.Column("settles", sa.String(), nullable=True),
        sa.Column("suggested", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status <> 'matched' OR matched_to IS NOT NULL", name=op.f("ck_payment_statement_lines_matched_to")
        ),
        sa.CheckConstraint(
            "status IN ('unmatched', 'suggested', 'matched', 'ignored')", name=op.f("ck_payment_statement_lines_status")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["payment_statement_imports.id"], name=op.f("fk_payment_statement_lines_import_id")
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_statement_lines_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_statement_lines")),
        sa.UniqueConstraint(
            "merchant_id",
            "mode",
            "account",
            "identity",
            name=op.f("uq_payment_statement_lines_merchant_id_mode_account_identity"),
        ),
        sa.UniqueConstraint("settles", name=op.f("uq_payment_statement_lines_settles")),
    )
    with op.batch_alter_table("payment_statement_lines", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_payment_statement_lines_import_id"), ["import_id"], unique=False)
        batch_op.create_index(
            "ix_payment_statement_lines_status", ["merchant_id", "mode", "status", "booked_on"], unique=False
        )

    op.create_table(
        "payment_virtual_accounts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("account_number", sa.String(), nullable=False),
        sa.Column("vpa", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("amount_expected", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("amount_paid", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("receivers", Json, nullable=False),
        sa.Column("allowed_payers", Json, nullable=False),
        sa.Column("notes", Json, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("close_by", UtcDateTime(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'closed')", name=op.f("ck_payment_virtual_accounts_status")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["payment_customers.id"], name=op.f("fk_payment_virtual_accounts_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_payment_virtual_accounts_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_virtual_accounts")),
        sa.UniqueConstraint("account_number", name=op.f("uq_payment_virtual_accounts_account_number")),
    )
    with op.batch_alter_table("payment_virtual_accounts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_virtual_accounts_merchant_id_created_at",
            ["merchant_id", "mode", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index("ix_payment_virtual_accounts_status_close_by", ["status", "close_by"], unique=False)

    op.create_table(
        "payment_bank_references",
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["payment_orders.id"], name=op.f("fk_payment_bank_references_order_id")),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_payment_bank_references")),
        sa.UniqueConstraint("order_id", name=op.f("uq_payment_bank_references_order_id")),
    )
    op.create_table(
        "payment_links",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("reference_id", sa.String(), nullable=True),
        sa.Column("customer", Json, nullable=False),
        sa.Column("notify", Json, nullable=False),
        sa.Column("reminder_enable", sa.Boolean(), nullable=False),
        sa.Column("reminded_at", UtcDateTime(), nullable=True),
        sa.Column("upi_link", sa.Boolean(), nullable=False),
        sa.Column("callback_url", sa.String(), nullable=True),
        sa.Column("callback_method", sa.String(), nullable=True),
        sa.Column("notes", Json, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("expire_by", UtcDateTime(), nullable=False),
        sa.Column("expired_at", UtcDateTime(), nullable=True),
        sa.Column("cancelled_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('created', 'partially_paid', 'paid', 'expired', 'cancelled')",
            name=op.f("ck_payment_links_status"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_links_amount")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_links_merchant_id")),
        sa.ForeignKeyConstraint(["order_id"], ["payment_orders.id"], name=op.f("fk_payment_links_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_links")),
        sa.UniqueConstraint("code", name=op.f("uq_payment_links_code")),
        sa.UniqueConstraint(
            "merchant_id", "mode", "reference_id", name=op.f("uq_payment_links_merchant_id_mode_reference_id")
        ),
        sa.UniqueConstraint("order_id", name=op.f("uq_payment_links_order_id")),
    )
    with op.batch_alter_table("payment_links", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_links_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index("ix_payment_links_status_expire_by", ["status", "expire_by"], unique=False)

    op.create_table(
        "payment_subscriptions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("plan_id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("payer_account_id", sa.String(), nullable=True),
        sa.Column("test_clock_id", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("total_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("paid_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=True),
        sa.Column("card_id", sa.String(), nullable=True),
        sa.Column("vpa", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("anchor_at", UtcDateTime(), nullable=True),
        sa.Column("cycle", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("start_at", UtcDateTime(), nullable=True),
        sa.Column("current_start", UtcDateTime(), nullable=True),
        sa.Column("current_end", UtcDateTime(), nullable=True),
        sa.Column("charge_at", UtcDateTime(), nullable=True),
        sa.Column("charging_invoice_id", sa.String(), nullable=True),
        sa.Column("open_invoice_id", sa.String(), nullable=True),
        sa.Column("failures", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("auth_attempts", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("credit", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scheduled", Json, nullable=True),
        sa.Column("cancel_at_cycle_end", sa.Boolean(), nullable=False),
        sa.Column("trial_told_at", UtcDateTime(), nullable=True),
        sa.Column("customer_notify", sa.Boolean(), nullable=False),
        sa.Column("notes", Json, nullable=False),
        sa.Column("expire_by", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('created', 'authenticated', 'active', 'pending', 'halted', 'paused', 'cancelled', 'completed', "
            "'expired')",
            name=op.f("ck_payment_subscriptions_status"),
        ),
        sa.CheckConstraint(
            "quantity >= 1 AND total_count >= 1 AND paid_count >= 0 AND credit >= 0",
            name=op.f("ck_payment_subscriptions_counts"),
        ),
        sa.ForeignKeyConstraint(["card_id"], ["payment_cards.id"], name=op.f("fk_payment_subscriptions_card_id")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["payment_customers.id"], name=op.f("fk_payment_subscriptions_customer_id")
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_subscriptions_merchant_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["payment_plans.id"], name=op.f("fk_payment_subscriptions_plan_id")),
        sa.ForeignKeyConstraint(
            ["test_clock_id"], ["payment_test_clocks.id"], name=op.f("fk_payment_subscriptions_test_clock_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_subscriptions")),
        sa.UniqueConstraint("code", name=op.f("uq_payment_subscriptions_code")),
        sa.UniqueConstraint(
            "merchant_id", "mode", "reference", name=op.f("uq_payment_subscriptions_merchant_id_mode_reference")
        ),
    )
    with op.batch_alter_table("payment_subscriptions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_subscriptions_charge_at",
            ["charge_at"],
            unique=False,
            sqlite_where=sa.text("charge_at IS NOT NULL"),
            postgresql_where=sa.text("charge_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_payment_subscriptions_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_payment_subscriptions_payer_account_id"), ["payer_account_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payment_subscriptions_test_clock_id"), ["test_clock_id"], unique=False)

    op.create_table(
        "payment_addons",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("invoice_id", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_payment_addons_quantity")),
        sa.ForeignKeyConstraint(["item_id"], ["payment_items.id"], name=op.f("fk_payment_addons_item_id")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_addons_merchant_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["payment_subscriptions.id"], name=op.f("fk_payment_addons_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_addons")),
    )
    with op.batch_alter_table("payment_addons", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_addons_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_payment_addons_subscription_id"), ["subscription_id"], unique=False)

    op.create_table(
        "payment_invoices",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("customer", Json, nullable=False),
        sa.Column("lines", Json, nullable=False),
        sa.Column("amount", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("receipt", sa.String(), nullable=True),
        sa.Column("comment", sa.String(), nullable=True),
        sa.Column("terms", sa.String(), nullable=True),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("payment_id", sa.String(), nullable=True),
        sa.Column("subscription_id", sa.String(), nullable=True),
        sa.Column("period_key", sa.String(), nullable=True),
        sa.Column("billing_start", UtcDateTime(), nullable=True),
        sa.Column("billing_end", UtcDateTime(), nullable=True),
        sa.Column("partial_payment", sa.Boolean(), nullable=False),
        sa.Column("sms_notify", sa.Boolean(), nullable=False),
        sa.Column("email_notify", sa.Boolean(), nullable=False),
        sa.Column("notes", Json, nullable=False),
        sa.Column("date", UtcDateTime(), nullable=True),
        sa.Column("expire_by", UtcDateTime(), nullable=True),
        sa.Column("issued_at", UtcDateTime(), nullable=True),
        sa.Column("paid_at", UtcDateTime(), nullable=True),
        sa.Column("cancelled_at", UtcDateTime(), nullable=True),
        sa.Column("expired_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'issued', 'partially_paid', 'paid', 'cancelled', 'expired')",
            name=op.f("ck_payment_invoices_status"),
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_payment_invoices_amount")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["payment_customers.id"], name=op.f("fk_payment_invoices_customer_id")
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payment_invoices_merchant_id")),
        sa.ForeignKeyConstraint(["order_id"], ["payment_orders.id"], name=op.f("fk_payment_invoices_order_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["payment_subscriptions.id"], name=op.f("fk_payment_invoices_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_invoices")),
        sa.UniqueConstraint("code", name=op.f("uq_payment_invoices_code")),
        sa.UniqueConstraint("order_id", name=op.f("uq_payment_invoices_order_id")),
        sa.UniqueConstraint(
            "subscription_id", "period_key", name=op.f("uq_payment_invoices_subscription_id_period_key")
        ),
    )
    with op.batch_alter_table("payment_invoices", schema=None) as batch_op:
        batch_op.create_index(
            "ix_payment_invoices_merchant_id_created_at", ["merchant_id", "mode", "created_at", "id"], unique=False
        )
        batch_op.create_index("ix_payment_invoices_status_expire_by", ["status", "expire_by"], unique=False)

    with op.batch_alter_table("payment_customers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("test_clock_id", sa.String(), nullable=True))


def downgrade() -> None:
    """Undo; indexes go with their tables."""
    for table in (
        "payment_invoices",
        "payment_addons",
        "payment_subscriptions",
        "payment_links",
        "payment_bank_references",
        "payment_virtual_accounts",
        "payment_statement_lines",
        "payment_qr_codes",
        "payment_plans",
        "payment_test_clocks",
        "payment_statement_imports",
        "payment_items",
    ):
        op.drop_table(table)
    with op.batch_alter_table("payment_customers") as batch_op:
        batch_op.drop_column("test_clock_id")
