"""A merchant's till, found together with what a unit of work is about, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError

import pytest
from sqlalchemy import event

from dodeca.kernel import clock
from dodeca.kernel.db import Database, ReadSession, WriteSession
from dodeca.products.payments.models import Merchant, Order, Webhook
from dodeca.products.payments.service import bankrefs, orders
from dodeca.products.payments.service.desk import Desk, ensure_merchant, platform_desk
from dodeca.products.payments.service.orders import OrderRequest
from dodeca.products.payments.service.steps import desk_with


def test_a_till_knows_whether_a_webhook_of_its_mode_is_on(database: Database) -> None:
    def begin(session: WriteSession) -> tuple[Merchant, str]:
        merchant = ensure_merchant(session, "till-account", "Corner")
        session.add(Webhook(id="hook_1", merchant_id=merchant.id, mode="live", url="https://a.example", events=[]))
        session.flush()
        return merchant, orders.create(session, Desk(merchant, "test"), OrderRequest(50_000, "INR")).id

    merchant, order_id = database.write(begin)

    def has_webhooks() -> bool:
        def look(session: ReadSession) -> bool:
            return desk_with(session, Desk(merchant, "test"), order_id=order_id).has_webhooks

        return database.read(look)

    def change(mode: str, *, on: bool) -> None:
        def unit(session: WriteSession) -> None:
            hook = session.get_one(Webhook, "hook_1")
            hook.mode, hook.disabled_at = mode, None if on else clock.now()

        database.write(unit)

    found = [has_webhooks()]
    for mode, on in (("test", True), ("test", False)):
        change(mode, on=on)
        found.append(has_webhooks())

    assert found == [False, True, False]


@pytest.mark.parametrize("kind", ["merchant", "platform", "reference"])
def test_who_comes_first_twice_at_once_is_not_refused(database: Database, kind: str) -> None:
    """Both look and find nothing; on PostgreSQL one then waits for the other, whose row it is to find."""
    order_id = "order_none"
    if kind == "reference":
        order_id = database.write(
            lambda session: (
                orders.create(
                    session, Desk(ensure_merchant(session, "shop", "Corner"), "test"), OrderRequest(50_000, "INR")
                ).id
            )
        )
    both = Barrier(2, timeout=0.2 if database.dialect == "sqlite" else 20)

    def wait(*_: object) -> None:
        try:
            both.wait()
        except BrokenBarrierError:  # SQLite has one writer: nobody else is about to write
            assert database.dialect == "sqlite"

    def unit(session: WriteSession) -> str:
        event.listen(session, "before_flush", wait)
        if kind == "merchant":
            return ensure_merchant(session, "both", "Corner").id
        if kind == "platform":
            return platform_desk(session, "test").merchant.id
        return bankrefs.reference_of(session, session.get_one(Order, order_id))

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: database.write(unit), range(2)))

    assert found[0] == found[1]
