"""The raw lane: what it answers is what the routes answer."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any

import pytest
from tests.products.news.conftest import News
from tests.products.news.test_pages import act, prepared_url, signed_in  # noqa: F401 - a fixture
from tests.support.lanes import Sent
from tests.support.platform import Client

from dodeca.products.news.lane import NewsLane
from dodeca.products.news.reading import cache_of
from dodeca.products.news.service import marks, members
from dodeca.products.news.service.members import Viewer


def through_lane(news: News, path: str, **headers: str) -> Sent | None:
    """What the lane of a fresh process answers; None where it leaves the request to the routes."""
    path, _, query = path.partition("?")
    scope = SimpleNamespace(method="GET", path=path, query_string=query, headers=headers)
    sent = Sent()

    async def ask() -> bool:
        answer = NewsLane(news.platform).handle(scope, sent)
        return answer if isinstance(answer, bool) else await answer

    return sent if asyncio.run(ask()) else None


def at_any_time(page: str) -> str:
    """The page without the moment at which it was made."""
    return re.sub(r'name="server-time" content="\d+"', "", page)


@pytest.mark.parametrize("path", ["/news/", "/news/newest", "/news/best", "/news/ask"])
def test_a_visitor_gets_the_page_of_the_route(client: Client, news: News, path: str) -> None:
    news.comment(news.post(title="Ask: Which lighthouse is the tallest?", content="I mean lit."))

    answer = through_lane(news, path)

    assert answer is not None
    assert answer.headers["cache-control"] == "public, max-age=0, s-maxage=2"
    page = re.sub(r'(name="csrf[-_]token" (?:content|value)=)"\w+"', r'\1""', client.get(path).text)
    assert at_any_time(answer.body.decode()) == at_any_time(page)


@pytest.mark.parametrize("path", ["/news/", "/news/newest"])
def test_a_member_gets_the_page_of_the_route_with_all_that_is_the_members_own(
    client: Client, news: News, path: str
) -> None:
    browser, alice = signed_in(client, news)
    posts = [news.post(title=f"Post & number {number}", tags=["maps"] if number == 3 else []) for number in range(36)]
    news.post(alice, title="By the one who looks")
    news.vote(posts[30], alice)
    news.vote(posts[31], alice, -1)
    news.run(lambda session: marks.mark(session, alice, Viewer(alice.id), posts[33].id, "hide"))
    news.run(lambda session: members.set_filters(session, alice.id, ["maps"]))
    page = browser.get(path).text

    answer = through_lane(news, path, cookie=f"dodeca_session={browser.http.cookies['dodeca_session']}")

    assert answer is not None
    assert answer.headers["cache-control"] == "private, no-store"
    assert "By the one who looks" in page
    assert "number 33<" not in page
    assert at_any_time(answer.body.decode()) == at_any_time(page)


def test_whoever_sees_more_than_others_gets_the_page_of_the_route(client: Client, news: News) -> None:
    news.post()
    browser, alice = signed_in(client, news)
    browser.get("/news/")
    cookie = f"dodeca_session={browser.http.cookies['dodeca_session']}"
    assert through_lane(news, "/news/", cookie=cookie) is not None

    news.run(lambda session: members.change_profile(session, alice.id, {"showdead": True}))

    assert through_lane(news, "/news/", cookie=cookie) is None
    assert through_lane(news, "/news/?n=3", cookie=cookie) is None
    assert through_lane(news, "/news/", cookie="dodeca_session=" + "x" * 40) is None


def test_an_item_of_the_api_is_told_anew_after_it_changed(client: Client, news: News) -> None:
    post = news.post()
    browser, _alice = signed_in(client, news)
    assert _score(through_lane(news, f"/news/v0/item/{post.id}.json")) == 1
    act(browser, f"up-{post.id}")
    assert _score(through_lane(news, f"/news/v0/item/{post.id}.json")) == 2


@pytest.mark.parametrize("change", ["vote", "comment", "reply"])
def test_a_thread_is_made_anew_once_something_in_it_changed(client: Client, news: News, change: str) -> None:
    post = news.post()
    said = news.comment(post)
    path = f"/news/item?id={post.id}"
    browser, _alice = signed_in(client, news)
    first = after_a_moment(news, path)
    assert after_a_moment(news, path).headers["etag"] == first.headers["etag"]

    if change == "vote":
        act(browser, f"up-{post.id}")
    else:
        parent = post if change == "comment" else said
        browser.submit("/news/comment", {"parent": str(parent.id), "content": "Not said before."}, page=path)

    page = after_a_moment(news, path).body.decode()
    assert ("2\u00a0points" if change == "vote" else "Not said before.") in page


def after_a_moment(news: News, path: str) -> Sent:
    """What is answered once the moment is over for which a page is kept whatever happens."""
    cache_of(news.platform).invalidate(path)
    answer = through_lane(news, path)
    assert answer is not None
    return answer


def _score(answer: Sent | None) -> Any:
    assert answer is not None
    match = re.search(rb'"score":(\d+)', answer.body)
    return int(match[1]) if match is not None else None
