"""Key ranges from a real ZooKeeper (Debian's package), started on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError

from dodeca.kernel.errors import Unavailable
from dodeca.products.shortener.keys import RANGE_SIZE, Lease, Leases
from dodeca.products.shortener.zookeeper import ZooKeeperRanges

CLASSPATH = "/etc/zookeeper/conf:/usr/share/java/zookeeper.jar"  # what the package itself starts with

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        shutil.which("java") is None or not Path("/usr/share/java/zookeeper.jar").exists(),
        reason="ZooKeeper is not installed",
    ),
]


class Server:
    """A ZooKeeper that can be stopped and started again on its data."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.config = folder / "zoo.cfg"
        self.config.write_text(
            f"tickTime=2000\ndataDir={folder}/data\nclientPort={self.port}\nclientPortAddress=127.0.0.1\n"
            "admin.enableServer=false\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        self.process = subprocess.Popen(
            ["java", "-Xmx128m", "-cp", CLASSPATH, main, str(self.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        pytest.fail("ZooKeeper did not start")

    def _answers(self) -> bool:
        """Whether a session can be opened: the port accepts connections before that."""
        client = KazooClient(self.address)
        try:
            client.start(timeout=5)
        except KazooTimeoutError:
            return False
        else:
            return True
        finally:
            client.stop()
            client.close()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("zookeeper"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    return f"/{request.node.name}/ranges"


@pytest.fixture
def ranges(server: Server, root: str) -> Iterator[ZooKeeperRanges]:
    source = ZooKeeperRanges(server.address, root=root)
    source.start()
    yield source
    source.close()


def test_ranges_follow_one_another(ranges: ZooKeeperRanges) -> None:
    assert [ranges.lease(6) for _ in range(3)] == [Lease(6, 0), Lease(6, 1_000), Lease(6, 2_000)]
    assert ranges.lease(7) == Lease(7, 0)
    assert ranges.next_counters() == {6: 3_000, 7: 1_000}


def test_two_processes_never_get_the_same_range(server: Server, root: str) -> None:
    sources = [ZooKeeperRanges(server.address, root=root) for _ in range(3)]
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
    client = KazooClient(server.address)
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
    usurper = KazooClient(server.address, client_id=ranges._client.client_id)
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
