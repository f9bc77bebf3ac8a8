"""What is to happen to a link, an invoice, a subscription when their payment gets somewhere: they register here.

The keys are orders' `source`. `on_authorised` is for payments without an order, which are voided at once: they only
show that a subscription's payer agrees.
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
