"""What a guest paid is found by who proves to read the address for the receipt, and by nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import update
from tests.products.payments.gateway import Shop
from tests.support.platform import Client, Factory, mails, token_in

from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service import people, reset, verification
from dodeca.commons.accounts.service.origin import NOWHERE
from dodeca.commons.accounts.vault import vault_of
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.migrations.versions import payments_0012_earlier_proofs
from dodeca.products.payments import home
from dodeca.products.payments.models import Payment

ADDRESS = "reader@example.org"


@pytest.fixture
def shop(platform: Platform) -> Shop:
    return Shop(platform)


def paid_as_guest(shop: Shop, what: str = "Tea", email: str = ADDRESS, **options: Any) -> Payment:
    """An order that somebody pays at its checkout without having signed in."""
    order = shop.order(capture="automatic", description=what)
    return shop.pay(order_id=order.id, email=email, **{"mail_receipt": True, **options})


def upgrade(session: WriteSession) -> None:
    """The migration that looks for older payments."""
    context = MigrationContext.configure(session.connection())
    with Operations.context(context):
        payments_0012_earlier_proofs.upgrade()


def prove(platform: Platform, account: Account, address: str = ADDRESS) -> None:
    """Follow the link that was sent there."""
    vault = vault_of(platform)
    link = vault.mail_links.sign(["verify", account.id, address])
    platform.db.write(lambda session: verification.verify(session, link, vault))


def found_by(shop: Shop, account: Account) -> int:
    """How many payments somebody's export has, once the jobs that are due have run."""
    shop.work()
    file = shop.platform.db.read(lambda session: home.account_export(session, account.id))["payments.json"]
    return file.count(b'"status": "paid"')


def test_a_payment_is_found_once_its_address_is_proven_and_not_before(shop: Shop, make: Factory) -> None:
    paid_as_guest(shop)
    reader = make.account(email=ADDRESS)

    before = found_by(shop, reader)
    prove(shop.platform, reader)

    assert (before, found_by(shop, reader)) == (0, 1)


def test_a_payment_after_the_proof_is_found_at_once(shop: Shop, make: Factory) -> None:
    reader = make.account(email=ADDRESS, email_verified=True)

    paid_as_guest(shop, email="Reader@Example.org")

    assert found_by(shop, reader) == 1


def test_a_new_password_by_mail_is_a_proof_too(shop: Shop, make: Factory) -> None:
    paid_as_guest(shop)
    reader = make.account(email=ADDRESS, password="an old password of mine")
    shop.platform.db.write(lambda session: reset.request(session, ADDRESS, NOWHERE))
    link = token_in(next(m for m in mails(shop.platform, ADDRESS) if "password" in m.subject.lower()))

    vault, new = vault_of(shop.platform), make.hashed("a new password of mine")
    shop.platform.db.write(lambda session: reset.complete(session, link, new, vault, NOWHERE))

    assert found_by(shop, reader) == 1


def test_more_payments_than_a_unit_takes_are_all_found(
    shop: Shop, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dodeca.products.payments.service.guests.BATCH", 2)
    for number in range(5):
        paid_as_guest(shop, f"Tea {number}")
    reader = make.account(email=ADDRESS)

    prove(shop.platform, reader)

    assert found_by(shop, reader) == 5


@pytest.mark.parametrize(
    ("typed", "proven"),
    [
        (ADDRESS, "other@example.org"),
        (ADDRESS, "reader@example.org.evil.example"),
        ("reader_@example.org", "readers@example.org"),
        ("\u212aeader@example.org", "keader@example.org"),  # KELVIN SIGN, whose small letter is k
    ],
)
def test_another_address_finds_nothing(shop: Shop, make: Factory, typed: str, proven: str) -> None:
    paid_as_guest(shop, email=typed)
    other = make.account(email=proven)

    prove(shop.platform, other, proven)
    paid_as_guest(shop, email=typed)

    assert found_by(shop, other) == 0


def test_who_has_the_address_later_gets_nothing_of_who_proved_it_before(shop: Shop, make: Factory) -> None:
    paid_as_guest(shop)
    first = make.account(email=ADDRESS)
    prove(shop.platform, first)
    shop.work()
    shop.platform.db.write(
        lambda session: people.change(session, session.get_one(Account, first.id), NOWHERE, email="new@x.org")
    )
    prove(shop.platform, first, "new@x.org")

    second = make.account(email=ADDRESS)
    prove(shop.platform, second)

    assert (found_by(shop, first), found_by(shop, second)) == (1, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"mail_receipt": False},  # a shop's program gave the address of its customer: it asked for no receipt
        {"payer_account_id": "somebody-else"},
        {"number": "4000000000000002"},  # declined
    ],
)
def test_what_no_guest_paid_is_not_claimed(shop: Shop, make: Factory, options: dict[str, Any]) -> None:
    paid_as_guest(shop, **options)
    reader = make.account(email=ADDRESS)

    prove(shop.platform, reader)
    paid_as_guest(shop, **options)

    assert found_by(shop, reader) == 0


def test_a_claim_lets_no_shop_write_to_who_claimed(client: Client, make: Factory) -> None:
    account, reader = make.account(), make.account(email=ADDRESS, email_verified=True)
    shop = Shop(client.platform, account.id)
    paid_as_guest(shop)
    assert found_by(shop, reader) == 1

    merchant = client.with_token(make.token(account))
    answer = merchant.post("/api/payments/notifications", json={"user_id": reader.username, "message": "Hello"})

    assert answer.status_code == 404


def test_the_purse_lists_what_was_paid_as_a_guest(client: Client, make: Factory) -> None:
    account, reader = make.account(), make.account(email=ADDRESS, email_verified=True)
    paid_as_guest(Shop(client.platform, account.id), "Two pounds of tea")

    mine, anothers = (client.with_token(make.token(who)).get("/payments/") for who in (reader, account))

    assert ["Two pounds of tea" in page.text for page in (mine, anothers)] == [True, False]


def test_a_guests_receipt_says_how_it_is_found_again(client: Client, make: Factory) -> None:
    account = make.account()
    order = Shop(client.platform, account.id).order(capture="automatic")
    card = {"method": "card", "number": "4242424242424242", "expiry": "12/40", "cvv": "123", "email": ADDRESS}
    checkout, here = f"/payments/checkout/{order.id}", {"sec-fetch-site": "same-origin"}

    went = client.post(checkout, data=card, headers=here).headers["location"]
    alone, framed = (client.get(f"{went}{query}").text for query in ("", "?embedded=1"))

    assert ["confirm this address" in page for page in (alone, framed)] == [True, False]


def test_an_upgrade_finds_the_payments_of_who_had_proven_the_address_before(shop: Shop, make: Factory) -> None:
    paid_as_guest(shop)
    paid_as_guest(shop, email="stranger@example.org")
    reader = make.account(email=ADDRESS.upper(), email_verified=True)
    stranger = make.account(email="stranger@example.org")
    shop.work()
    shop.platform.db.write(lambda session: session.execute(update(Payment).values(claimed_by=None)) and None)
    assert found_by(shop, reader) == 0

    shop.platform.db.write(upgrade)

    assert (found_by(shop, reader), found_by(shop, stranger)) == (1, 0)
