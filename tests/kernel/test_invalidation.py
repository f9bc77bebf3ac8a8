"""Invalidation: what one process publishes, every process forgets, and silence is never taken for truth."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from dodeca.kernel.cache import Cache
from dodeca.kernel.invalidation import FileInvalidation
from dodeca.kernel.redis_invalidation import RedisInvalidation


class Listener:
    """Stands where a cache stands, and writes down what it is told."""

    name = "links"

    def __init__(self) -> None:
        self.told: list[list[str] | None] = []

    def discard(self, keys: Sequence[str] | None) -> None:
        self.told.append(None if keys is None else list(keys))

    def suspend(self) -> None:
        self.told.append(["suspended"])

    def resume(self) -> None:
        self.told.append(["resumed"])


def cache_on(bus: Any) -> Cache[bytes]:
    return Cache("links", max_bytes=1_000_000, invalidation=bus)


def test_an_edit_in_one_process_acts_on_the_next_read_in_another(tmp_path: Path) -> None:
    here = cache_on(FileInvalidation(tmp_path / "ring"))
    there = cache_on(FileInvalidation(tmp_path / "ring"))
    for cache in (here, there):
        cache.put("abc", b"old", cache.mark())
        cache.put("xyz", b"other", cache.mark())

    here.invalidate("abc")

    assert here.get("abc") is None
    assert there.get("abc") is None
    assert there.get("xyz") == b"other"


def test_what_is_published_together_is_told_at_the_end_and_forgotten_here_at_once(tmp_path: Path) -> None:
    bus = FileInvalidation(tmp_path / "ring")
    here, there = cache_on(bus), cache_on(FileInvalidation(tmp_path / "ring"))
    for cache in (here, there):
        for key in ("abc", "def", "xyz"):
            cache.put(key, b"old", cache.mark())

    with bus.together():
        here.invalidate("abc")
        here.invalidate("abc", "def")
        assert here.get("abc") is None
        before = bus.word[0]
        with bus.together():  # one within another ends with it
            here.invalidate("def")
        assert bus.word[0] == before

    assert [there.get(key) for key in ("abc", "def", "xyz")] == [None, None, b"old"]
    with bus.together():
        here.invalidate_all()
        here.invalidate("abc")
    assert there.get("xyz") is None


def test_what_was_published_together_is_told_although_something_failed(tmp_path: Path) -> None:
    bus = FileInvalidation(tmp_path / "ring")
    here, there = cache_on(bus), cache_on(FileInvalidation(tmp_path / "ring"))
    there.put("abc", b"old", there.mark())

    def failing() -> None:
        with bus.together():
            here.invalidate("abc")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()

    assert there.get("abc") is None


def test_what_another_process_invalidated_meanwhile_is_not_stored(tmp_path: Path) -> None:
    here = cache_on(FileInvalidation(tmp_path / "ring"))
    there = cache_on(FileInvalidation(tmp_path / "ring"))
    mark = here.mark()

    there.invalidate("abc")

    assert not here.put("abc", b"old", mark)
    assert here.put("abc", b"new", here.mark())


def test_a_real_other_process_is_heard(tmp_path: Path) -> None:
    cache = cache_on(FileInvalidation(tmp_path / "ring"))
    cache.put("abc", b"old", cache.mark())
    program = (
        "import sys, pathlib; from dodeca.kernel.invalidation import FileInvalidation;"
        "FileInvalidation(pathlib.Path(sys.argv[1])).publish('links', ['abc'])"
    )

    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "ring"], check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )

    assert cache.get("abc") is None


def test_ones_own_entries_are_not_applied_twice(tmp_path: Path) -> None:
    bus, listener = FileInvalidation(tmp_path / "ring"), Listener()
    bus.attach(listener)

    bus.publish("links", ["abc"])
    bus.publish("others", ["abc"])
    bus.catch_up()

    assert listener.told == [["abc"]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40_000)), max_size=60))
def test_entries_of_all_sizes_arrive_in_order_around_the_ring(steps: list[tuple[bool, int]]) -> None:
    with TemporaryDirectory() as folder:
        writer, reader = (FileInvalidation(Path(folder, "ring")) for _ in range(2))
        listener = Listener()
        reader.attach(listener)
        expected: list[list[str] | None] = []
        for number, (catch_up, size) in enumerate(steps):
            keys = [f"{number}:" + "k" * size]
            writer.publish("links", keys)
            expected.append(keys)
            if catch_up or number % 20 == 19:
                reader.catch_up()
        reader.catch_up()

        assert listener.told == expected
        for bus in (writer, reader):
            bus.close()


def test_a_reader_that_was_overtaken_forgets_everything(tmp_path: Path) -> None:
    writer, reader = FileInvalidation(tmp_path / "ring"), FileInvalidation(tmp_path / "ring")
    cache = cache_on(reader)
    cache.put("abc", b"old", cache.mark())
    for number in range(400):
        writer.publish("elsewhere", [f"{number}" + "k" * 4000])

    assert cache.get("abc") is None
    cache.put("abc", b"new", cache.mark())
    writer.publish("elsewhere", ["x"])
    assert cache.get("abc") == b"new"


def test_a_damaged_entry_makes_the_reader_forget_everything(tmp_path: Path) -> None:
    writer, reader = FileInvalidation(tmp_path / "ring"), FileInvalidation(tmp_path / "ring")
    cache = cache_on(reader)
    cache.put("abc", b"old", cache.mark())
    writer.publish("elsewhere", ["something"])
    with (tmp_path / "ring").open("r+b") as file:
        file.seek(80)
        file.write(b"\xff")

    assert cache.get("abc") is None


def test_a_huge_list_of_keys_becomes_everything(tmp_path: Path) -> None:
    writer, reader = FileInvalidation(tmp_path / "ring"), FileInvalidation(tmp_path / "ring")
    listener = Listener()
    reader.attach(listener)

    writer.publish("links", ["k" * 1000] * 1000)
    reader.catch_up()

    assert listener.told == [None]


def test_a_closed_bus_serves_its_own_process_on(tmp_path: Path) -> None:
    bus = FileInvalidation(tmp_path / "ring")
    cache = cache_on(bus)
    cache.put("abc", b"old", cache.mark())
    bus.close()

    assert cache.get("abc") == b"old"
    cache.invalidate("abc")
    assert cache.get("abc") is None


async def eventually(condition: Any) -> None:
    """Wait until a condition holds."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


@pytest.mark.cluster
class TestRedis:
    def test_machines_hear_of_each_others_edits(self, redis_server: Any) -> None:
        async def scenario() -> None:
            buses = [RedisInvalidation(redis_server.url) for _ in range(2)]
            here, there = map(cache_on, buses)
            for bus in buses:
                bus.start()
                await bus.connected.wait()
            for cache in (here, there):
                cache.put("abc", b"old", cache.mark())
                cache.put("xyz", b"other", cache.mark())
            assert there.get("abc") == b"old"

            here.invalidate("abc")

            assert here.get("abc") is None
            await eventually(lambda: there.get("abc") is None)
            assert there.get("xyz") == b"other"
            for bus in buses:
                await bus.stop()

        asyncio.run(scenario())

    def test_an_edit_that_is_over_is_known_everywhere(self, redis_server: Any) -> None:
        async def scenario() -> None:
            buses = [RedisInvalidation(redis_server.url) for _ in range(3)]
            here, *others = map(cache_on, buses)
            for bus in buses:
                bus.start()
                await bus.connected.wait()

            for number in range(50):
                key = str(number)
                for cache in others:
                    cache.put(key, b"old", cache.mark())
                await asyncio.to_thread(here.invalidate, key)
                assert [cache.get(key) for cache in others] == [None, None]
            for bus in buses:
                await bus.stop()

        asyncio.run(scenario())

    def test_an_edit_ends_although_somebody_is_silent(self, redis_server: Any) -> None:
        async def scenario() -> None:
            bus = RedisInvalidation(redis_server.url)
            cache = cache_on(bus)
            bus.start()
            await bus.connected.wait()
            client: Any = redis.Redis.from_url(redis_server.url)
            with client.pubsub() as silent:
                silent.subscribe("dodeca:invalidation")
                assert silent.get_message(timeout=10) is not None
                cache.put("abc", b"old", cache.mark())
                await asyncio.to_thread(cache.invalidate, "abc")
            assert cache.get("abc") is None
            await bus.stop()

        asyncio.run(scenario())

    def test_who_cannot_hear_the_others_does_not_wait_for_them(self, redis_server: Any) -> None:
        async def scenario() -> list[Any]:
            listening, publishing = (RedisInvalidation(redis_server.url) for _ in range(2))
            there, here = cache_on(listening), cache_on(publishing)
            listening.start()
            await listening.connected.wait()
            there.put("abc", b"old", there.mark())
            with structlog.testing.capture_logs() as said:
                await asyncio.to_thread(here.invalidate, "abc")
            await eventually(lambda: there.get("abc") is None)
            await listening.stop()
            return said

        assert asyncio.run(scenario()) == []

    def test_a_closed_bus_tells_the_others_nothing(self, redis_server: Any) -> None:
        async def scenario() -> Any:
            listening, closed = (RedisInvalidation(redis_server.url) for _ in range(2))
            there, here = cache_on(listening), cache_on(closed)
            listening.start()
            await listening.connected.wait()
            there.put("abc", b"kept", there.mark())
            there.put("xyz", b"old", there.mark())
            closed.close()
            await asyncio.to_thread(here.invalidate, "abc")
            await asyncio.to_thread(cache_on(RedisInvalidation(redis_server.url)).invalidate, "xyz")
            await eventually(lambda: there.get("xyz") is None)  # what is published later comes later
            kept = there.get("abc")
            await listening.stop()
            return kept

        assert asyncio.run(scenario()) == b"kept"

    def test_a_bus_stops_while_it_says_that_it_heard(self, redis_server: Any) -> None:
        async def scenario(turns: int) -> None:
            bus, publishing = (RedisInvalidation(redis_server.url) for _ in range(2))
            listener = Listener()
            bus.attach(listener)
            bus.start()
            await bus.connected.wait()
            await asyncio.to_thread(publishing.publish, "links", ["abc"])
            await eventually(lambda: ["abc"] in listener.told)
            for _ in range(turns):
                await asyncio.sleep(0)
            await bus.stop()

        for turns in range(16):
            asyncio.run(scenario(turns))

    def test_nothing_is_fresh_while_redis_is_away(self, redis_server: Any) -> None:
        async def scenario() -> None:
            bus = RedisInvalidation(redis_server.url)
            cache = cache_on(bus)
            cache.put("abc", b"old", cache.mark())
            assert cache.get("abc") is None  # not connected yet
            bus.start()
            await bus.connected.wait()
            cache.put("abc", b"old", cache.mark())
            cache.put("edited", b"old", cache.mark())
            assert cache.get("abc") == b"old"

            redis_server.stop()
            await eventually(lambda: cache.get("abc") is None)
            assert cache.stale("abc") == b"old"
            cache.invalidate("edited")
            assert cache.stale("edited") is None

            redis_server.start()
            await bus.connected.wait()
            assert cache.get("abc") is None  # an edit elsewhere may have been missed
            cache.put("abc", b"new", cache.mark())
            assert cache.get("abc") == b"new"
            await bus.stop()

        asyncio.run(scenario())

    def test_it_stops_although_its_connection_does_not_close(
        self, redis_server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def never_closed(_: object) -> None:
            raise redis.TimeoutError("Timed out closing connection")

        async def scenario() -> None:
            bus = RedisInvalidation(redis_server.url)
            bus.start()
            await bus.connected.wait()
            monkeypatch.setattr("redis.asyncio.Redis.aclose", never_closed)
            await bus.stop()
            assert not bus.connected.is_set()

        asyncio.run(scenario())

    def test_an_unreadable_message_makes_every_cache_forget(self, redis_server: Any) -> None:
        async def scenario() -> None:
            bus, listener = RedisInvalidation(redis_server.url), Listener()
            bus.attach(listener)
            bus.start()
            await bus.connected.wait()

            redis.Redis.from_url(redis_server.url).publish("dodeca:invalidation", b"\xc1junk")

            await eventually(lambda: None in listener.told)
            await bus.stop()

        asyncio.run(scenario())
