"""Loads of news that a plain load generator does not know: a mix at a given rate, and thousands of open streams."""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import httpx
import msgspec

from dodeca.bench.harness import Load, loading, quantile

READERS: Final = 48
OPENING: Final = 200
"""Streams that are being opened at once."""
OWN_FILES: Final = 200


class Member(msgspec.Struct):
    """Somebody who is signed in, in a browser and by a program."""

    username: str
    token: str
    cookie: str


class Mix:
    """98 % reads: lists, threads and the API; the rest votes, comments and posts. At a fixed rate: a request is due
    when its moment comes, however slow the one before was, and its time counts from that moment."""

    def __init__(self, base: str, members: Sequence[Member], stories: int) -> None:
        url = httpx.URL(base)
        self._host, self._port = url.host, url.port or 80
        self._members = members
        self._stories = stories
        self._choose = random.Random(5)  # noqa: S311 - the same load each time
        self._due: deque[float] = deque()
        self._times: list[float] = []
        self._errors = 0
        self.first_error = ""

    def run(self, rate: float, seconds: float) -> Load:
        """Ask `rate` times a second for `seconds`."""
        return asyncio.run(self._run(rate, seconds))

    async def _run(self, rate: float, seconds: float) -> Load:
        start = time.perf_counter() + 0.5
        self._due.extend(start + number / rate for number in range(int(rate * seconds)))
        await asyncio.gather(*(self._work() for _ in range(READERS)))
        took = time.perf_counter() - start
        times = sorted(self._times)
        return Load(len(times) / took, quantile(times, 0.5), quantile(times, 0.99), len(times), self._errors)

    async def _work(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        while self._due:
            due = self._due.popleft()
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(self._request())
            head, body = await answer_of(reader)
            if not head.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3")):
                self._errors += 1
                self.first_error = self.first_error or (head[:60] + body[:200]).decode(errors="replace")
            self._times.append(time.perf_counter() - due)
        writer.close()

    def _request(self) -> bytes:
        dice, member = self._choose.random(), self._choose.choice(self._members)
        story = max(1, self._stories - int(self._choose.paretovariate(0.6)))
        if dice < 0.02:
            return self._write(dice, member, story)
        if dice < 0.17:
            return self._get("/news/", f"Cookie: dodeca_session={member.cookie}\r\n")
        if dice < 0.47:
            return self._get("/news/")
        if dice < 0.77:
            return self._get(f"/news/item?id={story}")
        if dice < 0.82:
            return self._get("/news/newest")
        return self._get(f"/news/v0/item/{story}.json")

    def _get(self, path: str, headers: str = "") -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{headers}\r\n".encode()

    def _write(self, dice: float, member: Member, story: int) -> bytes:
        number = self._choose.getrandbits(48)
        if dice < 0.014:
            path, data = "vote", {"post_id": story, "vote_type": "upvote"}
        elif dice < 0.018:
            path, data = "comment", {"post_id": story, "content": f"What I think of it, number {number}."}
        else:
            path, data = "posts/submit", {"title": f"Post {number}", "url": f"https://example.org/{number}"}
        return post_of(self._host, self._port, path, member, data)


class Votes:
    """Each member votes on posts of its own choice, one after the other: the next vote when the one before is durable.

    A member's hourly limit (300 for the young) ends its part."""

    MOST: Final = 290

    def __init__(self, base: str, members: Sequence[Member], posts: range) -> None:
        url = httpx.URL(base)
        self._host, self._port = url.host, url.port or 80
        self._members = members
        self._posts = posts
        self.refused = 0
        self.first_error = ""

    def run(self, seconds: float) -> float:
        """Votes a second."""
        return loading(self._run(seconds))

    async def _run(self, seconds: float) -> float:
        started = time.perf_counter()
        until = started + seconds
        cast = await asyncio.gather(*(self._vote(n, member, until) for n, member in enumerate(self._members)))
        return sum(cast) / (time.perf_counter() - started)

    async def _vote(self, number: int, member: Member, until: float) -> int:
        chosen = random.Random(number).sample(self._posts, min(self.MOST, len(self._posts)))  # noqa: S311 - repeatable
        reader, writer = await asyncio.open_connection(self._host, self._port)
        done = 0
        for post in chosen:
            if time.perf_counter() > until:
                break
            writer.write(post_of(self._host, self._port, "vote", member, {"post_id": post, "vote_type": "upvote"}))
            head, body = await answer_of(reader)
            if head.startswith(b"HTTP/1.1 200"):
                done += 1
            else:
                self.refused += 1
                self.first_error = self.first_error or body[:200].decode(errors="replace")
        writer.close()
        return done


def post_of(host: str, port: int, path: str, member: Member, data: Mapping[str, object]) -> bytes:
    """A POST to the API of news as its bytes."""
    body = msgspec.json.encode({**data, "username": member.username})
    head = (
        f"POST /api/news/{path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {member.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of an answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((part for part in head.lower().split(b"\r\n") if part.startswith(b"content-length:")), b":0")
    return head, await reader.readexactly(int(length.partition(b":")[2]))


class Streams:
    """Open event streams of the front page, and how long one vote takes to reach all of them."""

    def __init__(self, base: str, count: int) -> None:
        url = httpx.URL(base)
        self._base, self._host, self._port = base, url.host, url.port or 80
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_FILES
        self._count = min(count, most)
        self.opened = 0
        self.reached = 0

    def run(self, member: Member, post: int) -> float:
        """Seconds from the answer to the vote until the last stream has told of it."""
        return asyncio.run(self._run(member, post))

    async def _run(self, member: Member, post: int) -> float:
        gate = asyncio.Semaphore(OPENING)
        opened = await asyncio.gather(*(self._open(gate) for _ in range(self._count)))
        streams = [stream for stream in opened if stream is not None]
        self.opened = len(streams)
        wanted = f'"id":{post},'.encode()
        waiting = [asyncio.ensure_future(_told(reader, wanted)) for reader, _writer in streams]
        async with httpx.AsyncClient(timeout=60) as client:
            body = {"post_id": post, "username": member.username, "vote_type": "upvote"}
            headers = {"Authorization": f"Bearer {member.token}"}
            (await client.post(f"{self._base}/api/news/vote", json=body, headers=headers)).raise_for_status()
        answered = time.perf_counter()
        done, late = await asyncio.wait(waiting, timeout=30)
        for task in late:
            task.cancel()
        self.reached = sum(task.exception() is None for task in done)
        last = max((task.result() for task in done if task.exception() is None), default=answered)
        for _reader, writer in streams:
            writer.close()
        return last - answered

    async def _open(self, gate: asyncio.Semaphore) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        async with gate:
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
                writer.write(
                    f"GET /api/news/stream?topics=top HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode()
                )
                await asyncio.wait_for(reader.readuntil(b"open"), 30)
            except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError):
                return None
            return reader, writer


async def _told(reader: asyncio.StreamReader, wanted: bytes) -> float:
    """When the stream tells of the post."""
    while wanted not in await reader.readuntil(b"\n"):
        pass
    return time.perf_counter()
