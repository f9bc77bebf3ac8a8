"""What votes read and leave in the database: a statement for all that are cast together, past the ORM."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, bindparam, delete, func, insert, literal_column, select, update
from sqlalchemy.orm import aliased

from dodeca.kernel.db import Prepared, PreparedGiven, ReadSession, WriteSession
from dodeca.products.news.models import Item, Member, Site, SiteSettings, Vote
from dodeca.products.news.service import items, members
from dodeca.products.news.service.rules import Rules, in_force

DOWNVOTES_RUNNING = 3
"""More downvotes in a row on one author do not count: it is about the person then."""
Pair = tuple[int, str]
"""An item and who votes on it."""


class VotedItem(NamedTuple):
    """What a vote needs to know of an item, under the names of its columns, and what it leaves there."""

    id: int
    type: str
    state: str
    author_id: str | None
    root_id: int | None
    created_at: datetime
    pooled_at: datetime | None
    url: str | None
    score: int
    counted: int
    descendants: int
    imported_descendants: int
    flags: int
    penalty: float
    penalty_reason: str | None
    site: str | None
    rank: float
    heat: float
    voted_at: datetime
    site_penalty: float | None
    site_reason: str | None
    has_penalised_tags: bool
    author_is_member: bool


class Voter(NamedTuple):
    """What a vote needs to know of who votes."""

    user_id: str
    karma: int
    joined_at: datetime
    banned_reason: str | None


class Cast(NamedTuple):
    """A vote as it stands."""

    direction: int
    counted: bool
    created_at: datetime


_items, _votes, _members = (cast(Table, table.__table__) for table in (Item, Vote, Member))
_of_item = [_items.c[name] for name in VotedItem._fields[:-4]]
_of_voter = [_members.c[name] for name in Voter._fields]
_of_vote = [_votes.c[name] for name in Cast._fields]
_author = aliased(Member, name="author")
_pairs = {"item_id": _votes.c.item_id.type, "voter_id": _votes.c.user_id.type}
# All that does not have to wait for the items' locks comes with them. In the order of ids, so that two calls that vote
# on the same items do not wait for each other.
_wanted = PreparedGiven(
    _pairs,
    lambda given: (
        select(
            *_of_item,
            Site.penalty,
            Site.reason,
            items.HAS_PENALISED_TAGS,
            _author.user_id.is_not(None),
            *_of_voter,
            SiteSettings.values,
        )
        .select_from(given)
        .join(_items, _items.c.id == given.c.item_id)
        .outerjoin(Site, Site.site == _items.c.site)
        .outerjoin(_author, _author.user_id == _items.c.author_id)
        .outerjoin(_members, _members.c.user_id == given.c.voter_id)
        .outerjoin(SiteSettings, SiteSettings.id == literal_column("1"))
        .order_by(_items.c.id)
        .with_for_update(of=_items)
    ),
)
_cast_and_lately = PreparedGiven(
    _pairs,
    lambda given: (
        select(
            given.c.item_id,
            given.c.voter_id,
            select(func.count())
            .where(
                _votes.c.user_id == given.c.voter_id,
                _votes.c.created_at > bindparam("since", type_=_votes.c.created_at.type),
            )
            .correlate(given)
            .scalar_subquery(),
            *_of_vote,
        )
        .select_from(given)
        .outerjoin(_votes, (_votes.c.item_id == given.c.item_id) & (_votes.c.user_id == given.c.voter_id))
    ),
)
_same_address = Prepared(
    select(_votes.c.user_id)
    .where(_votes.c.item_id == bindparam("item_id"), _votes.c.address_hash == bindparam("address_hash"))
    .limit(1)
)
_last_downvoted = Prepared(
    select(_votes.c.author_id)
    .where(_votes.c.user_id == bindparam("voter_id"), _votes.c.direction == literal_column("-1"))
    .order_by(_votes.c.created_at.desc())
    .limit(DOWNVOTES_RUNNING)
)
_this_vote = (_votes.c.item_id == bindparam("which_item")) & (_votes.c.user_id == bindparam("which_voter"))
_add_votes = Prepared(insert(_votes), columns=[column.name for column in _votes.c])
_turn_vote = Prepared(update(_votes).where(_this_vote).values(direction=bindparam("to"), created_at=bindparam("at")))
_remove_vote = Prepared(delete(_votes).where(_this_vote))
_MOVED = ("score", "counted", "rank", "heat")
_move_items = PreparedGiven(
    {name: _items.c[name].type for name in ("id", *_MOVED)},
    lambda given: update(_items).where(_items.c.id == given.c.id).values({name: given.c[name] for name in _MOVED}),
)
_note_times = PreparedGiven(
    {"id": _items.c.id.type},
    lambda given: update(_items).where(_items.c.id == given.c.id).values(voted_at=bindparam("at")),
)
_karma = {"user_id": _members.c.user_id.type, "more": _members.c.karma.type}
_raise_karma = PreparedGiven(
    _karma,
    lambda given: (
        update(_members).where(_members.c.user_id == given.c.user_id).values(karma=_members.c.karma + given.c.more)
    ),
)
_hold_authors = PreparedGiven(
    _karma,
    lambda given: (
        select(_members.c.user_id)
        .join(given, given.c.user_id == _members.c.user_id)
        .order_by(_members.c.user_id)
        .with_for_update(of=_members)
    ),
)


class Found(NamedTuple):
    """The items, held until the end of the unit, those who vote, where they are members, and the rules in force."""

    items: dict[int, VotedItem]
    voters: dict[str, Voter]
    rules: Rules


def hold(session: WriteSession, pairs: Sequence[Pair]) -> Found:
    """All that votes need before they are looked up."""
    found = Found({}, {}, in_force(None))
    of_item = len(VotedItem._fields)
    for row in _wanted.rows(session, pairs):
        item, voter = VotedItem._make(row[:of_item]), Voter._make(row[of_item:-1])
        found.items[item.id] = item
        if voter.user_id is not None:
            found.voters[voter.user_id] = voter
        if row[-1] is not None:
            found = found._replace(rules=in_force(row[-1]))
    return found


def cast_and_lately(
    session: ReadSession, pairs: Sequence[Pair], since: datetime
) -> tuple[dict[Pair, Cast], dict[str, int]]:
    """The votes that stand, and how many each voter has cast since."""
    votes, lately = dict[Pair, Cast](), dict[str, int]()
    for item_id, voter_id, count, *vote in _cast_and_lately.rows(session, pairs, since=since):
        lately[voter_id] = count
        if vote[0] is not None:
            votes[item_id, voter_id] = Cast._make(vote)
    return votes, lately


def is_seen_from(session: ReadSession, item_id: int, address_hash: str) -> bool:
    """Whether there is a vote on the item from this address."""
    return _same_address.first(session, item_id=item_id, address_hash=address_hash) is not None


def last_downvoted(session: ReadSession, voter_id: str) -> list[str | None]:
    """Whom the voter's last downvotes were on."""
    return [author_id for (author_id,) in _last_downvoted.rows(session, voter_id=voter_id)]


def add(session: WriteSession, rows: Sequence[Mapping[str, object]]) -> None:
    """Votes that are new, as rows of the table."""
    _add_votes.insert_many(session, rows)


def turn(session: WriteSession, votes: Mapping[Pair, Cast]) -> None:
    """Votes that were turned."""
    rows = [
        {"which_item": item_id, "which_voter": voter_id, "to": vote.direction, "at": vote.created_at}
        for (item_id, voter_id), vote in votes.items()
    ]
    _turn_vote.run_many(session, rows)


def remove(session: WriteSession, pairs: Collection[Pair]) -> None:
    """Votes that were taken back."""
    _remove_vote.run_many(session, [{"which_item": item, "which_voter": voter} for item, voter in pairs])


def move(session: WriteSession, moved: Sequence[VotedItem], voted: Sequence[int], at: datetime) -> None:
    """Write what votes left of items; of those in `voted` also when."""
    _move_items.run(session, [(item.id, item.score, item.counted, item.rank, item.heat) for item in moved])
    _note_times.run(session, [(item_id,) for item_id in voted], at=at)
    for item in moved:
        _read_anew(session, Item, item.id)


def raise_karma(session: WriteSession, more: Mapping[str, int], missing: Collection[str]) -> None:
    """Change the karma of authors; those who are `missing` have no row yet."""
    for author_id in sorted(missing):
        members.member(session, author_id)
    changes = sorted(more.items())
    if len(changes) > 1 and session.dialect == "postgresql":
        _hold_authors.rows(session, changes)  # in this order in every call, so that none waits for another in a circle
    _raise_karma.run(session, changes)
    for author_id in more:
        _read_anew(session, Member, author_id)


def _read_anew(session: WriteSession, kind: type[Any], key: object) -> None:
    """What the Session holds of a row that was changed past it."""
    held = session.identity_map.get((kind, (key,), None))
    if held is not None:
        session.refresh(held)
