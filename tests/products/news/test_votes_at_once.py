"""Votes by many at once, on both engines; votes of a killed server; any sequence of votes keeps the sums."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from tests.products.news.conftest import News
from tests.support.server import LiveServer

from dodeca import app
from dodeca.kernel.errors import Forbidden
from dodeca.kernel.settings import Config
from dodeca.products.news.invariants import invariants
from dodeca.products.news.models import Item, Vote
from dodeca.products.news.service import voting


def test_a_hundred_votes_by_ten_people_at_once_are_ten_votes(news: News) -> None:
    post = news.post()
    people = [news.account() for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        units = [pool.submit(news.platform.db.write, _vote(people[n % 10], post.id)) for n in range(100)]
        for unit in units:
            unit.result()

    rows = news.run(lambda session: session.scalar(select(func.count()).where(Vote.item_id == post.id)))
    assert (rows, news.item(post.id).score, news.item(post.id).counted) == (10, 11, 11)


def test_opposite_votes_at_once_leave_one_each(news: News) -> None:
    post = news.post()
    people = [news.account() for _ in range(5)]

    with ThreadPoolExecutor(10) as pool:
        units = [
            pool.submit(news.platform.db.write, _vote(people[n % 5], post.id, 1 if n % 2 else -1)) for n in range(40)
        ]
        for unit in units:
            unit.result()

    rows = news.run(lambda session: session.scalars(select(Vote.direction).where(Vote.item_id == post.id)).all())
    assert len(rows) == 5
    assert news.item(post.id).score == 1 + sum(rows)


def _vote(person: Any, item_id: int, direction: int = 1) -> Any:
    return lambda session: voting.vote(session, person.id, item_id, direction)


class VoteMachine(RuleBasedStateMachine):
    """Three people do anything with two items; a plain model says what must be there."""

    news: News

    def __init__(self) -> None:
        super().__init__()
        self.people = [
            self.news.account(karma=100) for _ in range(3)
        ]  # so that no downvote takes the right to vote away
        self.author = self.news.account()
        self.post = self.news.post(self.author)
        self.comment = self.news.comment(self.post, self.people[0])
        self.votes: dict[tuple[int, int], int] = {}

    def _item(self, on_comment: bool) -> int:
        return self.comment.id if on_comment else self.post.id

    @rule(person=st.integers(0, 2), on_comment=st.booleans(), direction=st.sampled_from([1, -1]))
    def vote(self, person: int, on_comment: bool, direction: int) -> None:
        """Vote; one's own comment takes no vote."""
        own = on_comment and person == 0
        if own and direction < 0:
            with pytest.raises(Forbidden):
                self.news.run(_vote(self.people[person], self._item(on_comment), direction))
            return
        self.news.run(_vote(self.people[person], self._item(on_comment), direction))
        if not own:
            self.votes[person, self._item(on_comment)] = direction

    @rule(person=st.integers(0, 2), on_comment=st.booleans())
    def undo(self, person: int, on_comment: bool) -> None:
        """Take it back."""
        item_id = self._item(on_comment)
        self.news.run(lambda session: voting.vote(session, self.people[person].id, item_id, 0))
        self.votes.pop((person, item_id), None)

    @invariant()
    def sums_are_right(self) -> None:
        """Scores are what the model says, and the recounts find nothing."""
        sums = Counter({self.post.id: 1, self.comment.id: 1})
        for (_person, item_id), direction in self.votes.items():
            sums[item_id] += direction
        for item_id in (self.post.id, self.comment.id):
            assert self.news.item(item_id).score == sums[item_id]
        assert self.news.broken() == {}


@pytest.mark.slow
def test_any_sequence_of_votes_keeps_the_sums(news: News) -> None:
    machine = type("Machine", (VoteMachine,), {"news": news})
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    few = settings(max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(machine, settings=few)


@pytest.mark.slow
def test_votes_and_comments_that_were_answered_survive_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = LiveServer(data, "--only", "news", "--no-demo", probed=False).start()
    base = server.url
    try:
        tokens = [_register(base, f"voter{n}") for n in range(5)]
        posts = [_post(base, tokens[0], n) for n in range(20)]
        answered: list[tuple[int, int]] = []
        said: list[int] = []
        voters = [
            threading.Thread(target=_keep_voting, args=(base, tokens[n], n, posts, answered, said)) for n in range(1, 5)
        ]
        for thread in voters:
            thread.start()
        while len(answered) < 12:
            threading.Event().wait(0.02)
        server.kill()
        for thread in voters:
            thread.join()
    finally:
        server.stop()

    platform = app.compose(Config(environment={}, overrides={"data": data, "only": "news"}))
    try:
        held = platform.db.read(lambda session: session.execute(select(Vote.item_id, Vote.user_id)).all())
        per_item = Counter(row[0] for row in held)
        for item_id, count in Counter(item for item, _voter in answered).items():
            assert per_item[item_id] >= count
        kept = platform.db.read(lambda session: set(session.scalars(select(Item.id))))
        assert set(said) <= kept
        for name, check in invariants.items():
            assert list(platform.db.read(check)) == [], name
    finally:
        platform.close()


def _register(base: str, name: str) -> str:
    person = {"username": name, "password": "correct horse battery staple"}
    return str(httpx.post(f"{base}/api/news/register", json=person, timeout=60).raise_for_status().json()["token"])


def _post(base: str, token: str, number: int) -> int:
    body = {"title": f"Post {number}", "url": f"https://example.com/{number}", "username": "voter0"}
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{base}/api/news/posts/submit", json=body, headers=headers, timeout=60)
    return int(answer.raise_for_status().json()["post"]["id"])


def _keep_voting(
    base: str, token: str, number: int, posts: list[int], answered: list[tuple[int, int]], said: list[int]
) -> None:
    headers, name = {"Authorization": f"Bearer {token}"}, f"voter{number}"
    with suppress(httpx.HTTPError), httpx.Client(base_url=base, headers=headers, timeout=60) as client:
        for post in posts:
            vote = {"post_id": post, "username": name, "vote_type": "upvote"}
            if client.post("/api/news/vote", json=vote).status_code == 200:
                answered.append((post, number))
            words = {"post_id": post, "username": name, "content": f"Number {number} was here, at {post}."}
            answer = client.post("/api/news/comment", json=words)
            if answer.status_code == 201:
                said.append(answer.json()["comment"]["id"])
