"""A merchant's till, found together with what a unit of work is about, on both engines."""

from __future__ import annotations

from dodeca.kernel import clock
from dodeca.kernel.db import Database, ReadSession, WriteSession
from dodeca.products.payments.models import Webhook
from dodeca.products.payments.service import orders
from dodeca.products.payments.service.desk import Desk, ensure_merchant
from dodeca.products.payments.service.orders import OrderRequest
from dodeca.products.payments.service.steps import till_with


def test_a_till_knows_whether_a_webhook_of_its_mode_is_on(database: Database) -> None:
    def begin(session: WriteSession) -> str:
        merchant = ensure_merchant(session, "till-account", "Corner")
        session.add(Webhook(id="hook_1", merchant_id=merchant.id, mode="live", url="https://a.example", events=[]))
        session.flush()
        return orders.create(session, Desk(merchant, "test"), OrderRequest(50_000, "INR")).id

    order_id = database.write(begin)

    def has_webhooks() -> bool:
        def look(session: ReadSession) -> bool:
            return till_with(session, "till-account", "test", order_id=order_id).has_webhooks

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
