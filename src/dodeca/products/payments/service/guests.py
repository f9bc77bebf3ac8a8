"""What somebody paid without having signed in, found again by the account that proves to read the address for receipts.

Anybody may type any address, so a claim lets its owner see the payment, as the receipt did, and nothing else: it gives
no right to the payer's card, purse or subscriptions, and a merchant cannot write to who claimed. The first to prove the
address keeps what was claimed; who has it later gets nothing of that.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import CompoundSelect, func, select, text

from dodeca.commons.accounts import public as accounts
from dodeca.commons.accounts.public import Account
from dodeca.kernel.db import WriteSession
from dodeca.products.payments.models import Payment
from dodeca.products.payments.models.gateway import UNCLAIMED

BATCH: Final = 100
"""Payments a unit of work."""


def claim(session: WriteSession, account_id: str) -> int:
    """Claim some of the captured payments that guests made with an account's proven address; gives how many."""
    account = accounts.account_by_id(session, account_id)
    address = _proven(account)
    if account is None or address is None:
        return 0
    wanted = (
        select(Payment)
        .where(text(UNCLAIMED), func.lower(Payment.email) == address, Payment.captured_at.is_not(None))
        .limit(BATCH)
        .with_for_update()
    )
    found = [payment for payment in session.scalars(wanted) if payment.email.isascii()]
    for payment in found:
        payment.claimed_by = account.id
    return len(found)


def claim_captured(session: WriteSession, payment: Payment) -> None:
    """Claim a guest's payment for whoever has proven its address before; it is being captured."""
    if not payment.mail_receipt or payment.payer_account_id is not None or not payment.email.isascii():
        return
    account = accounts.account_by_email(session, payment.email)
    if account is not None and _proven(account) == payment.email.lower():
        session.change(payment, claimed_by=account.id)


def orders_paid_by(account_id: str) -> CompoundSelect[str | None]:
    """The ids of the orders that somebody paid, signed in or as a guest."""
    return (
        select(Payment.order_id)
        .where(Payment.payer_account_id == account_id, Payment.order_id.is_not(None))
        .union(select(Payment.order_id).where(Payment.claimed_by == account_id, Payment.order_id.is_not(None)))
    )


def _proven(account: Account | None) -> str | None:
    """An account's address in small letters, if it is proven and nothing in it can be taken for another letter: beyond
    ASCII some capital letters have the same small one."""
    if account is None or not account.is_active:
        return None
    address = account.verified_email
    return address.lower() if address is not None and address.isascii() else None
