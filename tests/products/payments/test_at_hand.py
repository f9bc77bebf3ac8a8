"""What every payment looks at is kept in memory, on both engines: a change is seen at once, in another process too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
from tests.support.platform import Factory

from dodeca import app as composition
from dodeca.kernel.db import WriteSession, queries
from dodeca.kernel.platform import Platform
from dodeca.products.payments import acquirers
from dodeca.products.payments.at_hand import AtHand, at_hand
from dodeca.products.payments.models import Merchant
from dodeca.products.payments.service import merchants, risk, routing
from dodeca.products.payments.service.desk import ensure_merchant

Change = Callable[[WriteSession, Merchant], object]


@pytest.fixture
def account_id(platform: Platform, make: Factory) -> str:
    """Of an account that has a merchant."""
    account = make.account()
    platform.db.write(lambda session: ensure_merchant(session, account.id, "Corner"))
    return account.id


@pytest.fixture
def hands(platform: Platform) -> Iterator[list[tuple[Platform, AtHand]]]:
    """What this process keeps, and what another on the same data."""
    with closing(composition.compose(platform.config)) as another:
        yield [(one, at_hand(one)) for one in (platform, another)]


def found(platform: Platform, hand: AtHand, account_id: str) -> tuple[object, ...]:
    def unit(session: WriteSession) -> tuple[object, ...]:
        merchant = hand.merchant(session, account_id)
        assert merchant is not None
        return merchant.capture, merchant.zone, merchant.routing, merchant.fraud, merchant.told_of

    return platform.db.write(unit)


def asked(platform: Platform, unit: Callable[[WriteSession], object]) -> int:
    """How many statements a unit of work sends."""
    with queries() as seen:
        platform.db.write(unit)
    return len(seen)


@pytest.mark.parametrize(
    "change",
    [
        lambda _session, merchant: merchants.change(merchant, {"capture": "automatic"}),
        lambda _session, merchant: merchants.change(merchant, {"zone": "Asia/Kolkata"}),
        lambda _session, merchant: merchants.change(merchant, {"told_of": []}),
        lambda session, merchant: risk.set_rules(session, merchant, [{"when": "amount > 5", "action": "block"}]),
        lambda session, merchant: routing.set_rules(session, merchant, [], routing.STRATEGIES[1]),
    ],
)
@pytest.mark.parametrize("way", ["loaded", "restored"])
def test_a_changed_merchant_is_looked_up_again_everywhere(
    hands: list[tuple[Platform, AtHand]], account_id: str, change: Change, way: str
) -> None:
    before = [found(*hand, account_id) for hand in hands]

    def unit(session: WriteSession) -> None:
        hand = hands[0][1]
        merchant = hand.merchant(session, account_id) if way == "restored" else ensure_merchant(session, account_id, "")
        assert merchant is not None
        change(session, merchant)

    hands[0][0].db.write(unit)

    after = [found(*hand, account_id) for hand in hands]
    assert after[0] == after[1] != before[0] == before[1]


def test_what_is_kept_is_not_asked_for(platform: Platform, account_id: str) -> None:
    hand = at_hand(platform)
    look_up: list[Callable[[WriteSession], object]] = [
        partial(hand.merchant, account_id=account_id),
        hand.expect_acquirers,
    ]
    assert [[asked(platform, unit) for _ in range(3)] for unit in look_up] == [[1, 0, 0]] * 2


def test_what_was_never_stored_is_not_kept(platform: Platform, account_id: str) -> None:
    hand = at_hand(platform)

    def failing(session: WriteSession) -> None:
        merchants.change(ensure_merchant(session, account_id, ""), {"capture": "automatic"})
        session.flush()
        seen = hand.merchant(session, account_id)
        assert seen is not None
        assert seen.capture == "automatic"
        raise LookupError

    with pytest.raises(LookupError):
        platform.db.write(failing)

    assert found(platform, hand, account_id)[0] == "manual"


def test_a_change_is_not_covered_by_what_was_read_before(platform: Platform, account_id: str) -> None:
    """A unit reads a merchant, changes it, and keeps what it has read when it is committed: not so."""
    hand = at_hand(platform)

    def unit(session: WriteSession) -> None:
        merchant = hand.merchant(session, account_id)
        assert merchant is not None
        merchants.change(merchant, {"capture": "automatic"})

    platform.db.write(unit)

    assert found(platform, hand, account_id)[0] == "automatic"


def test_changed_acquirers_are_looked_up_again_everywhere(hands: list[tuple[Platform, AtHand]]) -> None:
    def enabled() -> list[bool]:
        def unit(session: WriteSession, hand: AtHand) -> bool:
            hand.expect_acquirers(session)
            return acquirers.installed(session, "test")["sim-beta"][1]

        return [platform.db.write(partial(unit, hand=hand)) for platform, hand in hands]

    seen = [enabled()]
    for on in (False, True):
        hands[0][0].db.write(lambda session, on=on: acquirers.configure(session, "sim-beta", {}, on))  # type: ignore[misc]
        seen.append(enabled())

    assert seen == [[True] * 2, [False] * 2, [True] * 2]
