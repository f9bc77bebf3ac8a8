"""The ledger: the only place where money moves.

`post` writes a journal of transfers under a key; repeating a key gives the first journal and moves nothing. `hold`
reserves, `post_pending` and `void` resolve a reservation. A refused balance is the database's refusal (checks), which
becomes InsufficientFunds.

Locking: one call touches its accounts in the order of their ids, and hot accounts not at all (they get a tail), so two
calls never wait for each other in a circle. A unit of work that makes several calls locks its own entity (payment,
order, payout) first; what is left to collide is repeated by `kernel.db`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import BigInteger, Table, and_, bindparam, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql

import dodeca.products.payments.triggers  # noqa: F401 - the triggers come with the tables
from dodeca.kernel import clock, ids
from dodeca.kernel.db import Finding, Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, PaymentRequired
from dodeca.kernel.money import MOST_MINOR_UNITS, check_currency
from dodeca.products.payments.models.ledger import (
    COUNTERS,
    HOT_CODES,
    NEVER_NEGATIVE,
    Journal,
    LedgerAccount,
    LedgerTail,
    Transfer,
)
from dodeca.products.payments.service.rows import insert_rows

PLATFORM = "platform"
FOLD_ROWS = 2000
MOST_KNOWN = 10_000
"""Accounts that are remembered to be there; then they are forgotten, and asked for again."""


class InsufficientFunds(PaymentRequired):
    """An account would fall below what it may."""


class AlreadyResolved(Conflict):
    """The reservation was posted or voided before."""


class Place(NamedTuple):
    """Which account: whose, of what kind, in which currency and mode. `credit_limit` counts when it is first used."""

    owner: str
    code: str
    currency: str
    mode: str

    @property
    def id(self) -> str:
        """The account's id."""
        return f"{self.mode}.{self.code}.{self.currency}.{self.owner}"

    @property
    def is_hot(self) -> bool:
        """Whether its row is left alone by transfers."""
        return self.code in HOT_CODES


class Entry(msgspec.Struct, frozen=True):
    """One transfer to be: `amount` minor units from the debited to the credited place."""

    debit: Place
    credit: Place
    amount: int
    code: str


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's state in minor units. `available` can be spent; `held` is reserved and still part of `posted`."""

    posted: int
    held: int
    incoming: int

    @property
    def available(self) -> int:
        """What is not reserved."""
        return self.posted - self.held


@dataclass(slots=True)
class _Row:
    """A transfer about to be written and what it changes."""

    entry: Entry
    state: str
    pending_id: str | None = None
    pending_amount: int = 0
    id: str = ""

    def deltas(self) -> tuple[int, int]:
        """Change of the posted and of the pending counters, the same on both sides."""
        if self.pending_id is None:
            return (0, self.entry.amount) if self.state == "pending" else (self.entry.amount, 0)
        return (self.entry.amount if self.state == "posted" else 0), -self.pending_amount


def post(session: WriteSession, key: str, entries: Sequence[Entry], *, payment_id: str | None = None) -> Journal:
    """Move money. Raises InsufficientFunds, Invalid. A repeated `key` gives the first journal and moves nothing."""
    rows = [_Row(entry, "posted") for entry in entries]
    journal = _open(session, key, rows, payment_id)
    return _first(session, key) if journal is None else _fill(session, journal, rows)


def post_first(session: WriteSession, key: str, entries: Sequence[Entry], *, payment_id: str | None = None) -> Journal:
    """The same where a row that the caller has locked says that this is the first time, so that nobody is asked; the
    database refuses a second."""
    rows = [_Row(entry, "posted") for entry in entries]
    values = _opened_with(key, rows, payment_id)
    _insert_new_journal.put(session, values)
    return _fill(session, session.fresh(Journal, **values), rows, later=True)


def hold(session: WriteSession, key: str, entry: Entry, *, payment_id: str | None = None) -> str:
    """Reserve money; gives the pending transfer's id. Raises InsufficientFunds. Repeating a key gives the first."""
    row = _Row(entry, "pending")
    journal = _open(session, key, [row], payment_id)
    if journal is None:
        return cast(str, session.scalar(select(Transfer.id).where(Transfer.journal_id == _first(session, key).id)))
    _fill(session, journal, [row])
    return row.id


def _first(session: ReadSession, key: str) -> Journal:
    known = journal_of(session, key)
    if known is None:  # somebody is just writing it, and may still fail
        raise Conflict("The same movement is being made. Try again.")
    return known


def post_pending(
    session: WriteSession, key: str, transfer_id: str, amount: int | None = None, *, also: Sequence[Entry] = ()
) -> Journal:
    """Move reserved money, all or `amount` of it (the rest is set free), with further transfers in the same journal.

    Raises AlreadyResolved, Invalid."""
    return _resolve(session, key, transfer_id, "posted", amount, also)


def void(session: WriteSession, key: str, transfer_id: str) -> Journal:
    """Set reserved money free. Raises AlreadyResolved."""
    return _resolve(session, key, transfer_id, "voided", None, ())


def _resolve(
    session: WriteSession, key: str, transfer_id: str, state: str, amount: int | None, also: Sequence[Entry]
) -> Journal:
    known = journal_of(session, key)
    if known is not None:
        return known
    pending = session.get_locked(Transfer, transfer_id)
    if pending is None or pending.state != "pending":
        raise Invalid("There is no such reservation.")
    if _resolution.first(session, pending_id=pending.id) is not None:
        raise AlreadyResolved("This reservation was resolved before.")
    moved = pending.amount if amount is None else amount
    if not 0 < moved <= pending.amount:
        raise Invalid(f"At most {pending.amount} is reserved.", field="amount")
    entry = Entry(place_of(pending.debit_account_id), place_of(pending.credit_account_id), moved, pending.code)
    row = _Row(entry, state, pending.id, pending.amount)
    held = session.get_one(Journal, pending.journal_id)
    return _write(session, key, [row, *(_Row(extra, "posted") for extra in also)], held.payment_id)


_resolution = Prepared(select(Transfer.id).where(Transfer.pending_id == bindparam("pending_id")), autoflush=False)
_by_journal_key = Finding(Journal, Journal.key == bindparam("key"), autoflush=False)


def place_of(account_id: str) -> Place:
    """The place that an account's id names."""
    mode, code, currency, owner = account_id.split(".", 3)
    return Place(owner, code, currency, mode)


def journal_of(session: ReadSession, key: str) -> Journal | None:
    """The journal of a key."""
    return _by_journal_key.first(session, key=key)


def _write(session: WriteSession, key: str, rows: Sequence[_Row], payment_id: str | None) -> Journal:
    journal = _open(session, key, rows, payment_id)
    if journal is None:
        raise Conflict("The same movement is being made. Try again.")
    return _fill(session, journal, rows)


def _open(session: WriteSession, key: str, rows: Sequence[_Row], payment_id: str | None) -> Journal | None:
    """A new journal for `rows`; None where there is one of this key. Raises Invalid."""
    values = _opened_with(key, rows, payment_id)
    return session.fresh(Journal, **values) if _insert_journal.run(session, **values) else None


def _opened_with(key: str, rows: Sequence[_Row], payment_id: str | None) -> dict[str, Any]:
    """The columns of a new journal for `rows`, which get their ids. Raises Invalid."""
    if not rows:
        raise ValueError("A journal has transfers.")
    for row in rows:
        _check(row.entry)
    values = {"id": ids.new_id(), "key": key, "payment_id": payment_id, "created_at": clock.now()}
    for number, row in enumerate(rows):
        row.id = f"{values['id']}-{number:03}"
    return values


def _fill(session: WriteSession, journal: Journal, rows: Sequence[_Row], *, later: bool = False) -> Journal:
    _move(session, rows, later=later)
    insert_rows(session, _transfers, [_transfer(row, journal) for row in rows])
    tails = [tail for row in rows for tail in _tails(row)]
    if tails:
        insert_rows(session, _tails_table, tails)
    return journal


def _check(entry: Entry) -> None:
    if not 0 < entry.amount <= MOST_MINOR_UNITS:
        raise Invalid(f"An amount is from 1 to {MOST_MINOR_UNITS} minor units.", field="amount")
    if (entry.debit.currency, entry.debit.mode) != (entry.credit.currency, entry.credit.mode):
        raise Invalid("Money does not change its currency or mode on the way.", field="currency")
    check_currency(entry.debit.currency)


def _transfer(row: _Row, journal: Journal) -> dict[str, Any]:
    return {
        "id": row.id,
        "journal_id": journal.id,
        "debit_account_id": row.entry.debit.id,
        "credit_account_id": row.entry.credit.id,
        "currency": row.entry.debit.currency,
        "mode": row.entry.debit.mode,
        "amount": row.entry.amount,
        "code": row.entry.code,
        "state": row.state,
        "pending_id": row.pending_id,
        "created_at": journal.created_at,
    }


def _tails(row: _Row) -> Iterable[dict[str, Any]]:
    posted, pending = row.deltas()
    for place, is_debit in ((row.entry.debit, True), (row.entry.credit, False)):
        if place.is_hot:
            yield {
                "transfer_id": row.id,
                "account_id": place.id,
                "debits_posted": posted if is_debit else 0,
                "credits_posted": 0 if is_debit else posted,
                "debits_pending": pending if is_debit else 0,
                "credits_pending": 0 if is_debit else pending,
            }


_accounts = cast(Table, LedgerAccount.__table__)
_transfers = cast(Table, Transfer.__table__)
_tails_table = cast(Table, LedgerTail.__table__)
# `on_conflict_do_nothing` is written alike in both dialects; SQLAlchemy renders PostgreSQL's for SQLite too.
_insert_journal = Prepared(postgresql.insert(cast(Table, Journal.__table__)).on_conflict_do_nothing(), autoflush=False)
_insert_new_journal = Prepared(insert(Journal), columns=("id", "key", "payment_id", "created_at"), autoflush=False)
_insert_account = Prepared(postgresql.insert(_accounts).on_conflict_do_nothing(), autoflush=False)
_spendable = _accounts.c.credits_posted - _accounts.c.debits_posted - _accounts.c.debits_pending
_taken = bindparam("dp", type_=BigInteger) + bindparam("dn", type_=BigInteger) - bindparam("cp", type_=BigInteger)
_bump = Prepared(
    update(_accounts)
    .where(
        _accounts.c.id == bindparam("account"),
        or_(and_(*(_accounts.c.code != code for code in NEVER_NEGATIVE)), _spendable >= _taken),
        or_(
            _accounts.c.code != "merchant",
            _accounts.c.credit_limit.is_(None),
            _spendable + _accounts.c.credit_limit >= _taken,
        ),
    )
    .values(
        debits_posted=_accounts.c.debits_posted + bindparam("dp", type_=BigInteger),
        credits_posted=_accounts.c.credits_posted + bindparam("cp", type_=BigInteger),
        debits_pending=_accounts.c.debits_pending + bindparam("dn", type_=BigInteger),
        credits_pending=_accounts.c.credits_pending + bindparam("cn", type_=BigInteger),
    ),
    autoflush=False,
)
"""Changes an account's counters where that leaves it what it must have: the same rule as the table's checks, asked
before, as a refused statement would end the whole transaction on PostgreSQL."""


def _move(session: WriteSession, rows: Sequence[_Row], *, later: bool) -> None:
    """Change the counters of all accounts, in the order of their ids: net, so that order inside a journal is free.
    `later`: what accounts only get more of may be written with the commit."""
    changes: dict[Place, list[int]] = {}
    for row in rows:
        posted, pending = row.deltas()
        debit = changes.setdefault(row.entry.debit, [0, 0, 0, 0])
        debit[0], debit[2] = debit[0] + posted, debit[2] + pending
        credit = changes.setdefault(row.entry.credit, [0, 0, 0, 0])
        credit[1], credit[3] = credit[1] + posted, credit[3] + pending
    for place in sorted(changes, key=lambda place: place.id):
        known = _is_known(session, place)
        if place.is_hot:
            if not known:
                open_account(session, place)
                _know(session, place)
        elif known and later and _only_gets(changes[place]):
            dp, cp, dn, cn = changes[place]
            credited = Credit(place.id, dp, cp, dn, cn)
            session.info.setdefault("credits", []).append(credited)
            session.before_commit(_write_credits, credited)
        elif not _change(session, place, changes[place], known=known):
            open_account(session, place)
            if not _change(session, place, changes[place], known=False):
                raise InsufficientFunds("There is not enough money for this.", field="amount")


@dataclass(slots=True)
class Credit:
    """What an account's counters grow by with the commit, unless this unit of work asks for the account before."""

    account: str
    dp: int
    cp: int
    dn: int
    cn: int
    is_written: bool = False


def _write_credits(session: WriteSession, credits: Sequence[Credit]) -> None:
    """In the order of the accounts, and each account once: a shop's payments that are committed together want the same
    row."""
    sums: dict[str, list[int]] = {}
    for one in credits:
        if not one.is_written:
            so_far = sums.get(one.account, (0, 0, 0, 0))
            sums[one.account] = [a + b for a, b in zip(so_far, (one.dp, one.cp, one.dn, one.cn), strict=True)]
            one.is_written = True
    for account in sorted(sums):
        _bump.put(session, _bumped(account, sums[account]), expected=1)


def _write_own_credits(session: ReadSession) -> None:
    """What this unit of work has still to credit is needed now."""
    credits: list[Credit] = session.info.pop("credits", [])
    if isinstance(session, WriteSession):
        _write_credits(session, credits)


def _only_gets(change: Sequence[int]) -> bool:
    """Whether at least as much can be taken of an account afterwards as before, so that no rule speaks against it."""
    dp, cp, dn, _ = change
    return dp + dn <= cp


def _bumped(account: str, change: Sequence[int]) -> dict[str, object]:
    return {"account": account, **dict(zip(("dp", "cp", "dn", "cn"), change, strict=True))}


_committed: WeakKeyDictionary[Any, dict[str, None]] = WeakKeyDictionary()
"""By engine, accounts whose rows were committed, as this process knows: accounts are never removed."""


def _is_known(session: WriteSession, place: Place) -> bool:
    return place.id in _committed.get(session.get_bind().engine, ())


def _know(session: WriteSession, place: Place) -> None:
    known = _committed.setdefault(session.get_bind().engine, {})

    def keep() -> None:
        if len(known) >= MOST_KNOWN:
            known.clear()
        known[place.id] = None

    session.after_commit(keep)


def _change(session: WriteSession, place: Place, change: Sequence[int], *, known: bool) -> bool:
    """Change an account's counters; false where that may not be or there is no such row. What an account that is known
    to be there only gets more of needs no answer."""
    _write_own_credits(session)
    if known and _only_gets(change):
        _bump.put(session, _bumped(place.id, change), expected=1)
        return True
    if not _bump.run(session, **_bumped(place.id, change)):
        return False
    if not known:
        _know(session, place)
    return True


def open_account(session: WriteSession, place: Place) -> None:
    """Make the account's row unless there is one. A live merchant has no credit, a test merchant any."""
    limit = 0 if place.code == "merchant" and place.mode == "live" else None
    counters = dict.fromkeys(COUNTERS, 0)
    _insert_account.run(session, id=place.id, **place._asdict(), **counters, credit_limit=limit)


def balance(session: ReadSession, place: Place) -> Balance:
    """An account's balance; zero for one that was never used."""
    return next(iter(balances(session, [place]).values()), Balance(0, 0, 0))


def spendable(session: ReadSession, place: Place) -> int | None:
    """What can be taken from an account; None where it may fall as low as it likes."""
    account = session.get(LedgerAccount, place.id)
    limit = 0 if place.code in NEVER_NEGATIVE else account.credit_limit if account is not None else None
    return None if limit is None else max(0, balance(session, place).available + limit)


def balances(session: ReadSession, places: Sequence[Place]) -> dict[Place, Balance]:
    """The balances of those that exist, in two statements."""
    wanted = [place.id for place in places]
    return _balances(session, LedgerAccount.id.in_(wanted), LedgerTail.account_id.in_(wanted))


def balances_of(session: ReadSession, owner: str, code: str, mode: str) -> dict[str, Balance]:
    """An owner's balances of one kind, by currency."""
    mine = (LedgerAccount.owner == owner, LedgerAccount.code == code, LedgerAccount.mode == mode)
    names = list(session.scalars(select(LedgerAccount.id).where(*mine).order_by(LedgerAccount.currency)))
    found = balances(session, [place_of(name) for name in names])
    return {place.currency: found[place] for place in sorted(found)}


def _balances(session: ReadSession, these: Any, tails: Any) -> dict[Place, Balance]:
    _write_own_credits(session)
    rows = session.execute(select(LedgerAccount.id, *(getattr(LedgerAccount, c) for c in COUNTERS)).where(these))
    sums = {row[0]: [int(value) for value in row[1:]] for row in rows}
    later = select(LedgerTail.account_id, *(func.sum(getattr(LedgerTail, c)) for c in COUNTERS))
    for row in session.execute(later.where(tails).group_by(LedgerTail.account_id)):
        sums[row[0]] = [a + int(b) for a, b in zip(sums[row[0]], row[1:], strict=True)]
    return {place_of(name): Balance(s[1] - s[0], s[2], s[3]) for name, s in sums.items()}


_some_tails = (
    select(_tails_table.c.transfer_id, _tails_table.c.account_id).limit(FOLD_ROWS).with_for_update(skip_locked=True)
)
_take_tails = Prepared(
    delete(_tails_table)
    .where(tuple_(_tails_table.c.transfer_id, _tails_table.c.account_id).in_(_some_tails))
    .returning(_tails_table.c.account_id, *(_tails_table.c[name] for name in COUNTERS))
)


def fold(session: WriteSession) -> int:
    """Add a batch of tails up into their accounts; gives how many. Other processes take other batches."""
    tails = _take_tails.rows(session)
    sums: dict[str, list[int]] = {}
    for name, *change in tails:
        before = sums.setdefault(name, [0, 0, 0, 0])
        sums[name] = [a + b for a, b in zip(before, change, strict=True)]
    for name in sorted(sums):
        _change(session, place_of(name), sums[name], known=False)
    return len(tails)


def transfers_of(session: ReadSession, payment_id: str) -> Sequence[Transfer]:
    """The movements of a payment, in order."""
    mine = select(Transfer).join(Journal, Journal.id == Transfer.journal_id).where(Journal.payment_id == payment_id)
    return session.scalars(mine.order_by(Transfer.created_at, Transfer.id)).all()
