"""Votes: one a person an item, whatever happens at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from tests.products.news.conftest import News

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Forbidden, NotFound
from dodeca.products.news.models import Member, Vote
from dodeca.products.news.service import listing, members, moderating, rings, rules, voting


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
    assert voting.undo(session, voter.id, post.id).score == 1
    news.vote(post, voter)
    clock.advance(3601)

    with pytest.raises(voting.VoteStands):
        voting.undo(session, voter.id, post.id)
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
            voting.undo(session, people[who].id, targets[which].id)
            model.pop((which, who), None)
        else:
            news.vote(targets[which], people[who], direction)
            if not own:
                model[which, who] = direction
    for number, target in enumerate(targets):
        assert target.score == 1 + sum(d for (which, _), d in model.items() if which == number)
    assert news.broken() == {}


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
