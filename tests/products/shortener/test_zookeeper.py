"""Key ranges from a real ZooKeeper (Debian's package), started on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient
from tests.support import servers
from tests.support.programs import needs
from tests.support.servers import Server

from dodeca.kernel.errors import Unavailable
from dodeca.products.shortener.keys import RANGE_SIZE, Lease, Leases
from dodeca.products.shortener.zookeeper import ZooKeeperRanges

pytestmark = [
    pytest.mark.cluster,
    needs("zookeeper"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = servers.zookeeper(tmp_path_factory.mktemp("zookeeper"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    return f"/{request.node.name}/ranges"


@pytest.fixture
def ranges(server: Server, root: str) -> Iterator[ZooKeeperRanges]:
    source = ZooKeeperRanges(servers.address_of(server), root=root)
    source.start()
    yield source
    source.close()


def test_ranges_follow_one_another(ranges: ZooKeeperRanges) -> None:
    assert [ranges.lease(6) for _ in range(3)] == [Lease(6, 0), Lease(6, 1_000), Lease(6, 2_000)]
    assert ranges.lease(7) == Lease(7, 0)
    assert ranges.next_counters() == {6: 3_000, 7: 1_000}


def test_two_processes_never_get_the_same_range(server: Server, root: str) -> None:
    sources = [ZooKeeperRanges(servers.address_of(server), root=root) for _ in range(3)]
    leases: list[Lease] = []

    def work(source: ZooKeeperRanges) -> None:
        leases.extend(source.lease(6) for _ in range(20))

    for source in sources:
        source.start()
    threads = [threading.Thread(target=work, args=(source,)) for source in sources * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for source in sources:
        source.close()

    assert sorted(lease.start for lease in leases) == [n * RANGE_SIZE for n in range(120)]


def test_codes_grow_when_a_length_is_nearly_leased(ranges: ZooKeeperRanges, server: Server, root: str) -> None:
    client = KazooClient(servers.address_of(server))
    client.start()
    client.create(f"{root}/6", b"%d" % int(0.8 * 62**6 + 1_000))
    client.stop()
    client.close()

    assert ranges.lease(6) == Lease(7, 0)


def test_a_restarted_server_repeats_no_range(server: Server, ranges: ZooKeeperRanges) -> None:
    leases = Leases(ranges, b"key")
    before = {leases.next_code() for _ in range(RANGE_SIZE // 2)}

    server.kill()
    server.start()
    after = {leases.next_code() for _ in range(RANGE_SIZE)}

    assert not before & after


def test_an_expired_session_wastes_a_range_at_most(server: Server, ranges: ZooKeeperRanges) -> None:
    first = ranges.lease(6)
    usurper = KazooClient(servers.address_of(server), client_id=ranges._client.client_id)
    usurper.start()
    usurper.stop()  # ends the session, which both clients hold
    usurper.close()

    second = ranges.lease(6)

    assert second.start > first.start


def test_without_a_server_the_answer_is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        source = ZooKeeperRanges(f"127.0.0.1:{probe.getsockname()[1]}", timeout=1)

        with pytest.raises(Unavailable):
            source.start()
    source.close()
