"""The server as strangers meet it: granian, the bridge and the lanes, over real connections."""

from __future__ import annotations

import itertools
import json
import os
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from tests.support.server import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
BODY_SECONDS = 1
UNLIMITED = {"DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0", "DODECA_BODY_SECONDS": str(BODY_SECONDS)}
ATTEMPTS = 10_000
PERSON = {"username": "sender", "email": "sender@example.com", "password": "a long enough password"}
GROWTH_MEGABYTES = 60
"""What a server may grow by while it is attacked: caches fill, and then stay."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    running = LiveServer(tmp_path_factory.mktemp("bridge") / "data", probed=True, **UNLIMITED).start()
    yield running
    running.stop()


def resident(server: LiveServer) -> float:
    """Megabytes in memory."""
    assert server.process is not None
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def status(answer: bytes) -> int:
    """The status of a raw answer; 0 where the connection was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def request(head: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [head, "Host: localhost", "Connection: close", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def test_a_client_that_sends_its_body_slowly_is_told_and_holds_nothing_up(server: LiveServer) -> None:
    head = request("POST /api/probe/echo HTTP/1.1", "Content-Length: 100", body=b"some")
    waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(50)]
    for connection in waiting:
        connection.sendall(head)

    meanwhile = server.get("/healthz").status_code
    answers = [status(connection.recv(65536)) for connection in waiting]

    for connection in waiting:
        connection.close()
    assert meanwhile == 200
    assert answers == [408] * 50


def test_a_body_that_is_cut_short_is_not_taken_for_the_whole(server: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request("POST /api/probe/work HTTP/1.1", "Content-Length: 100", body=b'{"note":"cut"}'))
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)

    assert status(answer) in (0, 400, 408)


def test_lanes_answer_half_a_body_as_the_routes_do(server: LiveServer) -> None:
    token = server.post("/api/accounts/register", json=PERSON).json()["token"]
    program = (f"Authorization: Bearer {token}", "Content-Type: application/json")
    half = b'{"long_url": "https://example.com/half"'
    paths = {"/api/shortener/links": half, "/api/news/votes": b'{"vote_type"', "/api/shortener/shorten": half}

    for path, body in paths.items():
        asked = request(f"POST {path} HTTP/1.1", *program, f"Content-Length: {len(body) + 1}", body=body)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(asked)
            slow = connection.recv(65536)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(asked)
            connection.shutdown(socket.SHUT_WR)
            gone = connection.recv(65536)
        assert (path, status(slow)) == (path, 408)
        assert (path, status(gone)) == (path, 400)
    made = server.get("/api/shortener/links", headers={"Authorization": f"Bearer {token}"}).json()
    assert made["links"] == []


def test_a_body_that_is_too_large_is_refused_however_it_is_announced(server: LiveServer) -> None:
    large = 4_000_000
    chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
    announced = request("POST /api/probe/work HTTP/1.1", f"Content-Length: {10**12}", body=b"{")
    chunked = request("POST /api/probe/work HTTP/1.1", "Transfer-Encoding: chunked", body=chunk * (large // 65536))

    before = resident(server)
    answers = [status(server.raw(raw, seconds=10)) for raw in (announced, chunked)]
    honest = server.post("/api/probe/work", content=b"x" * large).status_code

    assert set(answers) <= {0, 400, 408, 413}
    assert answers[0] == 413
    assert honest == 413
    assert resident(server) - before < GROWTH_MEGABYTES


def test_what_is_no_http_is_answered_and_forgotten(server: LiveServer) -> None:
    noise = [
        b"\x00" * 100 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET\r\n\r\n",
        request("GET /\x01 HTTP/1.1"),
        request("GET / HTTP/9.9"),
        request("GET /healthz HTTP/1.1", "Content-Length: many"),
        request("POST /api/probe/work HTTP/1.1", "Content-Length: 5", "Content-Length: 6", body=b"hello!"),
        request("POST /api/probe/work HTTP/1.1", "Transfer-Encoding: chunked", body=b"zz\r\n"),
        request("GET /healthz HTTP/1.1", "X: " + "y" * 200_000),
        request("GET /" + "z" * 200_000 + " HTTP/1.1"),
        request("GET /healthz HTTP/1.1", *(f"X-{n}: y" for n in range(5000))),
    ]

    answers = [status(server.raw(raw, seconds=3)) for raw in noise]

    assert [(raw[:40], code) for raw, code in zip(noise, answers, strict=True) if code >= 500 or code == 200] == []
    assert server.get("/healthz").status_code == 200


def test_no_header_is_written_by_what_was_asked_for(server: LiveServer) -> None:
    evil = "%0d%0aX-Evil:%201%0d%0a%0d%0a"
    paths = [
        f"/s/{evil}",
        f"/s/abc?next={evil}",
        f"/login?next=/{evil}",
        f"/account?x={evil}",
        f"/search?q={evil}",
        f"/api/probe/items?cursor={evil}",
        f"/static/{evil}",
    ]

    answers = [server.raw(request(f"GET {path} HTTP/1.1", "Accept: text/html")) for path in paths]

    heads = [answer.partition(b"\r\n\r\n")[0].lower() for answer in answers]
    assert [path for path, head in zip(paths, heads, strict=True) if b"\r\nx-evil" in head] == []
    assert [path for path, answer in zip(paths, answers, strict=True) if not 200 <= status(answer) < 500] == []


def test_no_path_leads_out_of_a_folder(server: LiveServer) -> None:
    steps = ["..", "%2e%2e", "%2e.", "..%2f..", "%252e%252e", "..\\..", "%5c..", "%c0%ae%c0%ae", "....//"]
    roots = ["static", "docs", "media", "avatars"]
    paths = [f"/{root}/{step}/{step}/{step}/etc/passwd" for root, step in itertools.product(roots, steps)]

    answers = {path: server.raw(request(f"GET {path} HTTP/1.1")) for path in paths}

    assert [path for path, answer in answers.items() if b"root:" in answer] == []
    assert [path for path, answer in answers.items() if not 300 <= status(answer) < 500] == []


def test_broken_credentials_over_the_wire_are_a_strangers(server: LiveServer) -> None:
    broken = ["\xff\xfe", "a" * 8000, '"; DROP TABLE accounts; --', "=;=;=", "dodeca_session", "\x80" * 100]
    raw = [
        request("GET /api/probe/member HTTP/1.1", f"{header}: {prefix}{value}")
        for value in broken
        for header, prefix in (("Cookie", "dodeca_session="), ("Authorization", "Bearer "), ("X-Api-Key", ""))
    ]

    answers = Counter(status(server.raw(each)) for each in raw)

    assert set(answers) <= {400, 401}


def test_an_answer_in_pieces_arrives_in_pieces(server: LiveServer) -> None:
    with httpx.stream("GET", server.url + "/api/probe/drip") as answer:
        pieces = list(answer.iter_raw())

    assert b"".join(pieces) == b"one two three"
    assert len(pieces) > 1


def test_a_client_that_leaves_in_the_middle_of_an_answer_is_no_failure(server: LiveServer) -> None:
    before = server.log.read_text().count("application_failed")
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(request("GET /api/probe/flood HTTP/1.1"))
            assert status(connection.recv(65536)) == 200

    assert server.get("/api/probe/drip").content == b"one two three"
    assert server.log.read_text().count("application_failed") == before


def ask_all_ways(server: LiveServer) -> list[tuple[int, str]]:
    """A lane without the loop, one within it, one that breaks, and what no lane takes."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        paths = ("/probe/lane/now", "/probe/lane/loop", "/probe/lane/broken", "/api/probe/items")
        answers = [client.get(path) for path in paths]
    return [(answer.status_code, answer.text if "lane/" in str(answer.url) else "") for answer in answers]


def test_a_lane_that_waits_for_nothing_answers_without_the_event_loop(server: LiveServer) -> None:
    answers = ask_all_ways(server)

    assert answers[:2] == [(200, "at once"), (200, "in the loop")]
    assert answers[2][0] == 404  # there is no such page: the route said it, though the lane had failed
    assert answers[3][0] == 200


def test_several_processes_answer_in_the_same_ways_and_stop_while_they_are_listened_to(tmp_path: Path) -> None:
    several = LiveServer(tmp_path / "data", "--workers", "2", probed=True, **UNLIMITED).start()
    answers = [ask_all_ways(several) for _ in range(4)]
    with httpx.stream("GET", f"{several.url}/api/probe/live", timeout=60) as stream:
        assert next(stream.iter_lines()) == ": open"
        stopped = several.stop()

    assert all([status for status, _ in each] == [200, 200, 404, 200] for each in answers)
    assert {(each[0][1], each[1][1]) for each in answers} == {("at once", "in the loop")}
    assert stopped == 0
    assert "cancel scope" not in several.log.read_text()


def test_ten_thousand_sign_in_attempts_end_in_refusals_and_do_not_grow_the_server(server: LiveServer) -> None:
    def attempts(worker: int) -> Counter[int]:
        seen: Counter[int] = Counter()
        headers = {"X-Forwarded-For": "203.0.113.7", "Content-Type": "application/json"}
        # The standard library's client: another would take longer for ten thousand requests than the server.
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as http:
            for number in range(ATTEMPTS // 8):
                body = {"username": f"person{worker}x{number}", "password": f"guess{number}"}
                http.request("POST", "/api/accounts/login", json.dumps(body), headers)
                with http.getresponse() as answer:
                    answer.read()
                    seen[answer.status] += 1
        return seen

    before = resident(server)
    with ThreadPoolExecutor(8) as pool:
        answers = sum(pool.map(attempts, range(8)), Counter())
    alive = server.get("/healthz").status_code

    assert sum(answers.values()) == ATTEMPTS
    assert set(answers) == {401, 429}
    assert answers[429] > ATTEMPTS * 0.9
    assert alive == 200
    assert resident(server) - before < GROWTH_MEGABYTES
