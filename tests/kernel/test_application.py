"""The shorter way from a route to its handler answers as Litestar's own does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from litestar import Litestar, Response, Router
from litestar.datastructures import Cookie
from tests.support.platform import Client, Factory

from dodeca import app as composition
from dodeca.kernel.http import Access, get, open_to_all
from dodeca.kernel.http.answers import JsonAnswer
from dodeca.kernel.http.bridge import ANSWER
from dodeca.kernel.http.metrics import _answers
from dodeca.kernel.platform import Platform

HOST = (b"host", b"127.0.0.1:8000")


def called(
    application: Any, path: str, *, method: str = "GET", headers: Any = (HOST,), extensions: Any = ()
) -> tuple[int, Any, bytes]:
    """Status, headers and body of a request, as messages gave them; status 0 where there were none."""
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": list(headers),
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8000), "extensions": dict(extensions), "state": {},
    }  # fmt: skip
    asyncio.run(application(scope, receive, send))
    if not messages:
        return 0, [], b""
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return messages[0]["status"], sorted(messages[0]["headers"]), body


@pytest.mark.parametrize("prepared_url", ["sqlite"], indirect=True)
def test_both_ways_answer_alike(platform: Platform, make: Factory) -> None:
    application = composition.application(platform)
    bearer = (b"authorization", f"Bearer {make.token(make.account())}".encode())

    async def long_way(scope: Any, receive: Any, send: Any) -> None:
        await Litestar.__call__(application, scope, receive, send)

    for path, method, status in (
        ("/api/accounts/me", "GET", 200),
        ("/api/accounts/me", "HEAD", 200),
        ("/api//accounts/me/", "GET", 200),
        ("/api/accounts/me?limit=0", "GET", 404),  # a question mark in the path is a path
        ("/api/accounts/nobody-of-this-name", "GET", 404),
        ("/api/accounts/me", "PUT", 405),
        ("/api/accounts/login", "POST", 400),
        ("/account", "GET", 200),
        ("/login", "GET", 303),
        ("/nowhere", "GET", 404),
    ):
        short = called(application, path, method=method, headers=(HOST, bearer))
        long = called(long_way, path, method=method, headers=(HOST, bearer))

        assert short[0] == long[0] == status, (path, method)
        assert {name for name, _ in short[1]} == {name for name, _ in long[1]}
        assert (len(short[2]) > 0) == (len(long[2]) > 0)
        if "html" not in str(short[1]):  # a page has a token that is another each time
            assert short == long

    pieces: list[Any] = []
    extensions = {ANSWER: lambda *piece: pieces.append(piece)}
    assert called(application, "/api/accounts/me", headers=(HOST, bearer), extensions=extensions)[0] == 0
    assert [piece[0] for piece in pieces] == [200]  # the short way was taken


@pytest.mark.parametrize("prepared_url", ["sqlite"], indirect=True)
def test_every_answer_is_counted_once(client: Client) -> None:
    def counted(status: int) -> float:
        return float(_answers.labels("platform", str(status))._value.get())

    before = [counted(status) for status in (401, 404)]

    client.get("/api/accounts/me")
    client.get("/api/nowhere")

    assert [counted(status) for status in (401, 404)] == [before[0] + 1, before[1] + 1]


@pytest.mark.parametrize("prepared_url", ["sqlite"], indirect=True)
def test_a_host_that_is_no_host_is_refused(platform: Platform) -> None:
    status, _headers, _body = called(composition.application(platform), "/api/accounts/me", headers=[(b"host", b"a b")])

    assert status == 400


@pytest.mark.parametrize("prepared_url", ["sqlite"], indirect=True)
def test_middleware_sees_the_answers_of_its_routes(platform: Platform) -> None:
    @get("/sum", access=Access.PUBLIC)
    def sum_of() -> Response[dict[str, int]]:
        return Response({"sum": 2}, headers={"Access-Control-Allow-Origin": "*"})

    application = composition.application(platform)
    application.register(Router("/open", route_handlers=[sum_of], middleware=[open_to_all(["GET"])]))
    pieces: list[Any] = []

    status, headers, body = called(application, "/open/sum", extensions={ANSWER: lambda *piece: pieces.append(piece)})

    assert (status, body, pieces) == (200, b'{"sum":2}', [])
    assert [value for name, value in headers if name == b"access-control-allow-origin"] == [b"*"], "twice is no value"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_in_one_piece_is_the_same_as_in_messages(method: str) -> None:
    answer = JsonAnswer(b'{"a":1}', 201, "</next>; rel=next")
    answer.cookies.append(Cookie("name", "value"))
    pieces: list[Any] = []
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    asyncio.run(answer.send({"method": method}, send, lambda *piece: pieces.append(piece)))
    assert messages == []
    asyncio.run(answer.send({"method": method}, send))

    (status, headers, body) = pieces[0]
    start, end = messages
    assert (status, body) == (start["status"], end["body"]) == (201, b"" if method == "HEAD" else b'{"a":1}')
    assert [(name.encode(), value.encode()) for name, value in headers] == start["headers"]
    assert dict(headers)["content-length"] == "7"
