"""The npm packages that tests drive: installed once beside their scripts, by whichever process comes first."""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path

from tests.support.programs import need

CLIENTS = Path(__file__).parents[1] / "clients"


def packages() -> Path:
    """The folder `node_modules` with all of `tests/clients/package.json`. Skips where Node is not installed."""
    need("npm")
    wanted = json.loads((CLIENTS / "package.json").read_text())["dependencies"]
    modules = CLIENTS / "node_modules"

    def installed(name: str) -> str | None:
        manifest = modules / name / "package.json"
        return json.loads(manifest.read_text())["version"] if manifest.exists() else None

    with (CLIENTS / "package.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if any(installed(name) != version for name, version in wanted.items()):
            install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
            subprocess.run(install, cwd=CLIENTS, check=True, capture_output=True, timeout=110)
    return modules
