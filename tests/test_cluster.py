"""Dodeca on PostgreSQL, Redis, S3 and two server processes behind nginx, as `deploy/` has it: the shortener's journeys,
and what a killed process leaves behind."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support import postgres, servers
from tests.support.programs import needs
from tests.support.servers import Installation, Server, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    needs("redis-server", "nginx"),
]
PERSON = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
"""Whose requests count as clicks."""
PASSWORD = "seven ships sail north"


@dataclass
class Cluster:
    """The running installation. `url` is nginx, `direct` are the processes behind it."""

    installation: Installation
    url: str
    direct: list[str]
    processes: list[Server]

    def member(self, name: str) -> httpx.Client:
        """A new account's client, at nginx."""
        body = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
        token = httpx.post(f"{self.url}/api/accounts/register", json=body).raise_for_status().json()["token"]
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=20)

    def at(self, process: int, client: httpx.Client) -> httpx.Client:
        """The same person at one process itself, under the same public name."""
        host = self.url.partition("://")[2]
        return httpx.Client(base_url=self.direct[process], headers={**client.headers, "Host": host}, timeout=20)

    def doctor(self) -> list[dict[str, Any]]:
        """The checks of `dodeca doctor` that found something."""
        ran = self.installation.run("doctor", "--json")
        assert ran.stdout.startswith("["), ran.stderr
        return [check for check in json.loads(ran.stdout) if check["problems"]]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, postgres_cluster: postgres.Cluster, redis_url: str
) -> Iterator[Cluster]:
    port, *ports = servers.free_port(), servers.free_port(), servers.free_port()
    with servers.object_store() as media_url:
        installation = Installation(
            tmp_path_factory.mktemp("data"),
            {
                "DODECA_PUBLIC_URL": f"http://localhost:{port}",
                "DODECA_DATABASE_URL": postgres_cluster.url("cluster"),
                "DODECA_REDIS_URL": redis_url,
                "DODECA_MEDIA_URL": media_url,
                "DODECA_SECRET_KEY": "a secret that all processes share",
                "DODECA_WORKERS_INLINE": "0",
            },
        )
        try:
            migrated = installation.run("migrate")
            assert migrated.returncode == 0, migrated.stderr
            processes = installation.serve_all(ports)
            installation.worker()
            with servers.nginx(tmp_path_factory.mktemp("nginx"), port, ports):
                direct = [f"http://127.0.0.1:{each}" for each in ports]
                yield Cluster(installation, f"http://localhost:{port}", direct, processes)
        finally:
            installation.close()


def shorten(client: httpx.Client, target: str) -> dict[str, Any]:
    """Make a link."""
    answer = client.post("/api/shortener/links", json={"long_url": target})
    assert answer.status_code == 201, answer.text
    link: dict[str, Any] = answer.json()
    return link


def follow(client: httpx.Client, code: str) -> httpx.Response:
    """Click on a link."""
    return client.get(f"/s/{code}", headers=PERSON)


def clicks(client: httpx.Client, link: dict[str, Any]) -> int:
    """What analytics count."""
    answer = client.get("/api/shortener/analytics", params={"short_url": link["short_url"]}).raise_for_status()
    return int(answer.json()["clicks"])


def test_a_link_that_one_process_made_redirects_at_all_and_under_the_public_name(cluster: Cluster) -> None:
    anna = cluster.member("anna")
    link = shorten(cluster.at(0, anna), "https://example.com/shared")

    answers = [follow(anna, link["short_code"]), *(follow(cluster.at(n, anna), link["short_code"]) for n in (0, 1))]

    assert link["short_url"] == f"{cluster.url}/s/{link['short_code']}"
    assert [(a.status_code, a.headers.get("location")) for a in answers] == [(302, "https://example.com/shared")] * 3


def test_an_edit_acts_on_the_next_request_in_both_processes(cluster: Cluster) -> None:
    bert = cluster.member("bert")
    processes = [cluster.at(n, bert) for n in (0, 1)]
    link = shorten(bert, "https://example.com/0")
    seen = []

    for turn in range(1, 21):
        for process in processes:
            follow(process, link["short_code"])  # so that both hold the old target in memory
        changed = processes[turn % 2].patch(
            f"/api/shortener/links/{link['id']}", json={"long_url": f"https://example.com/{turn}"}
        )
        assert changed.status_code == 200, changed.text
        seen.append([follow(process, link["short_code"]).headers["location"] for process in processes])

    assert seen == [[f"https://example.com/{turn}"] * 2 for turn in range(1, 21)]


def test_a_deleted_link_is_gone_in_both_processes(cluster: Cluster) -> None:
    cleo = cluster.member("cleo")
    processes = [cluster.at(n, cleo) for n in (0, 1)]
    link = shorten(cleo, "https://example.com/gone")
    before = [follow(process, link["short_code"]).status_code for process in processes]

    deleted = cleo.delete(f"/api/shortener/links/{link['id']}")

    assert before == [302, 302]
    assert deleted.status_code == 204
    assert [follow(process, link["short_code"]).status_code for process in processes] == [404, 404]


def test_clicks_at_one_process_reach_a_page_that_is_open_at_the_other(cluster: Cluster) -> None:
    dora = cluster.member("dora")
    link = shorten(dora, "https://example.com/live")
    watching = cluster.at(0, dora)
    counts: list[int] = []

    with watching.stream("GET", f"/api/shortener/links/{link['id']}/live", timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                counts.append(json.loads(line[5:])["clicks"])
                if counts == [0]:
                    follow(cluster.at(1, dora), link["short_code"])
                if counts[-1] == 1:
                    break

    assert counts == [0, 1]


def test_live_updates_pass_through_nginx_one_by_one(cluster: Cluster) -> None:
    emil = cluster.member("emil")
    link = shorten(emil, "https://example.com/stream")
    counts: list[int] = []

    with emil.stream("GET", f"/api/shortener/links/{link['id']}/live", timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                counts.append(json.loads(line[5:])["clicks"])
                if counts[-1] == 3:
                    break
                follow(emil, link["short_code"])  # the next one comes only if nothing was held back

    assert counts == [0, 1, 2, 3]


def test_analytics_count_the_clicks_of_both_processes(cluster: Cluster) -> None:
    fred = cluster.member("fred")
    link = shorten(fred, "https://example.com/counted")
    processes = [cluster.at(n, fred) for n in (0, 1)]

    answered = sum(follow(processes[n % 2], link["short_code"]).status_code == 302 for n in range(40))

    assert answered == 40
    eventually(lambda: clicks(fred, link) == 40, "40 clicks in the analytics")


def test_the_visitors_address_comes_through_nginx_and_limits_are_shared(cluster: Cluster) -> None:
    """Unknown codes: 120 a minute for one address, whichever process is asked."""
    stranger = {"X-Forwarded-For": "198.51.100.7"}
    processes = [httpx.Client(base_url=url, timeout=20) for url in cluster.direct]

    statuses = [processes[n % 2].get(f"/s/unknown{n}", headers=stranger).status_code for n in range(130)]

    assert statuses.count(404) in range(120, 125)  # a few more where the minute turns
    assert 429 in statuses


def test_a_picture_that_one_process_stored_comes_from_the_other_and_then_from_nginx(cluster: Cluster) -> None:
    gina = cluster.member("gina")
    picture = io.BytesIO()
    Image.new("RGB", (300, 300), "teal").save(picture, "PNG")
    stored = cluster.at(0, gina).put(
        "/api/accounts/me/avatar", content=picture.getvalue(), headers={"Content-Type": "image/png"}
    )
    assert stored.status_code == 200, stored.text
    path = httpx.URL(stored.json()["avatar_url"]).path

    other = cluster.at(1, gina).get(path)
    through = [httpx.get(cluster.url + path) for _ in range(2)]

    assert other.headers["content-type"] == "image/webp"
    assert [answer.content for answer in through] == [other.content] * 2
    assert [answer.headers["x-cache-status"] for answer in through] == ["MISS", "HIT"]


def test_the_longest_target_fits_through_nginx(cluster: Cluster) -> None:
    hans = cluster.member("hans")
    target = "https://example.com/" + "ü" * 3_980

    link = shorten(hans, target)
    answer = follow(hans, link["short_code"])

    assert answer.status_code == 302
    assert answer.headers["location"] == "https://example.com/" + "%C3%BC" * 3_980


CLICKERS = 4
"""Clients that follow one link, each one request at a time."""


@dataclass
class Acknowledged:
    """What clients were told has been done."""

    links: list[dict[str, Any]] = field(default_factory=list)
    clicks: int = 0
    unanswered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def test_nothing_acknowledged_is_lost_when_a_process_is_killed_under_load(cluster: Cluster) -> None:
    ida = cluster.member("ida")
    clicked = shorten(ida, "https://example.com/clicked")
    done = Acknowledged()
    ended = threading.Event()

    def create(number: int) -> None:
        with httpx.Client(base_url=cluster.url, headers=ida.headers, timeout=20) as client:
            turn = 0
            while not ended.is_set():
                turn += 1
                target = f"https://example.com/{number}/{turn}"
                try:
                    answer = client.post("/api/shortener/links", json={"long_url": target})
                except httpx.TransportError:
                    continue
                if answer.status_code == 201:
                    with done.lock:
                        done.links.append(answer.json())

    def click() -> None:
        with httpx.Client(base_url=cluster.url, timeout=20) as client:
            while not ended.is_set():
                try:
                    answered = follow(client, clicked["short_code"]).status_code == 302
                except httpx.TransportError:
                    answered = False
                with done.lock:
                    done.clicks += answered
                    done.unanswered += not answered

    with ThreadPoolExecutor(8) as pool:
        working = [*(pool.submit(create, n) for n in range(4)), *(pool.submit(click) for _ in range(CLICKERS))]
        eventually(lambda: len(done.links) > 100 and done.clicks > 100, "load")
        # The process that answers for this link's path, so that clicks are under way in it.
        before = [requests_of(cluster, n) for n in (0, 1)]
        time.sleep(0.5)
        busy = max((0, 1), key=lambda n: requests_of(cluster, n) - before[n])
        cluster.processes[busy].kill()
        so_far = len(done.links)
        eventually(lambda: len(done.links) > so_far + 100, "creations by the process that is left")
        ended.set()
        for future in working:
            future.result()
    cluster.processes[busy].start()

    lost = [link for link in done.links if follow(ida, link["short_code"]).headers.get("location") != link["long_url"]]
    assert lost == []
    eventually(lambda: clicks(ida, clicked) >= done.clicks, f"{done.clicks} clicks in the analytics")
    # What the killed process had recorded but not answered, nginx asked the other one again: once for each client.
    assert clicks(ida, clicked) <= done.clicks + done.unanswered + CLICKERS
    assert cluster.doctor() == []


def requests_of(cluster: Cluster, process: int) -> float:
    """How many redirects a process has answered."""
    text = httpx.get(f"{cluster.direct[process]}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("dodeca_shortener_redirects_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@needs("zookeeper")
def test_two_processes_with_ranges_from_zookeeper_repeat_no_code(
    tmp_path: Path, postgres_cluster: postgres.Cluster, redis_url: str
) -> None:
    keeper = servers.zookeeper(tmp_path)
    ports = [servers.free_port(), servers.free_port()]
    installation = Installation(
        tmp_path / "data",
        {
            "DODECA_DATABASE_URL": postgres_cluster.url("keeper"),
            "DODECA_REDIS_URL": redis_url,
            "DODECA_ZOOKEEPER": servers.address_of(keeper),
        },
    )
    keeper.start()
    try:
        assert installation.run("migrate").returncode == 0
        installation.serve_all(ports)
        account = {"username": "kim", "password": PASSWORD}
        registered = httpx.post(f"http://127.0.0.1:{ports[0]}/api/accounts/register", json=account, timeout=60)
        token = registered.raise_for_status().json()["token"]

        def create(number: int) -> list[str]:
            links = [{"long_url": f"https://example.com/{number}/{n}"} for n in range(700)]
            answer = httpx.post(
                f"http://127.0.0.1:{ports[number % 2]}/api/shortener/links/bulk",
                json={"links": links},
                headers={"Authorization": f"Bearer {token}"},
                timeout=120,
            )
            return [result["link"]["short_code"] for result in answer.raise_for_status().json()["results"]]

        with ThreadPoolExecutor(4) as pool:
            codes = [code for made in pool.map(create, range(4)) for code in made]

        assert len(codes) == 2800
        assert len(set(codes)) == 2800
    finally:
        installation.close()
        keeper.stop()
