"""Subscriptions over simulated years: dates, money, failures, changes. One engine: what differs is the ledger's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.products.payments.gateway import GOOD, Shop

from dodeca.kernel import mail
from dodeca.kernel.errors import Conflict
from dodeca.kernel.platform import Platform
from dodeca.products.payments import flows, invariants
from dodeca.products.payments.acquirers.protocol import CardData
from dodeca.products.payments.models import Customer, Invoice, Payment, PaymentEvent, Subscription, TestClock
from dodeca.products.payments.service import billing, catalog, cycles, subscriptions, tokens
from dodeca.products.payments.service.paying import PayRequest

BERLIN = "Europe/Berlin"
LATER_DECLINES = "4000000000000341"


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    return sqlite_url


class Tea:
    """A shop with one plan and one subscriber, who live by a clock of their own."""

    def __init__(self, platform: Platform, begins: str, period: str = "monthly", price: int = 30_000) -> None:
        self.platform, self.shop = platform, Shop(platform)
        self.begins = datetime.fromisoformat(begins).replace(tzinfo=UTC)
        self.plan = self.new_plan(price, period)

        def person(session: Any) -> str:
            own = TestClock(id="clock_1", merchant_id=self.shop.desk.merchant.id, now=self.begins)
            session.add(own)
            session.flush()
            values = {"email": "asha@example.org", "test_clock": "clock_1", "zone": BERLIN}
            return tokens.create_customer(session, self.shop.desk, values).id

        self.customer = platform.db.write(person)

    def new_plan(self, price: int, period: str = "monthly") -> str:
        values = {"period": period, "interval": 1, "item": {"name": "Tea", "amount": price, "currency": "INR"}}
        return self.platform.db.write(lambda s: catalog.create_plan(s, self.shop.desk, values).id)

    def subscribe(self, number: str = GOOD, **more: Any) -> str:
        values = {"plan_id": self.plan, "customer_id": self.customer, "total_count": 12, **more}
        name: str = self.platform.db.write(lambda s: subscriptions.create(s, self.shop.desk, values).id)
        first = self.platform.db.write(lambda s: billing.prepare_first(s, name))
        request = PayRequest(
            amount=first.amount,
            currency="INR",
            method="card",
            order_id=first.order_id,
            invoice_id=first.invoice_id,
            subscription_id=name,
            capture=first.order_id is not None,
            email="asha@example.org",
        )
        asyncio.run(flows.pay(self.platform, self.shop.desk, request, CardData(number, "123", 12, 2090, "Asha")))
        return name

    def advance(self, days: float) -> None:
        def move(session: Any) -> None:
            own = session.get_one(TestClock, "clock_1")
            own.now += timedelta(days=days)

        self.platform.db.write(move)
        asyncio.run(flows.bill_all(self.platform, "clock_1"))

    def row(self, name: str) -> Subscription:
        return self.platform.db.read(lambda s: s.get_one(Subscription, name))

    def bills(self, name: str) -> list[Invoice]:
        mine = select(Invoice).where(Invoice.subscription_id == name).order_by(Invoice.created_at, Invoice.id)
        return list(self.platform.db.read(lambda s: s.scalars(mine).all()))

    def told(self) -> list[str]:
        def read(session: Any) -> list[str]:
            kinds = session.scalars(select(PaymentEvent.type).order_by(PaymentEvent.created_at, PaymentEvent.id))
            return [kind.removeprefix("subscription.") for kind in kinds if kind.startswith("subscription.")]

        return self.platform.db.read(read)

    def change(self, name: str, values: Mapping[str, Any]) -> None:
        self.platform.db.write(
            lambda s: billing.change_now(s, self.shop.desk, subscriptions.locked(s, name), dict(values))
        )


def test_a_year_from_the_last_of_january_is_billed_to_the_day(platform: Platform) -> None:
    tea = Tea(platform, "2031-01-31T11:00")
    name = tea.subscribe()

    tea.advance(370)

    row, bills = tea.row(name), tea.bills(name)
    begun = [bill.billing_start.astimezone(ZoneInfo(BERLIN)) for bill in bills if bill.billing_start]
    assert [f"{d:%m-%d %H}" for d in begun] == [
        "01-31 12", "02-28 12", "03-31 12", "04-30 12", "05-31 12", "06-30 12",
        "07-31 12", "08-31 12", "09-30 12", "10-31 12", "11-30 12", "12-31 12",
    ]  # fmt: skip
    assert (row.status, row.paid_count, row.charge_at) == ("completed", 12, None)
    assert {bill.status for bill in bills} == {"paid"}
    taken = platform.db.read(lambda s: s.scalars(select(Payment.amount).where(Payment.captured_at.is_not(None))).all())
    assert sum(taken) == 12 * 30_000
    assert tea.told() == ["authenticated", "activated", *["charged"] * 12, "completed"]
    assert platform.db.read(invariants.audit) == {}


def test_advancing_in_small_steps_or_at_once_bills_the_same(platform: Platform) -> None:
    tea = Tea(platform, "2032-02-29T11:00", "yearly")
    name = tea.subscribe(total_count=5)

    for _ in range(50):
        tea.advance(29.22)

    begun = [f"{bill.billing_start:%Y-%m-%d}" for bill in tea.bills(name) if bill.billing_start]
    assert begun == ["2032-02-29", "2033-02-28", "2034-02-28", "2035-02-28", "2036-02-29"]
    assert len(begun) == tea.row(name).paid_count


def test_a_failed_charge_is_retried_after_one_two_three_days_and_then_halted(platform: Platform) -> None:
    tea = Tea(platform, "2031-01-10T11:00")
    name = tea.subscribe(LATER_DECLINES)
    states = []

    tea.advance(31)
    states.append((tea.row(name).status, tea.row(name).failures))
    for _ in range(3):
        tea.advance(1)
        states.append((tea.row(name).status, tea.row(name).failures))
    tea.advance(60)

    assert states == [("pending", 1), ("pending", 2), ("pending", 3), ("halted", 4)]
    failed = select(Payment).where(Payment.status == "failed")
    assert len(platform.db.read(lambda s: s.scalars(failed).all())) == 4
    tea.shop.work()
    letters = platform.db.read(lambda s: mail.sent(s, "asha@example.org"))
    assert sum("failed" in letter.subject for letter in letters) == 4


def test_a_halted_subscription_goes_on_when_its_bill_is_paid(platform: Platform) -> None:
    tea = Tea(platform, "2031-01-10T11:00")
    name = tea.subscribe(LATER_DECLINES)
    tea.advance(40)
    open_bill = next(bill for bill in tea.bills(name) if bill.status == "issued")

    tea.shop.pay(GOOD, 30_000, order_id=open_bill.order_id, subscription_id=name, invoice_id=open_bill.id)

    row = tea.row(name)
    assert (row.status, row.paid_count, row.failures) == ("active", 2, 0)
    assert row.charge_at is not None
    assert row.charge_at > datetime(2031, 2, 19, tzinfo=UTC)
    tea.advance(31)
    assert tea.row(name).paid_count == 3


def test_a_trial_is_agreed_to_for_nothing_and_charged_when_it_ends(platform: Platform) -> None:
    tea = Tea(platform, "2031-01-10T11:00")
    starts = int((tea.begins + timedelta(days=14)).timestamp())

    name = tea.subscribe(start_at=starts)
    before = tea.row(name)
    tea.advance(10)
    assert tea.row(name).trial_told_at is None  # the platform's clock is years behind and says nothing of it
    tea.advance(4)

    assert (before.status, before.paid_count) == ("authenticated", 0)
    assert tea.row(name).trial_told_at == tea.begins + timedelta(days=14)
    after = tea.row(name)
    assert (after.status, after.paid_count, after.current_start) == ("active", 1, after.start_at)
    amounts = platform.db.read(lambda s: s.execute(select(Payment.amount, Payment.status)).all())
    assert sorted(map(tuple, amounts)) == [(100, "refunded"), (30_000, "captured")]


def test_a_dearer_plan_adds_the_rest_of_the_cycle_to_the_next_bill(platform: Platform) -> None:
    tea = Tea(platform, "2031-04-01T11:00")  # a cycle of 30 days
    name = tea.subscribe()
    tea.advance(10)

    tea.change(name, {"plan_id": tea.new_plan(60_000)})
    tea.advance(21)

    assert [bill.amount for bill in tea.bills(name)] == [30_000, 60_000 + 20_000]


def test_a_cheaper_plan_leaves_credit_that_pays_the_next_bills(platform: Platform) -> None:
    tea = Tea(platform, "2031-04-01T11:00")
    name = tea.subscribe()
    tea.advance(10)

    tea.change(name, {"plan_id": tea.new_plan(6000)})
    left = tea.row(name).credit
    tea.advance(120)

    assert left == 20_000 - 4000
    bills = tea.bills(name)
    assert [bill.amount for bill in bills] == [30_000, 0, 0, 2000, 6000]
    assert {bill.status for bill in bills} == {"paid"}
    assert sum(bill.amount for bill in bills[1:]) + left == 4 * 6000


def test_a_change_at_the_end_of_the_cycle_waits_for_it(platform: Platform) -> None:
    tea = Tea(platform, "2031-04-01T11:00")
    name = tea.subscribe()

    tea.change(name, {"quantity": 2, "schedule_change_at": "cycle_end"})
    now = tea.row(name).quantity
    tea.advance(31)

    assert (now, tea.row(name).quantity) == (1, 2)
    assert [bill.amount for bill in tea.bills(name)] == [30_000, 60_000]


def test_an_end_at_the_cycles_end_takes_no_more_money(platform: Platform) -> None:
    tea = Tea(platform, "2031-04-01T11:00")
    name = tea.subscribe()
    platform.db.write(
        lambda s: subscriptions.cancel(s, tea.shop.desk, subscriptions.locked(s, name), at_cycle_end=True)
    )

    tea.advance(29)
    before = tea.row(name).status
    tea.advance(40)

    assert (before, tea.row(name).status, len(tea.bills(name))) == ("active", "cancelled", 1)


def test_paused_months_are_not_charged(platform: Platform) -> None:
    tea = Tea(platform, "2031-04-15T11:00")
    name = tea.subscribe()
    platform.db.write(lambda s: subscriptions.pause(s, tea.shop.desk, subscriptions.locked(s, name)))
    tea.advance(70)

    platform.db.write(lambda s: subscriptions.resume(s, tea.shop.desk, subscriptions.locked(s, name)))
    tea.advance(21)

    begun = [f"{bill.billing_start:%m-%d}" for bill in tea.bills(name) if bill.billing_start]
    assert begun == ["04-15", "07-15"]


def test_an_ended_subscription_cannot_be_resumed(platform: Platform) -> None:
    tea = Tea(platform, "2031-04-15T11:00")
    name = tea.subscribe()
    platform.db.write(lambda s: subscriptions.cancel(s, tea.shop.desk, subscriptions.locked(s, name)))

    with pytest.raises(Conflict):
        platform.db.write(lambda s: subscriptions.resume(s, tea.shop.desk, subscriptions.locked(s, name)))


def test_a_strangers_customer_cannot_subscribe(platform: Platform) -> None:
    tea = Tea(platform, "2031-04-15T11:00")
    other = Shop(platform, "somebody-else")
    values = {"plan_id": tea.plan, "customer_id": tea.customer, "total_count": 2}

    with pytest.raises(Exception, match="does not exist"):
        platform.db.write(lambda s: subscriptions.create(s, other.desk, values))
    assert platform.db.read(lambda s: s.scalars(select(Customer)).one()).id == tea.customer


@given(
    total=st.integers(1, 10**9),
    length=st.integers(1, 366),
    at=st.floats(0, 1),
)
def test_no_unit_is_lost_between_used_and_unused_days(total: int, length: int, at: float) -> None:
    start = datetime(2031, 1, 1, 12, tzinfo=UTC)
    end = start + timedelta(days=length)
    left = cycles.left_of(total, start, end, start + (end - start) * at, "UTC")

    assert 0 <= left <= total
    assert cycles.left_of(total, start, end, start, "UTC") == total
    assert cycles.left_of(total, start, end, end, "UTC") == 0


@given(
    begins=st.integers(1_577_836_800, 2_208_988_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    period=st.sampled_from(["daily", "weekly", "monthly", "yearly"]),
    interval=st.integers(1, 10),
    zone=st.sampled_from(["UTC", BERLIN, "America/New_York", "Asia/Kolkata"]),
)
def test_cycles_follow_each_other(begins: datetime, period: str, interval: int, zone: str) -> None:
    edges = [cycles.boundary(begins, period, interval, number, zone) for number in range(15)]

    assert edges == sorted(set(edges))
    assert all(cycles.cycle_at(begins, period, interval, edge, zone) == n for n, edge in enumerate(edges))
