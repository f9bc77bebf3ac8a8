"""The command line: what each command says, and with which exit code it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.support.server import environment

from dodeca.cli.main import COMMANDS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_help_teaches_every_command(run: Run) -> None:
    helped = {name: run(name, "--help") for name in COMMANDS}

    everything = run("--help")
    assert everything.code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in everything.out] == []
    assert {name: done.code for name, done in helped.items() if done.code} == {}
    assert [name for name, done in helped.items() if not done.out.startswith(f"Usage: dodeca {name}")] == []
    assert "Exit codes" in everything.out


def test_wrong_usage_ends_with_two_and_no_traceback(run: Run, data: Path) -> None:
    wrong = [
        run("sing"),
        run("serve", "--port", "many"),
        run("import", "probe"),
        run("import", "probe", "nowhere.txt", "--data", data),
        run("capacity", "--users", "many"),
        run("admin"),
    ]

    assert [done.code for done in wrong] == [2] * len(wrong)
    assert [done.err for done in wrong if "Traceback" in done.err] == []


def test_what_cannot_be_done_ends_with_one_and_one_line(run: Run, data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.backup"
    broken.write_bytes(b"PK\x05\x06" + bytes(18))  # an empty ZIP
    text = tmp_path / "items.txt"
    text.write_text("a\n")
    (tmp_path / "file").write_text("")
    run("migrate", "--data", data)

    refused = {
        "product": run("import", "casino", text, "--data", data),
        "format": run("import", "probe", text, "--format", "xls", "--data", data),
        "export": run("export", "probe", "--format", "xls", "--data", data),
        "account": run("admin", "token", "nobody", "--data", data),
        "backup": run("backup", text, "--data", data),
        "restore": run("restore", broken, "--data", data),
        "no archive": run("restore", text, "--data", data, "--force"),
        "folder": run("migrate", "--data", tmp_path / "file" / "below"),
        "only": run("serve", "--only", "casino", "--data", data),
    }

    assert {name: done.code for name, done in refused.items()} == dict.fromkeys(refused, 1)
    said = {name: done.err.strip().splitlines() for name, done in refused.items()}
    assert {name: lines for name, lines in said.items() if not lines or not lines[-1].startswith("dodeca: ")} == {}
    assert {name: lines for name, lines in said.items() if "Traceback" in "".join(lines)} == {}


def test_a_setting_that_is_wrong_is_named(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DODECA_DATABASE_URL", "mysql://somewhere/x")
    engine = run("migrate", "--data", data)
    monkeypatch.setenv("DODECA_DATABASE_URL", "postgresql://x@127.0.0.1:9/none")
    away = run("migrate", "--data", data)

    assert (engine.code, away.code) == (1, 1)
    assert "mysql is not supported" in engine.err
    assert "Traceback" not in away.err


def test_migrating_says_what_is_missing_and_then_nothing(run: Run, data: Path) -> None:
    before = run("migrate", "--check", "--data", data)
    done = run("migrate", "--data", data)
    again = run("migrate", "--data", data)
    after = run("migrate", "--check", "--data", data)

    assert (before.code, done.code, again.code, after.code) == (1, 0, 0, 0)
    assert before.out.startswith("Missing: ")
    assert done.out.startswith("Applied ")
    assert again.out == after.out == "The schema is up to date.\n"


def test_an_administrator_is_made_once_and_has_a_token(run: Run, data: Path) -> None:
    made = run("admin", "create", "ada", "--data", data)
    again = run("admin", "create", "ada", "--data", data)
    weak = run("admin", "create", "bob", "--password", "12345", "--data", data)
    token = run("admin", "token", "ada", "--data", data)

    assert (made.code, again.code, weak.code, token.code) == (0, 0, 1, 0)
    assert "Password: " in made.out
    assert "Password: " not in again.out
    assert token.out.strip().splitlines()[-1].count(".") == 2


def test_a_file_comes_in_with_a_report_and_goes_out_again(run: Run, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "items.txt"
    file.write_text("one\n\ntwo\n")
    run("migrate", "--data", data)

    imported = run("import", "probe", file, "--json", "--data", data)
    plain = run("import", "probe", file, "--data", data)
    exported = run("export", "probe", "--data", data)
    kept = run("export", "probe", "-o", tmp_path / "out.txt", "--data", data)

    report = json.loads(imported.out)
    assert (imported.code, plain.code, exported.code, kept.code) == (1, 1, 0, 0)
    assert (report["added"], report["refused"], report["errors"][0]["line"]) == (2, 1, 2)
    assert "2 added" in plain.out
    assert "line 2: The line is empty." in plain.err
    assert exported.out.split() == ["one", "two", "one", "two"]
    assert (tmp_path / "out.txt").read_text() == exported.out


def test_doctor_and_capacity_answer_people_and_programs(run: Run, data: Path) -> None:
    run("migrate", "--data", data)

    sound, table = run("doctor", "--json", "--data", data), run("doctor", "--data", data)
    numbers, text = run("capacity", "--users", "1000", "--json"), run("capacity", "--users", "1000")

    checks = json.loads(sound.out)
    assert (sound.code, table.code, numbers.code, text.code) == (0, 0, 0, 0)
    assert {"settings", "schema", "disk"} <= {check["name"].lower() for check in checks}
    assert "All is well." in table.out
    assert isinstance(json.loads(numbers.out), dict | list)
    assert text.out.strip()


def test_doctor_finds_a_schema_that_is_behind(run: Run, data: Path) -> None:
    sick = run("doctor", "--json", "--data", data)

    assert sick.code == 1
    assert any(check["problems"] for check in json.loads(sick.out))


def test_a_start_loads_no_client_of_a_server_that_is_not_used() -> None:
    """Each costs every process its memory, and every command its first half second."""
    code = "import sys; from dodeca import app; app.chosen(''); print([n for n in sys.argv if n in sys.modules])"
    clients = ["redis", "psycopg", "kazoo", "cel", "fpdf", "prompt_toolkit", "opentelemetry", "mkdocs"]

    done = subprocess.run(
        [sys.executable, "-c", code, *clients], env=environment(), capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
