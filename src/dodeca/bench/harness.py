"""What benchmarks share: starting servers, loading them with wrk or a client of our own, medians and ratios."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from dodeca.kernel.processor import patient

T = TypeVar("T")
Say = Callable[[str], None]


class Result(msgspec.Struct, kw_only=True):
    """One measured thing. `ratio` is to `reference`, measured in the same minute."""

    name: str
    value: float
    unit: str
    runs: list[float] = []
    reference: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None

    def line(self) -> str:
        """For people."""
        text = f"{self.name:<44}{self.value:>12,.1f} {self.unit}"
        if self.ratio is not None:
            text += f"   {self.ratio:.2f} of {self.reference:,.0f}"
        if self.target:
            text += f"   target {self.target}: {'met' if self.met else 'MISSED'}"
        return text


class Load(msgspec.Struct):
    """What one run of a load gave: answers a second, milliseconds, and answers that were errors."""

    rate: float
    p50: float
    p99: float
    answers: int
    errors: int


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    command: Sequence[str], ready: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; `ready` is a URL that answers once it is up."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    running = subprocess.Popen(  # noqa: S603 - our own command
        list(command), stdout=log, stderr=log, env={**os.environ, **(environment or {})}, start_new_session=True
    )
    try:
        for _ in range(600):
            if running.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"{command[0]} ended: {log.read().decode(errors='replace')[-2000:]}")
            try:
                httpx.get(ready, timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield running
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(15)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
        log.close()


@contextmanager
def dodeca(data: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """A real `dodeca serve` on a free port; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "dodeca", "serve", "--data", str(data), "--port", str(port), *arguments]
    with process(command, f"http://127.0.0.1:{port}/healthz", environment):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def nginx(server_block: str, workers: int = 1) -> Iterator[str | None]:
    """nginx with the given directives in its server block; None where it is not installed."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="dodeca-nginx-") as folder:
        config = Path(folder) / "nginx.conf"
        temp_paths = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"daemon off; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log;"
            "events { worker_connections 1024; }"
            f"http {{ access_log off; {temp_paths} keepalive_requests 100000000;"
            f"server {{ listen 127.0.0.1:{port}; {server_block} }} }}"
        )
        with process([program, "-c", str(config), "-p", folder], f"http://127.0.0.1:{port}/"):
            yield f"http://127.0.0.1:{port}"


def load(
    url: str,
    *,
    seconds: float,
    connections: int = 64,
    headers: Mapping[str, str] | None = None,
    paths: Sequence[str] = (),
    body: str | None = None,
) -> Load:
    """Load `url` (or `paths` below it, at random) with GETs: by wrk where it is installed, else by ourselves. With a
    `body` of JSON they are POSTs, and NUMBER in it is another number each time."""
    if shutil.which("wrk"):
        with patient():
            return _wrk(url, seconds, connections, headers or {}, paths, body)
    bodies = None if body is None else (body.replace("NUMBER", str(n)).encode() for n in itertools.count())
    return loading(
        kept_alive(url, seconds=seconds, connections=connections, headers=headers, paths=paths, bodies=bodies)
    )


def loading(clients: Coroutine[Any, Any, T]) -> T:
    """Run clients that ask for as much as a server on the same machine can give.

    They stand for clients elsewhere, so an answer to one of them must not take the processor away from the server that
    is measured, nor from the one it is compared with: they wait for their turn. Clients that ask at a fixed rate, to
    see how long an answer takes, do not: their waiting would count.
    """
    with patient():
        return asyncio.run(clients)


def _wrk(
    url: str,
    seconds: float,
    connections: int,
    headers: Mapping[str, str],
    paths: Sequence[str],
    body: str | None = None,
) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        if paths:
            script = Path(folder) / "paths.lua"
            (Path(folder) / "paths").write_text("\n".join(paths))
            seed = random.randrange(1 << 30)  # noqa: S311 - each run asks for others: a cache must not know them all
            script.write_text(
                f'local p = {{}} for line in io.lines("{folder}/paths") do p[#p + 1] = line end\n'
                f"math.randomseed({seed})\n"
                "request = function() return wrk.format(nil, p[math.random(#p)]) end\n"
            )
            command += ["-s", str(script)]
        if body is not None:
            script = Path(folder) / "bodies.lua"
            script.write_text(
                f"local n, body = 0, [[{body}]]\n"
                'request = function() n = n + 1 return wrk.format("POST", nil, nil, (body:gsub("NUMBER", n))) end\n'
            )
            command += ["-s", str(script)]
        out = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout  # noqa: S603
    answers = int(_number(r"(\d+) requests in", out))
    errors = int(_number(r"Non-2xx or 3xx responses: (\d+)", out))
    errors += sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", out))
    return Load(_number(r"Requests/sec:\s+([\d.]+)", out), _latency("50%", out), _latency("99%", out), answers, errors)


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _latency(name: str, text: str) -> float:
    found = re.search(rf"{name}\s+([\d.]+)(us|ms|s)", text)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]] if found else 0.0


async def kept_alive(
    url: str,
    *,
    seconds: float,
    connections: int = 64,
    headers: Mapping[str, str] | None = None,
    paths: Sequence[str] = (),
    bodies: Iterator[bytes] | None = None,
) -> Load:
    """A small HTTP/1.1 client: keep-alive connections that each send the next request after the answer: GETs, or POSTs
    with the next of `bodies`. Every request that was sent is waited for; a connection that breaks is not opened again.
    """
    parts = httpx.URL(url)
    client = _Client(parts, headers or {}, paths, bodies, time.perf_counter() + seconds)
    started = time.perf_counter()
    await asyncio.gather(*[client.work() for _ in range(connections)])
    took = time.perf_counter() - started
    times = sorted(client.times)
    return Load(len(times) / took, quantile(times, 0.5), quantile(times, 0.99), len(times), client.errors)


class _Client:
    """The requests of `kept_alive`, and what came of them."""

    def __init__(
        self,
        url: httpx.URL,
        headers: Mapping[str, str],
        paths: Sequence[str],
        bodies: Iterator[bytes] | None,
        end: float,
    ) -> None:
        self._url = url
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._rest = f"HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n{extra}".encode()
        self._paths = [path.encode() for path in paths] or [url.raw_path]
        self._bodies = bodies
        self._end = end
        self._chooser = random.Random()  # noqa: S311 - a load, not a secret
        self.times: list[float] = []
        self.errors = 0

    async def work(self) -> None:
        reader, writer = await asyncio.open_connection(self._url.host, self._url.port)
        try:
            while (started := time.perf_counter()) < self._end:
                writer.write(self._request())
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                if length:
                    await reader.readexactly(int(length[1]))
                self.errors += not head.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3"))
                self.times.append(time.perf_counter() - started)
        except (OSError, EOFError):
            self.errors += 1
        finally:
            writer.close()

    def _request(self) -> bytes:
        if self._bodies is None:
            return b"GET %s %s\r\n" % (self._chooser.choice(self._paths), self._rest)
        body = next(self._bodies)
        return b"POST %s %sContent-Length: %d\r\n\r\n%s" % (self._paths[0], self._rest, len(body), body)


def quantile(ordered: Sequence[float], part: float) -> float:
    """The time in ms that `part` of some ordered times (s) do not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else 0.0


def median(values: Sequence[float]) -> float:
    """The middle of several runs."""
    return statistics.median(values) if values else 0.0


def compared(
    name: str, ours: Sequence[float], reference: Sequence[float], *, unit: str = "/s", at_least: float | None = None
) -> Result:
    """A result with its ratio to a reference that ran alternately with it."""
    value, other = median(ours), median(reference)
    ratio = value / other if other else None
    return Result(
        name=name,
        value=value,
        unit=unit,
        runs=list(ours),
        reference=other or None,
        ratio=ratio,
        target=f"≥ {at_least:.2f}" if at_least is not None else "",
        met=ratio >= at_least if at_least is not None and ratio is not None else None,
    )


def resident_bytes(pid: int) -> int:
    """Resident memory of a process (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has taken so far, its own and the system's for it (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
