"""What payers are told: by mail where they asked for a receipt, in their inbox where they were signed in."""

from __future__ import annotations

from dodeca.commons.accounts import public as accounts
from dodeca.commons.notifications.service import Notice, notify
from dodeca.kernel import mail
from dodeca.kernel.db import WriteSession
from dodeca.kernel.money import formatted
from dodeca.products.payments.models import Payment, Refund
from dodeca.products.payments.service import merchants
from dodeca.products.payments.service.desk import Desk


def paid(session: WriteSession, desk: Desk, payment: Payment) -> None:
    """A payment was captured: its receipt."""
    if not _is_told(payment):
        return
    amount, what = formatted(payment.amount, payment.currency), payment.description or "your payment"
    moment = f"{payment.captured_at:%d %B %Y, %H:%M} UTC"
    title = f"Receipt: {amount} to {desk.merchant.name}"
    _tell(
        session,
        payment,
        "receipt",
        title,
        f"You paid {amount} to {desk.merchant.name} for {what}, {moment}.{_reached(desk)}",
    )


def refunded(session: WriteSession, desk: Desk, payment: Payment, refund: Refund) -> None:
    """Money went back."""
    if not _is_told(payment):
        return
    amount = formatted(refund.amount, refund.currency)
    title = f"Refund: {amount} from {desk.merchant.name}"
    text = f"{desk.merchant.name} gave you back {amount} of {formatted(payment.amount, payment.currency)}."
    _tell(session, payment, "refund", title, text, of=refund.id)


def _reached(desk: Desk) -> str:
    """How to ask the merchant something, where it says so."""
    profile = desk.merchant.profile
    ways = [profile[way] for way in merchants.REACHED if profile.get(way)]
    return f" Questions? {', '.join(ways)}" if ways else ""


def _is_told(payment: Payment) -> bool:
    """Whether anybody hears of it: most payments are a shop's, which tells its buyers itself, and wording a notice
    takes a tenth of a payment."""
    return bool(payment.mail_receipt and payment.email) or payment.payer_account_id is not None


def _tell(session: WriteSession, payment: Payment, kind: str, title: str, text: str, *, of: str = "") -> None:
    """Say it once, however often it is said."""
    key = f"{kind}:{of or payment.id}"
    if payment.mail_receipt and payment.email:
        test = "\nThis was test money.\n" if payment.mode == "test" else ""
        body = f"{text}\n\nPayment {payment.id}.\n{test}"
        mail.send(session, to=payment.email, subject=title[:150], text=body, key=key)
    payer = payment.payer_account_id
    if payer is not None and accounts.account_by_id(session, payer) is not None:  # it may be deleted since
        notice = Notice(product="payments", kind=kind, title=title, body=text, href="/payments/", key=key, mail=False)
        notify(session, payer, notice)
