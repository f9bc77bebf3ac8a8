"""A PostgreSQL server of one's own in a temporary folder, on a Unix socket, for as long as a block runs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PORT = 5432
"""Names the socket in the server's own folder: nothing listens on the network."""


def binaries() -> Path | None:
    """The folder of the newest installed server, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@contextmanager
def running(settings: Sequence[str] = (), within: str | None = None) -> Iterator[Path]:
    """Start a server with its usual durability, or the `settings` given, in a new folder below `within` (that of
    temporary files where it is None), and stop it at the end. Gives the folder. Raises FileNotFoundError."""
    programs = binaries()
    if programs is None:
        raise FileNotFoundError("PostgreSQL's server is not installed.")
    folder = Path(tempfile.mkdtemp(prefix="dodeca-pg-", dir=within))
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    data = str(folder / "data")
    shape = ("-U", "dodeca", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
    options = f"-k {folder} -h '' -p {PORT} " + " ".join(f"-c {setting}" for setting in settings)
    control = (programs / "pg_ctl", "-D", data, "-w")
    try:
        _run(folder, programs / "initdb", "-D", data, *shape)
        _run(folder, *control, "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield folder
        finally:
            _run(folder, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def address(folder: Path, name: str) -> str:
    """The address of a database of the server in that folder."""
    return f"postgresql://dodeca@/{name}?host={folder}&port={PORT}"


def _run(folder: Path, program: Path, *arguments: str) -> None:
    """PostgreSQL refuses to run as root: as nobody there."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    subprocess.run(  # noqa: S603 - PostgreSQL's own programs
        [str(program), *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        user=user.pw_uid if user is not None else None,
        group=user.pw_gid if user is not None else None,
        extra_groups=[] if user is not None else None,
    )
