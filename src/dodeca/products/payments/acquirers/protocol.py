"""What an acquirer is to the gateway, and what it may answer.

Every call carries the id of our attempt, refund or payment as idempotency key: asking twice has one effect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

import msgspec
import structlog

T = TypeVar("T")
log = structlog.get_logger(__name__)

SOFT_REASONS = frozenset({"insufficient_funds", "processing_error", "issuer_unavailable", "limit_exceeded"})
"""Declines after which another acquirer may still succeed. All others are final."""


@dataclass(frozen=True, slots=True)
class CardData:
    """A card as it was typed. Lives in memory only, for one call; its repr shows nothing."""

    number: str = field(repr=False)
    cvv: str = field(repr=False)
    expiry_month: int
    expiry_year: int
    name: str


class Ask(msgspec.Struct, frozen=True):
    """A request to authorise. `vault` is the acquirer's own reference of the card; `number` counts our attempts.

    With `challenge` the payer of a card has to authenticate (3-D Secure), whatever the issuer thinks."""

    key: str
    number: int
    amount: int
    currency: str
    method: str
    vault: str | None = None
    vpa: str | None = None
    bank: str | None = None
    wallet: str | None = None
    recurring: bool = False
    asked_at: datetime | None = None
    challenge: bool = False


@dataclass(frozen=True, slots=True)
class Approved:
    """Done. `reference` is the acquirer's id for it."""

    reference: str
    dispute: bool = False


@dataclass(frozen=True, slots=True)
class Challenge:
    """The payer has something to do first: type an OTP, answer on the bank's page, approve in an app (poll)."""

    kind: Literal["otp", "redirect", "poll"]
    reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """Refused for a normalised reason. `hard`: no other acquirer should be asked."""

    reason: str
    hard: bool = True


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Surely not done."""

    reason: str = "acquirer_unavailable"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Perhaps done: inquire, and ask nobody else meanwhile."""

    reason: str = "no_answer"


Result = Approved | Challenge | Declined | Unavailable | Unknown


@dataclass(frozen=True, slots=True)
class TransactionData:
    """What another gateway needs to charge a kept card once: the network's token in place of the card's number, and a
    cryptogram that is good for one payment. Passed on, never stored."""

    token_number: str = field(repr=False)
    cryptogram: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an acquirer takes. `currencies` None: all. Its price is `fee_basis_points` of an amount plus `fee_fixed`."""

    methods: frozenset[str]
    currencies: frozenset[str] | None
    fee_basis_points: int
    fee_fixed: int = 0
    is_simulator: bool = True


async def guarded(question: Awaitable[Result]) -> Result:
    """An acquirer's answer. Whatever else it raises, perhaps it did what it was asked: unknown."""
    try:
        return await question
    except Exception:  # a connector's library may raise anything, also after the money has moved
        log.exception("payments.acquirer_failed")
        return Unknown("acquirer_error")


def at_once(question: Coroutine[Any, Any, T]) -> T:
    """The answer of an acquirer that is immediate. Raises RuntimeError where it waits after all."""
    try:
        question.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    question.close()
    raise RuntimeError("An acquirer that said it answers at once has waited.")


class Acquirer(Protocol):
    """See the module's text."""

    name: str
    capabilities: Capabilities

    @property
    def is_immediate(self) -> bool:
        """Whether it answers out of itself: it asks nobody outside, waits for nothing, and keeps nothing that a unit of
        work that is rolled back would have to undo. It may then be asked inside a unit (`at_once`)."""
        ...

    async def tokenise(self, card: CardData) -> str:
        """Put a card into the vault; gives the reference that is charged later."""
        ...

    async def transaction_data(self, vault: str) -> TransactionData:
        """What another gateway needs to charge a kept card once."""
        ...

    async def authorise(self, ask: Ask) -> Result:
        """Reserve the amount."""
        ...

    async def complete_authentication(self, ask: Ask, reference: str, answer: str) -> Result:
        """Go on with the payer's answer to a challenge: an OTP, `pay` or `fail`."""
        ...

    async def capture(self, key: str, reference: str, amount: int, currency: str) -> Result:
        """Take what is reserved."""
        ...

    async def void(self, key: str, reference: str) -> Result:
        """Set free what is reserved."""
        ...

    async def refund(self, key: str, reference: str, amount: int, currency: str) -> Result:
        """Give back."""
        ...

    async def inquire(self, ask: Ask) -> Result:
        """What became of an authorisation."""
        ...

    async def decide_dispute(self, reference: str, documents: int) -> Literal["won", "lost"] | None:
        """How the payer's bank has decided a dispute that the merchant contests with so many documents; None while it
        has not."""
        ...
