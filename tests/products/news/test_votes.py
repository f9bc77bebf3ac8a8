"""Votes: one a person an item, whatever happens at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.products.news.conftest import News

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession, queries
from dodeca.kernel.errors import DodecaError, Forbidden, NotFound
from dodeca.products.news import ranking
from dodeca.products.news.models import Member, Vote
from dodeca.products.news.service import listing, members, moderating, rings, rules, voting
from dodeca.products.news.service.vote_rows import VotedItem


def test_a_vote_moves_score_and_karma_once(session: WriteSession, news: News) -> None:
    author, voter = news.account(), news.account()
    post = news.post(author)

    news.vote(post, voter)
    news.vote(post, voter)

    assert post.score == 2
    assert members.member(session, author.id).karma == 2


def test_the_opposite_vote_replaces_the_first(session: WriteSession, news: News) -> None:
    voter, post = news.account(), news.post()
    news.vote(post, voter)

    assert news.vote(post, voter, -1).score == 0


def test_a_vote_can_be_taken_back_for_an_hour(session: WriteSession, news: News) -> None:
    voter, post = news.account(), news.post()
    news.vote(post, voter)
    assert voting.vote(session, voter.id, post.id, 0).score == 1
    news.vote(post, voter)
    clock.advance(3601)

    with pytest.raises(voting.VoteStands):
        voting.vote(session, voter.id, post.id, 0)
    with pytest.raises(voting.VoteStands):
        news.vote(post, voter, -1)


def test_ones_own_item_is_not_voted_on(session: WriteSession, news: News) -> None:
    author = news.account()
    post = news.post(author)
    assert news.vote(post, author).score == 1
    with pytest.raises(Forbidden):
        news.vote(post, author, -1)


def test_dead_deleted_and_foreign_things_take_no_votes(session: WriteSession, news: News) -> None:
    post = news.post()
    post.state = "dead"
    session.flush()
    with pytest.raises(Forbidden):
        news.vote(post)
    with pytest.raises(NotFound):
        voting.vote(session, news.account().id, 10**12, 1)


def test_voting_down_needs_the_karma_that_the_site_asks_for(session: WriteSession, news: News) -> None:
    rules.change(session, news.account().id, {"preset": "hn"})
    with pytest.raises(Forbidden):
        news.vote(news.post(), news.account(karma=500), -1)
    assert news.vote(news.post(), news.account(karma=501), -1).score == 0


def test_suspect_votes_move_the_score_but_not_the_rank(session: WriteSession, news: News) -> None:
    post = news.post()
    news.vote(post, news.account(), address="home")
    news.vote(post, news.account(), address="home")
    news.vote(post, news.account(karma=0))

    assert (post.score, post.counted) == (4, 2)
    assert voting.uncounted(session, post.id) == 2


def test_a_row_of_downvotes_on_one_author_stops_to_count(session: WriteSession, news: News) -> None:
    author, voter = news.account(karma=50), news.account(karma=50)
    posts = [news.post(author) for _ in range(5)]
    counted = []
    for post in posts:
        clock.advance(1)
        counted.append(news.vote(post, voter, -1).counted)

    assert counted == [0, 0, 0, 1, 1]


def test_a_hundred_votes_of_ten_people_at_once_are_ten(news: News) -> None:
    author = news.account()
    post = news.post(author)
    voters = [news.account() for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: news.vote(post, voters[number % 10]), range(100)))

    rows = news.run(lambda session: session.scalar(select(func.count()).where(Vote.item_id == post.id)))
    karma = news.run(lambda session: session.get_one(Member, author.id, populate_existing=True).karma)
    assert (rows, news.item(post.id).score, karma) == (10, 11, 11)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([1, -1, 0])), max_size=25))
def test_any_order_of_votes_and_undoings_keeps_the_sums(
    session: WriteSession, news: News, steps: list[tuple[int, int, int]]
) -> None:
    people = [news.account(karma=10) for _ in range(4)]
    targets = [news.post(people[0]), news.comment(news.post(people[1]), people[0]), news.post()]
    model: dict[tuple[int, int], int] = {}
    for who, which, direction in steps:
        own = targets[which].author_id == people[who].id
        if own and direction == -1:
            continue
        if direction == 0:
            voting.vote(session, people[who].id, targets[which].id, 0)
            model.pop((which, who), None)
        else:
            news.vote(targets[which], people[who], direction)
            if not own:
                model[which, who] = direction
    for number, target in enumerate(targets):
        assert target.score == 1 + sum(d for (which, _), d in model.items() if which == number)
    assert news.broken() == {}


Outcome = tuple[int, int] | type[Exception]


class _World:
    """Four people, one of them no member yet, and what they vote on."""

    def __init__(self, session: WriteSession, news: News) -> None:
        self.session = session
        author = news.account(karma=10)
        self.people = [author, news.account(karma=10), news.account(karma=0), news.make.account()]
        posts = [news.post(author) for _ in range(4)]
        dead = news.post(author)
        dead.state = "dead"
        session.flush()
        poll = news.post(author, title="Which?", options=["This", "That"])
        option = listing.options_of(session, [poll.id])[poll.id][0]
        self.targets = [*posts, news.comment(news.post(self.people[1]), author), dead, option]

    def asked(self, steps: list[tuple[int, int, int, str | None]]) -> list[voting.Asked]:
        """Votes; beyond the targets is an item that is not there."""
        ids = [*(target.id for target in self.targets), 10**12]
        return [voting.Asked(self.people[who].id, ids[which], way, None, home) for who, which, way, home in steps]

    def state(self) -> object:
        """All that votes leave."""
        numbers = {person.id: number for number, person in enumerate(self.people)}
        told = []
        for target in self.targets:
            self.session.refresh(target)
            rows = self.session.execute(
                select(Vote.user_id, Vote.direction, Vote.counted, Vote.suspicion).where(Vote.item_id == target.id)
            )
            votes = sorted((numbers[user_id], *rest) for user_id, *rest in rows)
            is_warm = target.heat == ranking.heat(target.score, target.created_at) or target.type == "pollopt"
            told.append((target.score, target.counted, is_warm, votes))
        karma = [self.session.get(Member, person.id, populate_existing=True) for person in self.people]
        return told, [row and row.karma for row in karma]


def _outcomes(results: list[VotedItem | DodecaError]) -> list[Outcome]:
    return [type(one) if isinstance(one, Exception) else (one.score, one.counted) for one in results]


_step = st.tuples(
    st.integers(0, 3), st.integers(0, 7), st.sampled_from([1, -1, -1, 0]), st.sampled_from([None, "home", "work"])
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_step, max_size=20))
def test_votes_that_are_cast_together_are_as_if_one_came_after_the_other(
    session: WriteSession, news: News, steps: list[tuple[int, int, int, str | None]]
) -> None:
    alone, together = _World(session, news), _World(session, news)

    one_by_one = [voting.vote_many(session, [one])[0] for one in alone.asked(steps)]
    at_once = voting.vote_many(session, together.asked(steps))

    assert _outcomes(at_once) == _outcomes(one_by_one)
    assert together.state() == alone.state()
    assert news.broken() == {}


def test_many_votes_cost_as_many_statements_as_one(session: WriteSession, news: News) -> None:
    posts, voters = [news.post() for _ in range(8)], [news.account() for _ in range(8)]
    asked = [voting.Asked(voter.id, post.id, 1) for voter, post in zip(voters, posts, strict=True)]
    session.expunge_all()  # what it holds would be read anew
    with queries(at_most=5) as one:
        voting.vote_many(session, asked[:1])

    holding_authors = session.dialect == "postgresql"
    with queries(at_most=len(one) + holding_authors):
        voting.vote_many(session, asked[1:])


def test_upvotes_that_fall_on_a_few_authors_count_no_longer_for_the_rank(news: News) -> None:
    friends = [news.account() for _ in range(3)]
    posts = [news.post(friends[number % 3]) for number in range(14)]
    others = [news.post() for _ in range(6)]
    for _ in range(rings.LEAST_AUTHORS):
        news.post()
    ring, fair = news.account(), news.account()
    for post in [*posts, *others]:
        news.vote(post, ring)
    for post in others:
        news.vote(post, fair)

    found = news.platform.db.read(rings.suspects)
    news.run(lambda session: rings.discount(session, found))
    news.run(lambda session: rings.discount(session, found))  # nothing is counted off twice

    assert [(news.item(post.id).score, news.item(post.id).counted) for post in posts] == [(2, 1)] * 14
    assert sorted(news.item(post.id).counted for post in others) == [2, 3, 3, 3, 3, 3]


def test_keeping_an_item_does_not_make_suspect_votes_count(news: News) -> None:
    post = news.post()
    news.vote(post, news.account(karma=0))
    assert post.id in [item.id for item in news.run(moderating.queue)]
    moderator = news.make.account(roles_too=["moderator"])

    news.run(lambda session: moderating.dismiss(session, moderator, "post", str(post.id), "Within the rules"))

    assert (news.item(post.id).score, news.item(post.id).counted) == (2, 1)
    assert post.id not in [item.id for item in news.run(moderating.queue)]

    news.vote(post, news.account(karma=0))  # once there are more of them, it waits again
    assert post.id in [item.id for item in news.run(moderating.queue)]


def test_options_of_a_poll_that_is_gone_are_not_voted_on(session: WriteSession, news: News) -> None:
    poll = news.post(title="Which?", options=["This", "That"])
    option = listing.options_of(session, [poll.id])[poll.id][0]
    assert news.vote(option).score == 1
    poll.state = "dead"
    session.flush()

    with pytest.raises(Forbidden):
        news.vote(option)
