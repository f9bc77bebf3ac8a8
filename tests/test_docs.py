"""The handbook cannot rot: its generated parts come from code, its examples are run, its links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType
from urllib.parse import urljoin

import click
import pytest

from dodeca.cli.main import dodeca
from dodeca.commons.shell import handbook_pages
from tests.support.platform import Client

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_examples_are_python(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        tree = ast.parse(block)

        for node in ast.walk(tree):  # what an example imports from us is there
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dodeca"):
                module = importlib.import_module(str(node.module))
                assert [name.name for name in node.names if not _has(module, name.name)] == []


def _has(module: ModuleType, name: str) -> bool:
    return hasattr(module, name) or importlib.util.find_spec(f"{module.__name__}.{name}") is not None


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda p: p.name)
def test_commands_of_the_examples_have_these_options(page: Path) -> None:
    lines = re.findall(r"^(?:\.venv/bin/)?dodeca (.+)$", page.read_text("utf-8"), re.MULTILINE)
    for line in lines:
        command: click.Command = dodeca
        words = shlex.split(line.split(" #")[0])
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, line
            command, words = found, words[1:]
        command.make_parser(click.Context(command)).parse_args(words)  # raises NoSuchOption


@pytest.mark.skipif(not handbook_pages.FOLDER.exists(), reason="`make setup` builds the handbook")
def test_the_handbook_is_served_where_pages_link_to_it_and_its_own_links_lead_somewhere(client: Client) -> None:
    home = client.get("/", headers={"accept": "text/html"})
    assert 'href="/docs"' in home.text
    address, answer = "/docs", client.get("/docs")
    while answer.is_redirect:
        address = answer.headers["location"]
        answer = client.get(address)

    links = {urljoin(address, link).partition("#")[0] for link in re.findall(r'(?:href|src)="([^"]+)"', answer.text)}
    own = sorted(link for link in links if link.startswith("/"))

    assert len(own) > len(PAGES)
    assert [link for link in own if client.get(link).status_code != 200] == []


def test_every_dependency_has_its_reason_in_the_handbook() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8").lower()
    names = [re.split(r"[\[>=<;! ]", line)[0].lower() for line in project["project"]["dependencies"]]
    assert [name for name in names if name not in text] == []


def test_the_lock_files_name_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        assert "://" not in lock.read_text("utf-8")
