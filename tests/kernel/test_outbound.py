"""Outbound: nobody looks into our network through it, and no answer can exhaust it."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trustme

from dodeca.kernel import outbound
from dodeca.kernel.errors import Invalid
from dodeca.kernel.outbound import AddressRefused, Outbound, OutboundFailed, Response, is_public


class Server:
    """An HTTP server on loopback whose answers are written out byte by byte."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.answers: list[bytes] = []
        self.pause = 0.0
        self.port = 0
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def will_answer(self, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.answers.append("\r\n".join([*lines, "", ""]).encode() + body)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
                self.requests.append(head + (await reader.readexactly(length)).decode())
                await asyncio.sleep(self.pause)
                writer.write(self.answers.pop(0))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    yield server
    listener.close()


Scenario = Callable[[Server, Outbound], Awaitable[Any]]


def run(scenario: Scenario, **options: Any) -> Any:
    """Run a scenario with a server on loopback and an Outbound that may talk to it."""

    async def all_of_it() -> Any:
        async with serving() as server:
            out = Outbound(**({"allow_private": True} | options))
            try:
                return await scenario(server, out)
            finally:
                await out.close()

    return asyncio.run(all_of_it())


def refused_for(reason: str, scenario: Scenario, **options: Any) -> None:
    with pytest.raises(OutboundFailed) as caught:
        run(scenario, **options)
    assert caught.value.reason == reason


def test_a_webhook_arrives_as_sent() -> None:
    async def scenario(server: Server, out: Outbound) -> Response:
        server.will_answer(b'{"ok":true}', status="202 Accepted", x_id="7")
        response = await out.post(
            f"{server.url}/hook?a=1#part", body=b"hello", headers={"content-type": "text/plain", "x-signature": "s"}
        )
        [request] = server.requests
        assert request.startswith("POST /hook?a=1 HTTP/1.1\r\n")
        assert request.endswith("\r\n\r\nhello")
        assert f"host: 127.0.0.1:{server.port}\r\n" in request.lower()
        assert "x-signature: s\r\n" in request.lower()
        assert "user-agent: dodeca" in request.lower()
        return response

    response = run(scenario)

    assert (response.status, response.ok, response.json()) == (202, True, {"ok": True})
    assert response.headers["x-id"] == "7"


def test_an_error_status_is_an_answer() -> None:
    async def scenario(server: Server, out: Outbound) -> Response:
        server.will_answer(b"no", status="500 Oops")
        return await out.get(server.url)

    response = run(scenario)

    assert (response.status, response.ok, response.body) == (500, False, b"no")
    with pytest.raises(OutboundFailed):
        response.json()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
    ],
)
def test_no_spelling_of_this_machine_is_reachable(host: str) -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        server.will_answer()
        with pytest.raises((AddressRefused, OutboundFailed, Invalid)):
            await out.get(f"http://{host}:{server.port}/")
        assert server.connections == 0

    run(scenario, allow_private=False)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("239.1.1.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("::7f00:1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("64:ff9b:1::5db8:d70e", False),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", False),
    ],
)
def test_public_addresses_are_told_from_others(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def test_the_address_that_was_checked_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    # 127.0.0.2 stands for the public Internet, 127.0.0.1 for our network.
    monkeypatch.setattr(outbound, "is_public", lambda address: str(address) == "127.0.0.2")

    async def scenario() -> None:
        async with serving(host="127.0.0.2") as public, serving() as private:
            resolved: list[list[str]] = [["127.0.0.1", "127.0.0.2"], ["127.0.0.1"]]

            async def resolve(host: str, port: int) -> list[str]:
                return resolved.pop(0)

            out = Outbound(resolve=resolve)
            public.will_answer(b"hello", connection="close")
            assert (await out.get(f"http://rebinding.example:{public.port}/")).body == b"hello"
            assert f"host: rebinding.example:{public.port}" in public.requests[0].lower()
            with pytest.raises(AddressRefused) as caught:
                await out.get(f"http://rebinding.example:{private.port}/")
            assert caught.value.field == "url"
            assert private.connections == 0
            await out.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://",
        "http://user:pw@example.org/",
        "javascript:alert(1)",
        "http://exa mple.org/",
        "http://[::1",
        "http://example.org:99999/",
        "http://" + "a" * 9000,
        "http://\ud800/",
        "http://a\r\nb/",
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    async def scenario(_: Server, out: Outbound) -> None:
        await out.get(url)

    with pytest.raises(Invalid) as caught:
        run(scenario)
    assert caught.value.field == "url"


def test_headers_cannot_be_injected() -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        server.will_answer()
        try:
            await out.get(server.url, headers={"x-name": "a\r\nx-evil: 1"})
        finally:
            assert server.requests == []

    with pytest.raises((Invalid, OutboundFailed)):
        run(scenario)


def test_redirects_are_not_followed_unless_asked_for() -> None:
    async def scenario(server: Server, out: Outbound) -> Response:
        server.will_answer(status="302 Found", location="/next")
        return await out.get(server.url)

    response = run(scenario)

    assert (response.status, response.headers["location"]) == (302, "/next")


def test_redirects_are_followed_so_far_and_no_further() -> None:
    async def scenario(server: Server, out: Outbound) -> tuple[Response, Response]:
        for _ in range(2):
            server.will_answer(status="302 Found", location="next?x=1")
        server.will_answer(b"there")
        there = await out.get(f"{server.url}/a/b", redirects=2)
        for _ in range(2):
            server.will_answer(status="302 Found", location="/loop")
        return there, await out.get(server.url, redirects=1)

    there, lost = run(scenario)

    assert (there.status, there.body, there.url.partition("/a/")[2]) == (200, b"there", "next?x=1")
    assert lost.status == 302


def test_a_redirect_into_our_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "is_public", lambda address: str(address) == "127.0.0.2")

    async def scenario() -> None:
        async with serving(host="127.0.0.2") as public, serving() as private:
            out = Outbound()
            public.will_answer(status="302 Found", location=f"{private.url}/admin")
            with pytest.raises(AddressRefused):
                await out.get(f"http://127.0.0.2:{public.port}/", redirects=5)
            public.will_answer(status="302 Found", location="file:///etc/passwd")
            with pytest.raises(Invalid):
                await out.get(f"http://127.0.0.2:{public.port}/", redirects=5)
            assert private.connections == 0
            await out.close()

    asyncio.run(scenario())


def test_a_redirect_elsewhere_takes_no_credentials_along_and_becomes_a_get() -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        async with serving() as other:
            server.will_answer(status="303 See Other", location=f"{other.url}/x")
            other.will_answer(b"ok")
            await out.post(
                server.url, body=b"secret", headers={"authorization": "Bearer x", "x-keep": "1"}, redirects=1
            )
            [request] = other.requests
            assert request.startswith("GET /x ")
            assert "authorization" not in request.lower()
            assert "x-keep" in request.lower()
            assert "secret" not in request

    run(scenario)


def test_a_permanent_redirect_keeps_method_and_body() -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        server.will_answer(status="308 Permanent Redirect", location="/new")
        server.will_answer(b"ok")
        await out.post(server.url, body=b"event", redirects=1)
        assert server.requests[1].startswith("POST /new ")
        assert server.requests[1].endswith("event")

    run(scenario)


def test_an_answer_that_is_too_large_is_refused_or_cut() -> None:
    async def scenario(server: Server, out: Outbound) -> Response:
        server.will_answer(b"x" * 500_000)
        return await out.get(server.url, max_bytes=1000, truncate=True)

    response = run(scenario)
    assert (len(response.body), response.truncated) == (1000, True)

    async def strict(server: Server, out: Outbound) -> None:
        server.will_answer(b"x" * 1001)
        await out.get(server.url, max_bytes=1000)

    refused_for("too_large", strict)


def test_an_answer_of_exactly_the_limit_is_whole() -> None:
    async def scenario(server: Server, out: Outbound) -> Response:
        server.will_answer(b"x" * 1000)
        return await out.get(server.url, max_bytes=1000)

    assert run(scenario).body == b"x" * 1000


def test_a_packed_answer_is_unpacked_so_far_and_no_further() -> None:
    async def scenario(server: Server, out: Outbound) -> list[Response]:
        server.will_answer(gzip.compress(b"hello"), content_encoding="gzip")
        server.will_answer(zlib.compress(b"hello"), content_encoding="deflate")
        server.will_answer(gzip.compress(b"\0" * 100_000_000), content_encoding="gzip")
        return [
            await out.get(server.url),
            await out.get(server.url),
            await out.get(server.url, max_bytes=1000, truncate=True),
        ]

    first, second, bomb = run(scenario)

    assert first.body == second.body == b"hello"
    assert (len(bomb.body), bomb.truncated) == (1000, True)


@pytest.mark.parametrize(("encoding", "body"), [("br", b"x"), ("gzip", b"not packed")])
def test_an_answer_packed_otherwise_is_refused(encoding: str, body: bytes) -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        server.will_answer(body, content_encoding=encoding)
        await out.get(server.url)

    refused_for("protocol", scenario)


def test_the_whole_exchange_has_a_deadline() -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        server.pause = 30.0
        await out.get(server.url, seconds=0.1)

    refused_for("timeout", scenario)


def test_an_answer_that_drips_has_a_deadline_too() -> None:
    async def scenario(_: Server, out: Outbound) -> None:
        async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            try:
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            except ConnectionError:
                writer.close()

        listener = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        try:
            await out.get(f"http://127.0.0.1:{port}/", seconds=0.3)
        finally:
            listener.close()

    refused_for("timeout", scenario)


def test_nobody_there_is_unreachable() -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        await out.get("http://127.0.0.1:1/")

    refused_for("unreachable", scenario)


def test_an_unknown_name_is_unreachable() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    async def scenario(_: Server, out: Outbound) -> None:
        await out.get("http://nowhere.example/")

    refused_for("unreachable", scenario, resolve=unknown)


@pytest.mark.parametrize(
    "junk", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort", b""]
)
def test_what_does_not_speak_http_is_refused(junk: bytes) -> None:
    async def scenario(_: Server, out: Outbound) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(junk)
            writer.close()

        listener = await asyncio.start_server(answer, "127.0.0.1", 0)
        try:
            await out.get(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")
        finally:
            listener.close()

    refused_for("protocol", scenario)


def test_cookies_are_not_kept_between_requests() -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        server.will_answer(set_cookie="id=1")
        server.will_answer()
        await out.get(server.url)
        await out.get(server.url)
        assert "cookie" not in server.requests[1].lower()
        assert server.connections == 1  # but the connection is

    run(scenario)


def test_a_certificate_is_checked_against_the_name() -> None:
    authority = trustme.CA()
    server_tls, client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("hooks.example").configure_cert(server_tls)
    authority.configure_trust(client_tls)

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def scenario() -> None:
        async with serving(server_tls) as server:
            out = Outbound(allow_private=True, resolve=resolve, ssl_context=client_tls)
            server.will_answer(b"hello")
            assert (await out.get(f"https://hooks.example:{server.port}/")).body == b"hello"
            with pytest.raises(OutboundFailed, match="certificate") as caught:
                await out.get(f"https://other.example:{server.port}/")
            assert caught.value.reason == "unreachable"
            await out.close()

    asyncio.run(scenario())


def test_libraries_get_a_client_with_the_same_check() -> None:
    async def scenario(server: Server, out: Outbound) -> None:
        async with out.client() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(server.url)
        assert server.connections == 0

    run(scenario, allow_private=False)
