"""Folding journals: each recorded request becomes a row, roll-ups and counters, exactly once.

Clicks are read and understood outside a unit of work. The unit then compares the journal's stored offset with where
reading began, adds everything, and moves the offset: a crash in between repeats all of it or nothing.
"""

from __future__ import annotations

import fcntl
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Unavailable
from dodeca.kernel.platform import removing
from dodeca.kernel.realtime import Realtime
from dodeca.products.shortener import apart, metrics, rollups
from dodeca.products.shortener.agents import is_bot, language_of, read_user_agent, referrer_host
from dodeca.products.shortener.journal import Click as Recording
from dodeca.products.shortener.journal import JournalReader, Recorded, list_journals
from dodeca.products.shortener.models import VisitorSalt
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.visitors import day_of, new_salt, visitor_hash

log = structlog.get_logger(__name__)
BATCH = 400
"""Clicks in one unit of work: long enough to be quick, short enough to let other writers in between."""
PAUSE_SECONDS = 0.4
MANY = 2 * BATCH
"""When as many wait after a pause, a thread would take too much of the interpreter from those who wait for answers."""
LATE = timedelta(days=1)
"""Clicks that are folded later than this after their day find no salt, and are counted without visitors."""
UNKNOWN = "unknown"
_LONGEST_VALUE = 100

Tell = Callable[[rollups.Progress], None]


class Folder:
    """Folds the journals of this machine. Any number of processes may try: one does it at a time."""

    def __init__(self, shortener: Shortener, told: Tell | None = None) -> None:
        """`told` receives what was folded once it is committed; by default the metrics and open pages learn of it."""
        self._shortener = weakref.ref(shortener)
        realtime = shortener.realtime
        self._told = told or (lambda progress: tell(realtime, progress))
        self._salts: dict[date, bytes | None] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Fold from now on, in a thread of this process."""
        shortener = self._shortener()
        if shortener is not None and not self.is_running:
            shortener.platform.at_close(self.stop)
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="shortener-folder", daemon=True)
            self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether a thread of this process folds."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Stop, after what is being folded."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            try:
                if self.fold(wait=False, at_most=MANY) >= MANY:
                    self._fold_apart()
            except ReferenceError:
                return
            except Unavailable as error:
                log.warning("shortener.folding_postponed", error=str(error))
                self._stop.wait(1.0)
            except Exception:  # whatever one batch met, clicks must not be left uncounted for ever
                log.exception("shortener.folding_failed")
                self._stop.wait(5.0)

    def _fold_apart(self) -> None:
        shortener = self._shortener()
        if shortener is None:
            raise ReferenceError("The shortener is gone.")
        config, realtime = shortener.platform.config, shortener.realtime
        del shortener  # this thread keeps nobody alive meanwhile
        apart.fold(config, self._stop, lambda progress: tell(realtime, progress, in_passing=True))

    def fold(self, *, wait: bool = True, at_most: float = math.inf) -> int:
        """Fold what is recorded now, or about `at_most` requests of it; gives how many. With `wait` also what another
        process is at."""
        shortener = self._shortener()
        if shortener is None:
            raise ReferenceError("The shortener is gone.")
        folder = shortener.journal_folder
        if not folder.is_dir():
            return 0
        total = 0
        with self._lock, alone(folder, wait) as mine:
            if not mine:
                return 0
            for name in list_journals(folder):
                total += self._fold_journal(shortener, JournalReader(folder, name), at_most - total)
        if total < at_most:
            self._told(rollups.Progress(0.0, []))
        return total

    def _fold_journal(self, shortener: Shortener, reader: JournalReader, at_most: float) -> int:
        offset = shortener.db.read(lambda session: rollups.offset_of(session, reader.name))
        total = 0
        while total < at_most and (batch := list(reader.read(offset, BATCH))):
            lag = max(0.0, clock.timestamp() - batch[0][1].at / 1000)
            understood = [self._understand(shortener, click) for _, click in batch]
            start, end = offset, batch[-1][0]
            news = shortener.db.write(
                lambda session, s=start, e=end, u=understood: rollups.add(session, reader.name, s, e, u)  # type: ignore[misc]
            )
            if news is None:
                return total  # another process on a shared folder was faster
            self._told(rollups.Progress(lag, news))
            offset = end
            total += len(batch)
            with removing(shortener.data) as free:  # a backup may hold an earlier offset: it takes the segments along
                if free:
                    reader.remove_folded(offset)
        for damage in reader.damage:
            log.error("shortener.journal_damaged", journal=reader.name, offset=damage.offset, bytes=damage.length)
        return total

    def _understand(self, shortener: Shortener, click: Recording) -> rollups.Understood:
        day = day_of(click.at)
        if click.kind == Recorded.ORPHAN:
            kind = "orphan"
        elif click.kind == Recorded.VISIT:
            kind = "bot" if is_bot(click.user_agent) else "click"
        else:
            kind = Recorded(click.kind).name.lower()
        visitor = None
        if kind == "click" and not click.private:
            salt = self._salt(shortener, day)
            if salt is not None:
                visitor = visitor_hash(salt, click.link_id, click.address, click.user_agent)
        agent = read_user_agent(click.user_agent)
        place = shortener.geolocation.place(click.address)
        values = {
            "country": place.country or UNKNOWN,
            "device": agent.device.value,
            "os": agent.os[:_LONGEST_VALUE],
            "browser": agent.browser[:_LONGEST_VALUE],
            "language": language_of(click.language) or UNKNOWN,
            "referrer": referrer_host(click.referrer),
            "source": click.source or "link",
        }
        # What cannot be stored must not stop everything behind it: PostgreSQL has no NUL in its texts.
        return rollups.Understood(
            click.link_id, click.at, kind, {name: _storable(text) for name, text in values.items()}, place.city,
            _storable(click.user_agent[:512]), click.rule_id, day, visitor, _storable(click.detail),
        )  # fmt: skip

    def _salt(self, shortener: Shortener, day: date) -> bytes | None:
        today = clock.now().date()
        if day not in self._salts:
            self._salts = {known: salt for known, salt in self._salts.items() if known >= today - LATE}
            self._salts[day] = shortener.db.write(lambda session: _salt_of(session, day, make=day >= today - LATE))
        return self._salts[day]


def _storable(text: str) -> str:
    return text.replace("\0", "")


def _salt_of(session: WriteSession, day: date, *, make: bool) -> bytes | None:
    if make:
        values = {"day": day, "salt": new_salt()}
        session.execute(postgresql.insert(VisitorSalt).values(values).on_conflict_do_nothing())
    return session.scalar(select(VisitorSalt.salt).where(VisitorSalt.day == day))


@contextmanager
def alone(folder: Path, wait: bool) -> Iterator[bool]:
    """Keep other processes of this machine from folding the journals in a folder; False when one is at it, for which
    `wait` waits."""
    descriptor = os.open(folder / "fold.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def tell(realtime: Realtime, progress: rollups.Progress, *, in_passing: bool = False) -> None:
    """Let metrics and open pages know the new numbers; `in_passing` only those pages that are open now, as there are
    hundreds of links in a batch and the next batch follows at once."""
    metrics.journal_lag.set(progress.lag)
    for link_id, numbers in progress.news:
        channel = f"shortener:link:{link_id}"
        if not in_passing or realtime.is_heard(channel):
            realtime.publish_latest(channel, "clicks", numbers, key=link_id)
