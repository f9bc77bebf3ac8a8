"""Files of listens, for the command line, the API and pages: taken in by hundreds, each hundred a unit of work.

Sending a file again adds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import IO, Final

from dodeca.kernel.db import WriteSession
from dodeca.kernel.transfer import ImportReport
from dodeca.products.music.formats import listens as listen_lines
from dodeca.products.music.formats.listens import ListenError, ListenRow
from dodeca.products.music.service import listens

BATCH: Final = 200
Part = Sequence[ListenRow | ListenError]
"""Some lines of a file, and what is wrong with those that are no listens."""


def parts(file: IO[bytes]) -> Iterator[Part]:
    """The lines of a file by hundreds: memory does not grow with its length."""
    lines = listen_lines.read(file)
    while part := list(islice(lines, BATCH)):
        yield part


def recording(account_id: str, part: Part) -> Callable[[WriteSession], list[listens.Outcome]]:
    """A unit of work that records the listens of a part; `note` takes what it gives."""
    reports = [_report(row) for row in part if isinstance(row, ListenRow)]
    return lambda session: listens.record(session, account_id, reports) if reports else []


def _report(row: ListenRow) -> listens.Report:
    return listens.Report(
        listened_at=row.listened_at,
        artist_name=row.artist,
        track_name=row.track,
        release_name=row.release,
        duration_ms=row.duration_ms,
        ms_played=row.ms_played,
        counts=True,
        device=row.device,
        source="import",
        mbid=row.mbid or None,
    )


def note(report: ImportReport, part: Part, outcomes: Sequence[listens.Outcome]) -> None:
    """Note what became of a part that was recorded."""
    remaining = iter(outcomes)
    for row in part:
        if isinstance(row, ListenError):
            report.refuse(row.line, row.message)
            continue
        outcome = next(remaining)
        if outcome in ("accepted", "duplicate"):
            report.read += 1
            report.added += outcome == "accepted"
            report.unchanged += outcome == "duplicate"
        else:
            report.refuse(row.line, "More than 24 hours of one day." if outcome == "too_much" else "It lies ahead.")
