"""What is skipped for want of a program is not skipped in CI."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.programs import PACKAGES

ROOT = Path(__file__).parents[1]


def test_ci_installs_every_program_that_a_test_may_be_skipped_for() -> None:
    installed = re.search(r"^packages=\((.*)\)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)

    assert installed is not None
    assert set(PACKAGES.values()) <= set(installed[1].split())


def test_no_test_says_by_itself_that_a_program_is_not_installed() -> None:
    """Each names the package that brings it: `tests.support.programs`."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if "node_modules" not in path.parts]
    own = re.compile(r"(?:skip|skipif)\(.*(?:not " + "installed|shutil.which)")

    assert [str(path) for path in tests if own.search(path.read_text("utf-8"))] == []
