"""The ledger's rules, on both engines, with real commits."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from dodeca.kernel.db import Database, WriteSession
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.products.payments import invariants
from dodeca.products.payments.models import LedgerAccount, LedgerTail, Transfer
from dodeca.products.payments.service import ledger
from dodeca.products.payments.service.ledger import Entry, InsufficientFunds, Place

BANK = Place("sim", "receivable", "EUR", "test")
ANNA = Place("anna", "purse", "EUR", "test")
BERT = Place("bert", "purse", "EUR", "test")


def deposit(books: Database, amount: int, place: Place = ANNA, key: str = "in") -> None:
    bank = Place("sim", "receivable", place.currency, place.mode)
    books.write(lambda s: ledger.post(s, key, [Entry(bank, place, amount, "deposit")]) and None)


def available(books: Database, place: Place) -> int:
    return books.read(lambda s: ledger.balance(s, place)).available


def test_money_moves_from_one_account_to_the_other(books: Database) -> None:
    deposit(books, 500)

    books.write(lambda s: ledger.post(s, "t", [Entry(ANNA, BERT, 200, "transfer")]))

    assert (available(books, ANNA), available(books, BERT), available(books, BANK)) == (300, 200, -500)


def test_a_purse_cannot_be_overdrawn(books: Database) -> None:
    deposit(books, 500)

    with pytest.raises(InsufficientFunds):
        books.write(lambda s: ledger.post(s, "t", [Entry(ANNA, BERT, 501, "transfer")]))

    assert (available(books, ANNA), available(books, BERT)) == (500, 0)


def test_a_repeated_key_moves_nothing_more(books: Database) -> None:
    deposit(books, 500)
    deposit(books, 500)

    assert available(books, ANNA) == 500


def test_what_is_known_to_be_the_first_of_its_key_is_refused_when_it_is_not(books: Database) -> None:
    deposit(books, 500)

    with pytest.raises(IntegrityError):
        books.write(lambda s: ledger.post_first(s, "in", [Entry(BANK, ANNA, 500, "deposit")]))

    assert available(books, ANNA) == 500


def test_money_that_came_in_this_unit_of_work_can_be_spent_in_it(books: Database) -> None:
    deposit(books, 1)

    def unit(session: WriteSession, number: int) -> int:
        ledger.post_first(session, f"in{number}", [Entry(BANK, ANNA, 300, "deposit")])
        seen = ledger.balance(session, ANNA).available
        ledger.post_first(session, f"more{number}", [Entry(BANK, ANNA, 50, "deposit")])
        ledger.post(session, f"out{number}", [Entry(ANNA, BERT, seen + 50, "transfer")])
        return seen

    assert [books.write(lambda s, n=n: unit(s, n)) for n in range(2)] == [301, 300]  # type: ignore[misc]
    assert (available(books, ANNA), available(books, BERT)) == (0, 701)


def test_twenty_captures_at_once_all_arrive(books: Database) -> None:
    deposit(books, 1)

    async def run() -> None:
        await asyncio.gather(
            *(
                books.awrite(lambda s, n=n: ledger.post_first(s, f"{n}", [Entry(BANK, ANNA, n, "deposit")]).key)  # type: ignore[misc]
                for n in range(1, 21)
            )
        )

    asyncio.run(run())

    assert available(books, ANNA) == 211


def test_reserved_money_cannot_be_spent_twice(books: Database) -> None:
    deposit(books, 500)
    books.write(lambda s: ledger.hold(s, "h", Entry(ANNA, BERT, 400, "hold")))

    with pytest.raises(InsufficientFunds):
        books.write(lambda s: ledger.post(s, "t", [Entry(ANNA, BERT, 200, "transfer")]))

    assert available(books, ANNA) == 100


def test_a_part_of_a_reservation_is_posted_and_the_rest_set_free(books: Database) -> None:
    deposit(books, 500)
    held = books.write(lambda s: ledger.hold(s, "h", Entry(ANNA, BERT, 400, "hold")))

    books.write(lambda s: ledger.post_pending(s, "p", held, 150))

    assert (available(books, ANNA), available(books, BERT)) == (350, 150)


def test_a_reservation_resolves_once(books: Database) -> None:
    deposit(books, 500)
    held = books.write(lambda s: ledger.hold(s, "h", Entry(ANNA, BERT, 400, "hold")))
    books.write(lambda s: ledger.void(s, "v", held))

    with pytest.raises((ledger.AlreadyResolved, DBAPIError)):
        books.write(lambda s: ledger.post_pending(s, "p", held))

    assert (available(books, ANNA), available(books, BERT)) == (500, 0)


def test_a_live_merchant_has_no_credit_and_a_test_merchant_has(books: Database) -> None:
    live, test = Place("m", "merchant", "INR", "live"), Place("m", "merchant", "INR", "test")

    with pytest.raises(InsufficientFunds):
        books.write(lambda s: ledger.post(s, "l", [Entry(live, Place("b", "bank", "INR", "live"), 1, "x")]))
    books.write(lambda s: ledger.post(s, "t", [Entry(test, Place("b", "bank", "INR", "test"), 1, "x")]))

    assert available(books, test) == -1


@pytest.mark.parametrize(
    "credit", [Place("bert", "purse", "USD", "test"), Place("bert", "purse", "EUR", "live")], ids=["currency", "mode"]
)
def test_money_keeps_its_currency_and_mode(books: Database, credit: Place) -> None:
    deposit(books, 500)
    with pytest.raises(Invalid):
        books.write(lambda s: ledger.post(s, "t", [Entry(ANNA, credit, 1, "transfer")]))


@pytest.mark.parametrize("amount", [0, -1, 10**12 + 1])
def test_amounts_have_bounds(books: Database, amount: int) -> None:
    with pytest.raises(Invalid):
        books.write(lambda s: ledger.post(s, "t", [Entry(BANK, ANNA, amount, "deposit")]))


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_the_database_refuses_to_change_a_transfer(books: Database, verb: str) -> None:
    deposit(books, 500)
    change = update(Transfer).values(amount=1) if verb == "update" else delete(Transfer)

    with pytest.raises(DBAPIError, match="append-only"):
        books.write(lambda s: s.execute(change) and None)


def test_the_audit_finds_a_counter_that_was_tampered_with(database: Database) -> None:
    deposit(database, 500)
    tampering = update(LedgerAccount).where(LedgerAccount.id == ANNA.id).values(credits_posted=501)
    database.write(lambda s: s.execute(tampering) and None)

    assert set(database.read(invariants.audit)) == {"counters follow from transfers", "every currency sums to zero"}


def test_folding_keeps_hot_balances(books: Database) -> None:
    for number in range(5):
        deposit(books, 100, key=f"in{number}")

    folded = books.write(ledger.fold)

    left = books.read(lambda s: s.scalar(select(func.count()).select_from(LedgerTail)))
    assert (folded, left, available(books, BANK)) == (5, 0, -500)


def at_once(books: Database, work: list[object]) -> list[object]:
    def run(unit: object) -> object:
        try:
            return books.write(unit)  # type: ignore[arg-type]
        except (InsufficientFunds, Conflict) as error:
            return error

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def test_twenty_withdrawals_at_once_take_no_more_than_there_is(books: Database) -> None:
    deposit(books, 1000)

    def taking(number: int) -> object:
        return lambda s: ledger.post(s, f"w{number}", [Entry(ANNA, BERT, 100, "transfer")]).id

    results = at_once(books, [taking(n) for n in range(20)])

    assert sum(isinstance(r, str) for r in results) == 10
    assert (available(books, ANNA), available(books, BERT)) == (0, 1000)


def test_twenty_resolutions_at_once_have_one_effect(books: Database) -> None:
    deposit(books, 1000)
    held = books.write(lambda s: ledger.hold(s, "h", Entry(ANNA, BERT, 1000, "hold")))

    def resolving(number: int) -> object:
        resolve = ledger.void if number % 2 else ledger.post_pending
        return lambda s: resolve(s, f"r{number}", held).id

    results = at_once(books, [resolving(n) for n in range(20)])

    assert sum(isinstance(r, str) for r in results) == 1
    assert available(books, ANNA) + available(books, BERT) == 1000


def test_the_same_key_twenty_times_at_once_moves_once(books: Database) -> None:
    deposit(books, 1000)

    def same(session: WriteSession) -> str:
        return ledger.post(session, "same", [Entry(ANNA, BERT, 10, "transfer")]).id

    at_once(books, [same] * 20)

    assert available(books, BERT) == 10


def test_transfers_in_both_directions_at_once_do_not_block_each_other(books: Database) -> None:
    deposit(books, 1000)
    deposit(books, 1000, BERT, key="in2")

    def moving(number: int) -> object:
        pair = (ANNA, BERT) if number % 2 else (BERT, ANNA)
        return lambda s: ledger.post(s, f"m{number}", [Entry(*pair, 7, "transfer")]).id

    results = at_once(books, [moving(n) for n in range(20)])

    assert all(isinstance(r, str) for r in results)
    assert (available(books, ANNA), available(books, BERT)) == (1000, 1000)
