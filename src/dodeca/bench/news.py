"""News: reading beside nginx, the API, members, the brief's mix, open streams, durable votes, import, ranks, search.

Options: `--items N` (default 1,000,000): what the corpus holds, a tenth of it stories; one thread has 2,000 comments.
`--data DIR`: where it is filled in and kept; a later run with as many items takes what is there and measures no import.
`--streams N` (default 5,000), `--mix-seconds N` (default 60), `--mix-rate N` (default 1,200).
`--peer-url URL --data DIR` measures one thing alone: the front page of DIR, where `dodeca import news` has put the same
posts, in turn with that of another program of this kind that runs already, on this machine.
"""

from __future__ import annotations

import resource
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
from dodeca.bench.parts.news_corpus import THREAD, queries, write_corpus
from dodeca.bench.parts.news_loads import Member, Mix, Streams, Votes
from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

CONNECTIONS = 64
PEER_CONNECTIONS, PEER_SECONDS = 4, 10
"""A program of this kind may take a second a page: with more at once, none would be ready in time."""
VOTERS = 32
VOTED = 2000
NO_LIMITS = {"DODECA_REQUESTS_PER_MINUTE": "0", "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}
REFRESHES, REFRESH_SECONDS = 7, 30
OPTIONS = {"items": 1_000_000, "streams": 5000, "mix_seconds": 60, "mix_rate": 1200}
OTHER_OPTIONS = ("data", "peer_url")


def run(*, runs: int, seconds: float, options: Mapping[str, str], say: Say) -> list[Result]:
    """What section 10 of the description asks, on this machine."""
    _take_all_files()
    wanted = _read({name: value for name, value in options.items() if name not in OTHER_OPTIONS})
    if peer := options.get("peer_url"):
        return [_beside_peer(options.get("data", ""), peer, runs, seconds, say)]
    stories = wanted["items"] // 10
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder:
        data = Path(options.get("data", f"{folder}/data"))
        results = _filled(data, Path(folder), stories, wanted["items"] - stories, say)
        members = _members_of(data)
        results += _inside(data, stories)
        with dodeca(data, "--only", "news", "--no-demo", environment=NO_LIMITS) as base:
            results += _reading(base, stories, runs, seconds, say)
            results += _as_member(base, members, runs, seconds, say)
            voters, others = members[:VOTERS], members[VOTERS:]  # nobody may vote more than 300 times an hour
            results.append(_votes(base, voters, stories, seconds, say))
            results += _mix(base, others, stories, wanted, say)
            results.append(_streams(base, others, stories, wanted["streams"], say))
        results.append(_doctor(data))
    return results


def _take_all_files() -> None:
    """Let this process and the server that it starts hold as many connections as the machine allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _read(options: Mapping[str, str]) -> dict[str, int]:
    if unknown := sorted(set(options) - set(OPTIONS)):
        known = ", ".join(f"--{name.replace('_', '-')}" for name in (*OPTIONS, *OTHER_OPTIONS))
        raise Invalid(f"There is no option --{unknown[0]}. Known: {known}.")
    if bad := [name for name, value in options.items() if not value.isdecimal()]:
        raise Invalid(f"--{bad[0].replace('_', '-')} is a number.")
    wanted = OPTIONS | {name: int(value) for name, value in options.items()}
    if wanted["items"] < 2 * THREAD:
        raise Invalid(f"--items is a number from {2 * THREAD:,}.")
    return wanted


# The installation


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


def _filled(data: Path, folder: Path, stories: int, comments: int, say: Say) -> list[Result]:
    """Fill the installation, unless it is; `folder` is for the file to import."""
    from dodeca.products.news.models import Item

    with opened(data) as platform:
        last = platform.db.read(lambda session: session.get(Item, stories + comments))
        first = platform.db.read(lambda session: session.get(Item, 1))
    if last is not None and last.root_id == stories:  # it belongs to the long thread: the file was as long
        return []
    if first is not None:
        raise Invalid("--data holds other items.")
    say(f"Writing {stories + comments:,} items")
    file = folder / "items.jsonl"
    write_corpus(file, stories, comments)
    result = _import(data, file, stories + comments, say)
    file.unlink()
    return [result]


def _import(data: Path, file: Path, count: int, say: Say) -> Result:
    say(f"Importing {count:,} items")
    started = time.perf_counter()
    command = [sys.executable, "-m", "dodeca", "import", "news", str(file), "--data", str(data), "--json"]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
    added = msgspec.json.decode(done.stdout)["added"]
    rate = added / (time.perf_counter() - started)
    return Result(name=f"Import of {added:,} items", value=rate, unit="/s", target="≥ 8,000", met=rate >= 8000)


def _members_of(data: Path) -> list[Member]:
    """Members who read in a browser and vote by a program."""
    from dodeca.commons.accounts.public import Account, issue_token
    from dodeca.commons.accounts.service import people
    from dodeca.commons.accounts.service.origin import NOWHERE
    from dodeca.commons.accounts.service.sessions import start_browser
    from dodeca.commons.accounts.vault import vault_of
    from dodeca.kernel.db import WriteSession

    with opened(data) as platform:

        def created(session: WriteSession, number: int) -> Account:
            name = people.free_username(session, f"voter{number}")  # earlier runs on this data left theirs
            return people.create(session, name, password_hash=None, email=f"{name}@example.org")

        def unit(session: WriteSession) -> list[Member]:
            made = [created(session, number) for number in range(2 * VOTERS)]
            vault = vault_of(platform)
            return [
                Member(
                    account.username,
                    issue_token(session, platform, account, days=1),
                    start_browser(session, account, vault, NOWHERE, days=1),
                )
                for account in made
            ]

        return platform.db.write(unit)


# Inside the process


def _inside(data: Path, stories: int) -> list[Result]:
    """Ranks, search and the uncached thread, timed where they run."""
    from dodeca.cli.server import settle_collector
    from dodeca.products.news import jobs
    from dodeca.products.news.lane import NewsLane
    from dodeca.products.news.service import searching
    from dodeca.products.news.service.members import VISITOR

    with opened(data) as platform:
        settle_collector()  # as in a server: otherwise each round would pay for all that the bench has imported
        refreshing = []
        for _ in range(REFRESHES):
            refreshing.append(_timed(lambda: platform.db.write(jobs.refresh)))
            clock.advance(REFRESH_SECONDS)  # as much is to be written as there would be then
        clock.reset()
        searches = sorted(
            _timed(lambda q=query: platform.db.read(lambda session: searching.find(session, VISITOR, q)))
            for query in queries(200)
        )
        lane = NewsLane(platform)
        key = f"/news/item?id={stories}"
        rendering = [_timed(lambda: platform.db.read(lambda session: lane.page(session, key))) for _ in range(6)][1:]
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


def _beside_peer(data: str, peer: str, runs: int, seconds: float, say: Say) -> Result:
    """Our front page and the other program's, by turns. Raises Invalid where there are no posts of ours."""
    if not (Path(data) / "dodeca.sqlite3").is_file():
        raise Invalid("--peer-url wants --data DIR, where `dodeca import news` has put the posts that the other shows.")
    say("Front page beside another program")
    ours, theirs = [], []
    with dodeca(Path(data), "--only", "news", "--no-demo", environment=NO_LIMITS) as base:
        for _ in range(runs):
            ours.append(load(f"{base}/news/", seconds=seconds, connections=PEER_CONNECTIONS).rate)
            theirs.append(load(peer, seconds=max(seconds, PEER_SECONDS), connections=PEER_CONNECTIONS).rate)
    return compared("Front page, beside another program", ours, theirs, at_least=20)


def _as_member(base: str, members: list[Member], runs: int, seconds: float, say: Say) -> list[Result]:
    say("Front page of a member")
    loads = []
    for number in range(runs):
        headers = {"Cookie": f"dodeca_session={members[number % len(members)].cookie}"}
        loads.append(load(f"{base}/news/", seconds=seconds, connections=16, headers=headers))
    rate, slowest = median([each.rate for each in loads]), median([each.p99 for each in loads])
    return [
        Result(name="Front page of a member", value=rate, unit="/s", target="≥ 1,200", met=rate >= 1200),
        Result(name="Front page of a member, p99", value=slowest, unit="ms", target="≤ 25", met=slowest <= 25),
    ]


def _mix(base: str, members: list[Member], stories: int, wanted: Mapping[str, int], say: Say) -> list[Result]:
    say("The mix")
    mix = Mix(base, members, stories)
    done = mix.run(wanted["mix_rate"], wanted["mix_seconds"])
    if done.errors:
        say(f"First error: {mix.first_error}")
    name = f"The mix at {wanted['mix_rate']:,}/s"
    return [
        Result(name=f"{name}, answered", value=done.rate, unit="/s"),
        Result(name=f"{name}, p99", value=done.p99, unit="ms", target="≤ 50", met=done.p99 <= 50),
        Result(name=f"{name}, errors", value=done.errors, unit="", target="0", met=done.errors == 0),
    ]


def _streams(base: str, members: list[Member], stories: int, count: int, say: Say) -> Result:
    say(f"{count:,} streams")
    streams = Streams(base, count)
    took = streams.run(members[0], max(1, stories - VOTED - 1))
    name = f"A vote reaches {streams.reached:,} of {streams.opened:,} open streams"
    met = took <= 1.0 and streams.reached == streams.opened == count
    return Result(name=name, value=took * 1000, unit="ms", target=f"≤ 1,000, all of {count:,}", met=met)


def _votes(base: str, members: list[Member], stories: int, seconds: float, say: Say) -> Result:
    say("Votes")
    votes = Votes(base, members, range(max(1, stories - VOTED), stories))
    rate = votes.run(seconds)
    if votes.refused:
        say(f"{votes.refused} votes were refused: {votes.first_error}")
    name = f"Durable votes, {len(members)} clients"
    return Result(name=name, value=rate, unit="/s", target="≥ 1,500", met=rate >= 1500 and not votes.refused)


def _doctor(data: Path) -> Result:
    """The invariants over everything that was done."""
    from dodeca.commons.accounts.invariants import invariants as of_accounts
    from dodeca.products.news.invariants import invariants as of_news

    with opened(data) as platform:
        checks = [*of_accounts.values(), *of_news.values()]
        broken = sum(len(platform.db.read(check)) for check in checks)
    return Result(name="Rows that break an invariant", value=broken, unit="", target="0", met=broken == 0)
