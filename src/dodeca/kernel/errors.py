"""The few meanings an error can have.

Products derive their own errors from these, worded for the person who reads them. Nothing here knows of HTTP:
only `kernel.http` maps a meaning to a status number.
"""

from __future__ import annotations

from collections.abc import Mapping


class DodecaError(Exception):
    """An expected refusal. `message` is for the person; `field` names the input at fault, if one is.

    `details` are further members for programs that read the answer (for example `alternatives`).
    """

    def __init__(self, message: str, *, field: str | None = None, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details: dict[str, object] = dict(details or {})


class Invalid(DodecaError):
    """The input cannot be right, whatever the state of the world."""


class Unauthenticated(DodecaError):
    """Nobody is signed in, or the credentials are wrong."""

    def __init__(self, message: str = "Sign in first.", *, field: str | None = None) -> None:
        super().__init__(message, field=field)


class Forbidden(DodecaError):
    """The person is known and may not do this, and may know that it exists."""

    def __init__(self, message: str = "You may not do this.", *, field: str | None = None) -> None:
        super().__init__(message, field=field)


class NotFound(DodecaError):
    """There is no such thing, or it is somebody else's and private: the answer does not tell which."""

    def __init__(self, message: str = "There is nothing here.", *, field: str | None = None) -> None:
        super().__init__(message, field=field)


class Conflict(DodecaError):
    """Right in itself, but not in the present state: taken, already done, out of date."""


class Gone(DodecaError):
    """It existed and is over."""


class TooLarge(DodecaError):
    """The input exceeds a size limit."""


class UnsupportedMedia(DodecaError):
    """The uploaded content is of a kind that cannot be used here."""


class Unprocessable(DodecaError):
    """Well-formed, and contradicts itself: a statement whose lines do not make its balance."""


class TooMany(DodecaError):
    """A rate limit is reached. `retry_after` is in seconds."""

    def __init__(
        self,
        message: str = "Too many requests. Wait a little.",
        *,
        retry_after: float,
        field: str | None = None,
    ) -> None:
        super().__init__(message, field=field)
        self.retry_after = retry_after


class Unavailable(DodecaError):
    """Cannot be done now for a reason that passes: the disk is full, the database is busy, a peer is down."""

    def __init__(
        self, message: str = "This cannot be done right now. Try again shortly.", *, retry_after: float = 2.0
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PaymentRequired(DodecaError):
    """The money for it is not there, or whoever holds it declined."""


class Upstream(DodecaError):
    """Somebody else's system, which this needs, gave no usable answer."""
