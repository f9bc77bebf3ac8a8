"""Running ffmpeg apart: it reads what strangers uploaded, so it gets little and is watched.

It may open only the file that it is given (`-protocol_whitelist`), only as one of the containers below
(`-format_whitelist`; a playlist or a script that names other files is none of them), sees no environment, and is
bounded in processor time, memory, size of what it writes, and time. https://ffmpeg.org/ffmpeg-protocols.html
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

import imageio_ffmpeg

from dodeca.kernel.errors import Unavailable, UnsupportedMedia

try:
    import resource
except ImportError:  # pragma: no cover - Windows: only ffmpeg's own limits hold there
    resource = None  # type: ignore[assignment]

DEMUXERS: Final = "mp3,aac,flac,ogg,wav,aiff,mov,matroska"
"""The containers that uploads may have; `mov` is MP4 and M4A too, `matroska` is WebM too."""
CPU_SECONDS: Final = 900
"""Decoding an hour takes about 6 s, encoding it about 60 s."""
WALL_SECONDS: Final = 1800.0
MEMORY_BYTES: Final = 2 << 30
"""Address space, of which the program itself maps about 200 MB."""
WRITTEN_BYTES: Final = 4 << 30
CHUNK_BYTES: Final = 1 << 15
TOLD_SECONDS: Final = 0.5
"""How often a running work tells how far it is."""
_LOG_BYTES: Final = 32 << 20
_REASON_CHARACTERS: Final = 300

Progress = Callable[[float], Awaitable[None]]
"""Is told the share that is done, from 0 to 1, never less than before, and 1 once, when all is done."""


class NotDecodable(UnsupportedMedia):
    """The file is nothing that can be decoded."""


class Log:
    """What a process wrote to its standard error; filled when it has ended."""

    text = ""


@cache
def executable() -> str:
    """The program, as the package imageio-ffmpeg brings it (its IMAGEIO_FFMPEG_EXE names another)."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def reading(path: Path, *, offset_seconds: float = 0.0) -> list[str]:
    """Arguments that open an input, from `offset_seconds` on."""
    start = ["-ss", f"{offset_seconds:.3f}"] if offset_seconds > 0 else []
    return ["-protocol_whitelist", "file,pipe", "-format_whitelist", DEMUXERS, *start, "-i", f"file:{path.absolute()}"]


def command(arguments: Sequence[str], *, interactive: bool = False) -> list[str]:
    """The whole command line. One thread each: many small works at once share the processors better so."""
    quiet = [] if interactive else ["-nostdin"]
    return [*_dying_with_us(), executable(), "-hide_banner", *quiet, "-nostats", "-y", "-threads", "1", *arguments]


async def _command(arguments: Sequence[str], *, interactive: bool = False) -> list[str]:
    """The same for the event loop: what the programs can do is tried out once, and takes longer than it may wait."""
    return await asyncio.to_thread(command, arguments, interactive=interactive)


@cache
def _dying_with_us() -> tuple[str, ...]:
    """What starts a program so that Linux ends it with whoever started it, were that by SIGKILL: else a packaging would
    go on for nobody. Nothing where the machine has no such `setpriv` (util-linux has; busybox' lacks the option).

    The signal comes when the thread that started the program ends (prctl(2), PR_SET_PDEATHSIG); here that is the event
    loop's, or one that waits for the program."""
    found = shutil.which("setpriv") if sys.platform == "linux" else None
    if found is None:
        return ()
    start = (found, "--pdeathsig", "KILL")
    tried = subprocess.run([*start, executable(), "-version"], capture_output=True, check=False, env={})  # noqa: S603
    return start if tried.returncode == 0 else ()


def listening() -> list[str]:
    """Arguments that read what arrives on the standard input as it comes, with little delay."""
    bounds = ["-probesize", "65536", "-analyzeduration", "500000", "-fflags", "+nobuffer"]
    return ["-protocol_whitelist", "pipe", "-format_whitelist", "mp3,aac,ogg", *bounds, "-i", "pipe:0"]


def run(arguments: Sequence[str], *, wall_seconds: float = WALL_SECONDS) -> str:
    """Run to the end, from a thread; gives what was logged. Raises NotDecodable, Unavailable."""
    with running(arguments, output=False, wall_seconds=wall_seconds) as (_, log):
        pass
    return log.text


@contextlib.contextmanager
def running(
    arguments: Sequence[str], *, output: bool = True, wall_seconds: float = WALL_SECONDS
) -> Iterator[tuple[IO[bytes], Log]]:
    """A process for the block, from a thread: gives its standard output to read, and its log for afterwards.

    It is killed when the block is left early. Raises NotDecodable when it ends with an error, Unavailable when it
    takes longer than `wall_seconds` after the block.
    """
    log = Log()
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as nothing:
        process = subprocess.Popen(  # noqa: S603 - no shell, and the input's name follows `file:`
            command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output else subprocess.DEVNULL,
            stderr=errors,
            env={},
            cwd=tempfile.gettempdir(),
        )
        _limit(process.pid)
        try:
            yield process.stdout or nothing, log
            process.wait(wall_seconds)
        except subprocess.TimeoutExpired as error:
            raise Unavailable("Working on the file took too long.") from error
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
            errors.seek(0)
            log.text = errors.read(_LOG_BYTES).decode("utf-8", "replace")
    if process.returncode != 0:
        raise NotDecodable(f"The file cannot be played: {_reason(log.text)}", field="file")


async def run_told(arguments: Sequence[str], duration_ms: int, progress: Progress) -> None:
    """Run to the end and tell, a few times a second, what share of `duration_ms` of output is made. Its standard output
    is taken for that. Whoever is cancelled here kills the process. Raises NotDecodable, Unavailable.

    https://ffmpeg.org/ffmpeg.html#Main-options (`-progress`): lines of `key=value`, microseconds in `out_time_us`.
    """
    told, rest = 0.0, b""
    every = ["-stats_period", str(TOLD_SECONDS), "-progress", "pipe:1"]
    with tempfile.TemporaryFile() as errors:
        async with contextlib.aclosing(stream([*every, *arguments], errors)) as chunks:
            async for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                share = max((_share(line, duration_ms) for line in lines), default=0.0)
                if share > told:
                    told = share
                    await progress(share)
    await progress(1.0)


def _share(line: bytes, duration_ms: int) -> float:
    """What a line tells to be done. All is done when the process has ended, not when the last frame is encoded."""
    key, _, value = line.partition(b"=")
    if key != b"out_time_us" or duration_ms <= 0 or not value.strip().isdigit():  # N/A before the first frame
        return 0.0
    return min(int(value) / 1000 / duration_ms, 0.99)


async def stream(arguments: Sequence[str], errors: IO[bytes] | None = None) -> AsyncGenerator[bytes, None]:
    """The standard output as it comes. Whoever stops reading (`aclose`) kills the process.

    Raises NotDecodable when the process ends with an error, with the reason where a file for `errors` is given.
    """
    process = await asyncio.create_subprocess_exec(
        *await _command(["-loglevel", "error", *arguments]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors if errors is not None else asyncio.subprocess.DEVNULL,
        env={},
        cwd=tempfile.gettempdir(),
    )
    _limit(process.pid)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WALL_SECONDS):
            while chunk := await process.stdout.read(CHUNK_BYTES):
                yield chunk
            await process.wait()
    except TimeoutError as error:
        raise Unavailable("Working on the file took too long.") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
    if process.returncode != 0:
        raise NotDecodable("The file cannot be played" + _because(errors), field="file")


def _because(errors: IO[bytes] | None) -> str:
    if errors is None:
        return "."
    errors.seek(0)
    return ": " + _reason(errors.read(_LOG_BYTES).decode("utf-8", "replace"))


@contextlib.asynccontextmanager
async def converting(arguments: Sequence[str]) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """A process for the block that is fed through its standard input, and killed at the block's end.

    What it says is thrown away; a source that cannot be decoded shows in that nothing comes out."""
    process = await asyncio.create_subprocess_exec(
        *await _command(["-loglevel", "error", *arguments], interactive=True),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd=tempfile.gettempdir(),
    )
    _limit(process.pid)
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())


def _limit(pid: int) -> None:
    """Bound a process that has just started. Set from outside: code between fork and exec is unsafe with threads."""
    limits: Any = resource
    if limits is None or not hasattr(limits, "prlimit"):
        return
    with contextlib.suppress(ProcessLookupError):
        for what, most in (
            (limits.RLIMIT_CPU, CPU_SECONDS),
            (limits.RLIMIT_AS, MEMORY_BYTES),
            (limits.RLIMIT_FSIZE, WRITTEN_BYTES),
            (limits.RLIMIT_CORE, 0),
        ):
            limits.prlimit(pid, what, (most, most))


def _reason(log: str) -> str:
    """The last line that says what was wrong, without addresses in memory and names of files."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        text = line.rpartition("] ")[2].rpartition("': ")[2]
        if text and "file:" not in text and "/" not in text:
            return text[:_REASON_CHARACTERS].rstrip(".") + "."
    return "it is no file that is known here."
