"""Limits: so many hits and no more, for each key by itself, and memory that does not grow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.errors import TooMany
from dodeca.kernel.limits import Limits, Rate, network


class Watch:
    """A clock that a test moves."""

    def __init__(self, at: float = 1_900_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def limits(watch: Watch) -> Limits:
    return Limits(now=watch)


def hits(limits: Limits, count: int, key: str = "ada", rate: Rate | None = None) -> int:
    """Try `count` hits and say how many were allowed."""
    allowed = 0
    for _ in range(count):
        try:
            limits.hit("login", key, rate or Rate(5, 60))
        except TooMany:
            continue
        allowed += 1
    return allowed


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30/minute", Rate(30, 60)),
        ("5 per 2 hours", Rate(5, 7200)),
        ("100/90s", Rate(100, 90)),
        (" 1 / day ", Rate(1, 86_400)),
    ],
)
def test_a_rate_is_read_from_text(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("text", ["", "30", "0/minute", "30/0s", "-1/minute", "30/fortnight", "x/minute"])
def test_a_text_that_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Rate.parse(text)


def test_the_limit_is_exact_and_the_answer_says_how_long_to_wait(limits: Limits) -> None:
    assert hits(limits, 5) == 5

    with pytest.raises(TooMany) as caught:
        limits.hit("login", "ada", Rate(5, 60), message="Slow down.", field="password")

    assert caught.value.message == "Slow down."
    assert caught.value.field == "password"
    assert 0 < caught.value.retry_after <= 120


def test_keys_and_names_do_not_share_a_limit(limits: Limits) -> None:
    hits(limits, 5)

    assert hits(limits, 5, key="bob") == 5
    limits.hit("register", "ada", Rate(5, 60))


def test_a_limit_slides(limits: Limits, watch: Watch) -> None:
    watch.at -= watch.at % 60
    hits(limits, 5)

    watch.at += 60 + 30  # half of the previous window's five hits still count

    assert hits(limits, 10) == 3


def test_a_long_pause_gives_the_full_limit_back(limits: Limits, watch: Watch) -> None:
    hits(limits, 5)

    watch.at += 3600

    assert hits(limits, 10) == 5


def test_a_hit_can_cost_more(limits: Limits) -> None:
    limits.hit("bytes", "ada", Rate(100, 60), cost=90)

    with pytest.raises(TooMany):
        limits.hit("bytes", "ada", Rate(100, 60), cost=11)
    limits.hit("bytes", "ada", Rate(100, 60), cost=10)


def test_a_cost_above_the_limit_is_refused(limits: Limits) -> None:
    with pytest.raises(TooMany):
        limits.hit("bytes", "ada", Rate(100, 60), cost=101)


@given(
    amount=st.integers(1, 20),
    seconds=st.integers(1, 100),
    start=st.floats(0, 200),
    pauses=st.lists(st.floats(0, 60), max_size=30),
)
def test_after_waiting_as_told_the_hit_is_allowed_and_not_much_before(
    amount: int, seconds: int, start: float, pauses: list[float]
) -> None:
    watch = Watch(1_900_000_000.0 + start)
    limits, rate = Limits(now=watch), Rate(amount, seconds)
    for pause in pauses:
        watch.at += pause
        hits(limits, 3, rate=rate)
    try:
        for _ in range(amount + 1):
            limits.hit("login", "ada", rate)
    except TooMany as refused:
        wait = refused.retry_after
    watch.at += wait - 0.01
    early = hits(limits, 1, rate=rate) if wait > 0.02 else 0

    watch.at += 0.011

    assert early == 0
    assert hits(limits, 1, rate=rate) == 1


def test_what_is_remembered_is_bounded_for_each_name(watch: Watch) -> None:
    limits = Limits(max_keys=100, now=watch)
    limits.hit("login", "ada", Rate(1, 60))
    for number in range(10_000):
        limits.hit("search", f"address {number}", Rate(1, 60))

    assert sum(len(table) for table in limits._memory_storage._tables.values()) == 101
    with pytest.raises(TooMany):
        limits.hit("login", "ada", Rate(1, 60))  # a flood elsewhere does not wash it away


def test_the_longest_idle_key_is_forgotten_first(watch: Watch) -> None:
    limits = Limits(max_keys=2, now=watch)
    for key in ["ada", "bob", "ada", "cleo"]:
        limits.hit("login", key, Rate(2, 60))

    assert hits(limits, 1, key="ada", rate=Rate(2, 60)) == 0
    assert hits(limits, 2, key="bob", rate=Rate(2, 60)) == 2


def test_a_huge_key_is_limited_without_being_kept(limits: Limits) -> None:
    assert hits(limits, 10, key="x" * 1_000_000 + "\ud800") == 5
    [key] = limits._memory_storage._tables["login"]
    assert len(key) < 200


def test_the_event_loop_counts_on_the_same_limit(limits: Limits) -> None:
    hits(limits, 4)

    async def two() -> None:
        await limits.hit_async("login", "ada", Rate(5, 60))
        await limits.hit_async("login", "ada", Rate(5, 60))

    with pytest.raises(TooMany):
        asyncio.run(two())


def test_customers_are_told_apart_by_address_or_network() -> None:
    assert network("203.0.113.9") == "203.0.113.9"
    assert network("::ffff:203.0.113.9") == "203.0.113.9"
    assert network("2001:db8:1:2:aaaa::1") == network("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert network("2001:db8:1:3::1") != network("2001:db8:1:2::1")


@pytest.mark.cluster
class TestRedis:
    def test_processes_share_one_limit(self, redis_server: Any) -> None:
        one, two = Limits(redis_server.url), Limits(redis_server.url)
        hits(one, 3)

        assert hits(two, 10) == 2
        with pytest.raises(TooMany) as caught:
            one.hit("login", "ada", Rate(5, 60))
        assert 0 < caught.value.retry_after <= 120

    def test_the_event_loop_shares_it_too(self, redis_server: Any) -> None:
        limits = Limits(redis_server.url)
        hits(limits, 4)

        async def two() -> None:
            await limits.hit_async("login", "ada", Rate(5, 60))
            with pytest.raises(TooMany):
                await limits.hit_async("login", "ada", Rate(5, 60))

        asyncio.run(two())

    def test_while_redis_is_away_each_process_counts_for_itself(self, redis_server: Any) -> None:
        limits = Limits(redis_server.url)
        hits(limits, 5)
        redis_server.stop()

        assert hits(limits, 10) == 5

    def test_the_event_loop_goes_on_while_redis_is_away(self, redis_server: Any) -> None:
        limits = Limits(redis_server.url)
        redis_server.stop()

        async def six() -> None:
            for _ in range(6):
                await limits.hit_async("login", "ada", Rate(5, 60))

        with pytest.raises(TooMany):
            asyncio.run(six())

    def test_it_returns_to_redis(self, redis_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dodeca.kernel.shared_limits.PAUSE", 0.0)
        limits = Limits(redis_server.url)
        redis_server.stop()
        hits(limits, 5)
        redis_server.start()

        assert hits(limits, 10) == 5
        assert hits(Limits(redis_server.url), 10) == 0
