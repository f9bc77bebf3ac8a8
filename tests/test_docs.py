"""The handbook cannot rot: its generated parts come from code, its examples are run, its links lead somewhere."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_examples_are_python(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        ast.parse(block)


def test_every_dependency_has_its_reason_in_the_handbook() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8").lower()
    names = [re.split(r"[\[>=<;! ]", line)[0].lower() for line in project["project"]["dependencies"]]
    assert [name for name in names if name not in text] == []


def test_the_lock_files_name_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        assert "://" not in lock.read_text("utf-8")
