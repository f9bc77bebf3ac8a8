"""The purse: one person's money for all products. Paying in is an order; the rest is here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stdnum import iban as iban_check
from stdnum.exceptions import ValidationError

from dodeca.kernel import clock, outbox
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments import ids, outside
from dodeca.products.payments.models import Payout
from dodeca.products.payments.service import ledger, states
from dodeca.products.payments.service.inputs import account_number_of, ifsc_of, text_of
from dodeca.products.payments.service.ledger import Balance, Entry, Place


def place(account_id: str, currency: str, mode: str) -> Place:
    """Somebody's purse in a currency."""
    return Place(account_id, "purse", currency, mode)


def balances(session: ReadSession, account_id: str, mode: str) -> dict[str, Balance]:
    """What is in somebody's purse, by currency."""
    return ledger.balances_of(session, account_id, "purse", mode)


def give(
    session: WriteSession, giver: str, taker: str, amount: int, currency: str, mode: str, *, key: str | None = None
) -> str:
    """Move money from one purse to another; gives the journal's id. Raises Invalid, InsufficientFunds."""
    if giver == taker:
        raise Invalid("You cannot send money to yourself.", field="to")
    entry = Entry(place(giver, currency, mode), place(taker, currency, mode), amount, "transfer")
    return ledger.post(session, f"transfer:{giver}:{key or ids.new('trf')}", [entry]).id


def destination_of(raw: Mapping[str, Any], *, whole: bool = False) -> dict[str, str]:
    """A bank account: name and IBAN, or name, account number and IFSC; with all but four digits hidden unless `whole`
    (a merchant's own, which payers are to see)."""
    name = text_of(raw.get("name"), "name", 100)
    if not name:
        raise Invalid("The name of the account's holder is missing.", field="name")
    if raw.get("iban"):
        try:
            number = iban_check.validate(str(raw["iban"]))
        except ValidationError as error:
            raise Invalid("This is not a valid IBAN.", field="iban") from error
        return {"name": name, "iban": number if whole else f"{number[:4]}…{number[-4:]}", "kind": "iban"}
    if not raw.get("account_number"):
        raise Invalid("Give an IBAN, or an account number and IFSC.", field="account_number")
    number, ifsc = account_number_of(raw["account_number"]), ifsc_of(raw.get("ifsc"))
    shown = number if whole else f"…{number[-4:]}"
    return {"name": name, "account_number": shown, "ifsc": ifsc, "kind": "account"}


def withdraw(
    session: WriteSession,
    owner: str,
    code: str,
    amount: int,
    currency: str,
    mode: str,
    destination: Mapping[str, Any],
    *,
    reference: str | None = None,
) -> Payout:
    """Start paying out of a purse (owner: account) or a merchant's account (owner: merchant).

    Raises Invalid, InsufficientFunds."""
    payout = Payout(
        id=ids.new("pout"),
        owner=owner,
        code=code,
        mode=mode,
        currency=currency,
        amount=amount,
        destination=destination_of(destination),
        status="created",
        reference=reference,
        created_at=clock.now(),
    )
    begin(session, payout)
    outside.pay_out_later(session, payout.id)
    return payout


def begin(session: WriteSession, payout: Payout) -> None:
    """Take a payout's sum out of what it comes from. Raises InsufficientFunds."""
    session.store(payout)
    here, way = (Place(payout.owner, code, payout.currency, payout.mode) for code in (payout.code, "payout"))
    ledger.post(session, f"payout:{payout.id}", [Entry(here, way, payout.amount, "payout")])


def hand_over(session: WriteSession, payout_id: str) -> None:
    """Give a payout to the bank. The bank is simulated: it takes all but accounts that end in 0000, which come back."""
    payout = session.get_one_locked(Payout, payout_id)
    if payout.status not in ("created", "initiated"):
        return
    if payout.status == "created":
        states.move("payout", payout, "initiated")
    waiting = Place(payout.owner, "payout", payout.currency, payout.mode)
    number = payout.destination.get("iban") or payout.destination.get("account_number") or ""
    refused = str(number).endswith("0000")
    back = Place(payout.owner, payout.code, payout.currency, payout.mode)
    target = back if refused else Place("bank", "bank", payout.currency, payout.mode)
    ledger.post(session, f"paid_out:{payout.id}", [Entry(waiting, target, payout.amount, "payout")])
    states.move("payout", payout, "failed" if refused else "processed")
    payout.processed_at = clock.now()
    outbox.add(session, outside.PayoutDone(payout_id=payout.id, status=payout.status))
