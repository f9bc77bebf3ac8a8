"""The pages, as a browser without JavaScript uses them."""

from __future__ import annotations

import re

import pytest
from tests.products.news.conftest import News
from tests.support.platform import PASSWORD, Client, work

from dodeca.commons.accounts.models import Account
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.products.news import jobs
from dodeca.products.news.models import Item
from dodeca.products.news.service import marks, moderating
from dodeca.products.news.service.members import Viewer


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    """SQLite: what the pages call is tested on both engines elsewhere."""
    return sqlite_url


def signed_in(client: Client, news: News, name: str = "alice", **options: object) -> tuple[Client, Account]:
    """A browser of a member."""
    account = news.make.account(username=name, password=PASSWORD, **options)  # type: ignore[arg-type]
    browser = client.stranger()
    answer = browser.submit("/login", {"username": name, "password": PASSWORD})
    assert answer.status_code == 303
    return browser, account


def act(browser: Client, do: str, page: str = "/news/") -> str:
    """Press a button of a page; gives where it leads."""
    answer = browser.submit("/news/act", {"do": do, "goto": page}, page=page)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_everybody_reads_every_list_without_an_account(client: Client, news: News) -> None:
    post = news.post(title="Lighthouses of the north", tags=["maps"], url="https://maps.example.com/a")
    news.comment(post, content="I have been to three of them.")
    for path in (
        "", "news", "newest", "best", "active", "front?day=" + post.created_at.date().isoformat(),
        "from?site=example.com", "over?points=1", "t/maps",
    ):  # fmt: skip
        page = client.get(f"/news/{path}")
        assert page.status_code == 200, path
        assert "Lighthouses of the north" in page.text, path
    for path in (
        "ask",
        "show",
        "jobs",
        "polls",
        "pool",
        "lists",
        "leaders",
        "users",
        "moderations",
        "search",
        "bestcomments",
    ):
        assert client.get(f"/news/{path}").status_code == 200, path
    assert "I have been to three of them." in client.get("/news/newcomments").text
    thread = client.get(f"/news/item?id={post.id}")
    assert "I have been to three of them." in thread.text
    assert "1\u00a0comment" in thread.text


def test_a_visitor_is_led_to_signing_in_and_back(client: Client, news: News) -> None:
    post = news.post()
    page = client.get("/news/").text
    assert '<button class="up" form="acts"' in page
    form = re.search(r'<form id="acts" action="([^"]+)" hidden><input type="hidden" name="goto" value="([^"]+)">', page)
    assert form is not None
    answer = client.get(form[1], params={"goto": form[2]})
    assert answer.headers["location"] == "/login?next=/news"
    assert client.get("/news/login?goto=https://evil.example").headers["location"] == "/login?next=/news/"
    assert client.post("/news/act", data={"do": f"up-{post.id}"}).status_code == 401


def test_one_press_votes_and_another_takes_it_back(client: Client, news: News) -> None:
    post = news.post()
    browser, _alice = signed_in(client, news)
    assert act(browser, f"up-{post.id}") == f"/news/#{post.id}"
    assert news.item(post.id).score == 2
    pressed = browser.get("/news/").text
    assert f'value="un-{post.id}" aria-pressed="true"' in pressed
    act(browser, f"un-{post.id}")
    assert news.item(post.id).score == 1


def test_a_button_that_there_is_not_is_refused(client: Client, news: News) -> None:
    news.post()
    browser, _alice = signed_in(client, news)
    for do in ("", "up", "up-", "up-x", "frobnicate-1", "flag-1-rude", "up-" + "9" * 30):
        answer = browser.submit("/news/act", {"do": do, "goto": "//evil.example"}, page="/news/")
        assert answer.status_code in (303, 400), do
        assert answer.headers.get("location", "/news/").startswith("/news/")


def test_a_form_of_another_site_is_refused(client: Client, news: News) -> None:
    post = news.post()
    browser, _alice = signed_in(client, news)
    answer = browser.post("/news/act", data={"do": f"up-{post.id}"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert news.item(post.id).score == 1


def test_submitting_commenting_editing_and_deleting_by_forms(client: Client, news: News) -> None:
    browser, _alice = signed_in(client, news)
    refused = browser.submit("/news/submit", {"url": "javascript:alert(1)", "title": "Look"})
    assert refused.status_code == 400
    assert "begins with http" in refused.text
    assert 'value="Look"' in refused.text

    made = browser.submit("/news/submit", {"url": "https://example.org/<b>", "title": "<script>alert(1)</script>"})
    assert made.status_code == 303
    page = browser.get(made.headers["location"])
    assert "<script>alert(1)" not in page.text
    number = made.headers["location"].partition("id=")[2]

    said = browser.submit(
        "/news/comment", {"parent": number, "content": "A *thought*."}, page=f"/news/item?id={number}"
    )
    comment = said.headers["location"].partition("#")[2]
    assert "A <i>thought</i>." in browser.get(f"/news/item?id={number}").text
    assert "A <i>thought</i>." in browser.get(f"/news/item?id={comment}").text

    form = f"/news/edit?id={comment}"
    browser.submit("/news/edit", {"id": comment, "content": "Another thought."}, page=form)
    assert "Another thought." in browser.get(f"/news/item?id={number}").text
    assert browser.submit("/news/delete", {"id": comment}, page=form).status_code == 303
    assert "Another thought." not in browser.get(f"/news/item?id={number}").text
    empty = browser.submit("/news/comment", {"parent": number, "content": " "}, page=f"/news/item?id={number}")
    assert (empty.status_code, "Write something." in empty.text) == (400, True)


def test_a_link_that_is_there_already_is_shown_and_gets_the_vote(client: Client, news: News) -> None:
    post = news.post(url="https://example.com/page?a=1", title="The first")
    browser, _alice = signed_in(client, news)
    assert "The first" in browser.get("/news/known?url=http://www.example.com/page/?a=1%26utm_source=x").text
    answer = browser.submit("/news/submit", {"url": "http://example.com/page?a=1#top", "title": "Again"})
    assert answer.headers["location"] == f"/news/item?id={post.id}"
    assert news.item(post.id).score == 2


def test_hiding_filtering_and_favourites_are_ones_own(client: Client, news: News) -> None:
    hidden, tagged = news.post(title="Hide me"), news.post(title="Filter me", tags=["noise"])
    browser, _alice = signed_in(client, news)
    act(browser, f"hide-{hidden.id}")
    saved = browser.submit("/news/settings", {"filters": "noise", "about": "Hello", "maxvisit": "20", "minaway": "180"})
    assert saved.status_code == 303
    act(browser, f"fave-{tagged.id}", f"/news/item?id={tagged.id}")
    front = browser.get("/news/").text
    assert "Hide me" not in front
    assert "Filter me" not in front
    assert "Filter me" in browser.get("/news/t/noise").text
    assert "Hide me" in browser.get("/news/hidden").text
    assert "Filter me" in client.get("/news/favorites?id=alice").text
    assert client.get("/news/hidden").status_code == 401
    assert browser.get("/news/upvoted?id=somebody").status_code == 403
    assert "Hide me" in client.get("/news/").text


def test_a_thread_marks_what_came_since_the_last_visit(client: Client, news: News) -> None:
    post = news.post()
    news.comment(post, content="The old one.")
    browser, _alice = signed_in(client, news)
    page = f"/news/item?id={post.id}"
    newest = re.search(r'name="until" value="(\d+)"', browser.get(page).text)
    assert newest is not None
    browser.submit("/news/seen", {"id": str(post.id), "until": newest[1]}, page=page)
    assert "is-unread" not in browser.get(page).text
    later = news.comment(post, content="The new one.")
    assert re.search(rf'is-unread[^>]*id="{later.id}"', browser.get(page).text)
    assert "is-unread" not in client.get(page).text


def test_flag_kill_vouch_appeal_and_the_log(client: Client, news: News) -> None:
    author = news.make.account(username="author", password=PASSWORD)
    post = news.post(author, title="Contested")
    for _ in range(3):
        flagger = news.account()
        news.run(lambda session, who=flagger: marks.flag(session, who, Viewer(who.id), post.id, "spam"))  # type: ignore[misc]
    assert "Contested" not in client.get("/news/newest").text
    owner = client.stranger()
    owner.submit("/login", {"username": "author", "password": PASSWORD})
    page = f"/news/item?id={post.id}"
    assert "Flagged by 3 members." in owner.get(page).text
    assert client.get(page).status_code == 404
    owner.submit("/news/report", {"id": str(post.id), "reason": "Appeal", "text": "It is on topic."}, page=page)

    moderator, _account = signed_in(client, news, "mod", roles_too=["moderator"])
    queue = moderator.get("/news/mod").text
    assert "It is on topic." in queue
    assert "spam × 3" in queue
    answer = moderator.submit(
        "/news/moderate",
        {"action": "dismiss", "target_type": "post", "target_id": str(post.id), "reason": "Spam"},
        page="/news/mod",
    )
    assert answer.headers["location"] == "/news/mod"
    assert "Contested" in client.get("/news/newest").text
    assert "Within the rules" in client.get("/news/moderations").text
    assert "The queue is empty" in moderator.get("/news/mod").text

    moderator.submit(
        "/news/moderate",
        {"action": "kill", "target_type": "post", "target_id": str(post.id), "reason": "Off topic"},
        page=f"/news/more?id={post.id}",
    )
    work(client.platform)
    assert client.get(page).status_code == 404
    assert "Off topic" in owner.get(page).text
    assert "removed by a moderator" in owner.get("/inbox").text
    assert owner.get("/news/mod").status_code == 403

    owner.submit("/news/report", {"id": str(post.id), "reason": "Appeal", "text": "It is, really."}, page=page)
    assert "It is, really." in moderator.get("/news/mod").text
    decision = {"action": "uphold", "target_type": "post", "target_id": str(post.id)}
    moderator.submit("/news/moderate", decision, page="/news/mod")
    assert client.get(page).status_code == 404
    assert "The queue is empty" in moderator.get("/news/mod").text
    assert "It stays as it was decided" in client.get("/news/moderations").text
    assert "stays removed" in owner.get("/inbox").text


def test_the_same_text_again_and_again_waits_and_its_author_is_told(client: Client, news: News) -> None:
    author = news.make.account(username="author", password=PASSWORD)
    post = news.post()
    said = [news.comment(post, author, "Buy my wonderful product today!") for _ in range(3)]
    owner = client.stranger()
    owner.submit("/login", {"username": "author", "password": PASSWORD})
    assert [news.item(each.id).state for each in said] == ["live", "live", "shadow"]
    assert "Only you and moderators see this" in owner.get(f"/news/item?id={said[2].id}").text
    assert client.get(f"/news/item?id={said[2].id}").status_code == 404
    assert "waits for a moderator" in owner.get("/inbox").text
    assert "held back" in client.get("/news/moderations").text


def test_why_a_post_stands_there_is_told_without_names(client: Client, news: News) -> None:
    post = news.post()
    voter = news.account(username="voter")
    news.vote(post, voter)
    news.platform.db.write(jobs.refresh)
    page = client.get(f"/news/why?id={post.id}").text
    assert "place <b>1</b>" in page
    assert "voter" not in page
    piece = client.get(f"/news/why?id={post.id}", headers={"HX-Request": "true"}).text
    assert "<html" not in piece


def test_a_member_who_asked_for_it_is_kept_from_staying_too_long(client: Client, news: News) -> None:
    news.post(title="Something to read")
    browser, _alice = signed_in(client, news)
    wishes = {"noprocrast": "on", "maxvisit": "20", "minaway": "60"}
    browser.submit("/news/settings", wishes)

    assert browser.get("/news/").status_code == 200
    clock.advance(19 * 60)
    assert browser.get("/news/newest").status_code == 200
    clock.advance(2 * 60)
    kept_away = browser.get("/news/", headers={"Accept": "text/html"})
    assert (kept_away.status_code, "You asked to be kept away until" in kept_away.text) == (403, True)
    assert browser.get("/news/settings").status_code == 200
    assert client.get("/news/").status_code == 200
    clock.advance(60 * 60)
    assert browser.get("/news/").status_code == 200


def test_following_brings_posts_into_the_feed(client: Client, news: News) -> None:
    author = news.account(username="writer")
    news.post(author, title="From somebody I follow")
    news.post(title="Tagged so", tags=["maps"])
    browser, _alice = signed_in(client, news)
    page = "/news/user?id=writer"
    browser.submit("/news/follow", {"user": "writer", "on": "yes", "goto": page}, page=page)
    browser.submit("/news/follow", {"tag": "maps", "on": "yes", "goto": "/news/t/maps"}, page="/news/t/maps")
    feed = browser.get("/news/feed").text
    assert "From somebody I follow" in feed
    assert "Tagged so" in feed
    browser.submit("/news/follow", {"user": "writer", "on": "no", "goto": page}, page=page)
    assert "From somebody I follow" not in browser.get("/news/feed").text


def test_search_finds_posts_and_comments(client: Client, news: News) -> None:
    post = news.post(title="Sourdough is patience")
    comment = news.comment(post, content="My sourdough never rises.")

    def index(session: WriteSession) -> None:
        from dodeca.products.news.service import searching

        for number in (post.id, comment.id):
            searching.put(session, session.get_one(Item, number))

    news.run(index)
    page = client.get("/news/search?q=sourdough").text
    assert "Sourdough is patience" in page
    assert "never rises" in page
    assert "Nothing found" in client.get("/news/search?q=zebra").text
    assert client.get("/news/search?q=%22%28%2A").status_code == 200


def test_a_deep_thread_is_shown(client: Client, news: News) -> None:
    post = news.post()
    news.run(lambda session: news.deepen(session, post, 1000))
    here, pages = f"/news/item?id={post.id}", 0
    while here:  # each page shows the next levels, and leads further down
        page = client.get(here)
        assert page.status_code == 200
        further = re.search(r'href="([^"]+)">[\d,]+\Wmore repl', page.text)
        here, pages = further[1] if further is not None else "", pages + 1
    assert "Level 999" in page.text
    assert pages == 17
    assert client.get(f"/news/item?id={post.id + 1000}").status_code == 200
    assert client.get(f"/api/news/posts/{post.id}").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["item", "why?id=0", "item?id=x", "item?id=-1", "item?id=99999999999999999999", "user?id=%00", "more?id=1",
     "from?site=%ff", "t/%00", "over?points=1e9", "front?day=2026-02-30", "?cursor=abc", "newest?n=-5&cursor=W10",
     "colour/red.css", "comment?id=5"],
)  # fmt: skip
def test_odd_addresses_are_never_our_fault(client: Client, path: str) -> None:
    assert client.get(f"/news/{path}").status_code < 500


def test_the_heading_of_a_thread_counts_what_is_shown(client: Client, news: News) -> None:
    post = news.post()
    above = news.comment(post)
    news.comment(above)
    moderator = news.account()
    news.run(
        lambda session: moderating.act(
            session, moderator, action="kill", target_type="comment", target_id=str(above.id), reason="Spam."
        )
    )

    page = client.get(f"/news/item?id={post.id}").text

    assert "<h2>1\xa0comment</h2>" in page
    assert page.count("<article") == 2
