"""What imports and exports have in common: progress that can be shown, and a report that loses no row."""

from __future__ import annotations

from typing import Protocol

import msgspec

ERRORS_KEPT = 1000


class Progress(Protocol):
    """Where work tells how far it is: a bar on the command line, a job's state in the database."""

    def start(self, label: str, total: int | None) -> None:
        """A new stretch of work begins, of `total` steps if that is known."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many steps are done."""
        ...


class NoProgress:
    """Shows nothing."""

    def start(self, label: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, steps: int = 1) -> None:
        """Nothing."""


class RowError(msgspec.Struct, frozen=True):
    """A row that could not be taken: its place in the file (from 1) and why."""

    line: int
    message: str


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import did. `read` = `added` + `unchanged` + `refused`."""

    read: int = 0
    added: int = 0
    unchanged: int = 0
    refused: int = 0
    errors: list[RowError] = []
    """The first thousand refused rows."""
    notes: list[str] = []

    def refuse(self, line: int, message: str) -> None:
        """Count a row that could not be taken."""
        self.read += 1
        self.refused += 1
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(RowError(line, message))
