"""Shares of payments against a model of a few lines, over random histories of refunds, disputes, releases and
settlements, on both engines: no unit of money is made, lost, or paid out to two."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tests.products.payments.gateway import GOOD, Shop

from dodeca.kernel import clock, ids
from dodeca.kernel.platform import Platform
from dodeca.products.payments import invariants
from dodeca.products.payments.service import disputes, ledger, recon, refunds, settlements, splits
from dodeca.products.payments.service.captures import fee_of
from dodeca.products.payments.service.ledger import Place

AMOUNT = st.integers(100, 5000)
NAMES = ("seller", "agent", "courier")
CARDS = (GOOD, "4000000000000259")
ANSWER = {"summary": "It was delivered.", "action": "submit"}


@dataclass
class Paid:
    """A payment of the seller's: what the agent has at once, what the courier has later, what went back."""

    id: str
    amount: int
    shares: dict[str, int]
    refunded: int = 0
    reversing: int = 0
    back: dict[str, int] = field(default_factory=dict)
    dispute_id: str | None = None
    """Of the one that is open or lost: its money is not refunded beside."""
    is_lost: bool = False

    @property
    def left(self) -> int:
        """What can be refunded."""
        return 0 if self.dispute_id is not None else self.amount - self.refunded


@pytest.mark.slow
def test_shares_agree_with_their_model(platform: Platform) -> None:
    class Shares(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            run = ids.random_base62(8)
            self.shops = {name: Shop(platform, f"{run}-{name}") for name in NAMES}
            self.paid: list[Paid] = []
            self.settled = dict.fromkeys(NAMES, 0)

        def place(self, name: str, code: str = "merchant") -> Place:
            return Place(self.shops[name].desk.merchant.id, code, "INR", "test")

        def has(self, name: str) -> int:
            """What a merchant has, with what is held for it."""
            where = [self.place(name), self.place(name, "reserve")]
            return sum(b.posted for b in platform.db.read(lambda s: ledger.balances(s, where)).values())

        @rule(amount=AMOUNT, agent=st.integers(0, 40), courier=st.integers(0, 40), card=st.sampled_from(CARDS))
        def pay(self, amount: int, agent: int, courier: int, card: str) -> None:
            shares = {"agent": amount * agent // 100, "courier": amount * courier // 100}
            later = clock.ahead(days=5).isoformat()
            wanted = [
                {"merchant_id": self.place(n).owner, "amount": a, "hold_until": later if n == "courier" else None}
                for n, a in shares.items()
                if a
            ]
            seller = self.shops["seller"]
            order = seller.order(amount, splits=tuple(wanted), capture="automatic")
            made = seller.pay(card, amount=amount, order_id=order.id)
            dispute = platform.db.read(lambda s: disputes.of_payment(s, made))
            disputed = None if dispute is None else dispute.id
            self.paid.append(Paid(made.id, amount, shares, back=dict.fromkeys(shares, 0), dispute_id=disputed))

        @precondition(lambda self: any(p.dispute_id and not p.is_lost for p in self.paid))
        @rule(data=st.data(), outcome=st.sampled_from(["won", "lost"]))
        def decide(self, data: st.DataObject, outcome: disputes.Outcome) -> None:
            one = data.draw(st.sampled_from([p for p in self.paid if p.dispute_id and not p.is_lost]))
            name, desk = str(one.dispute_id), self.shops["seller"].desk
            if outcome == "won":
                platform.db.write(lambda s: disputes.contest(s, desk, name, ANSWER).id)
                platform.db.write(lambda s: disputes.decide(s, name, "won"))
                one.dispute_id = None
            else:
                platform.db.write(lambda s: disputes.accept(s, desk, name).id)
                one.is_lost, one.back = True, dict(one.shares)

        @precondition(lambda self: any(p.left for p in self.paid))
        @rule(data=st.data(), reverses=st.booleans())
        def refund(self, data: st.DataObject, reverses: bool) -> None:
            one = data.draw(st.sampled_from([p for p in self.paid if p.left]))
            part = data.draw(st.integers(1, one.left))
            desk = self.shops["seller"].desk
            platform.db.write(lambda s: refunds.begin(s, desk, one.id, part, reverses=reverses).id)
            one.refunded += part
            if reverses:
                one.reversing += part
                one.back = {n: share * one.reversing // one.amount for n, share in one.shares.items()}

        @rule(days=st.integers(1, 4))
        def time_passes(self, days: int) -> None:
            clock.advance(days * 86_400)
            while platform.db.write(splits.release):
                pass

        @rule(name=st.sampled_from(NAMES))
        def settle(self, name: str) -> None:
            desk = self.shops[name].desk
            row = platform.db.write(lambda s: settlements.settle(s, desk.merchant.id, "test", "INR"))
            if row is not None:
                self.settled[name] += row.amount
                start, end = row.created_at, clock.ahead(seconds=1)
                lines = platform.db.read(lambda s: recon.lines(s, desk, start, end, 0, 1000))
                mine = [line for line in lines if line["settlement_id"] == row.id]
                assert sum(line["credit"] - line["debit"] for line in mine) == row.amount

        @invariant()
        def everybody_has_what_is_theirs(self) -> None:
            theirs = {name: sum(p.shares[name] - p.back[name] for p in self.paid) for name in NAMES[1:]}
            gone = sum(p.amount if p.is_lost else p.refunded for p in self.paid)
            left = sum(p.amount - fee_of(p.amount, "INR").total for p in self.paid) - gone
            theirs["seller"] = left - sum(theirs.values())
            assert {name: self.has(name) + self.settled[name] for name in NAMES} == theirs

        def teardown(self) -> None:
            assert platform.db.read(invariants.audit) == {}
            for one in self.paid:
                if one.dispute_id and not one.is_lost:
                    name, desk = one.dispute_id, self.shops["seller"].desk
                    platform.db.write(lambda s, n=name, d=desk: disputes.accept(s, d, n).id)  # type: ignore[misc]
            for _ in range(3):  # held for five days, settled two days after that
                self.time_passes(4)
            for name in NAMES:
                self.settle(name)
                assert self.has(name) <= 0  # all is paid out, but for what refunds took that nobody earned since
            clock.reset()

    run_state_machine_as_test(
        Shares,
        settings=settings(
            max_examples=8, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
