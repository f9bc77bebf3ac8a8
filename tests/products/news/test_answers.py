"""Accepted answers, the feed page by page, the list of jobs."""

from __future__ import annotations

import pytest
from tests.products.news.conftest import News
from tests.products.news.test_pages import act, prepared_url, signed_in  # noqa: F401 - a fixture
from tests.support.platform import Client

from dodeca.commons import following
from dodeca.kernel.errors import Conflict, Forbidden, Invalid
from dodeca.products.news.service import answers, listing
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import PRODUCT


def test_who_asked_accepts_an_answer_and_takes_it_back(client: Client, news: News) -> None:
    browser, alice = signed_in(client, news)
    post = news.post(alice, title="Ask: Which lighthouse is the tallest?", content="I mean lit.")
    answer = news.comment(post, content="The one at Jeddah.")
    own = news.comment(post, alice, content="I found it myself.")
    page = f"/news/item?id={post.id}"
    assert f'value="accept-{answer.id}"' in browser.get(page).text
    assert f'value="accept-{own.id}"' not in browser.get(page).text

    act(browser, f"accept-{answer.id}", page)

    assert "accepted answer" in client.get(page).text
    assert client.get(f"/api/news/posts/{post.id}").json()["post"]["accepted_id"] == answer.id
    act(browser, f"unaccept-{post.id}", page)
    assert client.get(f"/api/news/posts/{post.id}").json()["post"]["accepted_id"] is None


def test_answers_are_accepted_by_who_asked_only(news: News) -> None:
    asker = news.account()
    question = news.post(asker, title="Ask: Why?", content="I wonder about it.")
    link, reply = news.post(asker), news.comment(question)
    stranger = news.account()

    with pytest.raises(Forbidden):
        news.run(lambda session: answers.accept(session, stranger, Viewer(stranger.id), reply.id))
    own, other = news.comment(question, asker), news.comment(link)
    with pytest.raises(Forbidden):
        news.run(lambda session: answers.accept(session, asker, Viewer(asker.id), own.id))
    with pytest.raises(Conflict):
        news.run(lambda session: answers.accept(session, asker, Viewer(asker.id), other.id))


def test_the_feed_goes_on_page_by_page(news: News, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FEED_CANDIDATES", 5)
    reader, writer = news.account(), news.account()
    posts = [news.post(writer).id for _ in range(9)]
    said = [news.comment(news.post(), writer).id for _ in range(3)]
    news.run(
        lambda session: following.follow(session, reader.id, product=PRODUCT, target_type="user", target_id=writer.id)
    )

    seen: list[int] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = news.run(lambda session: listing.feed(session, Viewer(reader.id), limit=2, cursor=cursor))  # noqa: B023
        seen += [item.id for item in (*page.posts, *page.comments)]
        cursor, pages = page.next_cursor, pages + 1

    assert sorted(seen) == sorted([*posts, *said])
    with pytest.raises(Invalid):
        news.run(lambda session: listing.feed(session, Viewer(reader.id), cursor="nonsense"))


def test_jobs_are_listed(client: Client, news: News) -> None:
    news.post(title="No job")
    assert client.get("/api/news/jobs").json() == {"posts": [], "next_cursor": None}
