"""Tasks of one thread that wait for sockets."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Generator, Iterator

import pytest

from dodeca.kernel.db.switching import Hub, drive, wait


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(2)]
    yield made
    for one, other in made:
        one.close()
        other.close()


def reader(name: str, ear: socket.socket, heard: list[str]) -> Callable[[], None]:
    def work() -> None:
        for _ in range(2):
            assert wait(ear.fileno(), select.POLLIN) & select.POLLIN
            heard.append(f"{name} {ear.recv(10).decode()}")

    return work


def test_whose_socket_is_ready_goes_on(hub: Hub, pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    heard: list[str] = []
    (ear_a, a), (ear_b, b) = pairs
    hub.start(reader("a", ear_a, heard))
    hub.start(reader("b", ear_b, heard))
    assert heard == []

    for sender, what in ((b, b"1"), (a, b"2"), (a, b"3"), (b, b"4")):
        sender.send(what)
        hub.turn(lambda: False)

    assert heard == ["b 1", "a 2", "a 3", "b 4"]


def test_the_bell_of_another_thread_ends_a_turn(hub: Hub, pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    heard: list[str] = []
    hub.start(reader("a", pairs[0][0], heard))
    news: list[str] = []
    waits = threading.Event()

    def tell() -> None:
        waits.wait(10)
        news.append("come")
        hub.ring()

    def is_needed() -> bool:
        waits.set()
        return bool(news)

    teller = threading.Thread(target=tell)
    teller.start()
    hub.turn(is_needed)
    teller.join()

    assert (news, heard) == (["come"], [])


def test_a_thread_that_is_needed_waits_for_nobody(hub: Hub) -> None:
    hub.turn(lambda: True)


def test_whoever_is_no_task_just_waits(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    ear, mouth = pairs[0]
    mouth.send(b"x")
    assert wait(ear.fileno(), select.POLLIN) & select.POLLIN


def test_steps_are_told_what_is_ready_and_of_a_lost_socket(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    ear, mouth = pairs[0]
    mouth.send(b"x")
    told: list[int] = []

    def steps() -> Generator[int, int, str]:
        told.extend([(yield 1), (yield 2), (yield 3)])
        mouth.close()
        told.append((yield 1))
        return "over"

    assert drive(steps(), ear.fileno()) == "over"
    assert told == [1, 2, 3, 3]
