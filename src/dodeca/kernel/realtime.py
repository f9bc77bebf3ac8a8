"""Live updates: what happened reaches open pages within a second of its commit.

Publish from `WriteSession.after_commit`, from any thread. Messages are JSON with a type; channels are named by their
product (`shortener:link:abc`). Between processes they travel through Redis. Delivery is best effort: a page that was
away asks again for the state; `history` lets a stream resume after a short break.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from litestar.response import ServerSentEvent, ServerSentEventMessage

from dodeca.kernel import clock, ids
from dodeca.kernel.tasks import being_cancelled, end

if TYPE_CHECKING:  # Redis' client is a tenth of a start's imports: it comes with the first URL
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)
OUTGOING = 10_000
"""Messages that may wait for Redis in one process."""
BACKLOG = 1000
"""Messages a slow reader may lag; beyond it the oldest go, as a newer state replaces them anyway."""
HISTORY_SECONDS = 300
HISTORY_MESSAGES = 2000
KEEPALIVE_SECONDS = 20.0
CONFLATED_SECONDS = 0.25
_TOPIC = "dodeca:realtime"


class Message(msgspec.Struct, frozen=True):
    """One thing that happened on one channel. `data` is JSON text."""

    id: str
    channel: str
    kind: str
    data: str
    at: float


class Realtime:
    """The hub of one process, joined to the others by Redis when there is a `redis_url`."""

    def __init__(self, redis_url: str = "") -> None:
        self._redis_url = redis_url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._readers: dict[str, set[asyncio.Queue[Message]]] = {}
        self._left: dict[str, float] = {}
        self._listening: set[asyncio.Task[Any]] = set()
        self._published: deque[Message] = deque()
        self._called = False
        self._history: deque[Message] = deque(maxlen=HISTORY_MESSAGES)
        self._redis: Redis | None = None
        self._listener: asyncio.Task[None] | None = None
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue(OUTGOING)
        self._sender: asyncio.Task[None] | None = None
        self._latest: dict[tuple[str, str, object], object] = {}
        self._latest_lock = threading.Lock()

    async def start(self) -> None:
        """Begin to deliver on this event loop."""
        self._loop = asyncio.get_running_loop()
        if self._redis_url:
            from redis.asyncio import Redis

            self._redis = Redis.from_url(self._redis_url)
            self._listener = asyncio.create_task(self._listen())
            self._sender = asyncio.create_task(self._send_to_redis())

    def hang_up(self) -> None:
        """End all streams, as the server is about to: it waits for its answers to be over, and these never are. Clients
        come back by themselves, to whoever serves then."""
        for task in list(self._listening):
            task.cancel()

    async def stop(self) -> None:
        """Stop delivering."""
        self._loop = None
        if self._sender is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._outgoing.join()
        await end(*(task for task in (self._sender, self._listener) if task is not None))
        if self._redis is not None:
            from redis import RedisError

            with suppress(RedisError):  # one that does not answer need not hear that it is over
                await self._redis.aclose()

    def publish(self, channel: str, kind: str, data: object) -> None:
        """Tell everybody who listens to `channel`. From any thread; nothing happens where no server runs."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        message = Message(ids.new_id(), channel, kind, msgspec.json.encode(data).decode(), clock.timestamp())
        self._published.append(message)
        if not self._called:  # waking the loop costs a system call: once for all that comes before it wakes
            self._called = True
            loop.call_soon_threadsafe(self._send_all)

    def _send_all(self) -> None:
        self._called = False
        while self._published:
            self._send(self._published.popleft())

    def publish_latest(self, channel: str, kind: str, data: object, *, key: object) -> None:
        """The same for a state that a later one of the same `key` replaces, such as a score: what changes many times
        within a quarter of a second is told once, as it is then."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        with self._latest_lock:
            first = not self._latest
            self._latest[channel, kind, key] = data
        if first:
            loop.call_soon_threadsafe(loop.call_later, CONFLATED_SECONDS, self._send_latest)

    def is_heard(self, channel: str) -> bool:
        """Whether somebody may be listening to `channel` now. Other processes' listeners are not known: then yes."""
        return bool(self._redis_url) or channel in self._readers

    def may_be_heard(self, channel: str) -> bool:
        """The same, or somebody listened within the time that is kept and may come back for what was missed."""
        return self.is_heard(channel) or clock.elapsed() - self._left.get(channel, -math.inf) <= HISTORY_SECONDS

    def _send_latest(self) -> None:
        with self._latest_lock:
            latest, self._latest = self._latest, {}
        for (channel, kind, _key), data in latest.items():
            self._send(Message(ids.new_id(), channel, kind, msgspec.json.encode(data).decode(), clock.timestamp()))

    def _send(self, message: Message) -> None:
        if self._redis is None:
            self._deliver(message)
            return
        try:
            self._outgoing.put_nowait(message)
        except asyncio.QueueFull:  # Redis is away or slow: this process at least goes on
            self._deliver(message)

    async def _send_to_redis(self) -> None:
        """Hand messages over one after the other, so that they keep their order."""
        from redis import RedisError

        while True:
            message = await self._outgoing.get()
            try:
                assert self._redis is not None
                await self._redis.publish(_TOPIC, msgspec.json.encode(message))
            except (RedisError, OSError) as error:
                log.warning("realtime.redis_down", error=str(error))
                self._deliver(message)
                if being_cancelled():
                    return
            finally:
                self._outgoing.task_done()

    def _deliver(self, message: Message) -> None:
        self._history.append(message)
        for queue in self._readers.get(message.channel, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)

    async def _listen(self) -> None:
        """Follow Redis, and come back after it was away."""
        from redis import RedisError

        while True:
            try:
                assert self._redis is not None
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(_TOPIC)
                    async for raw in pubsub.listen():
                        if raw["type"] == "message":
                            self._deliver(msgspec.json.decode(raw["data"], type=Message))
            except (RedisError, OSError, msgspec.DecodeError) as error:
                if being_cancelled():
                    return
                log.warning("realtime.redis_down", error=str(error))
                await asyncio.sleep(1)

    @contextmanager
    def listening(self, channels: Sequence[str]) -> Iterator[asyncio.Queue[Message]]:
        """A queue that receives the messages of `channels` while the block runs, in a task of the event loop."""
        # Not an asynchronous generator: a loop that ends closes those that are open, in no order, and an answer that
        # was cut short while it was sent would then find this one closed before its own.
        queue: asyncio.Queue[Message] = asyncio.Queue(BACKLOG)
        channels = list(dict.fromkeys(channels))
        for channel in channels:
            self._readers.setdefault(channel, set()).add(queue)
        task = asyncio.current_task()
        if task is not None:
            self._listening.add(task)
        try:
            yield queue
        finally:
            if task is not None:
                self._listening.discard(task)
            for channel in channels:
                readers = self._readers[channel]
                readers.discard(queue)
                if not readers:
                    del self._readers[channel]
                    self._remember_left(channel)

    def _remember_left(self, channel: str) -> None:
        now = clock.elapsed()
        self._left.pop(channel, None)
        self._left[channel] = now  # last in the dictionary's order
        while (oldest := next(iter(self._left))) and now - self._left[oldest] > HISTORY_SECONDS:
            del self._left[oldest]

    def since(self, channels: Sequence[str], last_id: str) -> list[Message]:
        """The messages of the last five minutes that came after the one with `last_id`.

        By place where it is still known, as messages of one millisecond or of two machines' clocks are not in the order
        of their ids; else by id."""
        oldest = clock.timestamp() - HISTORY_SECONDS
        wanted = set(channels)
        history = list(self._history)
        place = next((index for index, message in enumerate(history) if message.id == last_id), None)
        after = history[place + 1 :] if place is not None else [m for m in history if m.id > last_id]
        return [m for m in after if m.channel in wanted and m.at >= oldest]

    def readers(self, channel: str) -> int:
        """How many listen to `channel` in this process."""
        return len(self._readers.get(channel, ()))

    def stream(
        self,
        channels: Sequence[str],
        *,
        last_id: str | None = None,
        first: Sequence[tuple[str, object]] = (),
        may_see: Callable[[Message], bool] | None = None,
    ) -> ServerSentEvent:
        """Server-sent events of `channels`: `first` (kind, data) at once, then what was missed since `last_id`
        (the Last-Event-ID header), then live; a comment every 20 seconds keeps proxies from closing it.
        `may_see` is asked before each message: access can end while a stream is open."""
        return ServerSentEvent(
            self._events(channels, last_id, first, may_see),
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _events(
        self,
        channels: Sequence[str],
        last_id: str | None,
        first: Sequence[tuple[str, object]],
        may_see: Callable[[Message], bool] | None,
    ) -> AsyncIterator[ServerSentEventMessage]:
        with self.listening(channels) as queue:
            yield _Comment(comment="open")
            for kind, data in first:
                yield ServerSentEventMessage(event=kind, data=msgspec.json.encode(data).decode())
            missed = self.since(channels, last_id) if last_id else []
            repeated = {message.id for message in missed}  # what came between `listening` and here is in both
            for message in missed:
                if may_see is None or may_see(message):
                    yield _event(message)
            while True:
                try:
                    async with asyncio.timeout(KEEPALIVE_SECONDS):
                        message = await queue.get()
                except TimeoutError:
                    yield _Comment(comment="keep-alive")
                    continue
                if message.id not in repeated and (may_see is None or may_see(message)):
                    yield _event(message)


class _Comment(ServerSentEventMessage):
    """A comment alone. Litestar's own would carry empty data, which browsers take for an event."""

    def encode(self) -> bytes:
        """The bytes on the wire."""
        return f": {self.comment}\r\n\r\n".encode()


def _event(message: Message) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=message.kind, data=message.data, id=message.id)
