"""A real browser and a served platform, for tests that look at pages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).parents[2]
AXE = PROJECT / "node_modules/axe-core/axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
START_SECONDS = 180
SETTLE = "document.getAnimations().forEach(change => change instanceof CSSTransition && change.finish())"
"""Colours that are on their way from one theme to another are neither's."""
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@contextmanager
def chromium() -> Iterator[Browser]:
    """One Chromium. Raises FileNotFoundError where it is not installed."""
    if CHROMIUM is None:
        raise FileNotFoundError("Chromium is not installed.")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@contextmanager
def served(data: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """A server process on a free loopback port; gives its address."""
    command = [sys.executable, "-m", "dodeca", "serve", "--data", str(data), "--port", "0", *options]
    variables = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "PYTHONUNBUFFERED": "1", **(environment or {})}
    server = subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=data.parent
    )
    lines: list[str] = []
    ready = threading.Event()

    def read() -> None:
        """Keep reading, so that the pipe never fills up."""
        assert server.stdout is not None
        for line in server.stdout:
            lines.append(line)
            if "is ready" in line:
                ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        assert ready.wait(START_SECONDS), "the server is not ready: " + "".join(lines[-20:])
        found = re.search(r"https?://[\w.:]+", next((line for line in lines if "is ready" in line), ""))
        assert found is not None, "the server ended: " + "".join(lines[-20:])
        yield found[0].rstrip("/")
    finally:
        server.terminate()
        server.wait(20)


def violations(page: Page, *rules: str) -> list[str]:
    """What axe-core finds on the page, with its best practices: rule, element and what is wrong with it. With `rules`,
    only these are asked."""
    page.evaluate(SETTLE)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    options: dict[str, Any] = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
