"""`dodeca …` in a process of its own that need not import Dodeca first: that is two thirds of a server's start, and the
suite starts a hundred.

A process that has imported everything, and has one thread, waits for requests and forks for each; from there on all is
as if Python had been started with `-m`: arguments, environment, folder, output, exit code. Use `Forked` like a Popen.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[2]
LARGEST = 256 * 1024
"""Bytes of a request: above all the environment."""
_starting = threading.Lock()
_parent: socket.socket | None = None


class Request(NamedTuple):
    """What is to be run, and in which surroundings."""

    module: str
    arguments: Sequence[str]
    folder: str
    environment: Mapping[str, str]


class Forked:
    """A running `python -m module arguments…`."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        request = Request(module, arguments, str(cwd), dict(env))
        self._control, theirs = socket.socketpair()
        with theirs:
            descriptors = [theirs.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(_importer(), [json.dumps(request).encode()], descriptors)
        self._told = self._control.makefile("r")
        told = self._told.readline()
        if not told:
            raise RuntimeError("The process that forks has ended; what it said is on the tests' standard error.")
        self.pid = int(told)
        self.returncode: int | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        self.returncode = int(self._told.readline() or -signal.SIGKILL)
        self._ended.set()
        self._told.close()
        self._control.close()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative after a signal. Raises TimeoutExpired."""
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


Process = Forked | subprocess.Popen[bytes]


def started(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: IO[bytes], stderr: IO[bytes]
) -> Process:
    """Start a program: as a fork where it is this checkout's `dodeca` in one process."""
    python, *arguments = command
    ours = env.get("PYTHONPATH", "").split(os.pathsep)[0] == str(ROOT / "src")
    if ours and python == sys.executable and arguments[0] == "-m" and "--workers" not in arguments:
        return Forked(*arguments[1:], cwd=cwd, env=env, stdout=stdout, stderr=stderr)
    return subprocess.Popen(command, cwd=cwd, env=env, stdout=stdout, stderr=stderr)


def ran(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end. Raises TimeoutExpired."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = started(command, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(command, code, out.read().decode(), err.read().decode())


def _importer() -> socket.socket:
    """The connection to the process that forks, which is started when it is first needed."""
    global _parent
    with _starting:
        if _parent is None:
            _parent, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in (_parent, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
            path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
            environment = {**os.environ, "PYTHONPATH": path}
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.forked"], cwd=ROOT, env=environment, stdin=theirs.fileno()
                )
            atexit.register(_end, process, _parent)
        return _parent


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    process.wait()


# In the process that forks


def _import_all() -> None:
    import uvloop  # noqa: F401
    from sqlalchemy.orm import configure_mappers

    from dodeca import app, catalogue  # noqa: F401
    from dodeca.cli import server  # noqa: F401

    catalogue.commons()
    catalogue.products()
    configure_mappers()


def _next_request(connection: socket.socket) -> Request:
    """Fork for each request: returns in the new processes only."""
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(connection, LARGEST, 3)
        if not message:  # the tests are over
            os._exit(0)
        if os.fork() == 0:
            connection.close()
            return _become(Request(*json.loads(message)), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _bury()


def _bury() -> None:
    """Take note of those that ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _become(request: Request, control: int, stdout: int, stderr: int) -> Request:
    """Fork once more: one process tells how the other, which goes on, ended."""
    child = os.fork()
    if child:
        os.write(control, f"{child}\n".encode())
        if select.select([control, os.pidfd_open(child)], [], [])[0] == [control]:  # the tests were killed
            os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(BrokenPipeError):
            os.write(control, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for descriptor in (control, stdout, stderr):
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = [request.module, *request.arguments]
    return request


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests' end is its end, also where a keyboard makes it
    _import_all()
    runpy.run_module(_next_request(socket.socket(fileno=0)).module, run_name="__main__", alter_sys=True)
