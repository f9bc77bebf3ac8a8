"""What the shortener counts for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dodeca.kernel.errors import DodecaError, TooMany, Unavailable
from dodeca.kernel.telemetry import counter, gauge, histogram

REDIRECT = "redirect"
OUTCOMES = (REDIRECT, "gone", "missing", "scheduled", "password", "card", "warning", "preview", "limited", "error")
SAMPLE = 16
"""Every so manieth redirect of the lane is timed: an observation costs a tenth of a redirect."""

redirects = counter("shortener_redirects_total", "Requests for short links, by outcome.", ["outcome"])
redirect_seconds = histogram(
    "shortener_redirect_seconds",
    "Time to answer a redirect, of every 16th.",
    buckets=(0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0),
)
journal_lag = gauge("shortener_journal_lag_seconds", "Age of the oldest click that is not in the numbers yet.")
unrecorded = counter("shortener_unrecorded_total", "Redirects whose click could not be written to the journal.")
outcomes: dict[str, Any] = {name: redirects.labels(name) for name in OUTCOMES}


@contextmanager
def counting_failures() -> Iterator[None]:
    """Count a request for a short link that ends with an error of ours or at a limit."""
    try:
        yield
    except TooMany:
        outcomes["limited"].inc()
        raise
    except Exception as error:
        if isinstance(error, Unavailable) or not isinstance(error, DodecaError):
            outcomes["error"].inc()
        raise
