"""Cache: fresh or nothing, bounded, and never a value that was invalidated while it was loaded."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel import clock
from dodeca.kernel.cache import ENTRY_OVERHEAD_BYTES, Cache


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Database:
    """Rows that take a moment to read, and an outage."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {"a": b"one"}
        self.reads = 0
        self.down = False
        self.gate: asyncio.Event | None = None

    async def load(self) -> bytes | None:
        self.reads += 1
        row = self.rows.get("a")
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise ConnectionError("the database is away")
        return row


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def cache(watch: Watch) -> Cache[bytes]:
    return Cache("rows", max_bytes=100_000, seconds=60, now=watch)


def put(cache: Cache[bytes], key: str, value: bytes) -> bool:
    return cache.put(key, value, cache.mark())


def test_a_value_is_fresh_for_its_time(cache: Cache[bytes], watch: Watch) -> None:
    put(cache, "a", b"one")
    cache.put("b", b"two", cache.mark(), seconds=10)

    watch.at += 59
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"one", None, None)
    watch.at += 1
    assert cache.get("a") is None
    assert cache.stale("a") == b"one"
    assert (cache.hits, cache.misses) == (1, 3)


def test_an_invalidated_value_is_gone_altogether(cache: Cache[bytes]) -> None:
    put(cache, "a", b"one")
    put(cache, "b", b"two")

    cache.invalidate("a")

    assert cache.get("a") is None
    assert cache.stale("a") is None
    assert cache.get("b") == b"two"


def test_everything_can_be_invalidated(cache: Cache[bytes]) -> None:
    put(cache, "a", b"one")

    cache.invalidate_all()

    assert cache.stale("a") is None
    assert (cache.entries, cache.bytes) == (0, 0)


def test_what_was_loaded_before_an_invalidation_is_not_stored(cache: Cache[bytes]) -> None:
    mark = cache.mark()
    cache.invalidate("a")

    assert not cache.put("a", b"old", mark)
    assert cache.put("b", b"untouched", mark)
    assert cache.put("a", b"new", cache.mark())
    assert cache.get("a") == b"new"


def test_what_was_loaded_before_everything_was_invalidated_is_not_stored(cache: Cache[bytes]) -> None:
    mark = cache.mark()
    cache.invalidate_all()

    assert not cache.put("a", b"old", mark)


def test_so_many_invalidations_that_they_are_forgotten_still_keep_old_values_out(cache: Cache[bytes]) -> None:
    mark = cache.mark()
    cache.invalidate("a")
    for number in range(20_000):
        cache.invalidate(f"other {number}")

    assert not cache.put("a", b"old", mark)
    assert len(cache._discarded) < 10_000


def test_bytes_and_entries_are_bounded() -> None:
    by_bytes: Cache[bytes] = Cache("a", max_bytes=50_000)
    by_entries: Cache[bytes] = Cache("b", max_bytes=1_000_000, max_entries=10)
    for number in range(1000):
        put(by_bytes, f"key {number}", b"x" * 700)
        put(by_entries, f"key {number}", b"x")

    assert 40 <= by_bytes.entries <= 50
    assert by_bytes.bytes <= 50_000
    assert by_entries.entries == 10


def test_what_is_read_often_outlives_what_is_not(cache: Cache[bytes]) -> None:
    put(cache, "popular", b"x" * 1000)
    for number in range(1000):
        put(cache, f"key {number}", b"x" * 1000)
        cache.get("popular")

    assert cache.get("popular") is not None
    assert cache.get("key 0") is None


def test_a_value_too_large_to_be_worth_it_is_not_stored(cache: Cache[bytes]) -> None:
    put(cache, "small", b"x")

    assert not put(cache, "huge", b"x" * 90_000)
    assert cache.get("small") == b"x"


def test_other_values_are_measured_as_told() -> None:
    cache: Cache[tuple[int, bytes]] = Cache("a", max_bytes=10_000, size=lambda value: len(value[1]))

    cache.put("k", (302, b"https://example.org"), cache.mark())

    assert cache.get("k") == (302, b"https://example.org")
    assert cache.bytes == ENTRY_OVERHEAD_BYTES + 1 + 19


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "invalidate", "suspend", "resume"]), st.sampled_from("abcdefgh")),
        max_size=200,
    )
)
def test_a_cache_never_lies_and_keeps_its_books(steps: list[tuple[str, str]]) -> None:
    cache: Cache[bytes] = Cache("a", max_bytes=2500, max_entries=5)
    truth: OrderedDict[str, bytes] = OrderedDict()
    suspended = False
    for number, (step, key) in enumerate(steps):
        if step == "put":
            truth[key] = str(number).encode() * (number % 60)
            cache.invalidate(key)
            put(cache, key, truth[key])
        elif step == "get":
            found = cache.get(key)
            assert found is None or (found == truth[key] and not suspended)
        elif step == "invalidate":
            cache.invalidate(key)
            assert cache.stale(key) is None
        elif step == "suspend":
            cache.suspend()
            suspended = True
        else:
            cache.resume()
            suspended = False
        held = [*cache._fresh.values(), *cache._stale.values()]
        assert cache.bytes == sum(entry.size for entry in held) <= 2500
        assert cache.entries == len(held) <= 5


def test_many_who_ask_at_once_cause_one_read(cache: Cache[bytes]) -> None:
    database = Database()

    async def ask() -> list[bytes | None]:
        return await asyncio.gather(*(cache.read("a", database.load) for _ in range(50)))

    assert asyncio.run(ask()) == [b"one"] * 50
    assert database.reads == 1
    assert cache.get("a") == b"one"


def test_what_does_not_exist_is_not_remembered(cache: Cache[bytes]) -> None:
    database = Database()
    database.rows.clear()

    assert asyncio.run(cache.read("a", database.load)) is None
    database.rows["a"] = b"now"
    assert asyncio.run(cache.read("a", database.load)) == b"now"


def test_who_asks_after_an_edit_gets_the_edit_though_an_older_read_is_under_way(cache: Cache[bytes]) -> None:
    database = Database()

    async def scenario() -> tuple[bytes | None, bytes | None]:
        database.gate = asyncio.Event()
        early = asyncio.ensure_future(cache.read("a", database.load))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        database.rows["a"] = b"two"
        cache.invalidate("a")
        late = asyncio.ensure_future(cache.read("a", database.load))
        await asyncio.sleep(0)
        database.gate.set()
        return await early, await late

    assert asyncio.run(scenario()) == (b"one", b"two")
    assert cache.get("a") == b"two"


def test_when_the_first_who_asked_goes_away_the_others_get_their_answer(cache: Cache[bytes]) -> None:
    database = Database()

    async def scenario() -> bytes | None:
        database.gate = asyncio.Event()
        first = asyncio.ensure_future(cache.read("a", database.load))
        second = asyncio.ensure_future(cache.read("a", database.load))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        database.gate.set()
        return await second

    assert asyncio.run(scenario()) == b"one"
    assert database.reads == 1


def test_a_failed_read_fails_all_who_asked_and_is_tried_again_by_the_next(cache: Cache[bytes]) -> None:
    database = Database()
    database.down = True

    async def ask() -> list[bytes | BaseException | None]:
        tries = (cache.read("a", database.load) for _ in range(3))
        return await asyncio.gather(*tries, return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(ask())] == [ConnectionError] * 3
    database.down = False
    assert asyncio.run(cache.read("a", database.load)) == b"one"


def test_known_values_outlive_an_outage_for_callers_that_want_it(cache: Cache[bytes], watch: Watch) -> None:
    database = Database()
    asyncio.run(cache.read("a", database.load))
    watch.at += 3600
    database.down = True

    async def patient() -> bytes | None:
        return await cache.read("a", database.load, stale_on=(ConnectionError,))

    assert asyncio.run(patient()) == b"one"
    assert asyncio.run(patient()) == b"one"
    assert database.reads == 2  # the second one did not wait for the database again
    with pytest.raises(ConnectionError):
        asyncio.run(cache.read("a", database.load))
    with pytest.raises(ConnectionError):
        asyncio.run(cache.read("b", database.load, stale_on=(ConnectionError,)))


def test_after_an_outage_values_are_read_again(cache: Cache[bytes], watch: Watch) -> None:
    database = Database()
    asyncio.run(cache.read("a", database.load))
    watch.at += 3600
    database.down = True
    asyncio.run(cache.read("a", database.load, stale_on=(ConnectionError,)))

    database.down = False
    database.rows["a"] = b"two"
    watch.at += 2

    assert asyncio.run(cache.read("a", database.load, stale_on=(ConnectionError,))) == b"two"


def test_threads_may_read_write_and_invalidate_at_once(cache: Cache[bytes]) -> None:
    failures: list[object] = []

    def work(me: int) -> None:
        try:
            for number in range(3000):
                key = f"key {number % 100}"
                if number % 7 == me % 7:
                    cache.invalidate(key)
                put(cache, key, key.encode() * 20)
                found = cache.get(key)
                if found not in (None, key.encode() * 20):
                    failures.append(found)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert cache.bytes == sum(entry.size for entry in cache._fresh.values())


def test_the_test_clock_ages_what_is_kept() -> None:
    cache: Cache[bytes] = Cache("aged", max_bytes=10_000, seconds=60)
    cache.put("k", b"v", cache.mark())
    fresh = cache.get("k")

    clock.advance(61)

    assert (fresh, cache.get("k")) == (b"v", None)
