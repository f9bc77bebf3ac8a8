"""The shortener: redirects beside nginx's static 302, every click recorded, also at `kill -9`; creations.

Options: `--links N`, how many links there are (default 1,000,000); `--workers N`, with how many processes the server
and nginx answer redirects (default 1); `--data DIR`, where links are made and kept, so that a later run takes what is
there; and `--peer nginx`, what redirects are measured against.
Creations and `kill -9` are measured with one process.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dodeca.bench.harness import (
    Load,
    Result,
    Say,
    compared,
    free_port,
    kept_alive,
    load,
    median,
    nginx,
    process,
)
from dodeca.bench.parts import shortener_numbers
from dodeca.kernel.errors import Invalid

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

OWNER = "bench"
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
"""A browser's: what programs call themselves is not counted as a click."""
FILL_BATCH = 1000
CONNECTIONS = 64
CREATING_CONNECTIONS = 16
HOT_SHARE = 0.2
HOT_TRAFFIC = 0.8
PATHS = 1_000_000
"""Length of the list that requests are drawn from: 80 % of it are codes of the hot fifth."""
FOLDED = 20_000
"""So many clicks are folded to tell how fast that is."""
WARM_UP_SECONDS = 5.0
MOST_WARM_UPS = 48
WARM_ROUNDS = 3
"""A server is measured once it has answered so many requests for each of the list, or after four minutes: nineteen of
twenty are of links in memory then."""
NO_LIMITS = {
    "DODECA_REQUESTS_PER_MINUTE": "0",
    "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0",
    "DODECA_SHORTENER_CREATIONS_PER_MINUTE": "0",
}


def run(*, runs: int, seconds: float, options: Mapping[str, str], say: Say) -> list[Result]:
    """Redirects a second ÷ nginx, p50 and p99, clicks recorded ÷ 302s seen, the same after kill -9, creations."""
    links, workers, peer = _read(options)
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder:
        data = Path(options.get("data", folder))
        codes, results = filled(data, links, say)
        paths = mixed(codes)
        # First, as the server folds what redirects leave for minutes.
        results += shortener_numbers.measured()
        results.append(_creations(data, runs, seconds, say))
        results += _redirects(data, paths, runs, seconds, workers, peer, say)
        results.append(_killed(data, paths, seconds, say))
        results.append(_folding(data))
    return results


def _read(options: Mapping[str, str]) -> tuple[int, int, str]:
    unknown = sorted(set(options) - {"links", "workers", "data", "peer"})
    if unknown:
        raise Invalid(f"There is no option --{unknown[0]}. Known: --links, --workers, --data, --peer.")
    peer = options.get("peer", "nginx")
    if peer != "nginx":
        raise Invalid("--peer can be nginx.", field="peer")
    return _number(options, "links", 1_000_000, 100), _number(options, "workers", 1, 1), peer


def _number(options: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = options.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise Invalid(f"--{name} is a number from {least}.", field=name)
    return int(text)


# Links


@contextmanager
def opened(data: Path) -> Iterator[Platform]:
    """The bench's installation in this process, while no server runs on it."""
    from dodeca import app
    from dodeca.kernel.settings import Config

    platform = app.compose(Config(overrides={"data": data, "workers_inline": False, "only": "shortener"}))
    try:
        yield platform
    finally:
        platform.close()


def filled(data: Path, count: int, say: Say) -> tuple[list[str], list[Result]]:
    """The codes of the first `count` links in `data`, made now unless an earlier run did, and how fast that was."""
    from sqlalchemy import select

    from dodeca.products.shortener.models import Link

    if not (data / "dodeca.sqlite3").is_file():
        data.mkdir(parents=True, exist_ok=True)
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "dodeca", "admin", "create", OWNER, "--data", str(data)],
            check=True,
            capture_output=True,
        )
        started = time.perf_counter()
        codes = fill(data, count, say)
        rate = count / (time.perf_counter() - started)
        return codes, [Result(name=f"Filling {count:,} links", value=rate, unit="/s")]
    with opened(data) as platform:
        first = select(Link.short_code).order_by(Link.id).limit(count)
        codes = platform.db.read(lambda session: list(session.scalars(first)))
    if len(codes) != count:
        raise Invalid(f"--data holds {len(codes):,} links.", field="data")
    return codes, []


def fill(data: Path, count: int, say: Say) -> list[str]:
    """Make links through the service, a thousand in a unit of work; gives their codes."""
    from sqlalchemy import select

    from dodeca.commons.accounts.models import Account
    from dodeca.kernel import clock
    from dodeca.kernel.db import WriteSession
    from dodeca.products.shortener.models import SHARED_DOMAIN, new_link_id
    from dodeca.products.shortener.service import inserting, of
    from dodeca.products.shortener.service.codes import Codes
    from dodeca.products.shortener.targets import judge_target

    made: list[str] = []
    with opened(data) as platform:
        shortener = of(platform)
        policy = platform.db.read(shortener.hosts).policy
        owner = platform.db.read(lambda session: session.scalars(select(Account.id)).first())

        def unit(session: WriteSession, start: int, codes: Codes) -> list[str]:
            now, batch = clock.now(), []
            for number in range(start, min(start + FILL_BATCH, count)):
                code = codes.take()
                target = judge_target(f"https://example.com/articles/{number}?from=bench", policy)
                values = inserting.fresh_link(owner, SHARED_DOMAIN, code, target, now)
                while not inserting.insert_link(session, values):
                    values["id"] = new_link_id()
                inserting.insert_code(session, SHARED_DOMAIN, code, values["id"])
                batch.append(code)
            return batch

        for start in range(0, count, FILL_BATCH):
            with shortener.codes.reserved(FILL_BATCH) as codes:
                made += platform.db.write(lambda session, s=start, c=codes: unit(session, s, c))  # type: ignore[misc]
            if start % 100_000 == 0 and start:
                say(f"{start:,} of {count:,} links")
    return made


def mixed(codes: Sequence[str]) -> list[str]:
    """Paths of which a fifth of the links has four fifths."""
    chooser = random.Random(7)  # noqa: S311 - the same load each time
    hot = codes[: max(1, int(len(codes) * HOT_SHARE))]
    return [
        "/s/" + chooser.choice(hot if chooser.random() < HOT_TRAFFIC else codes) for _ in range(min(PATHS, len(codes)))
    ]


def recorded(data: Path) -> int:
    """Clicks in the numbers and in the journals that wait to be folded. To fold millions first would take many times as
    long as the load did."""
    from sqlalchemy import func, select

    from dodeca.products.shortener.folding import alone
    from dodeca.products.shortener.journal import JournalReader, Recorded, list_journals
    from dodeca.products.shortener.models import Link
    from dodeca.products.shortener.rollups import offset_of
    from dodeca.products.shortener.service import of

    with opened(data) as platform:
        folder = of(platform).journal_folder
        folder.mkdir(parents=True, exist_ok=True)
        # The process that folds outlives a killed server by a batch, which must not move from one sum to the other.
        with alone(folder, wait=True):
            counted = platform.db.read(lambda session: session.execute(select(func.sum(Link.clicks))).scalar_one() or 0)
            for name in list_journals(folder):
                start = platform.db.read(lambda session, n=name: offset_of(session, n))  # type: ignore[misc]
                waiting = JournalReader(folder, name).read(start, sys.maxsize)
                counted += sum(click.kind == Recorded.VISIT for _, click in waiting)
        return counted


def _folding(data: Path) -> Result:
    """How fast journals become numbers, where nothing else is to be done."""
    from dodeca.products.shortener.service import of

    with opened(data) as platform:
        started = time.perf_counter()
        folded = of(platform).folder.fold(at_most=FOLDED)
        return Result(name="Clicks folded", value=folded / (time.perf_counter() - started), unit="/s")


# Loads


@contextmanager
def server(data: Path, workers: int = 1) -> Iterator[tuple[str, Any]]:
    """A real `dodeca serve`; gives its address and its process."""
    port = free_port()
    command = [sys.executable, "-m", "dodeca", "serve", "--data", str(data), "--port", str(port), "--only", "shortener"]
    if workers > 1:
        command += ["--workers", str(workers)]
    with process(command, f"http://127.0.0.1:{port}/readyz", NO_LIMITS) as running:
        yield f"http://127.0.0.1:{port}", running


def _redirects(
    data: Path, paths: Sequence[str], runs: int, seconds: float, workers: int, peer: str, say: Say
) -> list[Result]:
    before = recorded(data)
    block = 'location / { return 302 "https://example.com/articles/1?from=bench"; }'
    ours: list[Load] = []
    theirs: list[Load] = []

    def loaded(url: str, seconds: float) -> Load:
        return load(url, seconds=seconds, headers={"User-Agent": PERSON}, paths=paths, connections=CONNECTIONS)

    with nginx(block, workers) as other, server(data, workers) as (url, _):
        say("redirects: warming up")
        warming = list(_warming_up(lambda: loaded(url, WARM_UP_SECONDS), WARM_ROUNDS * len(paths)))
        for number in range(runs):
            say(f"redirects: run {number + 1} of {runs}")
            if other is not None:
                theirs.append(loaded(other, seconds))
            ours.append(loaded(url, seconds))
    counted = recorded(data) - before
    rates = [one.rate for one in ours]
    p99 = median([one.p99 for one in ours])
    errors = sum(one.errors for one in ours)
    seen = sum(one.answers for one in warming + ours)
    under_way = len(warming + ours) * CONNECTIONS
    return [
        compared(
            f"Redirects ÷ {peer}'s static 302, {workers} processes", rates, [t.rate for t in theirs], at_least=0.40
        ),
        Result(name="Redirects, p50", value=median([one.p50 for one in ours]), unit="ms"),
        Result(name="Redirects, p99", value=p99, unit="ms", target="≤ 10 ms", met=p99 <= 10),
        Result(name="Redirects, errors", value=errors, unit="", target="0", met=errors == 0),
        # The client leaves at its time: answers under way then were sent and recorded, and are not seen any more.
        Result(
            name="Clicks recorded",
            value=counted,
            unit="",
            target=f"{seen:,} seen, at most {under_way} more",
            met=0 <= counted - seen <= under_way,
        ),
    ]


def _warming_up(load_once: Callable[[], Load], enough: int) -> Iterator[Load]:
    """Loads until there were `enough` answers."""
    for _ in range(MOST_WARM_UPS):
        yield (done := load_once())
        enough -= done.answers
        if enough <= 0:
            return


def _killed(data: Path, paths: Sequence[str], seconds: float, say: Say) -> Result:
    """Every 302 that a client has seen is counted, though the server was killed. What was written and not seen may be
    more: at most one a connection."""
    say("kill -9 under load")
    before = recorded(data)
    with server(data) as (url, running):

        async def loaded() -> int:
            client = asyncio.create_task(
                kept_alive(url, seconds=60, connections=CONNECTIONS, headers={"User-Agent": PERSON}, paths=paths)
            )
            await asyncio.sleep(max(1.0, seconds))
            running.kill()
            return (await client).answers

        seen = asyncio.run(loaded())
    counted = recorded(data) - before
    return Result(
        name="Clicks recorded after kill -9",
        value=counted,
        unit="",
        target=f"{seen:,} seen, at most {CONNECTIONS} more",
        met=0 <= counted - seen <= CONNECTIONS,
    )


def _creations(data: Path, runs: int, seconds: float, say: Say) -> Result:
    """Creations over 16 connections, by an account, each with another target."""
    command = [sys.executable, "-m", "dodeca", "admin", "token", OWNER, "--data", str(data)]
    token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]  # noqa: S603
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    rates = []
    errors = 0
    with server(data) as (url, _):
        for number in range(runs):
            say(f"creations: run {number + 1} of {runs}")
            ran = load(
                f"{url}/api/shortener/links",
                seconds=seconds,
                connections=CREATING_CONNECTIONS,
                headers=headers,
                body=f'{{"long_url": "https://example.com/made/{number}/NUMBER"}}',
            )
            rates.append(ran.rate)
            errors += ran.errors
    rate = median(rates)
    target = "≥ 1,400/s" if not errors else f"≥ 1,400/s without errors ({errors} errors)"
    met = rate >= 1400 and not errors
    return Result(name="Creations, 16 connections", value=rate, unit="/s", runs=rates, target=target, met=met)
