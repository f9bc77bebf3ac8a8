"""`dodeca capacity`: from users and their habits to requests, storage and machines."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path

import click
import msgspec
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, bindparam, insert, select

from dodeca.kernel.db import Prepared, open_database

DAY = 86_400
GROUP = 64
ROWS = 4000


class Measured(msgspec.Struct):
    """Rates of this machine, a second: units of work on one SQLite file, rows read by key in one thread."""

    writes: float
    reads: float


class Estimate(msgspec.Struct):
    """What the numbers come to. Bytes are decimal; a year has 365 days."""

    reads_a_second: float
    writes_a_second: float
    peak_reads_a_second: float
    peak_writes_a_second: float
    bytes_a_day: float
    bytes_in_all: float
    server_processes: int
    advice: str
    measured: Measured


@click.command()
@click.option("--users", default=10_000, show_default=True, help="People with an account.")
@click.option("--active", default=0.2, show_default=True, help="The part of them that comes on a day.")
@click.option("--writes", default=2.0, show_default=True, help="Writes an active person makes a day.")
@click.option("--reads", default=50.0, show_default=True, help="Reads an active person makes a day.")
@click.option("--row-bytes", default=1000, show_default=True, help="Bytes that a write adds, indexes included.")
@click.option("--years", default=3.0, show_default=True, help="How long everything is kept.")
@click.option("--peak", default=10.0, show_default=True, help="How much busier the busiest moment is than the mean.")
@click.option("--json", "as_json", is_flag=True, help="Print the estimate as JSON.")
def capacity(
    users: int, active: float, writes: float, reads: float, row_bytes: int, years: float, peak: float, as_json: bool
) -> None:
    """Estimate load, storage and machines from users and habits.

    The rates of one process are measured on this machine first, which takes a few seconds.

    \b
    dodeca capacity --users 10000000 --writes 2 --reads 200 --row-bytes 4000
    """
    found = estimate(measure(), users * active, writes, reads, row_bytes, years, peak)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    click.echo(f"Mean      {found.reads_a_second:,.1f} reads/s, {found.writes_a_second:,.1f} writes/s")
    click.echo(f"Peak      {found.peak_reads_a_second:,.0f} reads/s, {found.peak_writes_a_second:,.0f} writes/s")
    click.echo(
        f"Storage   {found.bytes_a_day / 1e9:,.2f} GB a day, {found.bytes_in_all / 1e9:,.0f} GB in {years:g} years"
    )
    click.echo(
        f"Measured  {found.measured.reads:,.0f} reads/s and {found.measured.writes:,.0f} writes/s in one process here"
    )
    click.echo(f"Processes {found.server_processes}. {found.advice}")


def estimate(
    measured: Measured, daily: float, writes: float, reads: float, row_bytes: float, years: float, peak: float
) -> Estimate:
    """The arithmetic, from `daily` active people."""
    mean_reads, mean_writes = daily * reads / DAY, daily * writes / DAY
    bytes_a_day = daily * writes * row_bytes
    # Half of what was measured: the other half is HTTP, sign-in and rendering.
    processes = max(1, math.ceil(mean_reads * peak / (measured.reads / 2)))
    fits = mean_writes * peak < measured.writes / 2 and processes <= 2 and bytes_a_day * 365 * years < 500e9
    advice = (
        "One machine with SQLite carries this." if fits else "Use PostgreSQL, Redis and several processes behind nginx."
    )
    return Estimate(
        reads_a_second=mean_reads,
        writes_a_second=mean_writes,
        peak_reads_a_second=mean_reads * peak,
        peak_writes_a_second=mean_writes * peak,
        bytes_a_day=bytes_a_day,
        bytes_in_all=bytes_a_day * 365 * years,
        server_processes=processes,
        advice=advice,
        measured=measured,
    )


def measure() -> Measured:
    """Write and read rows through units of work in a temporary database."""
    import asyncio

    table = Table("capacity", MetaData(), Column("id", Integer, primary_key=True), Column("body", LargeBinary))
    add = Prepared(insert(table).values(body=bindparam("body")))
    find = Prepared(select(table.c.body).where(table.c.id == bindparam("id")))
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'capacity.sqlite3'}")
        database.write(lambda session: table.metadata.create_all(session.connection()))

        async def write_all() -> None:
            async def one(count: int) -> None:
                for _ in range(count):
                    await database.awrite(lambda session: add.run(session, body=b"x" * 200))

            await asyncio.gather(*[one(ROWS // GROUP) for _ in range(GROUP)])

        started = time.perf_counter()
        asyncio.run(write_all())
        writes = (ROWS // GROUP) * GROUP / (time.perf_counter() - started)
        started = time.perf_counter()
        for row in range(ROWS):
            database.read(lambda session, row=row: find.first(session, id=row + 1))  # type: ignore[misc]
        reads = ROWS / (time.perf_counter() - started)
        database.close()
    return Measured(writes=writes, reads=reads)
