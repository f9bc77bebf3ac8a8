"""Programs that tests run and PyPI does not bring.

Where one is not installed, the tests that need it are skipped and say which Debian package brings it; `.ci/run`, which
refuses to skip, installs them all.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.support import postgres

PACKAGES: Final = {
    "apache2": "apache2",
    "chromium": "chromium-headless-shell",
    "curl": "curl",
    "nginx": "nginx-light",
    "npm": "npm",
    "postgres": "postgresql",
    "redis-server": "redis-server",
    "systemd-analyze": "systemd",
    "zookeeper": "zookeeper",
}
"""The Debian package that brings a program."""
CHROMIUM: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first, which has no windows to draw, takes a quarter less of the processor."""
ZOOKEEPER: Final = Path("/usr/share/java/zookeeper.jar")


def found(name: str) -> str | None:
    """Where a program of PACKAGES is (of ZooKeeper: where Java is, with which it runs); None where it is not."""
    if name == "postgres":
        folder = postgres.binaries()
        return None if folder is None else str(folder)
    if name == "zookeeper":
        return shutil.which("java") if ZOOKEEPER.exists() else None
    names = CHROMIUM if name == "chromium" else (name, f"/usr/sbin/{name}")
    return next(filter(None, map(shutil.which, names)), None)


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test where one of these programs is not installed."""
    missing = _missing(names)
    return pytest.mark.skipif(bool(missing), reason=_reason(missing))


def need(*names: str) -> None:
    """The same in a fixture."""
    missing = _missing(names)
    if missing:
        pytest.skip(_reason(missing))


def _missing(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if found(name) is None]


def _reason(missing: list[str]) -> str:
    packages = " ".join(PACKAGES[name] for name in missing)
    return f"{', '.join(missing)} not installed: `apt-get install {packages}`, as .ci/run does"
