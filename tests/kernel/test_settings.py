"""Settings: where they come from, and what is said about a bad one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from dodeca.kernel.settings import BadSetting, Config, Settings, SettingsGroup, setting, table, variable_name


@dataclass(frozen=True, kw_only=True)
class Kiosk(SettingsGroup):
    """A product's group."""

    prefix = "kiosk"
    papers: int = setting(3, "How many papers.", minimum=1)
    open: bool = setting(True, "Whether it is open.")
    token: str = setting("", "A secret.", secret=True)


def toml(folder: Path, text: str) -> Path:
    file = folder / "dodeca.toml"
    file.write_text(text, "utf-8")
    return file


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    file = toml(tmp_path, 'mail_from = "file"\nlog_level = "debug"\nonly = "news"\n')
    environment = {"DODECA_MAIL_FROM": "environment", "DODECA_LOG_LEVEL": "error"}

    config = Config(environment=environment, file=file, overrides={"mail_from": "option"})

    settings = config.settings
    assert (settings.mail_from, settings.log_level, settings.only) == ("option", "error", "news")
    assert settings.public_url == ""
    sources = [config.source(Settings, n) for n in ("mail_from", "log_level", "only", "public_url")]
    assert sources == ["command line", "environment", "dodeca.toml", "default"]


def test_an_option_that_was_not_given_is_no_source() -> None:
    config = Config(environment={"DODECA_ONLY": "news"}, overrides={"only": None})

    assert config.settings.only == "news"
    assert config.source(Settings, "only") == "environment"


def test_a_products_group_has_its_own_section_and_prefix(tmp_path: Path) -> None:
    file = toml(tmp_path, "[kiosk]\npapers = 9\n")

    config = Config(environment={"DODECA_KIOSK_OPEN": "no"}, file=file)

    assert config.group(Kiosk) == Kiosk(papers=9, open=False)
    assert variable_name(Kiosk, "papers") == "DODECA_KIOSK_PAPERS"


@pytest.mark.parametrize(("text", "value"), [("1", True), ("YES", True), ("on", True), ("0", False), ("", False)])
def test_switches_are_read_as_people_write_them(text: str, value: bool) -> None:
    assert Config(environment={"DODECA_KIOSK_OPEN": text}).group(Kiosk).open is value


@pytest.mark.parametrize(
    ("name", "value"),
    [("DODECA_KIOSK_PAPERS", "many"), ("DODECA_KIOSK_PAPERS", "0"), ("DODECA_KIOSK_OPEN", "maybe")],
)
def test_a_bad_value_is_refused_with_the_name_of_its_setting(name: str, value: str) -> None:
    with pytest.raises(BadSetting) as refused:
        Config(environment={name: value}).group(Kiosk)

    assert refused.value.field == name
    assert name in refused.value.message


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="valid TOML"):
        Config(environment={}, file=toml(tmp_path, "mail_from = \n"))


def test_typing_slips_are_found(tmp_path: Path) -> None:
    file = toml(tmp_path, 'mail_form = "x"\n[kiosk]\npaper = 1\n[other]\nx = 1\n')
    config = Config(environment={"DODECA_PUBLIC_ULR": "x", "DODECA_ONLY": ""}, file=file)

    assert config.unknown([Settings, Kiosk]) == ["DODECA_PUBLIC_ULR", "kiosk.paper", "mail_form", "other.x"]


def test_every_setting_says_what_it_is_for() -> None:
    rows = list(table(Settings))

    assert [row.name for row in rows if len(row.help) < 10 or not row.help.endswith((".", "?"))] == []
    assert {row.name for row in rows if row.secret} >= {"database_url", "redis_url", "smtp_url", "secret_key", "oidc"}


def test_a_folder_may_begin_with_the_home() -> None:
    assert Config(environment={"DODECA_DATA": "~/dodeca"}).settings.data == Path.home() / "dodeca"
