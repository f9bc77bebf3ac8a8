"""What every format is read into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dodeca.kernel.errors import Invalid

MOST_LINES = 200_000


class Unreadable(Invalid):
    """The file is none of the formats, or broken."""


@dataclass(frozen=True, slots=True)
class Line:
    """One booking. `amount` in minor units, negative where money left the account; `reference` is the bank's own."""

    booked_on: date
    amount: int
    currency: str
    reference: str = ""
    text: str = ""
    counterparty: str = ""

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "date": self.booked_on.isoformat(),
            "amount": self.amount,
            "currency": self.currency,
            "reference": self.reference or None,
            "text": self.text or None,
            "counterparty": self.counterparty or None,
        }


@dataclass(frozen=True, slots=True)
class Statement:
    """The bookings of one account. Balances in minor units, None where the format or the file has none."""

    account: str
    currency: str
    opening: int | None
    closing: int | None
    lines: Sequence[Line] = field(default_factory=tuple)

    @property
    def balanced(self) -> bool | None:
        """Whether opening balance and lines make the closing balance; None where that cannot be told."""
        if self.opening is None or self.closing is None:
            return None
        return self.opening + sum(line.amount for line in self.lines) == self.closing

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "account": self.account,
            "currency": self.currency,
            "opening_balance": self.opening,
            "closing_balance": self.closing,
            "balanced": self.balanced,
            "lines": [line.shown() for line in self.lines],
        }
