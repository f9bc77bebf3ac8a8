"""A real `dodeca serve` in its own process, on loopback and a free port."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.support import forked

ROOT = Path(__file__).parents[2]
START_SECONDS = 150  # on a machine that runs several of these


def environment(**variables: str) -> dict[str, str]:
    """The environment of a command: none of this machine's settings, and the sources of this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DODECA_")}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), **variables}


def command(*arguments: str, probed: bool = False) -> list[str]:
    """The command line of `dodeca …`, with the probe product where `probed`."""
    return [sys.executable, "-m", "tests.support.probed" if probed else "dodeca", *arguments]


def dodeca(*arguments: str, data: Path, probed: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    words = [*command(*arguments, probed=probed), "--data", str(data)]
    return forked.ran(words, cwd=data.parent, env=environment(**variables), timeout=90)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveServer:
    """Start, ask, stop, kill, start again."""

    def __init__(self, data: Path, *options: str, probed: bool = True, **variables: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = command("serve", "--port", str(self.port), "--data", str(data), *options, probed=probed)
        self._environment = environment(**variables)
        self.process: forked.Process | None = None
        self.log = data.parent / f"server-{self.port}.log"

    def begin(self) -> forked.Process:
        """Start without waiting for it."""
        with self.log.open("ab") as log:
            self.process = forked.started(
                self._command, cwd=self.data.parent, env=self._environment, stdout=log, stderr=log
            )
        return self.process

    def start(self) -> LiveServer:
        """Start, and wait until it answers."""
        process = self.begin()
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends:
            assert process.poll() is None, self.log.read_text()[-3000:]
            try:
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"The server does not answer: {self.log.read_text()[-3000:]}")

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("The server did not stop.") from None

    def kill(self) -> None:
        """As a power cut would: SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request on its own connection."""
        return httpx.request(method, self.url + path, timeout=options.pop("timeout", 30), **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **options)

    def raw(self, data: bytes, *, seconds: float = 20) -> bytes:
        """Send bytes as they are, and give what comes back until the server closes or `seconds` are over."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            answer = b""
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough, and may answer
                connection.sendall(data)
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except TimeoutError:
                pass
            except ConnectionResetError:
                pass
            return answer
