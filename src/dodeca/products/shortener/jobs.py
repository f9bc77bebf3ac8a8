"""Background work of the shortener."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, select

from dodeca.commons.accounts.models import AccountRole
from dodeca.commons.notifications import Notice, notify
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.jobs import Job, JobContext, Nothing, job
from dodeca.products.shortener import keys, metrics
from dodeca.products.shortener.folding import LATE
from dodeca.products.shortener.models import Click, Domain, ImportRun, OrphanVisit, Visitor, VisitorSalt
from dodeca.products.shortener.service import blocklist, domains, of, titles

BATCH = 500
LAG_SECONDS = 60.0
KEYS_SHARE = 0.2
ERRORS_SHARE = 0.01
ERRORS_FROM = 100
"""Requests in the watched five minutes below which a share of errors says nothing."""


class RunImport(msgspec.Struct):
    """Which uploaded file to import."""

    import_id: str


@job("shortener.fold_journals", every=30.0)
async def fold_journals(job: JobContext, _payload: Nothing) -> None:
    """Bring recorded clicks into the numbers, and see that this process goes on doing so by itself.

    The thread folds within a second; the job starts it in workers, and works what the test clock makes due."""
    folder = of(job.platform).folder
    if folder.is_running:
        return
    await asyncio.to_thread(folder.fold)
    if not job.platform.settings.test_clock:
        folder.start()


@job("shortener.forget_clicks", every=3600.0)
def forget_clicks(session: WriteSession, job: JobContext, _payload: Nothing) -> None:
    """Remove single clicks past their time, some at once; roll-ups stay."""
    before = clock.ago(days=of(job.platform).settings.raw_click_days)
    again = False
    for table in (Click, OrphanVisit):
        old = list(session.scalars(select(table.id).where(table.at < before).order_by(table.at).limit(BATCH)))
        session.execute(delete(table).where(table.id.in_(old)))
        again = again or len(old) == BATCH
    if again:
        forget_clicks.enqueue(session, None, at=clock.ahead(seconds=0.1), key=f"more-{job.job_id}")


@job("shortener.rotate_salts", every=3600.0)
def rotate_salts(session: WriteSession, job: JobContext, _payload: Nothing) -> None:
    """Destroy the keys of visitor hashes once their day and the time for late clicks are over, and the hashes too."""
    oldest = clock.now().date() - LATE
    session.execute(delete(VisitorSalt).where(VisitorSalt.day < oldest))
    hashes = select(Visitor.link_id, Visitor.day, Visitor.visitor_hash).where(Visitor.day < oldest).limit(BATCH)
    rows = session.execute(hashes).all()
    for link_id, day, visitor_hash in rows:
        session.execute(
            delete(Visitor).where(Visitor.link_id == link_id, Visitor.day == day, Visitor.visitor_hash == visitor_hash)
        )
    if len(rows) == BATCH:
        rotate_salts.enqueue(session, None, at=clock.ahead(seconds=0.1), key=f"more-{job.job_id}")


@job("shortener.check_domains", every=3600.0)
async def check_domains(job: JobContext, _payload: Nothing) -> None:
    """Look once a day whether custom domains still hold their token; tell owners whose domain stops."""
    shortener = of(job.platform)
    for domain in await shortener.db.aread(domains.due_for_check):
        found = await domains.holds_token(shortener, domain)

        def unit(session: WriteSession, domain: Domain = domain, found: bool | None = found) -> None:
            if domains.record_check(session, shortener, domain.id, found):
                notify(session, domain.account_id, _stopped(domain))

        await shortener.db.awrite(unit)


def _stopped(domain: Domain) -> Notice:
    return Notice(
        product="shortener",
        kind="domain_stopped",
        title=f"{domain.host} is no longer served",
        body=f"The TXT record {domains.txt_name(domain)} was not found for three days.",
        href="/shortener/domains",
    )


class _Watch:
    """What was counted when the watch last looked."""

    total = 0.0
    errors = 0.0


@job("shortener.watch", every=300.0)
def watch(session: WriteSession, job: JobContext, _payload: Nothing) -> None:
    """Tell the admins of errors over 1 %, clicks over a minute late, and keys that run out."""
    shortener = of(job.platform)
    total = sum(child._value.get() for child in metrics.outcomes.values())
    errors = metrics.outcomes["error"]._value.get() + metrics.unrecorded._value.get()
    new, new_errors = total - _Watch.total, errors - _Watch.errors
    _Watch.total, _Watch.errors = total, errors
    problems = {}
    if new >= ERRORS_FROM and new_errors / new > ERRORS_SHARE:
        problems["errors"] = f"{new_errors / new:.1%} of {new:,.0f} short link requests failed."
    lag = metrics.journal_lag._value.get()
    if lag > LAG_SECONDS:
        problems["lag"] = f"Clicks enter the numbers {lag:,.0f} seconds late."
    left = _keys_left(session, shortener.codes)
    if left < KEYS_SHARE:
        problems["keys"] = f"{left:.0%} of the short codes of this length are left; codes grow by one letter after."
    for kind, text in problems.items():
        tell_admins(session, kind, text)


def _keys_left(session: WriteSession, codes: object) -> float:
    from dodeca.products.shortener.service.codes import next_counters

    counters = next_counters(session)
    length = keys.growing_length(counters, keys.DEFAULT_LENGTH)
    return keys.keys_left(counters.get(length, 0), length)


def tell_admins(session: WriteSession, kind: str, text: str) -> None:
    """Put an alert into the admins' inboxes (and mail), once a day and kind."""
    key = f"{kind}-{clock.now():%Y-%m-%d}"
    notice = Notice(product="shortener", kind=f"alert_{kind}", title=text, href="/admin/health", key=key)
    for account_id in session.scalars(select(AccountRole.account_id).where(AccountRole.role == "admin")).all():
        notify(session, account_id, notice)


@job("shortener.import_file", payload=RunImport, attempts=3)
async def import_file(job: JobContext, payload: RunImport) -> None:
    """Import an uploaded file."""
    await asyncio.to_thread(run_import, job, payload.import_id)


def run_import(job: JobContext, import_id: str) -> None:
    """The same in a thread. Repeating it adds nothing twice."""
    from dodeca.products.shortener.importers import StoredProgress, import_stream

    platform = job.platform
    run = platform.db.read(lambda session: session.get(ImportRun, import_id))
    if run is None or run.content is None:
        return
    progress = StoredProgress(platform, import_id)
    try:
        report = import_stream(of(platform), run.account_id, io.BytesIO(run.content), run.kind, progress)
        result = msgspec.to_builtins(report)
        said = f"{report.added:,} added, {report.unchanged:,} there already, {report.refused:,} refused."
    except DodecaError as error:
        report, said = None, error.message
        result = {"error": error.message, "field": error.field}

    def finish(session: WriteSession) -> None:
        row = session.get_one(ImportRun, import_id)
        row.report, row.content, row.finished_at = result, None, clock.now()
        title = "Your import is done" if report is not None else "Your import failed"
        notice = Notice(
            product="shortener", kind="imported", title=title, body=said, href="/shortener/import", key=import_id
        )
        notify(session, row.account_id, notice)

    platform.db.write(finish)


@job("shortener.forget_imports", every=86_400.0)
def forget_imports(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    """Remove the reports of old imports."""
    session.execute(delete(ImportRun).where(ImportRun.finished_at < clock.now() - timedelta(days=90)))


jobs: list[Job[Any]] = [
    fold_journals,
    forget_clicks,
    rotate_salts,
    check_domains,
    watch,
    import_file,
    forget_imports,
    blocklist.apply_pattern,
    titles.look_up,
]
