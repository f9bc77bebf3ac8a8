"""The lane of votes: what it answers and does is what the routes answer and do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from tests.products.news.conftest import News
from tests.support.lanes import aposted, posted
from tests.support.platform import Client

from dodeca.kernel.db import queries
from dodeca.products.news.lane import NewsLane
from dodeca.products.news.models import Item, Vote


def vote(
    news: News,
    path: str,
    body: bytes,
    token: str,
    *,
    announced: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """What the lane answers to a vote; None where it leaves the request to the routes."""
    others = {} if announced is None else {"content-length": str(announced)}
    others |= headers or {}
    host = min(news.platform.own_hosts)
    return posted(NewsLane(news.platform), path, body, host=host, token=token, headers=others)


BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/api/news/vote", {}),
    ("/api/news/vote", {"vote_type": "downvote"}),
    ("/api/news/vote", {"vote_type": "sideways"}),
    ("/api/news/vote", {"post_id": 10**30}),
    ("/api/news/vote", {"post_id": None}),
    ("/api/news/vote", {"post_id": [1]}),
    ("/api/news/vote", {"username": "nobody-of-that-name"}),
    ("/api/news/vote", {"surprise": 1}),
    ("/api/news/votes", {}),
    ("/api/news/votes", {"target_type": "planet"}),
    ("/api/news/votes", {"voter_id": "somebody else"}),
)
BROKEN = (b"{", b'{"post_id": NaN}', b"[]", b"", b"[" * 5000, b'{"post_id":"\xff"}')


def test_votes_are_answered_and_counted_as_by_the_routes(client: Client, news: News) -> None:
    voter = news.account()
    token = news.make.token(voter)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    statuses = set()
    for path, changes in BODIES:
        posts = [news.post(), news.post()]
        bodies = []
        for post in posts:
            whole: dict[str, Any] = {"post_id": post.id, "username": voter.username, "vote_type": "upvote"}
            if path.endswith("votes"):
                whole = {"voter_id": voter.id, "target_type": "post", "target_id": post.id, "vote_type": "upvote"}
            bodies.append(json.dumps(whole | changes).encode())

        theirs = client.http.post(path, content=bodies[0], headers=headers)
        ours = vote(news, path, bodies[1], token)

        statuses.add(ours.status)
        assert (path, changes, ours.status) == (path, changes, theirs.status_code)
        assert ours.headers["content-type"] == theirs.headers["content-type"]
        # A voter's id, too, may hold the digits of a post's.
        of_post = rf"(?<![0-9a-z]){posts[1].id}(?![0-9a-z])".encode()
        assert re.sub(of_post, str(posts[0].id).encode(), ours.body) == theirs.content
        assert news.item(posts[1].id).score == news.item(posts[0].id).score
    assert statuses == {200, 201, 400, 404}


def test_votes_that_come_at_once_are_cast_together_and_refused_each_alone(news: News) -> None:
    """A hundred of ten people, one of them the author, and as many on a dead post and on one that is not there."""
    author = news.account()
    post, dead = news.post(author), news.post()
    news.run(lambda session: setattr(session.get_one(Item, dead.id), "state", "dead"))
    voters = [author, *(news.account() for _ in range(9))]
    tokens = {voter.username: news.make.token(voter) for voter in voters}
    lane, host = NewsLane(news.platform), min(news.platform.own_hosts)

    async def cast(name: str, post_id: int) -> int:
        body = json.dumps({"post_id": post_id, "username": name, "vote_type": "upvote"}).encode()
        sent = await aposted(lane, "/api/news/vote", body, host=host, token=tokens[name])
        return 0 if sent is None else sent.status

    async def all_at_once() -> list[int]:
        ids = (post.id, dead.id, 10**12)
        return await asyncio.gather(*(cast(name, post_id) for post_id in ids for name in [*tokens] * 10))

    with queries() as sent:
        statuses = asyncio.run(all_at_once())

    assert statuses == [200] * 100 + [403] * 100 + [404] * 100
    assert (news.item(post.id).score, news.item(dead.id).score) == (10, 1)
    votes = news.run(lambda session: session.scalar(select(func.count()).where(Vote.item_id == post.id)))
    assert votes == 9
    assert sum("UPDATE news_items SET score" in statement for statement in sent) < 9


def test_broken_bodies_are_refused_in_the_words_of_the_route(client: Client, news: News) -> None:
    token = news.make.token(news.account())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for body in BROKEN:
        ours = vote(news, "/api/news/vote", body, token)

        theirs = client.http.post("/api/news/vote", content=body, headers=headers)
        assert (ours.status, json.loads(ours.body)) == (theirs.status_code, theirs.json())


def test_half_a_body_is_no_vote(news: News) -> None:
    voter, post = news.account(), news.post()
    body = json.dumps({"post_id": post.id, "username": voter.username, "vote_type": "upvote"}).encode()

    answer = vote(news, "/api/news/vote", body, news.make.token(voter), announced=len(body) + 10)

    assert answer.status == 400
    assert news.item(post.id).score == 1


def test_what_is_out_of_the_ordinary_is_left_to_the_routes(news: News) -> None:
    voter = news.account()
    token, body = news.make.token(voter), b'{"post_id": 1, "username": "x", "vote_type": "upvote"}'

    assert vote(news, "/api/news/vote", body, "no token of ours") is None
    assert vote(news, "/api/news/vote", body, token, announced=20_000) is None
    assert vote(news, "/api/news/vote", body, token, headers={"x-api-key": "key"}) is None
    assert vote(news, "/api/news/vote", body, token, headers={"content-type": "text/plain"}) is None
    assert vote(news, "/api/news/vote", body, token, headers={"host": "links.example"}) is None
    assert vote(news, "/api/news/comment", body, token) is None
