"""A served copy of the shell's pages and a browser, for the tests that look at them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page
from tests.support.browser import chromium
from tests.support.programs import need

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the harness, served by granian on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT / "src"), str(HERE)])}
    server = subprocess.Popen([*command, "--log-level", "error", "harness:app"], cwd=HERE, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/", server)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return when `url` answers; fail when the server ends or does not answer for 30 seconds."""
    for _ in range(300):
        assert server.poll() is None, "the harness ended before it answered"
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("the harness does not answer")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the module."""
    need("chromium")
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh profile with a window of 1280 pixels; the test fails on any error that the page reports."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    # A refused form is an answer with status 400, which Chromium also logs.
    assert [text for text in problems if "status of 400" not in text] == []
