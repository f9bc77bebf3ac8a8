"""Acquirers that simulate a bank: they approve, challenge, decline, fail, are slow and lose answers as told.

They keep nothing. What a card does is written into the vault's reference when the card is tokenised (never the card),
what a payment does into its reference, and chance is drawn from the seed and our key: the same question has the same
answer, before and after a crash.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import secrets
from typing import Literal

import msgspec
from stdnum import luhn

from dodeca.kernel import clock
from dodeca.products.payments.acquirers.protocol import (
    SOFT_REASONS,
    Approved,
    Ask,
    Capabilities,
    CardData,
    Challenge,
    Declined,
    Result,
    TransactionData,
    Unavailable,
    Unknown,
)

CHALLENGED = "challenge"
SCENARIOS = {
    "4111111111111111": CHALLENGED,
    "5267318187975449": CHALLENGED,
    "4000002500003155": CHALLENGED,
    "4000000000000002": "payment_declined",
    "4000000000009995": "insufficient_funds",
    "4000000000000069": "card_expired",
    "4000000000000127": "incorrect_cvv",
    "4000000000000341": "later_declines",
    "4000000000008880": "first_unavailable",
    "4000000000006660": "lost_approved",
    "4000000000007775": "lost_declined",
    "4000000000005126": "refund_fails",
    "4000000000000259": "disputed",
}
"""Test cards with a meaning. All others are authorised at once."""
AUTHORISED = ("approve", "first_unavailable", "refund_fails", "disputed")
LOST_SECONDS = 10
"""How long an authorisation without answer stays unknown to inquiries."""
POLL_SECONDS = 1
UPI_EXPIRES_SECONDS = 300


class SimulatorSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a simulator behaves. Rates are from 0 to 1."""

    success_rate: float = 1.0
    latency_ms: int = 0
    outage: bool = False
    timeout_rate: float = 0.0
    duplicate_callbacks: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.success_rate <= 1 and 0 <= self.timeout_rate <= 1 and 0 <= self.latency_ms <= 60_000):
            raise ValueError("Rates are from 0 to 1, latency_ms from 0 to 60000.")


class Simulator:
    """See the module's text."""

    def __init__(self, name: str, capabilities: Capabilities, settings: SimulatorSettings) -> None:
        self.name = name
        self.capabilities = capabilities
        self.settings = settings

    @property
    def is_immediate(self) -> bool:
        """Unless it is to be slow: then it is asked as one outside is."""
        return self.settings.latency_ms == 0

    async def tokenise(self, card: CardData) -> str:
        """A reference that says what the card does, and nothing of the card."""
        scenario = SCENARIOS.get(card.number, "approve")
        return f"{self.name}:{scenario}:{secrets.token_hex(6)}"

    async def transaction_data(self, vault: str) -> TransactionData:
        """Numbers of a range that no network has given out (ISO/IEC 7812 leaves 9 to national standards)."""
        await self._wait()
        digits = f"99{int(self._digest(vault), 16) % 10**13:013}"
        return TransactionData(
            digits + luhn.calc_check_digit(digits), base64.b64encode(secrets.token_bytes(20)).decode()
        )

    async def authorise(self, ask: Ask) -> Result:
        """As the instrument, the settings and the seed say."""
        await self._wait()
        if self.settings.outage:
            return Unavailable("outage")
        refused = self._by_chance(ask.key) if self._is_moody else None
        if refused is not None:
            return refused
        if ask.method == "upi":
            return Challenge("poll", self._reference(ask, "approve"))
        if ask.method in ("netbanking", "wallet"):
            return Challenge("redirect", self._reference(ask, "approve"))
        return self._by_card(ask, _scenario(ask.vault))

    def _by_card(self, ask: Ask, scenario: str) -> Result:
        if scenario == CHALLENGED or (ask.challenge and scenario in AUTHORISED):
            reference = self._reference(ask, "approve" if scenario == CHALLENGED else scenario)
            return Approved(reference) if ask.recurring else Challenge("otp", reference)
        if scenario == "first_unavailable" and ask.number == 1:
            return Unavailable()
        if scenario in ("lost_approved", "lost_declined"):
            return Unknown()
        if scenario == "later_declines":
            return Declined("payment_declined") if ask.recurring else Approved(self._reference(ask))
        if scenario in AUTHORISED:
            return Approved(self._reference(ask, scenario))
        return Declined(scenario, hard=scenario not in SOFT_REASONS)

    async def complete_authentication(self, ask: Ask, reference: str, answer: str) -> Result:
        """An OTP of 4 to 10 digits passes; a bank's page answers pay or fail."""
        await self._wait()
        if self.settings.outage:
            return Unavailable("outage")
        if ask.method in ("netbanking", "wallet"):
            return Approved(reference) if answer == "pay" else Declined("payment_cancelled")
        if answer.isascii() and answer.isdigit() and 4 <= len(answer) <= 10:
            return Approved(reference)
        return Declined("incorrect_otp", hard=False)

    async def capture(self, key: str, reference: str, amount: int, currency: str) -> Result:
        """Always possible for what was authorised, unless there is an outage."""
        await self._wait()
        if self.settings.outage:
            return Unavailable("outage")
        return Approved(reference, dispute=_scenario(reference) == "disputed")

    async def void(self, key: str, reference: str) -> Result:
        """As capture."""
        await self._wait()
        return Unavailable("outage") if self.settings.outage else Approved(reference)

    async def refund(self, key: str, reference: str, amount: int, currency: str) -> Result:
        """Fails for the card that is made for it."""
        await self._wait()
        if self.settings.outage:
            return Unavailable("outage")
        if _scenario(reference) == "refund_fails":
            return Declined("refund_failed")
        return Approved(f"rfd:{self._digest(key)}")

    async def inquire(self, ask: Ask) -> Result:
        """What became of it; unknown until the instrument's time has passed."""
        await self._wait()
        age = (clock.now() - ask.asked_at).total_seconds() if ask.asked_at else 0.0
        if ask.method == "upi":
            return self._inquire_upi(ask, age)
        scenario = _scenario(ask.vault)
        if age < LOST_SECONDS:
            return Unknown()
        if scenario == "lost_declined":
            return Declined("payment_declined")
        if scenario in ("lost_approved", "approve") or ask.method != "card":
            return Approved(self._reference(ask))
        return self._by_card(ask, scenario)

    def _inquire_upi(self, ask: Ask, age: float) -> Result:
        handle = ask.vpa or ""
        if handle.startswith("timeout@"):
            return Declined("payment_timed_out") if age >= UPI_EXPIRES_SECONDS else Unknown()
        if age < POLL_SECONDS:
            return Unknown()
        return Declined("payment_declined") if handle.startswith("failure@") else Approved(self._reference(ask))

    async def decide_dispute(self, reference: str, documents: int) -> Literal["won", "lost"] | None:
        """For the merchant who shows a document; not now, while there is an outage."""
        await self._wait()
        if self.settings.outage:
            return None
        return "won" if documents else "lost"

    async def _wait(self) -> None:
        if self.settings.latency_ms:
            await asyncio.sleep(self.settings.latency_ms / 1000)

    @property
    def _is_moody(self) -> bool:
        return self.settings.timeout_rate > 0 or self.settings.success_rate < 1

    def _by_chance(self, key: str) -> Result | None:
        """What the rates say, always the same of one key."""
        chance = random.Random(f"{self.settings.seed}:{self.name}:{key}")  # noqa: S311 - a simulation, repeatable
        if chance.random() < self.settings.timeout_rate:
            return Unknown()
        return Declined("issuer_unavailable", hard=False) if chance.random() >= self.settings.success_rate else None

    def _digest(self, key: str) -> str:
        return hashlib.sha256(f"{self.name}:{key}".encode()).hexdigest()[:16]

    def _reference(self, ask: Ask, scenario: str = "approve") -> str:
        return f"{self.name}:{scenario}:{self._digest(ask.key)}"


def _scenario(reference: str | None) -> str:
    parts = (reference or "").split(":")
    return parts[1] if len(parts) == 3 else "approve"
