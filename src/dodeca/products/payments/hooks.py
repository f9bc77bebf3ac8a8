"""What is to happen to a link, an invoice, a subscription when an order of theirs is paid: they register here."""

from __future__ import annotations

from collections.abc import Callable

from dodeca.kernel.db import WriteSession
from dodeca.products.payments.models import Order, Payment
from dodeca.products.payments.service.desk import Desk

Hook = Callable[[WriteSession, Desk, Order, Payment], None]
on_captured: dict[str, Hook] = {}
