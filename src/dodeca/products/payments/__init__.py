"""Payments: a gateway whose every movement of money is a row of one double-entry ledger.

Other products use `dodeca.products.payments.public`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dodeca.kernel.manifest import Manifest

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def _prepare(platform: Platform) -> None:
    """Let a merchant's events reach its open pages, and its changes every process."""
    from dodeca.products.payments import outside
    from dodeca.products.payments.api.money import channel
    from dodeca.products.payments.at_hand import at_hand

    def tell(merchant_id: str, mode: str, kind: str, event_id: str) -> None:
        where = channel(merchant_id, mode)
        if platform.realtime.may_be_heard(where):
            platform.realtime.publish(where, kind, {"id": event_id, "type": kind})

    outside.listeners[:] = [tell]
    outside.set_up(platform.url(""), platform.settings.geoip)
    at_hand(platform)


def manifest() -> Manifest:
    """The product. A function, because other products import `public` without wanting routes."""
    from dodeca.commons.accounts.public import EmailProven
    from dodeca.products.payments import api, demo, home, invariants, pages
    from dodeca.products.payments.compat import razorpay
    from dodeca.products.payments.compat.razorpay.lane import make_lane
    from dodeca.products.payments.jobs import claim, jobs
    from dodeca.products.payments.service.keys import KEY_RATE

    return Manifest(
        name="payments",
        title="Payments",
        tagline="Take money, keep a purse, and have books that add up.",
        icon="credit-card",
        folder=Path(__file__).parent,
        api=api.routes,
        pages=pages.routes,
        compat=razorpay.routes,
        lane=make_lane,
        key_rate=KEY_RATE,
        jobs=jobs,
        subscriptions={EmailProven: [claim]},
        invariants=invariants.invariants,
        demo=demo.load,
        home=home.card,
        prepare=_prepare,
        account_export=home.account_export,
    )
