"""The clients that readers of Hacker News' API use, with only the host changed, against a live server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import feedparser
import hackernews
import httpx
import pytest
from tests.support.npm import CLIENTS, packages
from tests.support.server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.slow]


@dataclass
class Live:
    """A running `dodeca serve --only news` with a post, a question and an answer."""

    base: str
    headers: dict[str, str]
    account_id: str
    post: int = 0
    ask: int = 0
    comment: int = 0

    def say(self, path: str, **body: object) -> dict[str, Any]:
        """Call the product's own API."""
        answer = httpx.post(f"{self.base}/api/news{path}", json=body, headers=self.headers)
        return dict(answer.raise_for_status().json())


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of its own on a free port of loopback."""
    data = tmp_path_factory.mktemp("live") / "data"
    server = LiveServer(data, "--only", "news", "--no-demo", probed=False).start()
    try:
        yield filled(server.url)
    finally:
        server.stop()


def filled(base: str) -> Live:
    """The server with something to read, and the words in its index."""
    person = {"username": "Keeper", "password": "correct horse battery staple"}
    made = httpx.post(f"{base}/api/news/register", json=person).raise_for_status().json()
    found = Live(base, {"Authorization": f"Bearer {made['token']}"}, made["user"]["user_id"])
    link = {"title": "The last lighthouse", "url": "https://example.com/lighthouse", "username": "Keeper"}
    found.post = found.say("/posts/submit", **link)["post"]["id"]
    question = {"title": "Ask HN: Who keeps it?", "content": "Nobody *knows*.", "username": "Keeper"}
    found.ask = found.say("/submit_post", **question)["post"]["id"]
    said = found.say("/comment", post_id=found.post, username="Keeper", content="I do.")
    found.comment = said["comment"]["id"]
    for _ in range(600):
        if httpx.get(f"{base}/news/api/v1/search?query=lighthouse").json()["nbHits"]:
            return found
        threading.Event().wait(0.1)
    raise AssertionError("nothing was indexed")


@pytest.fixture
def event_loop_at_hand() -> Iterator[None]:
    """What a program's main thread has at its start, and haxor counts on: `asyncio.run` elsewhere took it away."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.usefixtures("event_loop_at_hand")
def test_haxor(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hackernews.supported_api_versions, "v0", f"{live.base}/news/v0/")
    client = hackernews.HackerNews()

    post = client.get_item(live.post, expand=True)
    assert (post.title, post.item_type, post.score) == ("The last lighthouse", "story", 1)
    assert [kid.text for kid in post.kids] == ["I do."]
    assert post.by.user_id == "Keeper"
    user = client.get_user("Keeper", expand=True)
    assert {item.item_id for item in user.stories} == {live.post, live.ask}
    assert [item.item_id for item in user.comments] == [live.comment]
    assert {item.item_id for item in client.top_stories()} == {live.post, live.ask}
    assert client.new_stories(raw=True, limit=1)
    assert [item.item_id for item in client.ask_stories()] == [live.ask]
    assert client.show_stories() == client.job_stories() == []
    assert live.comment in {item.item_id for item in client.updates()["items"]}
    assert client.get_max_item() == live.comment
    assert {item.item_id for item in client.get_last(2)} == {live.comment, live.ask}
    with pytest.raises(hackernews.InvalidItemID):
        client.get_item(99999999)
    with pytest.raises(hackernews.InvalidUserID):
        client.get_user("keeper")


def test_feedparser(live: Live) -> None:
    for name in ("rss", "rss/newest", "rss/frontpage.atom", f"rss/item?id={live.post}", "rss/user.jsonfeed?id=Keeper"):
        answer = httpx.get(f"{live.base}/news/{name}").raise_for_status()
        if "jsonfeed" in name:
            assert len(answer.json()["items"]) == 3
            continue
        read = feedparser.parse(f"{live.base}/news/{name}")
        assert not read.bozo, name
        assert read.entries[0].author == "Keeper"


def test_firebase_streaming_tells_of_a_vote(live: Live) -> None:
    path = f"{live.base}/news/v0/item/{live.post}.json"
    person = {"username": "voter", "password": "correct horse battery staple"}
    token = httpx.post(f"{live.base}/api/news/register", json=person).raise_for_status().json()["token"]
    with httpx.stream("GET", path, headers={"Accept": "text/event-stream"}, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert (next(lines), json.loads(next(lines).removeprefix("data: "))["path"]) == ("event: put", "/")
        vote = {"post_id": live.post, "username": "voter", "vote_type": "upvote"}
        httpx.post(
            f"{live.base}/api/news/vote", json=vote, headers={"Authorization": f"Bearer {token}"}
        ).raise_for_status()
        event = next(line for line in lines if line.startswith("event: "))
        change = json.loads(next(lines).removeprefix("data: "))
    assert event == "event: patch"
    assert change == {"path": "/", "data": {"score": 2}}


def test_node_clients(live: Live) -> None:
    packages()
    command = ["node", str(CLIENTS / "hackernews.cjs"), live.base, str(live.post), str(live.comment), "Keeper"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)

    assert {item["id"] for item in seen["Top"]} == {live.post, live.ask}
    assert [item["id"] for item in seen["Ask"]] == [live.ask]
    assert seen["Show"] == seen["Job"] == []
    assert seen["item"]["title"] == "The last lighthouse"
    assert seen["missing"] is None
    assert seen["user"]["id"] == "Keeper"
    assert str(live.post) in {hit["objectID"] for hit in seen["search"]["hits"]}
    assert [hit["objectID"] for hit in seen["story"]["hits"]] == [str(live.post)]
    assert [hit["objectID"] for hit in seen["comment"]["hits"]] == [str(live.comment)]
    assert {hit["objectID"] for hit in seen["author"]["hits"]} == {str(live.post), str(live.ask)}
    assert {hit["objectID"] for hit in seen["since"]["hits"]} == {str(live.post), str(live.ask)}
    assert [child["id"] for child in seen["storyItem"]["children"]] == [live.comment]
    assert seen["commentItem"]["parent_id"] == live.post
    assert seen["searchUser"]["submission_count"] == 2


def test_anonymous_pages_are_kept_for_a_moment_and_members_see_their_own(live: Live) -> None:
    for path in ("/news/", f"/news/item?id={live.post}"):
        first = httpx.get(live.base + path)
        assert "s-maxage=2" in first.headers["cache-control"]
        assert "The last lighthouse" in first.text
        assert "csrf" not in first.headers.get("set-cookie", "")
        again = httpx.get(live.base + path, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code in (200, 304)
        mine = httpx.get(live.base + path, headers=live.headers)
        assert "no-store" in mine.headers["cache-control"]
        assert "/news/feed" in mine.text
        assert "/news/feed" not in httpx.get(live.base + path).text
    assert httpx.get(f"{live.base}/news/item?id=99999999").status_code == 404
    assert httpx.get(f"{live.base}/news/v0/item.json").json() == {"error": "Permission denied"}
