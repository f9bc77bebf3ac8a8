"""Figures and reports of a merchant."""

from __future__ import annotations

from tests.products.payments.gateway import Shop
from tests.products.payments.test_gateway import _no_exploration, prepared_url, settings, shop

from dodeca.kernel import clock
from dodeca.products.payments.service import reports, risk

__all__ = ["_no_exploration", "prepared_url", "settings", "shop"]


def test_figures_add_up_by_day_method_and_reason(shop: Shop) -> None:
    shop.refund(shop.capture(shop.pay()), 10_000)
    shop.pay("4000000000000127")

    found = shop.platform.db.read(lambda s: reports.summary(s, shop.desk, clock.ago(days=1), clock.ahead(days=1)))

    (day,), (method,) = found["by_day"], found["by_method"]
    assert (day["payments"], day["volume"], day["refunds"], day["fees"]) == (2, 50_000, 10_000, 1180)
    assert (method["method"], method["success_rate"]) == ("card", 0.5)
    assert (
        sum(row["payments"] for row in found["by_acquirer"] if row["acquirer"]) == 2
    )  # declined, yet somebody was asked
    assert found["reasons"] == [{"reason": "incorrect_cvv", "payments": 1}]
    rows = shop.platform.db.read(
        lambda s: list(reports.transactions(s, shop.desk, clock.ago(days=1), clock.ahead(days=1)))
    )
    assert [(row["type"], row["net"]) for row in rows] == [("payment", 48_820), ("payment", 0), ("refund", -10_000)]
    blocked = shop.platform.db.read(lambda s: risk.alerts(s, shop.desk.merchant, "test"))
    assert blocked == []
