"""A real browser and a served platform, for tests that look at pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.programs import found, needs
from tests.support.server import LiveServer

PROJECT = Path(__file__).parents[2]
AXE = PROJECT / "node_modules/axe-core/axe.min.js"
CHROMIUM = found("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
SETTLE = "document.getAnimations().forEach(change => change instanceof CSSTransition && change.finish())"
"""Colours that are on their way from one theme to another are neither's."""
needs_chromium = needs("chromium")


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
    server = LiveServer(data, *options, probed=False, **(environment or {})).start()
    try:
        yield server.url
    finally:
        server.stop()


def violations(page: Page, *rules: str) -> list[str]:
    """What axe-core finds on the page, with its best practices: rule, element and what is wrong with it. With `rules`,
    only these are asked."""
    page.evaluate(SETTLE)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    # Of what it would fetch again, only media are looked at by a rule that is on.
    preload = {"assets": ["media"]}
    options: dict[str, Any] = {
        "resultTypes": ["violations"],
        "preload": preload,
        **({"runOnly": list(rules)} if rules else {}),
    }
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
