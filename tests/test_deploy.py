"""The files of `deploy/`: complete, and understood by the programs they are for."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from dodeca import catalogue
from dodeca.kernel.settings import Config, Settings, SettingsGroup, table
from tests.support.programs import needs

DEPLOY = Path(__file__).parents[1] / "deploy"
EXAMPLE = (DEPLOY / "dodeca.toml").read_text("utf-8")
GROUPS: list[type[SettingsGroup]] = [
    Settings,
    *(m.settings for m in (*catalogue.commons(), *catalogue.products()) if m.settings is not None),
]


def uncommented() -> str:
    """The example with every setting in force."""
    return re.sub(r"^# (?=[a-z0-9_]+ = )", "", EXAMPLE, flags=re.MULTILINE)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_the_example_shows_every_setting_with_its_help_and_default(group: type[SettingsGroup]) -> None:
    values = tomllib.loads(uncommented())
    section = values[group.prefix] if group.prefix else values
    prose = " ".join(line.removeprefix("# ") for line in EXAMPLE.splitlines())

    for row in table(group):
        name = row.name.rpartition(".")[2]
        assert section.get(name) == (row.default if isinstance(row.default, bool | int | float) else str(row.default))
        assert row.help in prose


def test_the_example_sets_nothing_and_all_that_it_shows_can_be_set(tmp_path: Path) -> None:
    assert {k: v for k, v in tomllib.loads(EXAMPLE).items() if v != {}} == {}
    file = tmp_path / "dodeca.toml"
    file.write_text(uncommented(), "utf-8")

    config = Config(environment={}, file=file)

    assert config.unknown(GROUPS) == []
    assert config.settings == Settings()


@needs("systemd-analyze")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for unit in DEPLOY.glob("*.service"):
        text = unit.read_text("utf-8").replace("/opt/dodeca/.venv/bin/dodeca", "/bin/true")
        (tmp_path / unit.name.replace("@", "@8001")).write_text(text, "utf-8")
    shutil.copy(DEPLOY / "dodeca-backup.timer", tmp_path)

    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line for line in checked.stderr.splitlines() if "dodeca" in line] == []


def test_the_commands_of_the_units_exist() -> None:
    from dodeca.cli.main import COMMANDS

    called = [
        name
        for unit in DEPLOY.glob("*.service")
        for name in re.findall(r"/bin/dodeca ([a-z]+)", unit.read_text("utf-8"))
    ]
    assert sorted(called) == ["backup", "serve", "worker"]
    assert set(called) <= set(COMMANDS)
