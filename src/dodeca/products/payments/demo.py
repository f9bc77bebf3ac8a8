"""Demo data, made through the service: a shop with payments of every kind, and a filled purse."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from dodeca.commons.accounts import public as accounts
from dodeca.products.payments import flows, public
from dodeca.products.payments.acquirers.protocol import CardData
from dodeca.products.payments.service import billing, invoices, orders, payment_links, receivers, refunds
from dodeca.products.payments.service.desk import Desk, ensure_merchant, platform_desk
from dodeca.products.payments.service.orders import OrderRequest
from dodeca.products.payments.service.paying import PayRequest
from dodeca.products.payments.service.steps import PURSE

if TYPE_CHECKING:
    from dodeca.kernel.db import WriteSession
    from dodeca.kernel.platform import Platform

BASKETS = (
    ("Coffee beans, 1 kg", 129_900, "4242424242424242"),
    ("Two mugs", 89_900, "5555555555554444"),
    ("Grinder", 549_000, "378282246310005"),
    ("Filter papers", 19_900, "4000000000000002"),
    ("Tea sampler", 64_900, "4242424242424242"),
    ("Kettle", 329_900, "4000000000009995"),
    ("Gift card", 100_000, "5555555555554444"),
)


def load(platform: Platform) -> None:
    """See the module's text."""
    _run(_load(platform))


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, also where an event loop runs already in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join()


async def _load(platform: Platform) -> None:
    def people(session: WriteSession) -> tuple[Desk, str, Desk] | None:
        seller, payer = (accounts.account_by_name(session, name) for name in ("alice", "bob"))
        if seller is None or payer is None:
            return None
        merchant = ensure_merchant(session, seller.id, "Corner Coffee")
        return Desk(merchant, "test"), payer.id, platform_desk(session, "test")

    found = await platform.db.awrite(people)
    if found is None:
        return
    shop, payer_id, house = found
    made = []
    for what, amount, number in BASKETS:
        request = OrderRequest(amount=amount, currency="INR", description=what, capture="automatic")
        order = await platform.db.awrite(lambda s, r=request: orders.create(s, shop, r))  # type: ignore[misc]
        pay = PayRequest(amount=amount, currency="INR", method="card", order_id=order.id, email="bob@example.org")
        card = CardData(number, "123", 12, 2040, "Bob Brewer")
        made.append(await flows.pay(platform, shop, pay, card))
    await flows.refund(platform, lambda s: refunds.begin(s, shop, made[1], 40_000))
    deposit = await platform.db.awrite(lambda s: public.deposit_order(s, payer_id, 500_000, "INR", "demo-deposit"))
    pay = PayRequest(amount=500_000, currency="INR", method="card", order_id=deposit.id, payer_account_id=payer_id)
    await flows.pay(platform, house, pay, CardData("4242424242424242", "123", 12, 2040, "Bob Brewer"))
    payee = public.Payee(shop.merchant.account_id or "", "Corner Coffee")
    bought = await platform.db.awrite(
        lambda s: public.create_order(s, payee, 45_000, "INR", "demo-purse", description="Cake", payer_id=payer_id)
    )
    await platform.db.awrite(lambda s: public.charge(s, bought.id, payer_id))
    await _ask_for_money(platform, shop, payee, payer_id)


async def _ask_for_money(platform: Platform, shop: Desk, payee: public.Payee, payer_id: str) -> None:
    """Links, an invoice, a QR code, and a subscription that the payer's purse pays."""
    party = {"amount": 240_000, "currency": "INR", "description": "Coffee for your party", "accept_partial": True}
    person = {"name": "Bob Brewer", "email": "bob@example.org"}
    link = await platform.db.awrite(lambda s: payment_links.create(s, shop, {**party, "customer": person}))
    part = PayRequest(amount=80_000, currency="INR", method="card", order_id=link.order_id, email=person["email"])
    await flows.pay(platform, shop, part, CardData("5555555555554444", "123", 12, 2040, person["name"]))
    lines = [
        {"name": "Espresso machine, service", "amount": 350_000},
        {"name": "Parts", "amount": 42_000, "quantity": 2},
    ]
    bill = {"type": "invoice", "line_items": lines, "currency": "INR", "customer": person, "email_notify": False}
    await platform.db.awrite(lambda s: invoices.create(s, shop, bill))
    code = {"type": "upi_qr", "usage": "multiple_use", "name": "Counter", "description": "At the counter"}
    await platform.db.awrite(lambda s: receivers.create_qr(s, shop, code))
    wanted = (payer_id, "Coffee every month", 60_000, "INR", "demo-subscription")
    made = await platform.db.awrite(lambda s: public.subscribe(s, payee, *wanted))
    first = await platform.db.awrite(lambda s: billing.prepare_first(s, made.id))
    agree = PayRequest(
        amount=first.amount,
        currency="INR",
        method="wallet",
        wallet=PURSE,
        order_id=first.order_id,
        invoice_id=first.invoice_id,
        subscription_id=made.id,
        payer_account_id=payer_id,
    )
    await flows.pay(platform, shop, agree)
