"""From order to settlement: every instrument, every refusal, two at once, with real commits.

On SQLite; what a database decides is asked again of PostgreSQL in test_gateway_postgresql.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.products.payments.gateway import GOOD, Shop

from dodeca.kernel import clock
from dodeca.kernel.db import metadata
from dodeca.kernel.errors import Conflict, DodecaError, Invalid, NotFound
from dodeca.kernel.platform import Platform
from dodeca.products.payments import acquirers, flows, invariants
from dodeca.products.payments.models import (
    Merchant,
    Order,
    Payout,
    QrCode,
    Refund,
    RoutingDecision,
    Settlement,
)
from dodeca.products.payments.service import (
    attempts,
    captures,
    events,
    ledger,
    purse,
    receivers,
    recon,
    refunds,
    risk,
    routing,
    settlements,
    tokens,
)
from dodeca.products.payments.service.desk import Desk, platform_desk
from dodeca.products.payments.service.ledger import Place


@pytest.fixture
def settings() -> dict[str, object]:
    return {"outbound_allow_private": True}


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def shop(platform: Platform) -> Iterator[Shop]:
    """A shop whose books are audited when the test is over."""
    opened = Shop(platform)
    yield opened
    assert platform.db.read(invariants.audit) == {}


@pytest.fixture(autouse=True)
def _no_exploration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which acquirer is first must be known where a test counts attempts."""
    monkeypatch.setattr(routing, "EXPLORATION", 0.0)


def balance(shop: Shop, place: Place) -> int:
    return shop.platform.db.read(lambda s: ledger.balance(s, place)).available


def earned(shop: Shop, currency: str = "INR") -> int:
    return balance(shop, Place(shop.desk.merchant.id, "merchant", currency, "test"))


def configure(shop: Shop, name: str, **changes: object) -> None:
    shop.platform.db.write(lambda s: acquirers.configure(s, name, changes, None))


@pytest.mark.parametrize("number", ["4242424242424242", "5555555555554444", "378282246310005"])
def test_a_good_card_is_authorised_at_once(shop: Shop, number: str) -> None:
    assert shop.pay(number).status == "authorized"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("4000000000000002", "payment_declined"),
        ("4000000000009995", "insufficient_funds"),
        ("4000000000000069", "card_expired"),
        ("4000000000000127", "incorrect_cvv"),
    ],
)
def test_a_card_is_declined_for_its_reason(shop: Shop, number: str, reason: str) -> None:
    payment = shop.pay(number)

    assert payment.status == "failed"
    assert payment.error is not None
    assert payment.error["reason"] == reason


def test_a_hard_decline_asks_nobody_else_and_a_soft_one_does(shop: Shop) -> None:
    assert len(shop.attempts(shop.pay("4000000000000002"))) == 1
    assert len(shop.attempts(shop.pay("4000000000009995"))) == 3


def test_an_unavailable_acquirer_is_followed_by_the_next(shop: Shop) -> None:
    payment = shop.pay("4000000000008880")

    assert payment.status == "authorized"
    assert [outcome for _name, outcome in shop.attempts(payment)] == ["unavailable", "approved"]


@pytest.mark.parametrize("number", ["4111111111111111", "5267318187975449", "4000002500003155"])
def test_a_3d_secure_card_waits_for_its_otp(shop: Shop, number: str) -> None:
    payment = shop.pay(number)
    assert payment.challenge is not None
    assert payment.challenge["kind"] == "otp"

    assert shop.answer(payment, "1234").status == "authorized"


def test_three_wrong_otps_end_the_payment(shop: Shop) -> None:
    payment = shop.pay("4111111111111111")
    for _ in range(2):
        with pytest.raises(Invalid, match="OTP is not right"):
            shop.answer(payment, "12")

    failed = shop.answer(payment, "12")

    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["reason"] == "incorrect_otp"


@pytest.mark.parametrize(("number", "status"), [("4000000000006660", "authorized"), ("4000000000007775", "failed")])
def test_a_lost_answer_is_found_out_later_and_nobody_else_is_asked(shop: Shop, number: str, status: str) -> None:
    payment = shop.pay(number)
    assert payment.status == "created"

    clock.advance(15)
    shop.work()

    assert shop.payment(payment.id).status == status
    assert len(shop.attempts(payment)) == 1


@pytest.mark.parametrize(
    ("vpa", "seconds", "status"), [("success", 5, "authorized"), ("failure", 5, "failed"), ("timeout", 400, "failed")]
)
def test_upi_is_approved_refused_or_expires(shop: Shop, vpa: str, seconds: int, status: str) -> None:
    payment = shop.pay(method="upi", vpa=f"{vpa}@razorpay")
    assert payment.status == "created"

    for _ in range(3):
        clock.advance(seconds)
        shop.work()

    assert shop.payment(payment.id).status == status


@pytest.mark.parametrize(("reply", "status"), [("pay", "authorized"), ("fail", "failed")])
@pytest.mark.parametrize("method", ["netbanking", "wallet"])
def test_a_banks_page_pays_or_fails(shop: Shop, method: str, reply: str, status: str) -> None:
    payment = shop.pay(method=method, bank="HDFC" if method == "netbanking" else None, wallet="paytm")

    assert shop.answer(payment, reply).status == status


def test_a_capture_pays_the_merchant_minus_the_fee(shop: Shop) -> None:
    payment = shop.capture(shop.pay(amount=50_000))

    assert (payment.status, payment.fee, payment.tax) == ("captured", 1180, 180)
    assert earned(shop) == 50_000 - 1180


def test_other_currencies_carry_no_tax(shop: Shop) -> None:
    payment = shop.capture(shop.pay(amount=1999, currency="EUR"))

    assert (payment.fee, payment.tax) == (40, 0)


@pytest.mark.parametrize("amount", [1, 49_999, 50_001])
def test_a_capture_is_whole(shop: Shop, amount: int) -> None:
    payment = shop.pay()
    with pytest.raises(Invalid, match="must be equal"):
        asyncio.run(flows.capture(shop.platform, shop.desk, payment.id, amount, "INR"))


def test_an_order_is_paid_once(shop: Shop) -> None:
    order = shop.order()
    first, second = shop.pay(order_id=order.id), shop.pay(order_id=order.id)
    shop.capture(first)

    asyncio.run(flows.capture(shop.platform, shop.desk, second.id, None, None))
    loser = shop.payment(second.id)

    assert shop.fresh_order(order).status == "paid"
    assert (loser.status, loser.captured_at) == ("refunded", None)
    with pytest.raises(Conflict, match="already been paid"):
        shop.pay(order_id=order.id)


def test_the_orders_amount_rules(shop: Shop) -> None:
    order = shop.order(amount=50_000)
    with pytest.raises(Invalid, match="different from your order amount"):
        shop.pay(order_id=order.id, amount=100)


def test_partial_payments_respect_minimum_and_rest(shop: Shop) -> None:
    order = shop.order(amount=1000, partial_payment=True, first_payment_min_amount=300, capture="automatic")
    with pytest.raises(Invalid, match="at least 300"):
        shop.pay(order_id=order.id, amount=299)
    shop.pay(order_id=order.id, amount=300)
    with pytest.raises(Invalid, match="exceeds the amount due"):
        shop.pay(order_id=order.id, amount=701)
    shop.pay(order_id=order.id, amount=700)

    assert shop.fresh_order(order).status == "paid"


def test_refunds_together_do_not_exceed_the_payment(shop: Shop) -> None:
    payment = shop.capture(shop.pay())
    shop.refund(payment, 20_000)
    with pytest.raises(Invalid, match="greater than amount captured"):
        shop.refund(payment, 30_001)

    shop.refund(payment)

    assert shop.payment(payment.id).status == "refunded"
    assert earned(shop) == -1180


def test_a_refund_that_the_bank_refuses_gives_the_money_back_to_the_merchant(shop: Shop) -> None:
    payment = shop.capture(shop.pay("4000000000005126"))

    refund = shop.refund(payment, 100)

    assert refund.status == "failed"
    assert shop.payment(payment.id).amount_refunded == 0
    assert earned(shop) == 50_000 - 1180


def test_a_refund_waits_for_an_acquirer_outside_with_its_money_reserved(shop: Shop) -> None:
    payment = shop.capture(shop.pay())
    configure(shop, payment.acquirer or "", latency_ms=1)
    refund = shop.platform.db.write(lambda s: refunds.begin(s, shop.desk, payment.id, 20_000))
    assert (refund.status, earned(shop)) == ("pending", 30_000 - 1180)

    configure(shop, payment.acquirer or "", outage=True)
    clock.advance(refunds.REPEAT_SECONDS)
    shop.work()
    configure(shop, payment.acquirer or "", outage=False)
    assert asyncio.run(flows.ask_refund(shop.platform, refund.id))

    found = shop.platform.db.read(lambda s: s.get_one(Refund, refund.id))
    assert (found.status, shop.payment(payment.id).amount_refunded) == ("processed", 20_000)


def test_what_a_payer_leaves_at_the_bank_fails_after_an_hour(shop: Shop) -> None:
    payment = shop.pay("4111111111111111")
    clock.advance(attempts.UNANSWERED_SECONDS - 600)
    shop.work()
    assert shop.payment(payment.id).status == "created"

    clock.advance(1200)
    shop.work()
    left = shop.payment(payment.id)
    assert (left.status, (left.error or {})["reason"]) == ("failed", "payment_timed_out")
    with pytest.raises(Conflict):
        shop.answer(payment, "1234")


def test_an_uncaptured_authorisation_is_voided_after_five_days(shop: Shop) -> None:
    payment = shop.pay()

    clock.advance(5 * 86_400 + 400)
    shop.work()

    assert shop.payment(payment.id).status == "refunded"
    assert earned(shop) == 0


def test_eight_declines_in_an_hour_block_the_card(shop: Shop) -> None:
    for _ in range(8):
        shop.pay("4000000000000002")

    blocked = shop.pay("4000000000000002")

    assert blocked.error is not None
    assert blocked.error["reason"] == "risk_blocked"
    assert blocked.risk["score"] == 100


@pytest.mark.parametrize(
    ("action", "status"), [("challenge", "created"), ("review", "authorized"), ("allow", "captured")]
)
def test_a_risk_rule_asks_the_payer_or_waits_for_a_person(shop: Shop, action: str, status: str) -> None:
    rule = {"name": "large", "when": "amount > 1000", "action": action}
    merchant_id = shop.desk.merchant.id

    def save(session: Any) -> None:
        risk.set_rules(session, session.get_one(Merchant, merchant_id), [rule])

    shop.platform.db.write(save)
    desk = shop.platform.db.read(lambda s: Desk(s.get_one(Merchant, merchant_id), "test"))
    shop.desk = desk

    payment = shop.pay(order_id=shop.order(capture="automatic").id)

    assert (payment.status, payment.risk["outcome"]) == (status, action)
    if action == "challenge":
        assert shop.answer(payment, "1234").status == "captured"


def test_a_payment_from_another_country_than_the_shops_counts_and_can_be_ruled_on(shop: Shop) -> None:
    def unit(session: Any) -> None:
        merchant = session.merge(shop.desk.merchant)
        merchant.zone = "Asia/Kolkata"
        risk.set_rules(session, merchant, [{"name": "abroad", "when": "country == 'US'", "action": "review"}])

    shop.platform.db.write(unit)
    shop = Shop(shop.platform)

    abroad, home, inside = (shop.pay(ip=ip).risk for ip in ("8.8.8.8", "49.36.0.1", "127.0.0.1"))

    assert (abroad["outcome"], abroad["reasons"]) == ("review", ["paid from US, sold in IN", "rule abroad"])
    assert (home["score"], inside["score"]) == (0, 0)


def test_a_merchants_rule_decides_where_a_payment_goes(shop: Shop) -> None:
    def unit(session: Any) -> None:
        merchant = session.merge(shop.desk.merchant)
        routing.set_rules(session, merchant, [{"when": "amount > 1000", "then": ["sim-beta"]}], "expected_value")

    shop.platform.db.write(unit)
    shop = Shop(shop.platform)

    payment = shop.pay()

    assert payment.acquirer == "sim-beta"
    decision = shop.platform.db.read(lambda s: s.get_one(RoutingDecision, payment.id))
    assert decision.rule == "rule 1"


@pytest.mark.parametrize("when", ["amount >", "nobody > 1", "amount", "[1].map(x, x) == []", "x" * 501, 5])
def test_a_condition_that_does_not_work_is_refused(shop: Shop, when: object) -> None:
    with pytest.raises(Invalid):
        shop.platform.db.write(
            lambda s: routing.set_rules(s, shop.desk.merchant, [{"when": when, "then": ["sim-beta"]}], "expected_value")
        )


def test_payments_succeed_through_an_outage(shop: Shop) -> None:
    configure(shop, "sim-alpha", outage=True)

    statuses = [shop.pay().status for _ in range(20)]

    assert statuses.count("authorized") >= 19
    assert shop.attempts(shop.pay())[0][0] != "sim-alpha"


def test_without_any_acquirer_the_payment_fails(shop: Shop) -> None:
    for name in ("sim-alpha", "sim-beta", "sim-gamma"):
        configure(shop, name, outage=True)
    payment = shop.pay()

    assert payment.error is not None
    assert payment.error["code"] == "GATEWAY_ERROR"


def test_a_capture_that_was_never_answered_is_repeated(shop: Shop) -> None:
    payment = shop.pay()
    shop.platform.db.write(lambda s: captures.request(s, shop.desk, payment.id, None, None).kind)  # then the crash

    clock.advance(60)
    shop.work()

    assert shop.payment(payment.id).status == "captured"


def test_a_repeated_answer_changes_nothing(shop: Shop) -> None:
    configure(shop, "sim-alpha", duplicate_callbacks=True)
    payment = shop.pay(method="upi", vpa="success@razorpay", order_id=shop.order(capture="automatic").id)

    clock.advance(5)
    shop.work()

    assert shop.payment(payment.id).status == "captured"
    assert earned(shop) == 50_000 - 1180


def at_once(work: Callable[[], object], times: int = 20) -> list[object]:
    def run(_number: int) -> object:
        try:
            return work()
        except DodecaError as error:
            return error

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def test_twenty_captures_at_once_have_one_effect(shop: Shop) -> None:
    payment = shop.pay()

    at_once(lambda: shop.capture(payment))

    assert shop.payment(payment.id).status == "captured"
    assert earned(shop) == 50_000 - 1180


def test_twenty_refunds_at_once_do_not_exceed_the_payment(shop: Shop) -> None:
    payment = shop.capture(shop.pay())

    results = at_once(lambda: shop.refund(payment, 10_000))

    assert sum(not isinstance(r, Exception) for r in results) == 5
    assert shop.payment(payment.id).amount_refunded == 50_000


def test_twenty_payers_of_one_order_at_once_pay_it_once(shop: Shop) -> None:
    order = shop.order(capture="automatic")

    results = at_once(lambda: shop.pay(order_id=order.id))

    captured = [r for r in results if getattr(r, "status", "") == "captured"]
    assert len(captured) == 1
    assert shop.fresh_order(order).amount_paid == 50_000
    assert earned(shop) == 50_000 - 1180


def a_code(shop: Shop, usage: str) -> QrCode:
    values = {"type": "upi_qr", "usage": usage, "fixed_amount": True, "payment_amount": 50_000}
    return shop.platform.db.write(lambda s: receivers.create_qr(s, shop.desk, values))


def scanned(shop: Shop, code: QrCode) -> Order:
    return shop.platform.db.write(lambda s: receivers.qr_order(s, s.get_one(QrCode, code.id), None))


def test_twenty_payers_with_a_code_for_one_payment_at_once_pay_it_once(shop: Shop) -> None:
    code = a_code(shop, "single_use")
    waiting = [scanned(shop, code) for _ in range(20)]

    results = at_once(lambda: shop.pay(order_id=waiting.pop().id))

    assert sorted(getattr(r, "status", str(r)) for r in results) == ["captured"] + ["refunded"] * 19
    assert earned(shop) == 50_000 - 1180
    row = shop.platform.db.read(lambda s: s.get_one(QrCode, code.id))
    assert (row.received_count, row.received_amount, row.close_reason) == (1, 50_000, "paid")


def test_a_payment_that_comes_after_its_code_was_closed_is_given_back(shop: Shop) -> None:
    code = a_code(shop, "multiple_use")
    first, late = scanned(shop, code), scanned(shop, code)
    shop.pay(order_id=first.id)
    shop.platform.db.write(lambda s: receivers.close_qr(s, s.get_one(QrCode, code.id)))

    assert shop.pay(order_id=late.id).status == "refunded"


def test_a_code_for_one_payment_takes_none_while_another_is_being_captured(shop: Shop) -> None:
    code = a_code(shop, "single_use")
    first, second = scanned(shop, code), scanned(shop, code)
    payment = shop.pay(order_id=first.id, capture=False)
    shop.platform.db.write(lambda s: captures.request(s, shop.desk, payment.id, None, None).kind)  # nobody answers yet

    assert shop.pay(order_id=second.id).status == "refunded"
    clock.advance(60)
    shop.work()
    assert shop.payment(payment.id).status == "captured"


def deposit(shop: Shop, account: str, amount: int) -> None:
    desk = shop.platform.db.write(lambda s: platform_desk(s, "test"))
    own = Shop.__new__(Shop)
    own.platform, own.desk = shop.platform, desk
    order = own.order(amount, payee_account_id=account, capture="automatic")
    own.pay(amount=amount, order_id=order.id)


def in_purse(shop: Shop, account: str) -> int:
    return balance(shop, purse.place(account, "INR", "test"))


def test_a_deposit_lands_whole_in_the_purse(shop: Shop) -> None:
    deposit(shop, "anna", 10_000)

    assert in_purse(shop, "anna") == 10_000


def test_the_purse_pays_without_a_fee_and_is_refunded(shop: Shop) -> None:
    deposit(shop, "anna", 10_000)
    order = shop.order(6000, capture="automatic")
    payment = shop.pay(amount=6000, method="wallet", wallet="purse", payer_account_id="anna", order_id=order.id)
    assert (payment.status, payment.fee, in_purse(shop, "anna"), earned(shop)) == ("captured", 0, 4000, 6000)

    shop.refund(payment, 1000)

    assert (in_purse(shop, "anna"), earned(shop)) == (5000, 5000)


def test_a_short_purse_pays_nothing(shop: Shop) -> None:
    deposit(shop, "anna", 1000)
    with pytest.raises(ledger.InsufficientFunds):
        shop.pay(amount=6000, method="wallet", wallet="purse", payer_account_id="anna")

    assert in_purse(shop, "anna") == 1000


def test_a_voided_purse_payment_frees_the_money(shop: Shop) -> None:
    deposit(shop, "anna", 10_000)
    payment = shop.pay(amount=6000, method="wallet", wallet="purse", payer_account_id="anna")
    assert in_purse(shop, "anna") == 4000

    clock.advance(6 * 86_400)
    shop.work()

    assert shop.payment(payment.id).status == "refunded"
    assert in_purse(shop, "anna") == 10_000


@pytest.mark.parametrize(
    ("iban", "status", "left"),
    [("DE89370400440532013000", "processed", 4000), ("GB33BUKB20201555550000", "failed", 10_000)],
)
def test_a_withdrawal_reaches_the_bank_or_comes_back(shop: Shop, iban: str, status: str, left: int) -> None:
    if status == "failed":
        iban = "FR7630006000011234567890189"
    deposit(shop, "anna", 10_000)
    target: dict[str, str] = {"name": "Anna", "iban": iban}
    if status == "failed":
        target = {"name": "Anna", "account_number": "123450000", "ifsc": "HDFC0000001"}
    payout = shop.platform.db.write(lambda s: purse.withdraw(s, "anna", "purse", 6000, "INR", "test", target))

    shop.work()

    assert shop.platform.db.read(lambda s: s.get_one(Payout, payout.id)).status == status
    assert in_purse(shop, "anna") == left


def test_settlements_pay_the_net_two_days_later(shop: Shop) -> None:
    first, second = shop.capture(shop.pay()), shop.capture(shop.pay(amount=10_000))
    shop.refund(second, 4000)
    shop.work()
    assert shop.platform.db.read(lambda s: list(s.scalars(select(Settlement)))) == []

    clock.advance(2 * 86_400 + 3700)
    shop.work()

    (row,) = shop.platform.db.read(lambda s: list(s.scalars(select(Settlement))))
    assert row.amount == 50_000 - 1180 + 10_000 - 236 - 4000
    assert earned(shop) == 0
    start, end = clock.ago(days=1), clock.ahead(days=1)
    lines = shop.platform.db.read(lambda s: recon.lines(s, shop.desk, start, end, 0, 1000))
    assert sum(x["credit"] - x["debit"] for x in lines) == row.amount
    assert shop.payment(first.id).settlement_id == row.id


def settled(shop: Shop, *others: Shop) -> list[tuple[str, int, str]]:
    """Merchant, amount and kinds of lines of all settlements two days later; the lines' sums are checked."""
    clock.advance(2 * 86_400 + 3700)
    shop.work()
    found = []
    for one in (shop, *others):
        wanted = one.desk.owned(Settlement).order_by(Settlement.created_at)
        for row in shop.platform.db.read(lambda s, w=wanted: list(s.scalars(w))):  # type: ignore[misc]
            start, end = row.created_at, row.created_at + timedelta(milliseconds=1)
            lines = shop.platform.db.read(
                lambda s, d=one.desk, a=start, b=end: recon.lines(s, d, a, b, 0, 1000)  # type: ignore[misc]
            )
            assert sum(x["credit"] - x["debit"] for x in lines) == row.amount
            found.append((one.desk.merchant.name, row.amount, " ".join(x["type"] for x in lines)))
    return found


def test_a_share_is_paid_out_once_and_to_whom_it_belongs_after_its_hold(shop: Shop) -> None:
    courier, agent = Shop(shop.platform, "courier"), Shop(shop.platform, "agent")
    wanted = [
        {"merchant_id": courier.desk.merchant.id, "amount": 9000, "hold_until": clock.ahead(days=5).isoformat()},
        {"merchant_id": agent.desk.merchant.id, "amount": 1000, "hold_until": None},
    ]
    order = shop.order(50_000, splits=tuple(wanted), capture="automatic")
    shop.pay(order_id=order.id)
    assert (earned(shop), earned(courier), earned(agent)) == (50_000 - 1180 - 10_000, 0, 1000)
    told = shop.platform.db.read(lambda s: [e.body for e in s.scalars(events.log(shop.desk, "transfer.processed"))])
    shares = [body["payload"]["transfer"]["entity"] for body in told]
    assert {(one["amount"], one["on_hold"]) for one in shares} == {(9000, True), (1000, False)}

    first = settled(shop, courier, agent)
    assert first == [
        ("Corner Shop", 38_820, "payment transfer transfer"),
        ("Corner Shop", 1000, "transfer"),
    ]
    assert [settled(shop, courier, agent)[-1:], earned(courier)] == [first[-1:], 0]  # four days: still held

    clock.advance(86_400)
    shop.work()
    assert earned(courier) == 9000
    assert settled(courier) == [("Corner Shop", 9000, "transfer")]
    assert (earned(shop), earned(courier), earned(agent)) == (0, 0, 0)


def test_what_was_paid_out_before_is_not_settled_again(shop: Shop) -> None:
    shop.capture(shop.pay())
    clock.advance(2 * 86_400 + 60)
    target = {"name": "Shop", "iban": "DE89370400440532013000"}
    with pytest.raises(ledger.InsufficientFunds):
        shop.platform.db.write(lambda s: settlements.pay_out(s, shop.desk, 48_821, "INR", target))
    shop.platform.db.write(lambda s: settlements.pay_out(s, shop.desk, 40_000, "INR", target))
    shop.capture(shop.pay(amount=10_000))

    assert sum(amount for _name, amount, _kinds in settled(shop)) == 50_000 - 1180 - 40_000 + 10_000 - 236
    assert earned(shop) == 0


def test_a_part_is_settled_on_demand_once_and_taken_off_the_next_settlement(shop: Shop) -> None:
    shop.capture(shop.pay())

    results = at_once(
        lambda: shop.platform.db.write(lambda s: settlements.advance(s, shop.desk, 10_000, "INR", {})), times=8
    )

    assert sum(not isinstance(r, Exception) for r in results) == 4
    clock.advance(2 * 86_400 + 60)
    assert sum(amount for _name, amount, _kinds in settled(shop)) == 50_000 - 1180 - 40_000
    assert earned(shop) == 0


def test_merchants_payouts_at_once_take_what_is_due_once(shop: Shop) -> None:
    shop.capture(shop.pay())
    clock.advance(2 * 86_400 + 60)
    target = {"name": "Shop", "iban": "DE89370400440532013000"}

    results = at_once(
        lambda: shop.platform.db.write(lambda s: settlements.pay_out(s, shop.desk, 10_000, "INR", target)), times=8
    )

    assert sum(not isinstance(r, Exception) for r in results) == 4


def test_strangers_see_nothing_of_a_merchant(shop: Shop) -> None:
    payment = shop.capture(shop.pay())
    other = Shop(shop.platform, "another-account")

    with pytest.raises(NotFound):
        other.capture(payment)
    with pytest.raises(NotFound):
        other.refund(payment)
    with pytest.raises(NotFound):
        shop.platform.db.write(lambda s: refunds.begin(s, other.desk, payment.id, 1).id)


def test_no_card_number_reaches_database_or_disk(shop: Shop, tmp_path: Path) -> None:
    numbers = (GOOD, "4111111111111111", "4000000000000002", "4000000000006660")
    for number in numbers:
        shop.pay(number)
    shop.work()

    rows = shop.platform.db.read(lambda s: [repr(row) for t in metadata.sorted_tables for row in s.execute(select(t))])
    held = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()) + "".join(rows).encode()
    assert b"sim-alpha" in held  # else nothing was looked at
    assert [number for number in numbers if number.encode() in held] == []


def test_a_card_is_saved_for_a_merchants_own_customers_only(shop: Shop) -> None:
    other = Shop(shop.platform, "another-account")
    values = {"name": "Asha", "email": "asha@example.org"}
    customer = shop.platform.db.write(lambda s: tokens.create_customer(s, other.desk, values))

    with pytest.raises(NotFound):
        shop.pay(customer_id=customer.id, save=True)
    assert shop.platform.db.read(lambda s: tokens.tokens_of(s, customer)) == []
