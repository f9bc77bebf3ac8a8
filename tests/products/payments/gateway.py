"""Helpers of the gateway's tests: a shop, test cards, and the jobs that are due."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from dodeca.kernel import mail
from dodeca.kernel.jobs import JobRunner
from dodeca.kernel.platform import Platform
from dodeca.products.payments import flows
from dodeca.products.payments.acquirers.protocol import CardData
from dodeca.products.payments.jobs import jobs
from dodeca.products.payments.models import Order, Payment, Refund
from dodeca.products.payments.service import attempts, orders, refunds
from dodeca.products.payments.service.desk import Desk, ensure_merchant
from dodeca.products.payments.service.orders import OrderRequest
from dodeca.products.payments.service.paying import PayRequest

GOOD = "4242424242424242"


class Shop:
    """One merchant's till and what its customers do."""

    def __init__(self, platform: Platform, account_id: str = "shop-account") -> None:
        self.platform = platform
        merchant = platform.db.write(lambda s: ensure_merchant(s, account_id, "Corner Shop"))
        self.desk = Desk(merchant, "test")

    def order(self, amount: int = 50_000, currency: str = "INR", **options: Any) -> Order:
        request = OrderRequest(amount=amount, currency=currency, **options)
        return self.platform.db.write(lambda s: orders.create(s, self.desk, request))

    def pay(self, number: str = GOOD, amount: int = 50_000, currency: str = "INR", **options: Any) -> Payment:
        method = options.pop("method", "card")
        card = (
            CardData(number, "123", 12, 2040, "Asha Rao")
            if method == "card" and "kept_card_id" not in options
            else None
        )
        request = PayRequest(amount=amount, currency=currency, method=method, **options)
        return self.payment(asyncio.run(flows.pay(self.platform, self.desk, request, card)))

    def payment(self, payment_id: str) -> Payment:
        return self.platform.db.read(lambda s: s.get_one(Payment, payment_id))

    def fresh_order(self, order: Order) -> Order:
        return self.platform.db.read(lambda s: s.get_one(Order, order.id))

    def capture(self, payment: Payment) -> Payment:
        asyncio.run(flows.capture(self.platform, self.desk, payment.id, payment.amount, payment.currency))
        return self.payment(payment.id)

    def refund(self, payment: Payment, amount: int | None = None) -> Refund:
        made = asyncio.run(flows.refund(self.platform, lambda s: refunds.begin(s, self.desk, payment.id, amount)))
        return self.platform.db.read(lambda s: s.get_one(Refund, made.id))

    def answer(self, payment: Payment, reply: str) -> Payment:
        asyncio.run(flows.answer(self.platform, payment.id, reply))
        return self.payment(payment.id)

    def work(self) -> None:
        """Run all jobs that are due."""
        asyncio.run(JobRunner(self.platform, [*jobs, mail.deliver]).run_due())

    def attempts(self, payment: Payment) -> Sequence[tuple[str, str]]:
        rows = self.platform.db.read(lambda s: attempts.attempts_of(s, payment))
        return [(row.acquirer, row.outcome) for row in rows]
