"""What is to happen to a link, an invoice, a subscription when their payment gets somewhere: they register here.

The keys are orders' `source`. What registers in `still_takes` says whether a payment of its may be taken, so that one
which came too late is voided; it holds the row that says so. `on_authorised` is for payments without an order, all of
which are voided at once: they only show that a subscription's payer agrees.
"""

from __future__ import annotations

from collections.abc import Callable

from dodeca.kernel.db import WriteSession
from dodeca.products.payments.models import Order, Payment
from dodeca.products.payments.service.desk import Desk

Hook = Callable[[WriteSession, Desk, Order, Payment], None]
on_captured: dict[str, Hook] = {}
on_failed: dict[str, Hook] = {}
on_authorised: dict[str, Callable[[WriteSession, Desk, Payment], None]] = {}
still_takes: dict[str, Callable[[WriteSession, Order, Payment], bool]] = {}


def takes(session: WriteSession, order: Order, payment: Payment) -> bool:
    """Whether what the order is for still takes this payment."""
    asked = still_takes.get(order.source)
    return asked is None or asked(session, order, payment)
