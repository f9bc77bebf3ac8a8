"""Purse, balance, payouts, merchant settings, the ledger, events."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar.response import ServerSentEvent
from sqlalchemy import func, select

from dodeca.commons.accounts import public as accounts
from dodeca.commons.accounts.public import Actor
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import (
    Access,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    get,
    page_of,
    patch,
    post,
)
from dodeca.products.payments import flows, invariants, links, public
from dodeca.products.payments.acting import Till, flow_desk
from dodeca.products.payments.ids import new as new_id
from dodeca.products.payments.models import Order, Payment, PaymentEvent, Payout, Transfer
from dodeca.products.payments.service import events, ledger, merchants, purse, settlements
from dodeca.products.payments.service.inputs import amount_of

Text = Annotated[str, msgspec.Meta(max_length=256)]
Number = int | float | str


class Deposit(ClosedRequest):
    """Money to put into one's purse; with a saved method at once, else at the checkout."""

    amount: Number
    currency: Text
    payment_method_id: Text | None = None


class Gift(ClosedRequest):
    """Money for somebody else's purse."""

    amount: Number
    currency: Text
    to: Text


class BankAccount(ClosedRequest):
    """A bank account by IBAN, or by account number and IFSC."""

    name: Text
    iban: Text | None = None
    account_number: Text | None = None
    ifsc: Text | None = None


class Withdrawal(ClosedRequest):
    """Money to send to a bank account."""

    amount: Number
    currency: Text
    destination: BankAccount


class PayoutBody(ClosedRequest):
    """Money of the merchant to send to its bank account."""

    amount: Number
    currency: Text
    bank_account: BankAccount | None = None


class MerchantChange(ClosedRequest, omit_defaults=True):
    """Settings of a merchant: those that are given are changed."""

    bank_account: BankAccount | msgspec.UnsetType = msgspec.UNSET
    capture: Text | msgspec.UnsetType = msgspec.UNSET
    zone: Text | msgspec.UnsetType = msgspec.UNSET
    name: Text | msgspec.UnsetType = msgspec.UNSET
    email: Text | msgspec.UnsetType = msgspec.UNSET
    contact: Text | msgspec.UnsetType = msgspec.UNSET
    website: Text | msgspec.UnsetType = msgspec.UNSET
    told_of: list[Text] | msgspec.UnsetType = msgspec.UNSET


@get("/wallet", access=Access.MEMBER)
def wallet(session: DbRead, account: Actor) -> dict[str, Any]:
    """What is in one's purse."""
    found = purse.balances(session, account.id, "test")
    return {"balances": [{"currency": c, "available": b.available, "held": b.held} for c, b in found.items()]}


@post("/wallet/deposits", access=Access.MEMBER)
async def deposit(call: Calling, data: JSONBody[Deposit]) -> dict[str, Any]:
    """Pay into one's purse."""
    amount, me = amount_of(data.amount, data.currency), call.member().account_id
    key = call.request.headers.get("idempotency-key")
    reference = f"deposit:{me}:{key or new_id('dep')}"
    made = await call.platform.db.awrite(lambda s: public.deposit_order(s, me, amount, data.currency, reference))
    if data.payment_method_id is not None:
        await flows.charge(call.platform, made.id, me, data.payment_method_id)
    status = await call.platform.db.aread(lambda s: s.get_one(Order, made.id).status)
    return {"transaction_id": made.id, "status": status, "checkout_url": links.checkout(call.platform, made.id)}


@post("/wallet/transfers", access=Access.MEMBER, idempotent=True)
def transfer(session: DbWrite, account: Actor, data: JSONBody[Gift]) -> dict[str, Any]:
    """Send money to somebody's purse. 402 when there is not enough."""
    taker = accounts.account_by_name(session, data.to)
    if taker is None or not taker.is_active:
        raise NotFound("There is nobody of this name.", field="to")
    amount = amount_of(data.amount, data.currency, least=1)
    made = purse.give(session, account.id, taker.id, amount, data.currency, "test")
    return {"transfer_id": made, "status": "processed"}


@post("/wallet/withdrawals", access=Access.MEMBER, idempotent=True)
def withdraw(session: DbWrite, account: Actor, data: JSONBody[Withdrawal]) -> dict[str, Any]:
    """Send money to a bank account. 402 when there is not enough."""
    amount = amount_of(data.amount, data.currency, least=1)
    target = msgspec.to_builtins(data.destination)
    row = purse.withdraw(session, account.id, "purse", amount, data.currency, "test", target)
    return {"payout_id": row.id, "status": row.status}


@get("/balance", access=Access.MEMBER)
def balance(session: DbRead, desk: Till) -> list[dict[str, Any]]:
    """What a merchant has earned and was not paid yet, by currency."""
    return settlements.balance(session, desk)


@post("/payouts", access=Access.MEMBER, idempotent=True)
def pay_out(session: DbWrite, desk: Till, data: JSONBody[PayoutBody]) -> dict[str, Any]:
    """Send what was earned to a bank account. 402 when less is available."""
    amount = amount_of(data.amount, data.currency, least=1)
    target = msgspec.to_builtins(data.bank_account) if data.bank_account is not None else None
    row = settlements.pay_out(session, desk, amount, data.currency, target)
    return {"payout_id": row.id, "status": row.status}


@get("/payouts", access=Access.MEMBER)
def payouts(
    session: DbRead, desk: Till, cursor: FromQuery[str | None] = None, limit: FromQuery[int | None] = None
) -> dict[str, Any]:
    """A merchant's payouts, newest first."""
    mine = select(Payout).where(Payout.owner == desk.merchant.id, Payout.mode == desk.mode)
    page = page_of(session, mine, order=[Payout.created_at, Payout.id], cursor=cursor, limit=limit)
    rows = [
        {
            "payout_id": p.id,
            "amount": p.amount,
            "currency": p.currency,
            "status": p.status,
            "destination": p.destination,
        }
        for p in page.items
    ]
    return {"payouts": rows, "next_cursor": page.next_cursor}


@get("/merchant", access=Access.MEMBER)
def merchant(session: DbRead, desk: Till) -> dict[str, Any]:
    """A merchant's settings."""
    return merchants.shown(desk.merchant, desk.mode)


@patch("/merchant", access=Access.MEMBER)
def change_merchant(session: DbWrite, desk: Till, data: JSONBody[MerchantChange]) -> dict[str, Any]:
    """Change them."""
    merchants.change(desk.merchant, msgspec.to_builtins(data))
    return merchants.shown(desk.merchant, desk.mode)


@get("/ledger/journal", access=Access.MEMBER)
def journal(session: DbRead, desk: Till, payment_id: FromQuery[str] = "") -> dict[str, Any]:
    """The movements of one of the merchant's payments."""
    row = desk.find(session, Payment, payment_id)
    return {
        "transfers": [
            {
                "transfer_id": t.id,
                "debit_account": t.debit_account_id,
                "credit_account": t.credit_account_id,
                "amount": t.amount,
                "currency": t.currency,
                "code": t.code,
                "state": t.state,
            }
            for t in ledger.transfers_of(session, row.id)
        ]
    }


@get("/ledger/audit", access=Access.ADMIN)
def audit(session: DbRead) -> dict[str, Any]:
    """Recompute all books."""
    violations = invariants.audit(session)
    count = session.scalar(select(func.count()).select_from(Transfer)) or 0
    return {"ok": not violations, "transfers": count, "violations": violations}


@get("/events", access=Access.MEMBER)
def list_events(
    session: DbRead,
    desk: Till,
    type: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
    limit: FromQuery[int | None] = None,
) -> dict[str, Any]:
    """What happened, newest first."""
    order = [PaymentEvent.created_at, PaymentEvent.id]
    page = page_of(session, events.log(desk, type), order=order, cursor=cursor, limit=limit)
    rows = [{"id": e.id, "type": e.type, "created_at": rfc3339(e.created_at), "body": e.body} for e in page.items]
    return {"events": rows, "next_cursor": page.next_cursor}


@get("/events/{event_id:str}", access=Access.MEMBER)
def event(session: DbRead, desk: Till, event_id: FromPath[str]) -> dict[str, Any]:
    """One event, with the body that webhooks get."""
    found = desk.find(session, PaymentEvent, event_id)
    return {"id": found.id, "type": found.type, "created_at": rfc3339(found.created_at), "body": found.body}


def channel(merchant_id: str, mode: str) -> str:
    """Where a merchant's live pages listen."""
    return f"payments:{merchant_id}:{mode}"


@get("/events/stream", access=Access.MEMBER)
async def stream(call: Calling) -> ServerSentEvent:
    """Server-sent events: one for each event of the log, with its id."""
    desk = await flow_desk(call)
    last = call.request.headers.get("last-event-id")
    return call.platform.realtime.stream([channel(desk.merchant.id, desk.mode)], last_id=last)


@post("/events/{event_id:str}/replay", access=Access.MEMBER, status=202)
def replay(session: DbWrite, desk: Till, event_id: FromPath[str]) -> dict[str, Any]:
    """Send an event again to all webhooks that want it."""
    return {"deliveries": events.replay(session, desk, event_id)}


routes = [
    wallet,
    deposit,
    transfer,
    withdraw,
    balance,
    pay_out,
    payouts,
    merchant,
    change_merchant,
    journal,
    audit,
    list_events,
    stream,
    event,
    replay,
]
