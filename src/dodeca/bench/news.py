"""News: reading beside nginx, the API, members, votes that are durable, the import, ranks, search.

Options: `--stories N` (default 100,000), `--comments N` (default 900,000): what the corpus holds, made anew each time;
one thread has 2,000 of the comments.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from dodeca.bench.harness import Result, Say, compared, dodeca, load, median, nginx
from dodeca.kernel.errors import Invalid

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

THREAD = 2000
AUTHORS = 10_000
CONNECTIONS = 64
VOTERS = 32
VOTED = 2000
SPAN_SECONDS = 30 * 86400
NO_LIMITS = {"DODECA_REQUESTS_PER_MINUTE": "0", "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}
WORDS = (
    "lighthouse", "kernel", "garden", "database", "river", "compiler", "harbour", "protein", "ledger", "orchestra",
    "bicycle", "glacier", "theorem", "library", "satellite", "bakery", "archive", "circuit", "island", "market",
)  # fmt: skip
_WORDS_OF_TEXT = 24


def run(*, runs: int, seconds: float, options: Mapping[str, str], say: Say) -> list[Result]:
    """What section 10 of the description asks, on this machine; the comparison with a peer's clone is not part."""
    stories, comments = _read(options)
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder:
        data, file = Path(folder) / "data", Path(folder) / "items.jsonl"
        say(f"Writing {stories + comments:,} items")
        write_corpus(file, stories, comments)
        results = [_import(data, file, stories + comments, say)]
        tokens = _voters(data)
        results += _inside(data)
        with dodeca(data, "--only", "news", "--no-demo", environment=NO_LIMITS) as base:
            results += _reading(base, stories, runs, seconds, say)
            results += _members(base, tokens[0], runs, seconds, say)
            results.append(_votes(base, tokens, stories, seconds, say))
        results.append(_doctor(data))
    return results


def _read(options: Mapping[str, str]) -> tuple[int, int]:
    unknown = sorted(set(options) - {"stories", "comments"})
    if unknown:
        raise Invalid(f"There is no option --{unknown[0]}. Known: --stories, --comments.")
    stories, comments = options.get("stories", "100000"), options.get("comments", "900000")
    if not stories.isdecimal() or not comments.isdecimal() or int(stories) < 100 or int(comments) < THREAD:
        raise Invalid(f"--stories is a number from 100, --comments one from {THREAD}.")
    return int(stories), int(comments)


# The corpus


def write_corpus(file: Path, stories: int, comments: int) -> None:
    """Stories 1 … N of the last 30 days, and their comments; the last story has a thread of 2,000."""
    generator = random.Random(7)  # noqa: S311 - repeatable data
    now = int(time.time())
    with file.open("wb") as out:
        for number in range(1, stories + 1):
            at = now - int(SPAN_SECONDS * (1 - number / stories)) - 60
            story = {
                "id": number,
                "type": "story",
                "by": f"author{generator.randrange(AUTHORS)}",
                "time": at,
                "title": " ".join(generator.choices(WORDS, k=6)).capitalize() + f" {number}",
                "url": f"https://site{number % 5000}.example.com/{number}",
                "score": int(generator.paretovariate(1.1)),
            }
            out.write(msgspec.json.encode(story) + b"\n")
        for number in range(stories + 1, stories + comments + 1):
            out.write(msgspec.json.encode(_comment(generator, number, stories, now)) + b"\n")


def _comment(generator: random.Random, number: int, stories: int, now: int) -> dict[str, Any]:
    in_thread = number <= stories + THREAD
    parent = stories if in_thread else generator.randint(1, stories - 1)
    if in_thread and number > stories + 1 and generator.random() < 0.7:
        parent = generator.randint(max(stories + 1, number - 200), number - 1)
    return {
        "id": number,
        "type": "comment",
        "by": f"author{generator.randrange(AUTHORS)}",
        "time": now - generator.randrange(60, SPAN_SECONDS),
        "parent": parent,
        "text": " ".join(generator.choices(WORDS, k=_WORDS_OF_TEXT)),
    }


@contextmanager
def opened(data: Path) -> Iterator[Platform]:
    """The bench's installation in this process, while no server runs on it."""
    from dodeca import app
    from dodeca.kernel.db import migrations
    from dodeca.kernel.settings import Config

    platform = app.compose(Config(overrides={"data": data, "workers_inline": False, "only": "news"}))
    migrations.ensure(platform.db)
    try:
        yield platform
    finally:
        platform.close()


def _import(data: Path, file: Path, count: int, say: Say) -> Result:
    say(f"Importing {count:,} items")
    started = time.perf_counter()
    command = [sys.executable, "-m", "dodeca", "import", "news", str(file), "--data", str(data), "--json"]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
    added = msgspec.json.decode(done.stdout)["added"]
    rate = added / (time.perf_counter() - started)
    return Result(name=f"Import of {added:,} items", value=rate, unit="/s", target="≥ 8,000", met=rate >= 8000)


def _voters(data: Path) -> list[str]:
    """Tokens of members who vote."""
    from dodeca.commons.accounts.public import create_without_login, issue_token
    from dodeca.kernel.db import WriteSession

    with opened(data) as platform:

        def unit(session: WriteSession) -> list[str]:
            made = [create_without_login(session, f"voter{number}") for number in range(VOTERS)]
            return [issue_token(session, platform, account, days=1) for account in made]

        return platform.db.write(unit)


# Inside the process


def _inside(data: Path) -> list[Result]:
    """Ranks, search and the uncached thread, timed where they run."""
    from dodeca.products.news import jobs
    from dodeca.products.news.lane import ReadingLane
    from dodeca.products.news.models import Item
    from dodeca.products.news.service import searching
    from dodeca.products.news.service.members import VISITOR

    with opened(data) as platform:
        refreshing = [_timed(lambda: platform.db.write(jobs.refresh)) for _ in range(3)]
        generator = random.Random(11)  # noqa: S311 - repeatable data
        queries = [" ".join(generator.choices(WORDS, k=2)) for _ in range(60)]
        searches = sorted(
            _timed(lambda q=query: platform.db.read(lambda session: searching.find(session, VISITOR, q)))
            for query in queries
        )
        thread = platform.db.read(lambda session: session.query(Item.id).filter(Item.descendants >= THREAD).first())
        lane = ReadingLane(platform)
        key = f"/news/item?id={thread[0] if thread is not None else 1}"
        rendering = [_timed(lambda: platform.db.read(lambda session: lane.page(session, key))) for _ in range(3)]
    ranks, search, page = median(refreshing), searches[int(len(searches) * 0.95)], median(rendering)
    return [
        Result(name="Rank refresh", value=ranks, unit="ms", target="≤ 50", met=ranks <= 50),
        Result(name="Search, p95 inside", value=search, unit="ms", target="≤ 50", met=search <= 50),
        Result(name=f"Thread of {THREAD:,}, rendered anew", value=page, unit="ms", target="≤ 60", met=page <= 60),
    ]


def _timed(call: Any) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


# Over HTTP


def _reading(base: str, stories: int, runs: int, seconds: float, say: Say) -> list[Result]:
    results = []
    for name, path, least in (("Front page", "/news/", 0.35), ("Cached thread", f"/news/item?id={stories}", 0.25)):
        say(name)
        body = httpx.get(base + path, timeout=60).raise_for_status().content
        with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder:
            (Path(folder) / "page.html").write_bytes(body)
            with nginx(f"root {folder}; location = / {{ return 200; }}") as peer:
                ours, theirs = [], []
                for _ in range(runs):
                    ours.append(load(base + path, seconds=seconds, connections=CONNECTIONS).rate)
                    if peer is not None:
                        theirs.append(load(f"{peer}/page.html", seconds=seconds, connections=CONNECTIONS).rate)
        results.append(compared(f"{name}, {len(body):,} bytes, beside nginx", ours, theirs or [0.0], at_least=least))
    say("/v0/item")
    paths = [f"/news/v0/item/{number}.json" for number in range(max(1, stories - 500), stories)]
    rates = [load(base, seconds=seconds, connections=CONNECTIONS, paths=paths).rate for _ in range(runs)]
    rate = median(rates)
    results.append(Result(name="/v0/item", value=rate, unit="/s", runs=rates, target="≥ 15,000", met=rate >= 15_000))
    return results


def _members(base: str, token: str, runs: int, seconds: float, say: Say) -> list[Result]:
    say("Front page of a member")
    headers = {"Authorization": f"Bearer {token}"}
    loads = [load(f"{base}/news/", seconds=seconds, connections=16, headers=headers) for _ in range(runs)]
    rate, slowest = median([each.rate for each in loads]), median([each.p99 for each in loads])
    return [
        Result(name="Front page of a member", value=rate, unit="/s", target="≥ 1,200", met=rate >= 1200),
        Result(name="Front page of a member, p99", value=slowest, unit="ms", target="≤ 25", met=slowest <= 25),
    ]


def _votes(base: str, tokens: list[str], stories: int, seconds: float, say: Say) -> Result:
    say("Votes")

    async def voter(client: httpx.AsyncClient, number: int, until: float) -> int:
        generator = random.Random(number)  # noqa: S311 - repeatable data
        headers = {"Authorization": f"Bearer {tokens[number]}"}
        done = 0
        for item in generator.sample(range(max(1, stories - VOTED), stories), VOTED - 1):
            if time.perf_counter() > until:
                break
            body = {"post_id": item, "username": f"voter{number}", "vote_type": "upvote"}
            answer = await client.post(f"{base}/api/news/vote", json=body, headers=headers)
            if answer.status_code == 429:  # the hourly limit of a young account
                break
            answer.raise_for_status()
            done += 1
        return done

    async def everybody() -> float:
        started = time.perf_counter()
        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=VOTERS)) as client:
            counts = await asyncio.gather(*(voter(client, n, started + seconds) for n in range(VOTERS)))
        return sum(counts) / (time.perf_counter() - started)

    rate = asyncio.run(everybody())
    return Result(name=f"Durable votes, {VOTERS} clients", value=rate, unit="/s", target="≥ 1,500", met=rate >= 1500)


def _doctor(data: Path) -> Result:
    """The invariants over everything that was done."""
    from dodeca.products.news.invariants import invariants

    with opened(data) as platform:
        broken = sum(len(platform.db.read(check)) for check in invariants.values())
    return Result(name="Rows that break an invariant", value=broken, unit="", target="0", met=broken == 0)
