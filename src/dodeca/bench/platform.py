"""The platform itself: a member's JSON read through the whole stack, a signed-in page, the memory of an idle server."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx

from dodeca.bench.harness import Result, Say, compared, dodeca, free_port, load, median, process, resident_bytes
from dodeca.kernel.errors import Invalid

BARE = """
from typing import Any
import msgspec
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, get
from dodeca.cli.serve import run
from dodeca.kernel.http.bridge import RsgiApplication
BODY = msgspec.json.decode({body!r}.encode())
@get("/bare/{{name:str}}")
async def bare(name: str) -> dict[str, Any]:
    return BODY
app = RsgiApplication(Litestar([bare], openapi_config=None), [])
run(Server(app, port={port}, interface=Interfaces.RSGI).serve())
"""
"""The reference: a bare Litestar handler that returns the same bytes, under the same server."""


def run(*, runs: int, seconds: float, options: Mapping[str, str], say: Say) -> list[Result]:
    """JSON read by key ÷ a bare handler, p50 of a signed-in page in ms, resident MB when idle."""
    if options:
        raise Invalid(f"There is no option --{next(iter(options))} here.")
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as folder:
        data = Path(folder)
        command = [sys.executable, "-m", "dodeca", "admin", "create", "bench", "--data", str(data)]
        subprocess.run([*command, "--password", "bench-password-2026"], check=True, capture_output=True)  # noqa: S603
        with dodeca(data, environment={"DODECA_REQUESTS_PER_MINUTE": "0"}) as url:
            idle = _idle_memory(url)
            login = {"username": "bench", "password": "bench-password-2026"}
            token = httpx.post(f"{url}/api/accounts/login", json=login).json()["token"]
            headers = {"Authorization": f"Bearer {token}"}
            body = httpx.get(f"{url}/api/accounts/me", headers=headers).text
            port = free_port()
            code = BARE.format(body=body, port=port)
            with process([sys.executable, "-c", code], f"http://127.0.0.1:{port}/"):
                ours, bare, pages = [], [], []
                for number in range(runs):
                    say(f"run {number + 1} of {runs}")
                    bare.append(load(f"http://127.0.0.1:{port}/bare/x", seconds=seconds, connections=32).rate)
                    ours.append(load(f"{url}/api/accounts/me", seconds=seconds, connections=32, headers=headers).rate)
                    pages.append(load(f"{url}/account", seconds=seconds, connections=1, headers=headers).p50)
    page = median(pages)
    return [
        compared("A member's JSON read by key ÷ bare Litestar", ours, bare, at_least=0.5),
        Result(name="Signed-in page, p50", value=page, unit="ms", runs=pages, target="< 8 ms", met=page < 8),
        Result(name="Idle server, resident", value=idle, unit="MB", target="< 200 MB", met=idle < 200),
    ]


def _idle_memory(url: str) -> float:
    port = url.rpartition(":")[2]
    wanted = f"--port\0{port}\0".encode()
    pids = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if wanted in _bytes(path)]
    return sum(resident_bytes(pid) for pid in pids) / 1e6


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended meanwhile
        return b""
