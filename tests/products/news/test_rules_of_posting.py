"""Submitting, commenting, editing, deleting."""

from __future__ import annotations

from typing import Any

import pytest
from tests.products.news.conftest import News

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from dodeca.kernel.jobs import JobContext
from dodeca.products.news import jobs
from dodeca.products.news.models import Revision, Site
from dodeca.products.news.service import items, listing, posting, rules, threads
from dodeca.products.news.service.members import VISITOR, Viewer


def test_a_link_becomes_a_story_with_the_authors_own_point(session: WriteSession, news: News) -> None:
    post = news.post(title="  A   title ", url="https://www.blog.example.co.uk/a")

    assert (post.title, post.score, post.site, post.kind) == ("A title", 1, "example.co.uk", "story")


@pytest.mark.parametrize(
    ("title", "kind"), [("Ask HN: why?", "ask"), ("ASK: why?", "ask"), ("show hn: mine", "show"), ("Asking", "story")]
)
def test_the_title_tells_the_kind(session: WriteSession, news: News, title: str, kind: str) -> None:
    assert news.post(title=title, content="Text").kind == kind


def test_the_same_page_is_not_posted_twice_in_a_month(session: WriteSession, news: News) -> None:
    first = news.post(url="https://example.org/a?b=1&a=2")
    again = news.post(url="http://www.EXAMPLE.org/a/?a=2&b=1&utm_source=x#top")

    assert again.id == first.id
    assert again.score == 2


def test_after_a_month_the_same_page_may_be_posted_again(session: WriteSession, news: News) -> None:
    first = news.post(url="https://example.org/a")
    news.comment(first)
    clock.advance(31 * 86400)

    again = news.post(url="https://example.org/a")

    assert again.id != first.id
    assert [post.id for post in posting.discussions(session, again)] == [first.id]


def test_a_deleted_post_frees_its_address(session: WriteSession, news: News) -> None:
    author = news.account()
    first = news.post(author, url="https://example.org/a")
    posting.remove(session, author, first)

    assert news.post(url="https://example.org/a").id != first.id


@pytest.mark.parametrize(
    "parts",
    [
        {"url": "javascript:alert(1)"},
        {"url": "data:text/html,x"},
        {"url": "https://example.com/" + "a" * 2048},
        {"url": "http://"},
        {"title": "\u200b\u202e"},
        {"title": "x" * 151},
        {"content": "x" * 40_001},
        {"content": "x", "options": ["only one"]},
        {"content": "x", "tags": ["no spaces"]},
        {"content": ""},
    ],
)
def test_what_cannot_be_posted_is_refused(session: WriteSession, news: News, parts: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        news.post(**parts)


def test_a_comment_is_counted_and_tells_the_author(session: WriteSession, news: News) -> None:
    post = news.post()
    reply = news.comment(news.comment(post))

    assert items.locked(session, post.id).descendants == 2
    assert (reply.depth, reply.root_id) == (1, post.id)


def test_old_and_locked_discussions_take_no_comments(session: WriteSession, news: News) -> None:
    locked, old = news.post(), news.post()
    locked.locked_at = clock.now()
    session.flush()
    with pytest.raises(Forbidden):
        news.comment(locked)
    clock.advance(46 * 86400)
    with pytest.raises(Forbidden):
        news.comment(old)


def test_editing_keeps_what_was_said_before(session: WriteSession, news: News) -> None:
    author = news.account()
    post = news.post(author, title="Before", content="One")

    posting.edit(session, author, post, title="After", content="Two")

    kept = session.query(Revision).filter_by(item_id=post.id).one()
    assert (kept.title, kept.content, post.title, post.html) == ("Before", "One", "After", "Two")


def test_only_the_author_edits_and_only_for_two_hours(session: WriteSession, news: News) -> None:
    author = news.account()
    post = news.post(author, content="One")
    with pytest.raises(Forbidden):
        posting.edit(session, news.account(), post, content="Two")
    clock.advance(7201)
    with pytest.raises(posting.TooLate):
        posting.edit(session, author, post, content="Two")


def test_what_was_answered_cannot_be_deleted(session: WriteSession, news: News) -> None:
    author = news.account()
    comment = news.comment(news.post(), author)
    news.comment(comment)

    with pytest.raises(Conflict):
        posting.remove(session, author, comment)


def test_deleting_a_comment_takes_it_out_of_the_count(session: WriteSession, news: News) -> None:
    author, post = news.account(), news.post()
    comment = news.comment(post, author)
    posting.remove(session, author, comment)

    assert items.locked(session, post.id).descendants == 0
    with pytest.raises(NotFound):
        items.find(session, Viewer(author.id), comment.id)


def test_the_same_text_thrice_a_day_waits_for_a_moderator_and_then_goes_live(session: WriteSession, news: News) -> None:
    author, post = news.account(), news.post()
    text = "Buy my wonderful things today."
    states = [news.comment(post, author, text).state for _ in range(3)]
    assert states == ["live", "live", "shadow"]
    hidden = listing.comments_of(session, Viewer(author.id), author.id).items[0]
    with pytest.raises(NotFound):
        items.find(session, VISITOR, hidden.id)

    clock.advance(73 * 3600)
    jobs.release.handler(session, JobContext(news.platform, "", 1), None)

    assert items.find(session, VISITOR, hidden.id).state == "live"


def test_a_delayed_post_is_seen_by_its_author_first(session: WriteSession, news: News) -> None:
    author = news.account()
    from dodeca.products.news.service.members import change_profile

    change_profile(session, author.id, {"delay": 5})
    post = news.post(author)
    assert items.find(session, Viewer(author.id), post.id)
    with pytest.raises(NotFound):
        items.find(session, VISITOR, post.id)

    clock.advance(301)
    jobs.release.handler(session, JobContext(news.platform, "", 1), None)

    assert items.find(session, VISITOR, post.id)


def test_posts_an_hour_are_limited(session: WriteSession, news: News) -> None:
    author = news.account()
    rules.change(session, author.id, {"new_posts_an_hour": 2})
    news.post(author)
    news.post(author)
    with pytest.raises(TooMany):
        news.post(author)


def test_a_banned_sites_posts_are_dead(session: WriteSession, news: News) -> None:
    session.add(Site(site="spam.example", banned=True, reason="Spam"))
    session.flush()

    assert news.post(url="https://www.spam.example/x").state == "dead"


def test_polls_have_options_in_order(session: WriteSession, news: News) -> None:
    post = news.post(content="Which?", options=["One", "Two", "Three"])

    options = listing.options_of(session, [post.id])[post.id]
    assert [(option.content, option.score) for option in options] == [("One", 0), ("Two", 0), ("Three", 0)]


def test_a_thousand_levels_of_replies_are_arranged(session: WriteSession, news: News) -> None:
    post = news.post()
    news.deepen(session, post, 1000)

    trees = threads.thread(session, VISITOR, post)

    assert [node.depth for node in trees[0].walk()] == list(range(1000))
    assert trees[0].below == 999
