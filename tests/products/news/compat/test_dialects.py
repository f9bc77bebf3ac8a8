"""The dialects of Hacker News' API, its search and feeds, as their documents describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import feedparser
import pytest
from sqlalchemy import update
from tests.products.news.conftest import News
from tests.support.platform import Client

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.kernel.transfer import NoProgress
from dodeca.products.news import importers
from dodeca.products.news.compat.firebase_queries import applied
from dodeca.products.news.models import Item
from dodeca.products.news.service import searching


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    """SQLite: what the dialects call is tested on both engines elsewhere."""
    return sqlite_url


def index(news: News) -> None:
    """Bring the index of words up to date."""

    def unit(session: WriteSession) -> None:
        for item in session.query(Item):
            searching.put(session, item)

    news.run(unit)


def v0(client: Client, path: str, **options: Any) -> Any:
    """A value of the Firebase dialect."""
    answer = client.get(f"/news/v0/{path}", **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_items_are_told_in_hacker_news_shape(client: Client, news: News) -> None:
    author = news.account(username="Poster")
    post = news.post(author, title="A <b> & c", url="https://example.com/x")
    top = news.comment(post, content="It's *good*/bad.\n\nReally.")
    below = news.comment(top)
    news.vote(post)
    answer = client.get(f"/news/v0/item/{post.id}.json")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.text == json.dumps(answer.json(), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    assert answer.json() == {
        "by": "Poster",
        "descendants": 2,
        "id": post.id,
        "kids": [top.id],
        "score": 2,
        "time": int(post.created_at.timestamp()),
        "title": "A &lt;b&gt; &amp; c",
        "type": "story",
        "url": "https://example.com/x",
    }
    comment = v0(client, f"item/{top.id}.json")
    assert comment["text"] == "It&#x27;s <i>good</i>&#x2F;bad.<p>Really."
    assert comment["kids"] == [below.id]
    assert "score" not in comment
    assert v0(client, f"item/{post.id}/title.json") == "A &lt;b&gt; &amp; c"
    assert v0(client, "topstories/0.json") == post.id
    assert v0(client, "maxitem.json") == below.id
    assert set(v0(client, "updates.json")) == {"items", "profiles"}


def test_what_is_gone_or_hidden_says_no_more_than_that(client: Client, news: News) -> None:
    post = news.post()
    states = {}
    for state in ("deleted", "dead", "flagged", "shadow", "delayed"):
        states[state] = news.comment(post)

        def unit(session: WriteSession, state: str = state) -> None:
            row = session.get_one(Item, states[state].id)
            row.state = state
            root = session.get_one(Item, post.id)
            root.descendants -= 1

        news.run(unit)
    kept = {"id", "type", "time", "parent", "deleted"}
    assert set(v0(client, f"item/{states['deleted'].id}.json")) == kept
    dead = v0(client, f"item/{states['dead'].id}.json")
    assert (dead["dead"], dead["text"]) == (True, "[dead]")
    assert v0(client, f"item/{states['flagged'].id}.json")["text"] == "[flagged]"
    for state in ("shadow", "delayed"):
        assert client.get(f"/news/v0/item/{states[state].id}.json").text == "null"
    shown = {states[state].id for state in ("deleted", "dead", "flagged")}
    assert set(v0(client, f"item/{post.id}.json")["kids"]) == shown


def test_users_have_public_activity_and_an_exact_name(client: Client, news: News) -> None:
    author = news.account(username="Poster", karma=7)
    news.account(username="lurker")
    post = news.post(author)
    user = v0(client, "user/Poster.json")
    assert user == {
        "created": int(author.created_at.timestamp()),
        "id": "Poster",
        "karma": 7,
        "submitted": [post.id],
    }
    for missing in (
        "user/poster.json",
        "user/lurker.json",
        "item/0.json",
        "item/x.json",
        "item/99999999999999999999.json",
    ):
        assert client.get(f"/news/v0/{missing}").text == "null"


def test_firebase_prints_denies_and_complains(client: Client, news: News) -> None:
    post = news.post(title="T", url="https://example.com/t")
    pretty = client.get(f"/news/v0/item/{post.id}.json?print=pretty").text
    assert pretty.startswith('{\n  "by" : "')
    assert '\n  "descendants" : 0,\n' in pretty
    assert client.get(f"/news/v0/item/{post.id}.json?print=silent").status_code == 204
    for method, path in (
        ("PUT", "item/1.json"), ("DELETE", "x.json"), ("GET", "item.json"), ("GET", "user.json"), ("GET", "x.json"),
    ):  # fmt: skip
        answer = client.request(method, f"/news/v0/{path}")
        assert (answer.status_code, answer.json()) == (401, {"error": "Permission denied"}), path
    assert client.get("/news/v0.json").json() == {"error": "Permission denied"}
    refused = client.get("/news/v0/topstories.json?limitToFirst=2")
    missing = "orderBy must be defined when other query parameters are defined"
    assert (refused.status_code, refused.json()["error"]) == (400, missing)
    refused = client.get("/news/v0/topstories.json?orderBy=$key")
    assert (refused.status_code, refused.json()["error"]) == (400, "orderBy must be a valid JSON encoded path")


def test_updates_tell_of_votes_and_comments_too(client: Client, news: News) -> None:
    voted, discussed, quiet = news.post(), news.post(), news.post()
    clock.advance(3600)
    news.vote(voted)
    comment = news.comment(discussed)

    changed = v0(client, "updates.json")

    assert changed["items"][-1] == quiet.id
    assert set(changed["items"]) == {voted.id, discussed.id, quiet.id, comment.id}
    assert len(changed["profiles"]) == 4


def test_only_the_top_list_has_jobs(client: Client, news: News) -> None:
    story, job = news.post(), news.post(title="We hire")
    news.run(lambda session: session.execute(update(Item).where(Item.id == job.id).values(type="job", kind="job")))

    lists = {name: set(v0(client, f"{name}stories.json") or ()) for name in ("top", "new", "best", "job")}

    both = {story.id, job.id}
    assert lists == {"top": both, "new": {story.id}, "best": {story.id}, "job": {job.id}}


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ({"orderBy": '"$key"', "limitToFirst": "2"}, [30, 10]),
        ({"orderBy": '"$key"', "limitToLast": "2"}, {"2": 20, "3": 40}),
        ({"orderBy": '"$value"', "limitToFirst": "1"}, {"1": 10}),
        ({"orderBy": '"$key"', "startAt": '"1"', "endAt": '"2"'}, [None, 10, 20]),
        ({"orderBy": '"$value"', "equalTo": "40"}, {"3": 40}),
        ({"orderBy": '"$value"', "startAt": "99"}, None),
    ],
)
def test_queries_give_arrays_and_objects_as_firebase_does(query: dict[str, str], result: object) -> None:
    assert applied([30, 10, 20, 40], query) == result


def test_the_search_api_filters_pages_and_marks(client: Client, news: News) -> None:
    author = news.account(username="Poster")
    post = news.post(author, title="Ask HN: Which sourdough?", content="Tell me about flour.")
    other = news.post(title="Sourdough by numbers", url="https://bread.example.com/s")
    comment = news.comment(other, author, "Sourdough & salt")
    news.vote(other)
    index(news)

    def found(**params: str) -> dict[str, Any]:
        answer = client.get("/news/api/v1/search", params=params)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    everything = found(query="sourd")
    assert {hit["objectID"] for hit in everything["hits"]} == {str(post.id), str(other.id), str(comment.id)}
    assert (everything["nbHits"], everything["page"], everything["nbPages"], everything["hitsPerPage"]) == (3, 0, 1, 20)
    assert everything["hits"][0]["_highlightResult"]["title"]["value"].count("<em>") == 1
    assert [hit["objectID"] for hit in found(query="sourdough", tags="comment")["hits"]] == [str(comment.id)]
    said = found(tags=f"comment,story_{other.id}")["hits"][0]
    assert said["points"] is None
    assert said["story_title"] == "Sourdough by numbers"
    assert said["_tags"] == ["comment", "author_Poster", f"story_{other.id}"]
    assert said["comment_text"] == "Sourdough &amp; salt"
    assert found(tags="(ask_hn,comment),author_Poster")["nbHits"] == 2
    assert [hit["objectID"] for hit in found(numericFilters="points>1")["hits"]] == [str(other.id)]
    assert found(query="sourdough", hitsPerPage="1", page="1", tags="story")["hits"][0]["objectID"] == str(post.id)
    titles = found(query="sourdough numbers", restrictSearchableAttributes="title,url")
    assert [hit["objectID"] for hit in titles["hits"]] == [str(other.id)]
    assert found(query="sourdough flour", restrictSearchableAttributes="title")["nbHits"] == 0
    newest = client.get("/news/api/v1/search_by_date?tags=(story,comment)").json()["hits"]
    assert [hit["objectID"] for hit in newest] == [str(comment.id), str(other.id), str(post.id)]
    for bad in ("numericFilters=karma>1", "page=x", "tags=(story", "restrictSearchableAttributes=soul"):
        answer = client.get(f"/news/api/v1/search?{bad}")
        assert (answer.status_code, answer.json()["status"]) == (400, 400), bad


def test_the_search_api_gives_items_with_their_tree_and_users(client: Client, news: News) -> None:
    author = news.account(username="Poster")
    post = news.post(author)
    top = news.comment(post, author)
    below = news.comment(top)
    item = client.get(f"/news/api/v1/items/{post.id}").json()
    assert item["created_at"].endswith(".000Z")
    assert (item["children"][0]["id"], item["children"][0]["children"][0]["id"]) == (top.id, below.id)
    assert item["children"][0]["parent_id"] == post.id
    user = client.get("/news/api/v1/users/Poster").json()
    assert (user["submission_count"], user["comment_count"]) == (1, 1)
    for missing in (
        "items/999999",
        "items/x",
        "users/nobody",
        "nothing",
        "items",
        "search/more",
        "items/1/more",
        "users/a/b/c",
        "",
    ):
        answer = client.get(f"/news/api/v1/{missing}".rstrip("/"))
        assert (answer.status_code, answer.json()) == (404, {"status": 404, "error": "Not Found"})


def test_feeds_are_read_by_feedparser_with_thresholds(client: Client, news: News) -> None:
    author = news.account(username="Poster")
    quiet = news.post(author, title="Quiet & small", url="https://example.com/quiet")
    loud = news.post(title="Loud", url="https://example.com/loud")
    for _ in range(3):
        news.vote(loud)
    reply = news.comment(quiet, content="An <answer>")
    read = feedparser.parse(client.get("/news/rss").text)
    assert not read.bozo
    assert {entry.title for entry in read.entries} == {"Quiet & small", "Loud"}
    entry = next(entry for entry in read.entries if entry.title == "Loud")
    assert entry.link == "https://example.com/loud"
    assert entry.comments.endswith(f"/news/item?id={loud.id}")
    assert entry.id == entry.comments
    assert client.get("/news/rss.jsonfeed").json()["title"] == "Front page · News"
    assert len(feedparser.parse(client.get("/news/rss.atom").text).entries) == 2
    for kind in ("", ".atom", ".jsonfeed"):
        for name in (
            "frontpage", "newest", "newcomments", "ask", "show", "polls", "jobs", "best", "active", "bestcomments",
            "user", "submitted", "threads", "replies", "favorites", "item",
        ):  # fmt: skip
            query = f"?id={quiet.id}" if name == "item" else "?id=Poster"
            answer = client.get(f"/news/rss/{name}{kind}{query}")
            assert answer.status_code == 200, name
            if kind == ".jsonfeed":
                assert answer.json()["version"] == "https://jsonfeed.org/version/1.1"
            else:
                assert not feedparser.parse(answer.text).bozo, name
    assert [e.title for e in feedparser.parse(client.get("/news/rss/newest?points=3").text).entries] == ["Loud"]
    assert [e.title for e in feedparser.parse(client.get("/news/rss/newest?comments=1").text).entries] == [
        "Quiet & small"
    ]
    assert [e.title for e in feedparser.parse(client.get("/news/rss/newest?q=loud").text).entries] == ["Loud"]
    assert not feedparser.parse(client.get("/news/rss/submitted?id=Poster&points=2").text).entries
    linked = feedparser.parse(client.get("/news/rss/newest?link=comments&description=0").text).entries[0]
    assert linked.link == linked.comments
    assert "summary" not in linked
    assert feedparser.parse(client.get("/news/rss/replies?id=Poster").text).entries[0].id.endswith(f"={reply.id}")
    for missing in ("nothing", "user?id=nobody", "newest.pdf", "feed?id=Poster&token=x"):
        assert client.get(f"/news/rss/{missing}").status_code == 404


def test_a_feed_looks_further_back_for_what_fits(
    client: Client, platform: Platform, news: News, tmp_path: Path
) -> None:
    story = {"type": "story", "by": "al", "time": 1462984500, "title": "Hay"}
    rows = [{**story, "id": number} for number in range(2, 110)]
    needle = {**story, "id": 1, "title": "A needle"}
    file = tmp_path / "items.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in (needle, *rows)), "utf-8")
    importers.run(platform, file, NoProgress())

    found = feedparser.parse(client.get("/news/rss/newest?q=needle").text).entries

    assert [entry.title for entry in found] == ["A needle"]


def test_a_search_without_words_gives_every_kind_by_points_or_by_time(client: Client, news: News) -> None:
    al, bea = news.account(username="Al"), news.account(username="bea")
    story = news.post(al, title="A story")
    poll = news.post(al, title="Poll: which?", content="", options=["This", "That"])
    comment = news.comment(story, bea, "Well said.")
    news.vote(poll)
    options = [poll.id + 1, poll.id + 2]

    def ids(path: str) -> list[int]:
        return [int(hit["objectID"]) for hit in client.get(f"/news/api/v1/{path}").json()["hits"]]

    assert ids("search_by_date") == [comment.id, poll.id, story.id]
    assert ids("search") == [poll.id, story.id, comment.id]  # a comment has no points
    assert ids("search?tags=comment") == [comment.id]
    assert sorted(ids("search_by_date?tags=pollopt")) == options
    assert sorted(ids("search?tags=(poll,pollopt)")) == [poll.id, *options]
    assert ids("search?tags=(story,author_bea)") == [story.id, comment.id]
    assert ids("search?numericFilters=num_comments<5") == [poll.id, story.id]
    assert ids("search?numericFilters=points>1") == [poll.id]
