"""Links that are made on the pages get the title of the page that they lead to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.support.platform import Client, work

from dodeca.kernel.outbound import Outbound
from dodeca.kernel.titles import MAX_BYTES, title_in
from dodeca.products.shortener.service import Shortener

PAGES = {
    "/plain": (b"text/html; charset=utf-8", "<title>\n Grüße &amp;\n<b>Küsse</b></title>".encode()),
    "/late": (b"text/html", b"<!--" + b"x" * MAX_BYTES + b"--><title>Too far down</title>"),
    "/picture": (b"image/png", b"<title>Not a page</title>"),
}


@pytest.fixture
def settings() -> dict[str, object]:
    return {"outbound_allow_private": True, "shortener.private_targets": True}


@pytest.fixture
def site() -> Iterator[str]:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = PAGES[self.path]
            self.send_response(200)
            self.send_header("Content-Type", kind.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def titles(member: Client) -> list[str]:
    return [link["title"] for link in member.get("/api/shortener/links").json()["links"]]


@pytest.mark.parametrize(("path", "title"), [("/plain", "Grüße & Küsse"), ("/late", ""), ("/picture", "")])
def test_a_link_takes_the_title_of_its_page(
    member: Client, shortener: Shortener, site: str, path: str, title: str
) -> None:
    member.post("/shortener/", data={"long_url": site + path})

    work(shortener.platform)

    assert titles(member) == [title]


def test_a_title_that_was_given_stays(member: Client, shortener: Shortener, site: str) -> None:
    member.post("/shortener/", data={"long_url": site + "/plain", "title": "Mine"})

    work(shortener.platform)

    assert titles(member) == ["Mine"]


def test_private_addresses_are_not_asked(member: Client, shortener: Shortener, site: str) -> None:
    shortener.platform.outbound = Outbound()
    member.post("/shortener/", data={"long_url": site + "/plain"})

    work(shortener.platform)

    assert titles(member) == [""]


def test_the_title_for_sharing_comes_first_and_any_bytes_are_read() -> None:
    page = b'<title>Site - Post</title><meta property="og:title" content="Post">'

    assert title_in(page) == "Post"
    assert title_in(b"<title>\xff\x00ok", "no-such-charset") == "\ufffdok"
