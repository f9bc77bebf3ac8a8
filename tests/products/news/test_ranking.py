"""The formula, addresses, lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.products.news.conftest import News

from dodeca.commons import following
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.news import jobs, ranking
from dodeca.products.news.ranking import Standing
from dodeca.products.news.service import items, listing, moderating
from dodeca.products.news.service.members import VISITOR, Viewer
from dodeca.products.news.service.rules import Rules, rules_of
from dodeca.products.news.urls import checked_title, url_key

NOW = datetime(2031, 5, 1, tzinfo=UTC)


def standing(**parts: object) -> Standing:
    given: dict[str, object] = {"counted": 11, "created_at": NOW, "has_url": True, "comments": 0, "flags": 0}
    return Standing(**{**given, **parts})  # type: ignore[arg-type]


def test_the_rank_is_the_published_formula() -> None:
    four_hours = standing(created_at=NOW - timedelta(hours=4))

    assert ranking.rank(four_hours, NOW, Rules()) == pytest.approx(10**0.8 / 6**1.8)


def test_each_factor_says_why() -> None:
    heavy = standing(counted=10, has_url=False, comments=40, flags=2, penalty=0.5, penalty_reason="Title.")

    found = {factor.name: factor.value for factor in ranking.factors(heavy, Rules())}

    assert found == {"no_url": 0.4, "overheated": 0.0625, "flags": 0.5, "moderator": 0.5}


@settings(deadline=None)
@given(st.integers(-50, 5000), st.floats(0, 500), st.integers(0, 500), st.integers(0, 20), st.booleans())
def test_the_rank_is_base_times_factors(points: int, hours: float, comments: int, flags: int, url: bool) -> None:
    post = standing(
        counted=points, created_at=NOW - timedelta(hours=hours), comments=comments, flags=flags, has_url=url
    )
    product = 1.0
    for factor in ranking.factors(post, Rules()):
        product *= factor.value if points >= 1 else 1 / factor.value

    assert ranking.rank(post, NOW, Rules()) == pytest.approx(ranking.base(post, NOW, Rules()) * product)


def test_penalties_however_small_leave_a_rank(news: News) -> None:
    post, judge = news.post(url="https://a.example/x"), news.account()

    def penalise(session: WriteSession) -> None:
        for kind, target in (("post", str(post.id)), ("site", "a.example")):
            moderating.act(
                session, judge, action="penalise", target_type=kind, target_id=target, reason="Spam.", value="1e-200"
            )

    news.run(penalise)
    for _ in range(3):
        news.vote(post, news.account(karma=1000), -1)

    assert news.run(jobs.refresh) == 1
    assert news.item(post.id).rank < 0


@settings(deadline=None)
@given(st.text(max_size=200))
def test_titles_are_one_visible_line_or_refused(text: str) -> None:
    try:
        title = checked_title(text)
    except Invalid:
        return
    assert title == checked_title(title)
    assert title.strip() == title


@pytest.mark.parametrize(
    "other",
    [
        "http://example.org/a",
        "https://www.example.org/a/",
        "https://EXAMPLE.org:443/a?gclid=1",
        "https://example.org/a#b",
    ],
)
def test_addresses_of_one_page_are_equal(other: str) -> None:
    assert url_key(other) == url_key("https://example.org/a")


def test_presets_can_be_changed_one_by_one_and_nonsense_is_refused() -> None:
    assert (rules_of({"preset": "hn", "karma_to_flag": 7}).karma_to_flag, rules_of({"preset": "hn"}).flags_to_kill) == (
        7,
        8,
    )
    for wrong in ({"preset": "x"}, {"gravity": "x"}, {"gravity": 0}, {"nothing": 1}):
        with pytest.raises(Invalid):
            rules_of(wrong)


def test_lists_page_without_losing_or_repeating(session: WriteSession, news: News) -> None:
    author = news.account(karma=5)
    made = {news.post(author).id for _ in range(12)}
    for sort in ("top", "new", "best", "active"):
        seen: list[int] = []
        cursor = None
        while True:
            page = listing.posts(session, VISITOR, sort, limit=5, cursor=cursor)
            seen += [post.id for post in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert (len(seen), set(seen)) == (12, made), sort


def test_ranks_sink_with_time_and_places_are_noted(session: WriteSession, news: News) -> None:
    post = news.post()
    news.vote(post)
    before = post.rank
    clock.advance(3600)

    assert jobs.refresh(session) == 1

    assert post.rank < before
    assert listing.position(session, items.locked(session, post.id)) == 1


def test_a_vote_brings_an_old_post_back_among_those_that_are_ranked(session: WriteSession, news: News) -> None:
    post = news.post()
    news.vote(post)
    clock.advance(5 * 86400)
    assert jobs.refresh(session) == 0

    news.vote(post)

    assert jobs.refresh(session) == 1


def test_a_rank_is_written_once_it_has_drifted_or_another_would_stand_on_the_wrong_side(
    session: WriteSession, news: News
) -> None:
    older, newer = news.post(), news.post()
    news.vote(older)
    news.vote(newer)
    older.created_at -= timedelta(hours=4)
    jobs.refresh(session)
    before = older.rank, newer.rank

    clock.advance(20)
    jobs.refresh(session)

    assert newer.rank < before[1] * (1 - jobs.DRIFT_SHOWN)
    assert older.rank == before[0]  # 0.17 % off
    clock.advance(30)
    jobs.refresh(session)
    assert older.rank < before[0] * (1 - jobs.DRIFT_SHOWN)


_post = st.tuples(
    st.floats(-1, 1000).filter(lambda rank: rank == 0 or abs(rank) > 1e-9),
    st.floats(-0.02, 0.02),
)
"""A rank, and how far from it, as a part of it, what was written is."""


@given(st.lists(_post, max_size=30), st.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_what_is_not_written_stands_in_its_order_and_near_its_rank(
    drawn: list[tuple[float, float]], shown: int
) -> None:
    posts = [(number, rank * (1 + off), rank) for number, (rank, off) in enumerate(drawn)]

    changed = dict(jobs.to_write(posts, shown))

    stored = sorted(((rank, changed.get(number, written)) for number, written, rank in posts), reverse=True)
    first, rest = [written for _, written in stored[:shown]], [written for _, written in stored[shown:]]
    assert first == sorted(first, reverse=True)
    assert not first or not rest or max(rest) <= first[-1]
    assert all(abs(written - rank) <= abs(rank) * jobs.DRIFT for rank, written in stored)
    assert all(rank == posts[number][2] for number, rank in changed.items())


def test_the_feed_holds_what_followed_people_and_tags_bring(session: WriteSession, news: News) -> None:
    reader, writer = news.account(), news.account()
    wanted, tagged = news.post(writer), news.post(tags=["python"])
    news.post()
    following.follow(session, reader.id, product="news", target_type="user", target_id=writer.id)
    following.follow(session, reader.id, product="news", target_type="tag", target_id="python")

    posts = listing.feed(session, Viewer(reader.id)).posts

    assert {post.id for post in posts} == {wanted.id, tagged.id}
