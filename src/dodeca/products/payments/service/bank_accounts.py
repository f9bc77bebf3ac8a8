"""Customers' bank accounts, alone or as fund accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.payments import ids
from dodeca.products.payments.models import BankAccount, Customer
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.inputs import account_number_of, ifsc_of, notes_of, text_of

MOST_ACCOUNTS = 20
"""Of one customer."""


def add(
    session: WriteSession, desk: Desk, customer_id: str, values: Mapping[str, Any], *, funds: bool = False
) -> BankAccount:
    """Write down an account of a customer, as a fund account where `funds`. Raises Invalid, NotFound."""
    customer = desk.lock(session, Customer, customer_id)
    count = select(func.count()).select_from(BankAccount).where(BankAccount.customer_id == customer.id)
    if (session.scalar(count) or 0) >= MOST_ACCOUNTS:
        raise Invalid(f"A customer has at most {MOST_ACCOUNTS} bank accounts.", field="customer_id")
    row = session.fresh(
        BankAccount,
        id=ids.new("ba"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        customer_id=customer.id,
        fund_account_id=ids.new("fa") if funds else None,
        name=text_of(values.get("name"), "name", 100) or customer.name or "",
        ifsc=ifsc_of(values.get("ifsc")),
        account_number=account_number_of(values.get("account_number")),
        notes=notes_of(values.get("notes")),
        created_at=clock.now(),
    )
    session.store(row)
    return row


def fund_accounts_of(session: ReadSession, desk: Desk, customer_id: str | None) -> Sequence[BankAccount]:
    """The fund accounts of a customer, or of all; newest first, at most a hundred. Raises NotFound."""
    mine = desk.owned(BankAccount).where(BankAccount.fund_account_id.is_not(None))
    if customer_id is not None:
        mine = mine.where(BankAccount.customer_id == desk.find(session, Customer, customer_id).id)
    return session.scalars(mine.order_by(BankAccount.created_at.desc(), BankAccount.id.desc()).limit(100)).all()


def fund_account(session: ReadSession, desk: Desk, fund_account_id: str) -> BankAccount:
    """One of them. Raises NotFound."""
    row = session.scalar(desk.owned(BankAccount).where(BankAccount.fund_account_id == fund_account_id))
    if row is None:
        raise NotFound("The id provided does not exist", field="id")
    return row


def remove(session: WriteSession, desk: Desk, customer_id: str, account_id: str) -> None:
    """Forget an account. Raises NotFound."""
    row = desk.lock(session, BankAccount, account_id)
    if row.customer_id != customer_id:
        raise NotFound("The id provided does not exist", field="id")
    session.delete(row)
