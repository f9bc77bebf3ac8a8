"""Real servers on loopback for tests: Redis, nginx, ZooKeeper, an S3-compatible store, and Dodeca's own processes.

Each listens on a free port, keeps its files in a folder of its own, and is ended by its process id.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import httpx
import redis
from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError
from moto.server import ThreadedMotoServer

from tests.support import forked
from tests.support.programs import ZOOKEEPER, found

ROOT = Path(__file__).parents[2]
START_SECONDS = 180.0  # CI may run several of these on two cores
ZOOKEEPER_CLASSPATH = f"/etc/zookeeper/conf:{ZOOKEEPER}"  # what the package itself starts with


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(true: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until something is so. Raises AssertionError when it does not come to pass."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)


@dataclass
class Server:
    """A process that can be ended, killed and started again."""

    command: Sequence[str]
    folder: Path
    answers: Callable[[], bool]
    environment: Mapping[str, str] | None = None
    process: forked.Process | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / f"{Path(self.command[0]).name}-{id(self)}.log").open("ab") as log:
            environment = os.environ if self.environment is None else self.environment
            self.process = forked.started(self.command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        eventually(lambda: self._has_ended() or self.answers(), " ".join(self.command[:4]))
        assert not self._has_ended(), f"{self.command[0]} ended: {Path(log.name).read_text(errors='replace')[-2000:]}"

    def _has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; gives its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.stop(signal.SIGKILL)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """An empty Redis; gives its URL."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"

    def answers() -> bool:
        try:
            return bool(redis.Redis.from_url(url, socket_timeout=1).ping())
        except redis.RedisError:
            return False

    command = [str(found("redis-server")), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = Server([*command, "--appendonly", "no"], folder, answers)
    server.start()
    try:
        yield url
    finally:
        server.stop()


def zookeeper(folder: Path) -> Server:
    """A ZooKeeper that is not started yet; `address_of` gives host:port."""
    port = free_port()
    config = folder / "zoo.cfg"
    config.write_text(
        f"tickTime=2000\ndataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "admin.enableServer=false\n"
    )

    def answers() -> bool:
        """Whether a session can be opened: the port accepts connections before that."""
        client = KazooClient(f"127.0.0.1:{port}")
        try:
            client.start(timeout=5)
        except KazooTimeoutError:
            return False
        else:
            return True
        finally:
            client.stop()
            client.close()

    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    return Server(["java", "-Xmx128m", "-cp", ZOOKEEPER_CLASSPATH, main, str(config)], folder, answers)


def address_of(server: Server) -> str:
    """host:port of a ZooKeeper."""
    found = re.search(r"clientPort=(\d+)", Path(server.command[-1]).read_text())
    assert found is not None
    return f"127.0.0.1:{found[1]}"


@contextmanager
def object_store() -> Iterator[str]:
    """A bucket in an S3-compatible server; gives what DODECA_MEDIA_URL takes."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    credentials = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **credentials).create_bucket(Bucket="media")
    try:
        yield (
            f"s3://media/some/prefix?endpoint=http://{host}:{port}&region=us-east-1"
            "&access_key_id=key&secret_access_key=secret"
        )
    finally:
        server.stop()


@contextmanager
def nginx(folder: Path, port: int, processes: Sequence[int]) -> Iterator[Path]:
    """nginx with `deploy/nginx.conf` on `port`, before Dodeca processes on other ports; gives its error log."""
    text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    for example, real in zip((8001, 8002), processes, strict=True):
        assert text.count(f"127.0.0.1:{example}") == 2, "deploy/nginx.conf names other processes now"
        text = text.replace(f"127.0.0.1:{example}", f"127.0.0.1:{real}")
    text = text.replace("    listen 80;", f"    listen 127.0.0.1:{port};", 1)
    text = text.replace("/var/cache/nginx/dodeca", str(folder / "cache"))
    (folder / "dodeca.conf").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not enter the test's folder
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;"
        f"events {{ worker_connections 512; }} http {{ access_log off; {temporary} include {folder}/dodeca.conf; }}"
    )

    def answers() -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5)
        except httpx.TransportError:
            return False
        return True

    server = Server([str(found("nginx")), "-c", f"{folder}/nginx.conf", "-p", str(folder)], folder, answers)
    server.start()
    try:
        yield folder / "error.log"
    finally:
        server.stop(signal.SIGQUIT)


@dataclass
class Installation:
    """A Dodeca of several processes that share `data` and `environment`."""

    data: Path
    environment: dict[str, str]
    servers: list[Server] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DODECA_")}
        path = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = {**inherited, "PYTHONPATH": path, **self.environment}

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = [sys.executable, "-m", "dodeca", *arguments, "--data", str(self.data)]
        return forked.ran(command, cwd=self.data, env=self.environment, timeout=timeout)

    def serve(self, port: int, *arguments: str) -> Server:
        """Start a server process."""

        def answers() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        return self._start(["serve", "--port", str(port), *arguments], answers)

    def serve_all(self, ports: Sequence[int]) -> list[Server]:
        """Start server processes, all at once."""
        with ThreadPoolExecutor(len(ports)) as pool:
            return list(pool.map(self.serve, ports))

    def worker(self) -> Server:
        """Start a worker."""
        return self._start(["worker"], lambda: True)

    def _start(self, arguments: Sequence[str], answers: Callable[[], bool]) -> Server:
        command = [sys.executable, "-m", "dodeca", *arguments, "--data", str(self.data)]
        server = Server(command, self.data, answers, self.environment)
        self.servers.append(server)
        server.start()
        return server

    def close(self) -> None:
        """End all processes."""
        for server in self.servers:
            server.stop()

    def logs(self) -> str:
        """What the processes wrote."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.data.glob("python*.log")))
