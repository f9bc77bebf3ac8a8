"""The clients that people use, unmodified, against a live server."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from tests.support.npm import CLIENTS, packages
from tests.support.server import LiveServer, free_port

HOST = "short.example"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
pytestmark = [pytest.mark.clients, pytest.mark.slow]


@dataclass
class Live:
    """A running `dodeca serve --only shortener`."""

    port: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def key(self, username: str) -> str:
        """The secret of a key of a new account."""
        person = {"username": username, "password": "correct horse battery staple"}
        token = httpx.post(f"{self.base}/api/accounts/register", json=person).raise_for_status().json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        body = {"name": "Client", "scopes": ["shortener"]}
        made = httpx.post(f"{self.base}/api/accounts/keys", json=body, headers=headers).raise_for_status()
        return str(made.json()["key_secret"])

    def click(self, url: str, key: str, times: int = 1) -> None:
        """Follow a short link, and wait until the visits are counted."""
        for _ in range(times):
            answer = httpx.get(url, headers={"User-Agent": BROWSER}, follow_redirects=False)
            assert answer.status_code == 302
        path = f"{self.base}/shortener/rest/v3/short-urls/{url.rpartition('/')[2]}"
        for _ in range(100):
            if httpx.get(path, headers={"X-Api-Key": key}).json()["visitsSummary"]["total"] >= times:
                return
            threading.Event().wait(0.1)
        raise AssertionError("the clicks are not counted")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of its own on a free port of loopback."""
    data = tmp_path_factory.mktemp("live") / "data"
    server = LiveServer(data, "--only", "shortener", "--no-demo", probed=False).start()
    try:
        yield Live(server.port)
    finally:
        server.stop()


# Python


def test_pyshorteners(live: Live) -> None:
    import pyshorteners

    key = live.key("pyshorteners")
    bitly = pyshorteners.Shortener(api_key=key, api_url=f"{live.base}/shortener/v4", timeout=20).bitly

    short = bitly.short("https://example.com/python")
    live.click(short, key, 3)

    assert bitly.expand(short) == "https://example.com/python"
    assert bitly.total_clicks(short) == 3
    with pytest.raises(pyshorteners.exceptions.ShorteningErrorException, match="INVALID_ARG_LONG_URL"):
        bitly.short("http://localhost.localdomain.local/")


def test_bitlyshortener(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    import bitlyshortener

    key = live.key("bitlyshortener")
    base = f"{live.base}/shortener/v4"
    config = bitlyshortener.config
    monkeypatch.setattr(config, "REQUEST_TIMEOUT", 20)
    for name, path in (
        ("BITLINKS", "bitlinks"), ("SHORTEN", "shorten"), ("ORGANIZATIONS", "organizations"),
        ("FORMAT_ORGANIZATION_LIMITS", "organizations/{organization_guid}/plan_limits"),
    ):  # fmt: skip
        monkeypatch.setattr(config, f"API_URL_{name}", f"{base}/{path}")
    urls = [f"https://example.com/many/{number}" for number in range(8)]

    shortener = bitlyshortener.Shortener(tokens=[key])
    shorts = shortener.shorten_urls(urls)

    for url, short in zip(urls, shorts, strict=True):
        answer = httpx.get(short.replace("https://", "http://"), follow_redirects=False)
        assert answer.headers["location"] == url
    assert shortener.shorten_urls_to_dict(urls) == dict(zip(urls, shorts, strict=True))
    assert 0 < shortener.usage() < 1
    with pytest.raises(bitlyshortener.exc.RequestError):
        shortener.shorten_urls(["javascript:alert(1)"])


def test_python_yourls(live: Live) -> None:
    import yourls

    key = live.key("pyyourls")
    client = yourls.YOURLSClient(f"{live.base}/shortener/yourls-api.php", signature=key)

    made = client.shorten("https://example.com/yourls", keyword="pyword", title="A title")
    live.click(made.shorturl, key, 2)

    assert (made.keyword, made.url, made.title) == ("pyword", "https://example.com/yourls", "A title")
    assert client.expand("pyword") == client.expand(made.shorturl) == made.url
    assert client.url_stats("pyword").clicks == 2
    links, totals = client.stats("top", limit=1)
    assert [link.shorturl for link in links] == [made.shorturl]
    assert (totals.total_links, totals.total_clicks) == (1, 2)
    assert client.db_stats() == totals or client.db_stats().total_clicks == 2
    with pytest.raises(yourls.YOURLSURLExistsError) as known:
        client.shorten("https://example.com/yourls")
    assert known.value.url.shorturl == made.shorturl
    with pytest.raises(yourls.YOURLSKeywordExistsError):
        client.shorten("https://example.com/other", keyword="pyword")
    with pytest.raises(yourls.YOURLSNoURLError):
        client.shorten("")
    with pytest.raises(yourls.YOURLSNoLoopError):
        client.shorten(made.shorturl)
    with pytest.raises(yourls.YOURLSHTTPError, match="not found"):
        client.expand("nothere")
    with pytest.raises(yourls.YOURLSHTTPError, match="log in"):
        yourls.YOURLSClient(f"{live.base}/shortener/yourls-api.php", signature="wrong-wrong").db_stats()


def test_python_yourls_with_a_password(live: Live) -> None:
    import yourls

    live.key("pypassword")
    client = yourls.YOURLSClient(
        f"{live.base}/shortener/yourls-api.php", username="pypassword", password="correct horse battery staple"
    )
    assert client.db_stats().total_links == 0


# Node


@pytest.fixture(scope="module", name="packages")
def installed_packages() -> Path:
    """The npm packages beside the scripts."""
    return packages()


class Terminator:
    """Ends TLS for HOST, and passes what is inside on to the server."""

    def __init__(self, port: int, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self._context)
        self._behind = port
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Terminator:
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._context)
        asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", self._behind)
        await asyncio.gather(self._pass_on(reader, outer), self._pass_on(inner, writer), return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.close()


def run_script(packages: Path, script: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """What a script in tests/clients prints."""
    done = subprocess.run(
        ["node", "--require", str(CLIENTS / "to-loopback.cjs"), str(CLIENTS / script), *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_npm_bitly(live: Live, packages: Path, tmp_path: Path) -> None:
    key = live.key("npmbitly")
    body = {"long_url": "https://example.com/counted"}
    headers = {"Authorization": f"Bearer {key}"}
    counted = httpx.post(f"{live.base}/shortener/v4/shorten", json=body, headers=headers).json()
    live.click(counted["link"], key, 2)
    code = counted["id"].rpartition("/")[2]

    with Terminator(live.port, tmp_path) as tls:
        trust = {"TLS_PORT": str(tls.port), "PORT": str(live.port), "NODE_EXTRA_CA_CERTS": str(tls.authority)}
        seen = run_script(packages, "bitly.cjs", key, code, **trust)

    made = seen["shorten"]
    assert made["long_url"] == "https://example.com/npm"
    assert made == seen["again"] == seen["getBitlink"] == seen["info"]
    assert seen["expand"]["long_url"] == made["long_url"]
    for name in ("clicks", "clicksByMinute", "clicksByDay"):
        assert sum(entry["clicks"] for entry in seen[name]["link_clicks"]) == 2, name
    assert seen["referrers"]["metrics"] == [{"value": "direct", "clicks": 2}]
    assert sum(entry["clicks"] for entry in seen["countries"]["metrics"]) == 2
    assert seen["patched"]["title"] == "Changed"
    assert seen["refused"]["message"] == "INVALID_ARG_LONG_URL"
    assert seen["forbidden"]["message"] == "FORBIDDEN"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_npm_yourls(live: Live, packages: Path, tmp_path: Path, scheme: str) -> None:
    key = live.key(f"npmyourls{scheme}")
    with Terminator(live.port, tmp_path) as tls:
        trust = {"TLS_PORT": str(tls.port), "PORT": str(live.port), "NODE_EXTRA_CA_CERTS": str(tls.authority)}
        seen = run_script(packages, "yourls.cjs", f"{scheme}://{HOST}/shortener", key, f"word-{scheme}", **trust)

    assert seen["shorten"]["status"] == "success"
    assert (seen["again"]["code"], seen["again"]["shorturl"]) == ("error:url", seen["shorten"]["shorturl"])
    assert seen["vanity"]["url"]["keyword"] == f"word-{scheme}"
    assert seen["expand"]["longurl"] == "https://example.com/npm-yourls"
    assert seen["urlstats"]["link"]["url"] == "https://example.com/npm-vanity"
    assert [entry["url"] for entry in seen["stats"]["links"].values()] == [
        "https://example.com/npm-vanity",
        "https://example.com/npm-yourls",
    ]
    assert seen["dbstats"]["db-stats"] == {"total_links": 2, "total_clicks": 0}


@pytest.mark.parametrize("kind", ["node", "fetch"])
def test_shlink_js_sdk(live: Live, packages: Path, kind: str) -> None:
    key = live.key(f"shlink{kind}")
    domain = f"{kind}.example.net"
    headers = {"Authorization": f"Bearer {key}"}
    entered = httpx.post(f"{live.base}/api/shortener/domains", json={"domain": domain}, headers=headers)
    assert entered.status_code == 201, entered.text

    plain = {"PORT": str(live.port), "TLS_PORT": "1"}
    seen = run_script(packages, "shlink.mjs", f"{live.base}/shortener", key, domain, kind, **plain)

    assert seen["uncalled"] == []
    made = seen["createShortUrl"]
    assert (made["tags"], made["title"], made["meta"]["maxVisits"]) == (["one", "two"], "Title", 9)
    assert seen["findIfExists"] == seen["getShortUrl"] == made
    assert seen["updateShortUrl"]["title"] is None
    assert [entry["shortCode"] for entry in seen["listShortUrls"]["data"]] == [made["shortCode"]]
    assert seen["setShortUrlRedirectRules"] == seen["getShortUrlRedirectRules"]
    assert seen["getShortUrlRedirectRules"]["redirectRules"][0]["longUrl"] == "https://example.org/de"
    assert seen["getVisitsOverview"]["nonOrphanVisits"] == {"total": 1, "nonBots": 1, "bots": 0}
    for name in ("getShortUrlVisits", "getTagVisits", "getDomainVisits", "getNonOrphanVisits"):
        assert seen[name]["pagination"]["totalItems"] == len(seen[name]["data"]) == 1, name
    assert seen["getOrphanVisits"]["data"] == []
    assert seen["deleteOrphanVisits"] == {"deletedVisits": 0}
    assert seen["listTags"]["data"] == ["one", "two"]
    assert [entry["tag"] for entry in seen["tagsStats"]["data"]] == ["one", "two"]
    assert seen["tagsLeft"]["data"] == [f"two {kind}"]
    assert [entry["domain"] for entry in seen["listDomains"]["data"]] == [f"127.0.0.1:{live.port}", domain]
    assert seen["editDomainRedirects"]["baseUrlRedirect"] == "https://example.com/home"
    assert seen["health"]["status"] == "pass"
    assert seen["mercureInfo"]["type"].endswith("/mercure-not-configured")
    assert seen["deleteShortUrlVisits"] == {"deletedVisits": 1}
    assert seen["missing"]["type"].endswith("/short-url-not-found")
    assert seen["refused"]["type"].endswith("/invalid-data")
    assert seen["forbidden"]["type"].endswith("/invalid-api-key")
