"""What a database decides, or could decide differently, on PostgreSQL: races, limits, sums by time, upserts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.products.payments.gateway import Shop
from tests.products.payments.test_disputes import (
    test_an_accepted_dispute_is_taken_off_the_next_settlement,
    test_one_who_shows_a_document_wins,
)
from tests.products.payments.test_gateway import (
    _no_exploration,
    deposit,
    settings,
    shop,
    test_a_capture_that_was_never_answered_is_repeated,
    test_a_part_is_settled_on_demand_once_and_taken_off_the_next_settlement,
    test_a_repeated_answer_changes_nothing,
    test_a_short_purse_pays_nothing,
    test_an_order_is_paid_once,
    test_an_uncaptured_authorisation_is_voided_after_five_days,
    test_eight_declines_in_an_hour_block_the_card,
    test_payments_succeed_through_an_outage,
    test_refunds_together_do_not_exceed_the_payment,
    test_settlements_pay_the_net_two_days_later,
    test_strangers_see_nothing_of_a_merchant,
    test_the_purse_pays_without_a_fee_and_is_refunded,
    test_twenty_captures_at_once_have_one_effect,
    test_twenty_payers_of_one_order_at_once_pay_it_once,
    test_twenty_payers_with_a_code_for_one_payment_at_once_pay_it_once,
    test_twenty_refunds_at_once_do_not_exceed_the_payment,
)
from tests.products.payments.test_reports import test_figures_add_up_by_day_method_and_reason
from tests.products.payments.test_statements import (
    desk,
    test_a_settlement_is_matched_by_its_number_and_only_once,
    test_ledger_and_acquirers_are_compared_by_day,
)
from tests.products.payments.test_subscriptions import test_a_year_from_the_last_of_january_is_billed_to_the_day
from tests.support import postgres
from tests.support.units import overtaking

from dodeca.kernel.db import WriteSession
from dodeca.products.payments import flows, public
from dodeca.products.payments.acquirers.protocol import CardData
from dodeca.products.payments.models import Customer, Order, QrCode, VirtualAccount
from dodeca.products.payments.public import Payee
from dodeca.products.payments.service import receivers, tokens

__all__ = [
    "_no_exploration",
    "desk",
    "settings",
    "shop",
    "test_a_capture_that_was_never_answered_is_repeated",
    "test_a_part_is_settled_on_demand_once_and_taken_off_the_next_settlement",
    "test_a_repeated_answer_changes_nothing",
    "test_a_settlement_is_matched_by_its_number_and_only_once",
    "test_a_short_purse_pays_nothing",
    "test_a_year_from_the_last_of_january_is_billed_to_the_day",
    "test_an_accepted_dispute_is_taken_off_the_next_settlement",
    "test_an_order_is_paid_once",
    "test_an_uncaptured_authorisation_is_voided_after_five_days",
    "test_eight_declines_in_an_hour_block_the_card",
    "test_figures_add_up_by_day_method_and_reason",
    "test_ledger_and_acquirers_are_compared_by_day",
    "test_one_who_shows_a_document_wins",
    "test_payments_succeed_through_an_outage",
    "test_refunds_together_do_not_exceed_the_payment",
    "test_settlements_pay_the_net_two_days_later",
    "test_strangers_see_nothing_of_a_merchant",
    "test_the_purse_pays_without_a_fee_and_is_refunded",
    "test_twenty_captures_at_once_have_one_effect",
    "test_twenty_payers_of_one_order_at_once_pay_it_once",
    "test_twenty_payers_with_a_code_for_one_payment_at_once_pay_it_once",
    "test_twenty_refunds_at_once_do_not_exceed_the_payment",
]


@pytest.fixture
def prepared_url(postgres_cluster: postgres.Cluster, postgres_template: str) -> str:
    """A database with all tables on PostgreSQL."""
    return str(postgres_cluster.url(template=postgres_template))


def twice_at_once(shop: Shop, unit: Callable[[WriteSession], str]) -> list[str]:
    """Run a unit of work, and it once more while the first is not committed."""
    return overtaking(shop.platform.db, unit, lambda: shop.platform.db.write(unit))


def test_a_refund_that_is_asked_for_twice_at_once_goes_back_once(shop: Shop) -> None:
    db = shop.platform.db
    deposit(shop, "anna", 10_000)
    made = db.write(lambda s: public.create_order(s, Payee("seller", "Seller"), 4000, "INR", "letters:1"))
    db.write(lambda s: public.charge(s, made.id, "anna"))

    refunds = twice_at_once(shop, lambda s: public.refund(s, made.id, "r1", 1000))

    assert refunds == refunds[:1] * 2
    assert db.read(lambda s: public.wallet_balance(s, "anna", "INR")).available == 7000


def test_a_card_that_is_kept_twice_at_once_has_one_token(shop: Shop) -> None:
    customer_id = shop.platform.db.write(lambda s: tokens.create_customer(s, shop.desk, {"email": "a@example.org"}).id)
    facts = flows.card_facts(shop.platform.keyring, CardData("4242424242424242", "123", 12, 2040, "A"))

    def keep(session: WriteSession) -> str:
        return tokens.add_card(session, shop.desk, session.get_one(Customer, customer_id), facts, {})[0].id

    kept = twice_at_once(shop, keep)

    assert kept == kept[:1] * 2


def test_a_transfer_that_is_told_twice_at_once_is_one_payment(shop: Shop) -> None:
    order = shop.order(5000)

    def told(session: WriteSession) -> str:
        own = session.get_one(Order, order.id)
        return receivers.credit(session, shop.desk, 5000, "INR", reference="UTR1", payer="Asha", order=own).id

    booked = twice_at_once(shop, told)

    assert booked == booked[:1] * 2


def test_transfers_to_one_account_at_once_are_all_in_its_sum(shop: Shop) -> None:
    db, values = shop.platform.db, {"receivers": {"types": ["bank_account"]}}
    account_id = db.write(lambda s: receivers.create_account(s, shop.desk, values).id)

    def credit(session: WriteSession, reference: str) -> str:
        account = session.get_one(VirtualAccount, account_id)
        receivers.credit(session, shop.desk, 5000, "INR", reference=reference, payer="Asha", account=account)
        return reference

    overtaking(db, lambda s: credit(s, "UTR1"), lambda: db.write(lambda s: credit(s, "UTR2")))

    assert db.read(lambda s: s.get_one(VirtualAccount, account_id)).amount_paid == 10_000


def test_payments_with_one_code_at_once_are_all_in_its_sum(shop: Shop) -> None:
    db = shop.platform.db
    code_id = db.write(lambda s: receivers.create_qr(s, shop.desk, {"type": "upi_qr", "usage": "multiple_use"}).id)

    def pay(session: WriteSession) -> str:
        code = session.get_one(QrCode, code_id)
        order = receivers.qr_order(session, code, 5000)
        made = receivers.credit(
            session, shop.desk, 5000, "INR", reference=order.id, payer="Asha", from_vpa="asha@upi", order=order
        )
        return made.id

    twice_at_once(shop, pay)

    row = db.read(lambda s: s.get_one(QrCode, code_id))
    assert (row.received_count, row.received_amount) == (2, 10_000)


def test_an_order_that_is_made_twice_at_once_is_one(shop: Shop) -> None:
    payee = Payee("seller", "Seller")

    made = twice_at_once(shop, lambda s: public.create_order(s, payee, 4000, "INR", "letters:1").id)

    assert made == made[:1] * 2


def test_a_subscription_that_is_made_twice_at_once_is_one(shop: Shop) -> None:
    payee = Payee("seller", "Seller")

    made = twice_at_once(shop, lambda s: public.subscribe(s, payee, "anna", "Letters", 4000, "INR", "letters:1").id)

    assert made == made[:1] * 2


def test_a_withdrawal_that_is_asked_for_twice_at_once_is_one(shop: Shop) -> None:
    deposit(shop, "anna", 10_000)
    target = {"name": "Anna", "iban": "DE89370400440532013000"}

    asked = twice_at_once(shop, lambda s: public.withdraw(s, "anna", 6000, "INR", target, "w1"))

    assert asked == asked[:1] * 2
    assert shop.platform.db.read(lambda s: public.wallet_balance(s, "anna", "INR")).available == 4000
