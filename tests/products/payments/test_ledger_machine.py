"""The ledger against a model of a few lines, over random histories, on both engines."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from dodeca.kernel import ids
from dodeca.kernel.db import Database
from dodeca.products.payments import invariants
from dodeca.products.payments.service import ledger
from dodeca.products.payments.service.ledger import Entry, InsufficientFunds, Place

PEOPLE = st.sampled_from(["anna", "bert", "cleo"])
AMOUNTS = st.integers(1, 120)


@pytest.mark.slow
def test_the_ledger_agrees_with_its_model(database: Database) -> None:
    class Ledger(RuleBasedStateMachine):
        holds = Bundle("holds")

        def __init__(self) -> None:
            super().__init__()
            self.run = ids.new_id() + ids.random_base62(6)
            self.money: dict[str, int] = {}
            self.held: dict[str, int] = {}
            self.count = 0

        def purse(self, name: str) -> Place:
            return Place(f"{self.run}-{name}", "purse", "EUR", "test")

        def key(self) -> str:
            self.count += 1
            return f"{self.run}-{self.count}"

        def free(self, name: str) -> int:
            return self.money.get(name, 0) - self.held.get(name, 0)

        @rule(name=PEOPLE, amount=AMOUNTS)
        def deposit(self, name: str, amount: int) -> None:
            bank = Place("sim", "receivable", "EUR", "test")
            database.write(lambda s: ledger.post(s, self.key(), [Entry(bank, self.purse(name), amount, "deposit")]).id)
            self.money[name] = self.money.get(name, 0) + amount

        @rule(giver=PEOPLE, taker=PEOPLE, amount=AMOUNTS)
        def give(self, giver: str, taker: str, amount: int) -> None:
            if giver == taker:
                return
            entry = Entry(self.purse(giver), self.purse(taker), amount, "transfer")
            try:
                database.write(lambda s: ledger.post(s, self.key(), [entry]).id)
            except InsufficientFunds:
                assert self.free(giver) < amount
            else:
                assert self.free(giver) >= amount
                self.money[giver] -= amount
                self.money[taker] = self.money.get(taker, 0) + amount

        @rule(target=holds, giver=PEOPLE, amount=AMOUNTS)
        def reserve(self, giver: str, amount: int) -> tuple[str, str, int]:
            entry = Entry(self.purse(giver), Place(self.run, "merchant", "EUR", "test"), amount, "hold")
            try:
                held = database.write(lambda s: ledger.hold(s, self.key(), entry))
            except InsufficientFunds:
                assert self.free(giver) < amount
                return ("", giver, 0)
            assert self.free(giver) >= amount
            self.held[giver] = self.held.get(giver, 0) + amount
            return (held, giver, amount)

        @rule(one=consumes(holds), part=st.integers(1, 120))
        def take(self, one: tuple[str, str, int], part: int) -> None:
            held, giver, amount = one
            if not held:
                return
            part = min(part, amount)
            database.write(lambda s: ledger.post_pending(s, self.key(), held, part).id)
            self.held[giver] -= amount
            self.money[giver] -= part

        @rule(one=consumes(holds))
        def release(self, one: tuple[str, str, int]) -> None:
            held, giver, amount = one
            if held:
                database.write(lambda s: ledger.void(s, self.key(), held).id)
                self.held[giver] -= amount

        @rule()
        def fold(self) -> None:
            database.write(ledger.fold)

        @invariant()
        def balances_agree(self) -> None:
            for name in ("anna", "bert", "cleo"):
                known = database.read(lambda s, n=name: ledger.balance(s, self.purse(n)))  # type: ignore[misc]
                assert (known.posted, known.held) == (self.money.get(name, 0), self.held.get(name, 0))

        def teardown(self) -> None:
            assert database.read(invariants.audit) == {}

    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
