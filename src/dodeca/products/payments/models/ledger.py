"""Tables of the ledger: accounts, and transfers that each debit one account and credit another.

Triggers of both engines refuse every change of a transfer and of a journal, whoever writes (`triggers.py`).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock, ids
from dodeca.kernel.db import Model

CODES = ("purse", "hold", "merchant", "payout", "fees", "tax", "receivable", "bank", "suspense", "reserve")
HOT_CODES = frozenset({"fees", "tax", "receivable", "bank", "suspense"})
"""Accounts that nearly every payment touches: their rows are not updated a transfer, see LedgerTail."""
NEVER_NEGATIVE = ("purse", "hold", "payout", "reserve")
COUNTERS = ("debits_posted", "credits_posted", "debits_pending", "credits_pending")


class LedgerAccount(Model):
    """What one owner has under one code, in one currency, in one mode.

    purse: a person's money here. hold: money put aside. merchant: what a merchant has earned and not been paid out.
    payout: on its way to somebody's bank. reserve: kept back for disputes. fees, tax: the platform's. receivable: what
    an acquirer owes (owner: its name). bank: paid out. suspense: money of unknown purpose.

    The balance is credits minus debits. It never is below 0, pending debits counted, for purse, hold, payout, reserve,
    nor below −credit_limit for merchant (null: unlimited, for test money); checks. Counters only grow by transfers:
    the audit recomputes them. The id is mode.code.currency.owner, so that an account is found without looking."""

    __tablename__ = "payments_ledger_accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    mode: Mapped[str]
    code: Mapped[str]
    currency: Mapped[str]
    debits_posted: Mapped[int] = mapped_column(default=0)
    credits_posted: Mapped[int] = mapped_column(default=0)
    debits_pending: Mapped[int] = mapped_column(default=0)
    credits_pending: Mapped[int] = mapped_column(default=0)
    credit_limit: Mapped[int | None]

    __table_args__ = (
        UniqueConstraint("owner", "code", "currency", "mode"),
        UniqueConstraint("id", "currency", "mode"),
        CheckConstraint("mode IN ('test', 'live')", name="mode"),
        CheckConstraint("code IN (" + ", ".join(f"'{code}'" for code in CODES) + ")", name="code"),
        CheckConstraint(
            "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
            name="counters",
        ),
        CheckConstraint(
            "code NOT IN (" + ", ".join(f"'{code}'" for code in NEVER_NEGATIVE) + ") "
            "OR credits_posted - debits_posted - debits_pending >= 0",
            name="never_negative",
        ),
        CheckConstraint(
            "code <> 'merchant' OR credit_limit IS NULL "
            "OR credits_posted - debits_posted - debits_pending >= -credit_limit",
            name="credit_limit",
        ),
    )


class Journal(Model):
    """Transfers that belong together, such as a capture and its fee. Never changed (triggers).

    At most one a `key` (unique): what is posted twice under one key happens once."""

    __tablename__ = "payments_ledger_journals"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    key: Mapped[str] = mapped_column(unique=True)
    payment_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Transfer(Model):
    """Money that moves from the debited to the credited account. Never changed (triggers).

    Both accounts have the transfer's currency and mode (composite foreign keys), so each currency sums to zero by
    construction. state: `posted` moved it; `pending` reserves it; a row with `pending_id` resolves that reservation,
    `posted` (up to its amount) or `voided`, once (unique). The id is the journal's with the place in it."""

    __tablename__ = "payments_ledger_transfers"

    id: Mapped[str] = mapped_column(primary_key=True)
    journal_id: Mapped[str] = mapped_column(ForeignKey("payments_ledger_journals.id"), index=True)
    debit_account_id: Mapped[str]
    credit_account_id: Mapped[str]
    currency: Mapped[str]
    mode: Mapped[str]
    amount: Mapped[int]
    code: Mapped[str]
    state: Mapped[str]
    pending_id: Mapped[str | None] = mapped_column(ForeignKey("payments_ledger_transfers.id"), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        ForeignKeyConstraint(
            ["debit_account_id", "currency", "mode"],
            ["payments_ledger_accounts.id", "payments_ledger_accounts.currency", "payments_ledger_accounts.mode"],
            name="fk_payments_ledger_transfers_debit",
        ),
        ForeignKeyConstraint(
            ["credit_account_id", "currency", "mode"],
            ["payments_ledger_accounts.id", "payments_ledger_accounts.currency", "payments_ledger_accounts.mode"],
            name="fk_payments_ledger_transfers_credit",
        ),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
        CheckConstraint("state IN ('posted', 'pending', 'voided')", name="state"),
        CheckConstraint("state <> 'pending' OR pending_id IS NULL", name="pending_is_first"),
        CheckConstraint("state <> 'voided' OR pending_id IS NOT NULL", name="void_resolves"),
        Index("ix_payments_ledger_transfers_debit_account_id_id", "debit_account_id", "id"),
        Index("ix_payments_ledger_transfers_credit_account_id_id", "credit_account_id", "id"),
    )


class LedgerTail(Model):
    """What one transfer did to a hot account and its row does not say yet.

    Thousands of payments a second would wait for the one row of the fees. So a transfer only adds a row here, and a
    job adds them up into the account and removes them, in one transaction: account row + its tail = its balance."""

    __tablename__ = "payments_ledger_tails"

    transfer_id: Mapped[str] = mapped_column(ForeignKey("payments_ledger_transfers.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("payments_ledger_accounts.id"), primary_key=True, index=True)
    debits_posted: Mapped[int]
    credits_posted: Mapped[int]
    debits_pending: Mapped[int]
    credits_pending: Mapped[int]
