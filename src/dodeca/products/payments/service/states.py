"""All states and moves, as one table. Any other move is a conflict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodeca.kernel.errors import Conflict

MOVES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "order": {"created": frozenset({"attempted", "paid"}), "attempted": frozenset({"paid"})},
    "payment": {
        "created": frozenset({"authorized", "failed"}),
        "authorized": frozenset({"captured", "refunded"}),
        "captured": frozenset({"refunded"}),
        "failed": frozenset({"authorized"}),
    },
    "refund": {"pending": frozenset({"processed", "failed"})},
    "link": {
        "created": frozenset({"partially_paid", "paid", "expired", "cancelled"}),
        "partially_paid": frozenset({"paid", "expired", "cancelled"}),
    },
    "subscription": {
        "created": frozenset({"authenticated", "active", "expired", "cancelled"}),
        "authenticated": frozenset({"active", "cancelled", "pending"}),
        "active": frozenset({"pending", "paused", "completed", "cancelled"}),
        "pending": frozenset({"active", "halted", "cancelled", "completed"}),
        "halted": frozenset({"active", "cancelled", "completed"}),
        "paused": frozenset({"active", "cancelled"}),
    },
    "invoice": {
        "draft": frozenset({"issued", "cancelled"}),
        "issued": frozenset({"partially_paid", "paid", "cancelled", "expired"}),
        "partially_paid": frozenset({"paid", "cancelled", "expired"}),
    },
    "dispute": {"open": frozenset({"under_review", "lost"}), "under_review": frozenset({"won", "lost"})},
    "settlement": {
        "created": frozenset({"initiated", "processed"}),
        "initiated": frozenset({"processed", "failed", "reversed"}),
    },
    "payout": {
        "created": frozenset({"initiated"}),
        "initiated": frozenset({"processed", "failed", "reversed"}),
        "processed": frozenset({"reversed"}),
    },
}


class IllegalMove(Conflict):
    """The thing is in a state that does not lead there."""


def move(kind: str, row: Any, to: str) -> None:
    """Change the status of a row. Raises IllegalMove."""
    check(kind, row.status, to)
    row.status = to


def check(kind: str, status: str, to: str) -> None:
    """Raise IllegalMove unless `status` leads to `to`."""
    if to not in MOVES[kind].get(status, frozenset()):
        raise IllegalMove(f"This {kind} is {status.replace('_', ' ')}, so it cannot become {to.replace('_', ' ')}.")
