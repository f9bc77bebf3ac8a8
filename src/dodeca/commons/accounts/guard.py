"""Slowing down who guesses: limits on sign-in and sign-up that nobody can use to lock another person out.

Wrong passwords are counted for the pair of account and address, in windows that follow each other, so the wait grows
from seconds to a day. Who knows the password loses the count. All addresses together have a limit for one account too,
against guesses from many machines; an address from which the person was signed in lately is not held up by it, and
neither are passkeys and the reset by mail. Counting is `kernel.limits`': bounded in memory, shared through Redis.
Names that nobody has are counted alike, so the answer does not tell which exist.
"""

from __future__ import annotations

from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.settings import AccountSettings
from dodeca.kernel.errors import Invalid, TooMany
from dodeca.kernel.limits import Limits, Rate

STEPS = (Rate(10, 60), Rate(20, 600), Rate(40, 3600), Rate(100, 86_400))
"""Wrong passwords for one account from one address: after 10 within a minute the wait is up to a minute, and so on."""
FROM_EVERYWHERE = Rate(300, 3600)
CODES = (Rate(8, 300), Rate(30, 86_400))
"""Six-digit codes: 30 tries a day find one of a million with a chance of 1 in 11,000 (3 are good at a time)."""
LOOPBACK_FACTOR = 10
"""A program on this machine may do more than one address of the world: tests, imports, a shell script."""
MAILS = Rate(5, 3600)
_WAIT = "Too many attempts. Wait a little, or sign in another way."


class Guard:
    """The limits of accounts on one platform."""

    def __init__(self, limits: Limits, settings: AccountSettings) -> None:
        self._limits = limits
        self._settings = settings

    def sign_up(self, origin: Origin) -> None:
        """Count a new account. Raises TooMany."""
        self._by_address("sign-up", origin, self._settings.registrations_per_hour, 3600)

    def attempt(self, login: str, origin: Origin) -> None:
        """Count an attempt with a password before it is checked. Raises TooMany."""
        self._by_address("sign-in", origin, self._settings.sign_ins_per_minute, 60)
        self._steps("sign-in-steps", self._pair(login, origin), STEPS)

    def attempt_from_everywhere(self, account_id: str) -> None:
        """Count an attempt on one account by an address it is not known from. Raises TooMany."""
        self._limits.hit("sign-in-everywhere", account_id, FROM_EVERYWHERE, message=_WAIT)

    def succeeded(self, login: str, origin: Origin) -> None:
        """The password was right: forget the wrong ones from there."""
        for step in STEPS:
            self._limits.forget("sign-in-steps", self._pair(login, origin), step)

    def code(self, account_id: str) -> None:
        """Count a second factor before it is checked. Raises TooMany."""
        self._steps("second-factor", account_id, CODES)

    def code_accepted(self, account_id: str) -> None:
        """The code was right: forget the wrong ones."""
        for step in CODES:
            self._limits.forget("second-factor", account_id, step)

    def mail(self, address: str, origin: Origin) -> None:
        """Count a mail that a stranger can make us send. Raises TooMany."""
        self._limits.hit("account-mail", address.lower(), MAILS, message="Look into your mailbox first.")
        self._by_address("account-mail-from", origin, 30, 3600)

    def once(self, name: str, value: str, *, seconds: int) -> bool:
        """Whether `value` is seen for the first time within `seconds`: for challenges that must not be used twice."""
        try:
            self._limits.hit(name, value, Rate(1, seconds))
        except TooMany:
            return False
        return True

    def challenge(self, challenge: bytes) -> None:
        """Take the challenge of a passkey, once within the life of its ticket. Raises Invalid the second time."""
        if not self.once("passkey-challenge", challenge.hex(), seconds=600):
            raise Invalid("This answer was used already. Try again.")

    def passkey(self, origin: Origin) -> None:
        """Count an attempt with a passkey. Raises TooMany."""
        self._by_address("sign-in", origin, self._settings.sign_ins_per_minute, 60)

    def is_first_block(self, login: str) -> bool:
        """Whether a block of this account shall be noted: once an hour, so that an attack does not fill the log."""
        return self.once("sign-in-blocked", login.lower(), seconds=3600)

    def _steps(self, name: str, key: str, steps: tuple[Rate, ...]) -> None:
        for step in steps:
            self._limits.hit(name, key, step, message=_WAIT)

    def _by_address(self, name: str, origin: Origin, amount: int, seconds: int) -> None:
        if amount:
            allowed = amount * LOOPBACK_FACTOR if origin.is_loopback else amount
            self._limits.hit(name, origin.network, Rate(allowed, seconds))

    @staticmethod
    def _pair(login: str, origin: Origin) -> str:
        return f"{origin.network} {login.strip().lower()}"
