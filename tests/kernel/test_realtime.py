"""Live updates, in one process and between two that share a Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from dodeca.kernel import clock
from dodeca.kernel.realtime import BACKLOG, Message, Realtime

if TYPE_CHECKING:
    from tests.kernel.conftest import RedisServer


@pytest.fixture(params=["memory", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return ""
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@asynccontextmanager
async def hub(redis_url: str) -> AsyncIterator[Realtime]:
    """A started hub that hears what it publishes."""
    realtime = Realtime(redis_url)
    await realtime.start()
    with realtime.listening(["ready"]) as queue:
        while queue.empty():  # with Redis: until the subscription is there
            realtime.publish("ready", "ready", None)
            await asyncio.sleep(0.02)
    yield realtime
    await realtime.stop()


async def received(queue: asyncio.Queue[Message]) -> tuple[str, Any]:
    message = await asyncio.wait_for(queue.get(), 10)
    return message.kind, msgspec.json.decode(message.data)


async def texts(stream: AsyncIterator[Any], count: int) -> list[str]:
    """The next `count` events of a stream, comments left out."""
    found: list[str] = []
    while len(found) < count:
        chunk = await asyncio.wait_for(anext(stream), 10)
        text = chunk.decode() if isinstance(chunk, bytes) else str(chunk)
        if "data:" in text:
            found.append(text)
    return found


def events(realtime: Realtime, channels: list[str], **options: Any) -> AsyncIterator[Any]:
    return aiter(realtime.stream(channels, **options).iterator)  # type: ignore[arg-type]


def test_a_message_reaches_who_listens_to_its_channel_and_nobody_else(redis_url: str) -> None:
    async def scenario() -> tuple[Any, bool]:
        async with hub(redis_url) as realtime:
            with realtime.listening(["a"]) as mine, realtime.listening(["b"]) as other:
                realtime.publish("a", "note", {"n": 1})
                return await received(mine), other.empty()

    assert asyncio.run(scenario()) == (("note", {"n": 1}), True)


def test_messages_keep_their_order(redis_url: str) -> None:
    async def scenario() -> list[Any]:
        async with hub(redis_url) as realtime:
            with realtime.listening(["a"]) as queue:
                for number in range(50):
                    realtime.publish("a", "note", number)
                return [(await received(queue))[1] for _ in range(50)]

    assert asyncio.run(scenario()) == list(range(50))


def test_publishing_works_from_any_thread(redis_url: str) -> None:
    async def scenario() -> Any:
        async with hub(redis_url) as realtime:
            with realtime.listening(["a"]) as queue:
                await asyncio.to_thread(realtime.publish, "a", "note", 7)
                return await received(queue)

    assert asyncio.run(scenario()) == ("note", 7)


def test_where_no_server_runs_publishing_does_nothing() -> None:
    Realtime().publish("a", "note", 1)


def test_two_processes_hear_each_other_through_redis(redis_server: RedisServer) -> None:
    async def scenario() -> Any:
        async with hub(redis_server.url) as one, hub(redis_server.url) as two:
            with two.listening(["a"]) as queue:
                one.publish("a", "note", 1)
                return await received(queue)

    assert asyncio.run(scenario()) == ("note", 1)


@pytest.mark.parametrize("turns", range(5))
def test_a_stream_ends_though_a_message_comes_as_the_server_hangs_up(turns: int) -> None:
    async def scenario() -> bool:
        async with hub("") as realtime:
            stream = events(realtime, ["a"])

            async def read() -> None:
                async for _ in stream:
                    pass

            reading = asyncio.create_task(read())
            await asyncio.sleep(0.01)
            assert realtime.is_heard("a")
            realtime.publish("a", "note", 1)
            for _ in range(turns):
                await asyncio.sleep(0)
            realtime.hang_up()
            done, _ = await asyncio.wait([reading], timeout=10)
            reading.cancel()
            return reading in done

    assert asyncio.run(scenario())


def test_after_redis_was_away_messages_flow_again(redis_server: RedisServer) -> None:
    async def scenario() -> Any:
        async with hub(redis_server.url) as one, hub(redis_server.url) as two:
            with two.listening(["a"]) as queue:
                redis_server.stop()
                redis_server.start()
                for _ in range(400):
                    one.publish("a", "note", "again")
                    await asyncio.sleep(0.05)
                    if not queue.empty():
                        return await received(queue)
        return None

    assert asyncio.run(scenario()) == ("note", "again")


def test_a_stream_gives_the_first_state_and_then_what_happens(redis_url: str) -> None:
    async def scenario() -> list[str]:
        async with hub(redis_url) as realtime:
            stream = events(realtime, ["a"], first=[("state", {"n": 0})])
            found = await texts(stream, 1)
            realtime.publish("a", "note", {"n": 1})
            return found + await texts(stream, 1)

    first, second = asyncio.run(scenario())
    assert "event: state" in first
    assert "event: note" in second
    assert 'data: {"n":1}' in second
    assert "id: " in second


def test_a_stream_resumes_after_the_last_event_it_had(redis_url: str) -> None:
    async def scenario() -> list[str]:
        async with hub(redis_url) as realtime:
            with realtime.listening(["a"]) as queue:
                for number in range(5):
                    realtime.publish("a", "note", number)
                messages = [await asyncio.wait_for(queue.get(), 10) for _ in range(5)]
            stream = events(realtime, ["a"], last_id=messages[2].id)
            missed = await texts(stream, 2)
            realtime.publish("a", "note", 5)
            return missed + await texts(stream, 1)

    found = asyncio.run(scenario())
    assert [text.split("data: ")[1].strip() for text in found] == ["3", "4", "5"]


def test_a_stream_resumes_by_place_where_ids_are_not_in_order() -> None:
    async def scenario() -> list[str]:
        async with hub("") as realtime:
            for number, key in enumerate(["m2", "m1", "m3"]):
                realtime._deliver(Message(key, "a", "note", str(number), clock.timestamp()))
            return [message.id for message in realtime.since(["a"], "m2")]

    assert asyncio.run(scenario()) == ["m1", "m3"]


@pytest.mark.parametrize("forged", ["", "0", "zzz", "\x00", "x" * 5000])
def test_a_forged_last_event_id_gives_at_most_what_may_be_seen(forged: str) -> None:
    async def scenario() -> set[str]:
        async with hub("") as realtime:
            realtime._deliver(Message("m1", "mine", "note", "1", clock.timestamp()))
            realtime._deliver(Message("m2", "others", "note", "2", clock.timestamp()))
            return {message.channel for message in realtime.since(["mine"], forged)}

    assert asyncio.run(scenario()) <= {"mine"}


def test_who_may_no_longer_see_gets_nothing_more() -> None:
    async def scenario() -> list[str]:
        async with hub("") as realtime:
            allowed = {"1", "3"}
            stream = events(realtime, ["a"], may_see=lambda message: message.data in allowed)
            await anext(stream)
            for number in (1, 2, 3):
                realtime.publish("a", "note", number)
            return await texts(stream, 2)

    assert [text.split("data: ")[1].strip() for text in asyncio.run(scenario())] == ["1", "3"]


def test_answers_that_are_cut_short_end_without_an_error_when_the_server_does() -> None:
    errors: list[dict[str, Any]] = []
    realtime, streams = Realtime(), list[AsyncIterator[Any]]()

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, error: errors.append(error))
        await realtime.start()
        for _ in range(20):  # a loop closes what is open in no order
            streams.append(events(realtime, ["a"]))
            await anext(streams[-1])

    asyncio.run(scenario())

    assert errors == []
    assert realtime.readers("a") == 0


def test_who_names_a_channel_twice_hears_it_once() -> None:
    async def scenario() -> tuple[Any, bool, int]:
        async with hub("") as realtime:
            with realtime.listening(["a", "a"]) as queue:
                realtime.publish("a", "note", 1)
                found = await received(queue)
                is_once = queue.empty()
            return found, is_once, realtime.readers("a")

    assert asyncio.run(scenario()) == (("note", 1), True, 0)


def test_a_reader_that_lags_loses_the_oldest_and_costs_no_more_memory() -> None:
    async def scenario() -> tuple[int, Any]:
        async with hub("") as realtime:
            with realtime.listening(["a"]) as queue:
                for number in range(BACKLOG + 10):
                    realtime.publish("a", "note", number)
                await asyncio.sleep(0.2)
                return queue.qsize(), (await received(queue))[1]

    assert asyncio.run(scenario()) == (BACKLOG, 10)


def test_a_reader_that_leaves_is_forgotten() -> None:
    async def scenario() -> tuple[int, int]:
        async with hub("") as realtime:
            with realtime.listening(["a"]):
                during = realtime.readers("a")
            return during, realtime.readers("a")

    assert asyncio.run(scenario()) == (1, 0)
