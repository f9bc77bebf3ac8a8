"""The platform's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dodeca.kernel import clock


def test_the_clock_moves_forward_and_everything_sees_it() -> None:
    before, real = clock.now(), clock.real_now()

    after = clock.advance(3600)

    assert timedelta(seconds=3600) <= after - before < timedelta(seconds=3660)
    assert clock.timestamp() - before.timestamp() >= 3600
    assert clock.real_now() - real < timedelta(seconds=60)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e12])
def test_the_clock_never_goes_back_nor_anywhere_strange(seconds: float) -> None:
    with pytest.raises(ValueError, match="forward"):
        clock.advance(seconds)


def test_ago_and_ahead_lie_around_now() -> None:
    assert clock.ago(minutes=1) < clock.now() < clock.ahead(minutes=1)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2031, 5, 1, 12, 0, tzinfo=UTC), "2031-05-01T12:00:00Z"),
        (datetime(2031, 5, 1, 12, 0, 0, 5, tzinfo=UTC), "2031-05-01T12:00:00.000005Z"),
        (datetime(2031, 5, 1, 12, 0, tzinfo=timezone(timedelta(hours=2))), "2031-05-01T10:00:00Z"),
    ],
)
def test_moments_are_written_in_utc_and_read_back(moment: datetime, text: str) -> None:
    assert clock.rfc3339(moment) == text
    assert clock.parse_rfc3339(text) == moment


def test_a_time_without_zone_is_utc() -> None:
    assert clock.parse_rfc3339("2031-05-01") == datetime(2031, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "2031-13-01", "2031-05-01T25:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        clock.parse_rfc3339(text)
