"""Commands run in the tests' own process: starting one takes longer than most do."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from tests.kernel import probe

from dodeca import catalogue
from dodeca.cli.main import main


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Run `dodeca …` in this process, with the probe product, in an empty folder and without settings."""
    for name in [name for name in os.environ if name.startswith("DODECA_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    installed = catalogue.products()
    monkeypatch.setattr(catalogue, "products", lambda: [*installed, probe.manifest])
    handlers, configuration = list(logging.root.handlers), structlog.get_config()

    def command(*arguments: object) -> Done:
        monkeypatch.setattr("sys.argv", ["dodeca", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as error:
            code = int(error.code or 0)
        said = capfd.readouterr()
        return Done(code, said.out, said.err)

    yield command
    logging.root.handlers[:] = handlers
    structlog.configure(**configuration)
