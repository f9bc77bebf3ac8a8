"""The handbook's examples do what it says: a product is made as it teaches, and its calls are sent to a live server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.npm import packages
from tests.support.programs import needs
from tests.support.server import LiveServer, environment

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PASSWORD = "a long enough pass phrase 9"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def blocks(page: Path, language: str) -> list[str]:
    """The code of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def succeeded(arguments: list[str], **options: Any) -> str:
    """Run a program to its end, which must be a good one."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=200, **options
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


# "Adding a product"


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the page was followed: its files written, its product in the catalogue."""
    checkout = tmp_path_factory.mktemp("taught")
    source, package = ROOT / "src" / "dodeca", checkout / "src" / "dodeca"
    own = ("", "products", "migrations", "migrations/versions")
    for folder in own:  # everything is the real code, but what the page adds to
        (package / folder).mkdir(parents=True)
        for file in (source / folder).iterdir():
            if str(file.relative_to(source)) not in (*own, "catalogue.py"):
                (package / folder / file.name).symlink_to(file)
    (checkout / "tests" / "products").mkdir(parents=True)
    for file in (ROOT / "tests").iterdir():
        if file.name != "products":
            (checkout / "tests" / file.name).symlink_to(file)
    page = (DOCS / "adding-a-product.md").read_text("utf-8")
    for name, code in re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', page, re.DOTALL | re.MULTILINE):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(code)
    text = (source / "catalogue.py").read_text("utf-8").replace(" news, ", " news, notes, ", 1)
    changed = re.sub(r"(def products\(\).*?return \[.*?)\]", r"\1, notes.manifest]", text, count=1, flags=re.DOTALL)
    assert changed.count("notes") == 2
    (package / "catalogue.py").write_text(changed)
    return checkout


@pytest.fixture(scope="module")
def migrated(taught: Path) -> Path:
    """The same, with the migration that its tool drafted."""
    draft = [sys.executable, str(ROOT / "tools" / "draft_migration.py"), "notes", "First tables"]
    told = succeeded(draft, cwd=taught, env=environment(PYTHONPATH=str(taught / "src")))
    assert Path(told.splitlines()[-1]).parent == taught / "src" / "dodeca" / "migrations" / "versions"
    return taught


def test_the_product_that_the_handbook_teaches_passes_its_tests_and_the_linters(taught: Path) -> None:
    package, tests = taught / "src" / "dodeca" / "products" / "notes", taught / "tests" / "products" / "notes"
    alike = "(notes and not handbook) or routes or strangers or table or bodies"
    pytest_ = [sys.executable, "-m", "pytest", "-c", f"{ROOT}/pyproject.toml", f"--rootdir={taught}", "-m", "not slow"]
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    options = ["--no-cache", "--config", f"{ROOT}/pyproject.toml", str(package), str(tests)]

    told = succeeded(
        [*pytest_, "-p", "no:cacheprovider", str(tests), "tests/test_every_product.py", "-k", alike],
        cwd=taught,
        env=environment(PYTHONPATH=f"{taught / 'src'}:{taught}"),
    )
    succeeded([*ruff, "check", *options], cwd=taught)
    succeeded([*ruff, "format", "--check", *options], cwd=taught)

    assert "passed" in told


def test_the_product_that_the_handbook_teaches_is_served(migrated: Path, tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", "--only", "notes", probed=False, PYTHONPATH=str(migrated / "src")).start()
    try:
        account = {"username": "ada", "password": PASSWORD}
        token = server.post("/api/accounts/register", json=account).raise_for_status().json()["token"]
        ada = {"authorization": f"Bearer {token}"}
        made = server.post("/api/notes/notes", json={"title": "Milk", "text": "two litres"}, headers=ada)
        again = server.post("/api/notes/notes", json={"title": "Milk"}, headers=ada)
        page = server.get("/notes/", headers=ada)
    finally:
        server.stop()

    assert (made.status_code, again.status_code, again.json()["field"]) == (201, 409, "title")
    assert "two litres" in page.text
    assert 'data-product="notes"' in page.text


# The products' pages


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The server that the examples call."""
    server = LiveServer(tmp_path_factory.mktemp("docs") / "data", probed=False).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def keys(live: LiveServer) -> dict[str, dict[str, str]]:
    """A key for each product, as `POST /api/accounts/keys` gives it."""
    account = {"username": "reader", "password": PASSWORD, "email": "reader@example.org"}
    token = live.post("/api/accounts/register", json=account).raise_for_status().json()["token"]
    made = {}
    for product in ("shortener", "payments", "news"):
        wish = {"name": product, "scopes": [product]}
        answer = live.post("/api/accounts/keys", json=wish, headers={"authorization": f"Bearer {token}"})
        made[product] = answer.raise_for_status().json()
    return made


@pytest.fixture(scope="module")
def here(live: LiveServer) -> Callable[[Path, str], str]:
    """Puts the live server's address, and the token and keys of somebody who reads a page, into its examples."""
    account = {"username": "reader", "password": PASSWORD, "email": "reader@example.org"}
    token = live.post("/api/accounts/register", json=account).raise_for_status().json()["token"]

    def key(product: str) -> dict[str, str]:
        wish = {"name": product, "scopes": [product]}
        answer = live.post("/api/accounts/keys", json=wish, headers={"authorization": f"Bearer {token}"})
        return dict(answer.raise_for_status().json())

    keys = {product: key(product) for product in ("shortener", "payments", "news")}

    def placed(page: Path, code: str) -> str:
        mine = keys.get(page.stem.partition("-")[0], {"key_id": "", "key_secret": ""})
        for example, real in {
            "http://127.0.0.1:8000": live.url,
            "http://host": live.url,
            "pyshorteners.Shortener(": "pyshorteners.Shortener(timeout=60, ",  # its own limit is 2 s
            '"rzp_test_…", "secret"': f'"{mine["key_id"]}", "{mine["key_secret"]}"',
            "$TOKEN": token,
            "$KEY": mine["key_secret"],
            '"KEY"': f'"{mine["key_secret"]}"',
            "'KEY'": f"'{mine['key_secret']}'",
            "=KEY,": f'="{mine["key_secret"]}",',
        }.items():
            code = code.replace(example, real)
        return code

    return placed


def examples(language: str) -> pytest.MarkDecorator:
    """A parameter for each example in a language."""
    pages = [DOCS / "accounts.md", *sorted((DOCS / "products").glob("*.md"))]
    found = [(page, code) for page in pages for code in blocks(page, language)]
    assert found
    return pytest.mark.parametrize(
        ("page", "code"), found, ids=[f"{page.stem}{n}" for n, (page, _) in enumerate(found)]
    )


@examples("python")
def test_an_example_in_python_runs(page: Path, code: str, here: Callable[[Path, str], str]) -> None:
    succeeded([sys.executable, "-c", here(page, code)])


@examples("js")
def test_an_example_in_javascript_runs(page: Path, code: str, here: Callable[[Path, str], str]) -> None:
    folder = packages().parent

    succeeded(["node", "--input-type=module", "--eval", here(page, code)], cwd=folder)


@needs("curl")
@examples("sh")
def test_an_example_for_the_shell_is_answered(
    page: Path, code: str, here: Callable[[Path, str], str], tmp_path: Path
) -> None:
    commands = here(page, code).replace("curl ", "curl --silent --show-error --fail-with-body ")

    succeeded(["bash", "-euc", commands], cwd=tmp_path)
