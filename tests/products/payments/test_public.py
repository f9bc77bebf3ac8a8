"""What other products rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.products.payments.gateway import Shop
from tests.products.payments.test_gateway import deposit

from dodeca.kernel import clock
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.kernel.platform import Platform
from dodeca.products.payments import flows, invariants, public
from dodeca.products.payments.public import InsufficientFunds, Payee
from dodeca.products.payments.service import billing
from dodeca.products.payments.service.paying import PayRequest
from dodeca.products.payments.subscribing import desk_of

SELLER = Payee("seller", "Seller")


@pytest.fixture
def shop(platform: Platform) -> Iterator[Shop]:
    opened = Shop(platform)
    deposit(opened, "anna", 10_000)
    yield opened
    assert platform.db.read(invariants.audit) == {}


def purse(shop: Shop, account: str = "anna") -> int:
    return shop.platform.db.read(lambda s: public.wallet_balance(s, account, "INR")).available


def test_the_purse_pays_another_products_order_once(shop: Shop) -> None:
    made = shop.platform.db.write(lambda s: public.create_order(s, SELLER, 4000, "INR", "letters:1"))
    again = shop.platform.db.write(lambda s: public.create_order(s, SELLER, 4000, "INR", "letters:1"))
    shop.platform.db.write(lambda s: public.charge(s, made.id, "anna"))

    with pytest.raises(Conflict):
        shop.platform.db.write(lambda s: public.charge(s, made.id, "anna"))

    assert again == made
    assert purse(shop) == 6000


def test_a_repeated_refund_goes_back_once(shop: Shop) -> None:
    made = shop.platform.db.write(lambda s: public.create_order(s, SELLER, 4000, "INR", "letters:1"))
    shop.platform.db.write(lambda s: public.charge(s, made.id, "anna"))

    first = shop.platform.db.write(lambda s: public.refund(s, made.id, "r1", 1000))
    second = shop.platform.db.write(lambda s: public.refund(s, made.id, "r1", 1000))

    assert first == second
    assert purse(shop) == 7000


def test_splits_share_a_payment(shop: Shop) -> None:
    courier = Payee("courier", "Courier")
    made = shop.platform.db.write(
        lambda s: public.create_order(s, SELLER, 4000, "INR", "market:1", splits=[(courier, 500, None)])
    )
    shop.platform.db.write(lambda s: public.charge(s, made.id, "anna"))
    target = {"name": "C", "iban": "DE89370400440532013000"}

    shop.platform.db.write(lambda s: public.payout(s, courier, 500, "INR", target, "p1"))

    assert purse(shop) == 6000


def test_what_is_put_aside_is_given_or_released_but_not_both(shop: Shop) -> None:
    shop.platform.db.write(lambda s: public.wallet_hold(s, "anna", 3000, "INR", "poker:1"))
    assert purse(shop) == 7000
    shop.platform.db.write(lambda s: public.wallet_post(s, "poker:1", "bert"))

    with pytest.raises(Conflict):
        shop.platform.db.write(lambda s: public.wallet_release(s, "poker:1"))

    assert (purse(shop), purse(shop, "bert")) == (7000, 3000)


def test_more_than_the_purse_holds_cannot_be_put_aside(shop: Shop) -> None:
    with pytest.raises(InsufficientFunds):
        shop.platform.db.write(lambda s: public.wallet_hold(s, "anna", 10_001, "INR", "poker:1"))


def test_an_authorised_order_is_captured_later(shop: Shop) -> None:
    made = shop.platform.db.write(lambda s: public.create_order(s, SELLER, 4000, "INR", "stays:1", capture=False))
    seller = Shop(shop.platform, "seller")
    payment = seller.pay(amount=4000, order_id=made.id)
    assert payment.status == "authorized"

    shop.platform.db.write(lambda s: public.capture(s, made.id))
    shop.work()

    assert seller.payment(payment.id).status == "captured"


def test_an_authorised_order_is_set_free(shop: Shop) -> None:
    made = shop.platform.db.write(lambda s: public.create_order(s, SELLER, 4000, "INR", "stays:1", capture=False))
    shop.platform.db.write(lambda s: public.charge(s, made.id, "anna"))
    assert purse(shop) == 6000

    shop.platform.db.write(lambda s: public.void(s, made.id))

    assert purse(shop) == 10_000


def test_a_purse_subscribes_to_another_product_and_ends_it(shop: Shop) -> None:
    wanted = ("anna", "Letters", 3000, "INR", "letters:sub:1")
    made = shop.platform.db.write(lambda s: public.subscribe(s, SELLER, *wanted))
    again = shop.platform.db.write(lambda s: public.subscribe(s, SELLER, *wanted))
    before = shop.platform.db.read(lambda s: public.entitlement(s, made.id))
    first = shop.platform.db.write(lambda s: billing.prepare_first(s, made.id))
    request = PayRequest(
        amount=first.amount,
        currency="INR",
        method="wallet",
        wallet="purse",
        order_id=first.order_id,
        invoice_id=first.invoice_id,
        subscription_id=made.id,
        payer_account_id="anna",
    )
    desk = shop.platform.db.write(lambda s: desk_of(s, SELLER, "test"))
    asyncio.run(flows.pay(shop.platform, desk, request))

    until = shop.platform.db.read(lambda s: public.entitlement(s, made.id))
    clock.advance(32 * 86_400)
    asyncio.run(flows.bill_all(shop.platform))
    shop.platform.db.write(lambda s: public.cancel_subscription(s, made.id))
    clock.advance(32 * 86_400)
    asyncio.run(flows.bill_all(shop.platform))

    assert (again, before) == (made, None)
    assert until is not None
    assert purse(shop) == 10_000 - 2 * 3000
    assert shop.platform.db.read(lambda s: public.entitlement(s, made.id)) is None


def test_a_bank_that_cannot_be_asked_again_takes_no_subscription(shop: Shop) -> None:
    made = shop.platform.db.write(lambda s: public.subscribe(s, SELLER, "anna", "Letters", 3000, "INR", "letters:2"))
    first = shop.platform.db.write(lambda s: billing.prepare_first(s, made.id))
    request = PayRequest(amount=first.amount, currency="INR", method="netbanking", bank="HDFC", subscription_id=made.id)

    with pytest.raises(Invalid, match="card, UPI or purse"):
        asyncio.run(flows.pay(shop.platform, shop.desk, request))
