"""Settings: one table of (name, default, help) feeds the command line, `dodeca.toml`, the handbook and `doctor`.

A group is a frozen dataclass whose fields are made with `setting(...)`. The platform's own group is `Settings`;
a product declares another with its name as prefix and reads it with `Config.group(ItsSettings)`. Values come, in
order, from explicit overrides (command line), `DODECA_*` environment variables, `dodeca.toml`, the default.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast, get_type_hints

from dodeca.kernel.errors import DodecaError

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


class BadSetting(DodecaError):
    """A setting has a value that cannot be used."""


def setting(default: object, help: str, *, secret: bool = False, minimum: float | None = None) -> Any:
    """Declare a setting. `secret` values are never shown; `minimum` bounds numbers."""
    return dataclasses.field(default=cast(Any, default), metadata={"help": help, "secret": secret, "minimum": minimum})


class SettingsGroup:
    """Base of all groups; `prefix` is empty for the platform's own."""

    prefix: ClassVar[str] = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(SettingsGroup):
    """The platform's settings."""

    data: Path = setting(Path("data"), "Folder of the database, media and journals in embedded mode.")
    public_url: str = setting(
        "", "The address that people use, such as https://example.org. Default: the address served."
    )
    database_url: str = setting(
        "",
        "SQLAlchemy URL, sqlite:/// or postgresql://. Default: a SQLite file in the data folder.",
        secret=True,
    )
    database_replica_url: str = setting("", "A PostgreSQL read replica for read-only units of work.", secret=True)
    database_threads: int = setting(16, "PostgreSQL: units of work that run at once in one process.", minimum=1)
    redis_url: str = setting(
        "", "Redis or Valkey for limits, cache invalidation and live updates between processes.", secret=True
    )
    media_url: str = setting(
        "",
        "Where uploads lie: s3://bucket/prefix or a folder. Default: media/ in the data folder.",
        secret=True,
    )
    media_sweep_days: int = setting(
        30, "Days that files which nothing names any more stay aside before they are removed; 0 = never.", minimum=0
    )
    smtp_url: str = setting(
        "", "smtp://user:password@host:587. Without it mail goes to the mailbox at /admin/mail.", secret=True
    )
    mail_from: str = setting("Dodeca <no-reply@localhost>", "Sender of all mail.")
    secret_key: str = setting(
        "",
        "Root of all signatures and encryption. Default: a file secret.key in the data folder.",
        secret=True,
    )
    only: str = setting("", "Products to serve, separated by commas. Default: all installed ones.")
    hostnames: str = setting("", "Own hostnames of products: shortener=go.example.org,news=news.example.org.")
    trusted_proxies: str = setting(
        "127.0.0.0/8,::1/128", "Networks whose X-Forwarded-For and X-Forwarded-Proto are believed."
    )
    outbound_allow_private: bool = setting(False, "Allow outgoing requests to private and loopback addresses.")
    max_body_bytes: int = setting(1_000_000, "Largest request body, uploads apart.", minimum=1000)
    body_seconds: float = setting(30.0, "Seconds that the next piece of a request's body may take.", minimum=1)
    workers_inline: bool = setting(True, "Work the job queue in the server process. Off where `dodeca worker` runs.")
    requests_per_minute: int = setting(6000, "Requests a minute for one account or key; 0 = no limit.", minimum=0)
    anonymous_requests_per_minute: int = setting(
        1200, "Requests a minute for one address without account; 0 = no limit.", minimum=0
    )
    open_registration: bool = setting(True, "Anybody may make an account.")
    log_json: bool = setting(False, "Write logs as JSON lines.")
    log_level: str = setting("info", "debug, info, warning or error.")
    otlp_endpoint: str = setting("", "OpenTelemetry collector; needs the opentelemetry packages.")
    geoip: str = setting("", "A MaxMind .mmdb file for IPv6 countries and cities.")
    zookeeper: str = setting("", "host:port,… of a ZooKeeper that leases key ranges. Default: the database does.")
    vapid_contact: str = setting("mailto:admin@localhost", "Contact that Web Push services are given.")
    oidc: str = setting("", "Sign-in providers: name|issuer|client_id|client_secret, separated by spaces.", secret=True)
    test_clock: bool = setting(False, "Allow POST /api/admin/clock. Only for tests.")
    demo: bool = setting(False, "Fill an empty platform with demo data.")


G = TypeVar("G", bound=SettingsGroup)


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the settings table."""

    name: str
    variable: str
    default: object
    help: str
    secret: bool


def table(group: type[SettingsGroup]) -> Iterator[Row]:
    """The settings of one group, in order of declaration."""
    dotted = f"{group.prefix}." if group.prefix else ""
    for field in dataclasses.fields(cast(Any, group)):
        yield Row(
            dotted + field.name,
            variable_name(group, field.name),
            field.default,
            field.metadata["help"],
            field.metadata["secret"],
        )


def variable_name(group: type[SettingsGroup], name: str) -> str:
    """The environment variable of a setting: DODECA_PUBLIC_URL, DODECA_SHORTENER_ANONYMOUS_PER_MINUTE."""
    return "_".join(part for part in ("DODECA", group.prefix.upper(), name.upper()) if part)


class Config:
    """Where values come from. Immutable; groups are read once and kept."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        file: Path | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self._overrides = dict(overrides or {})
        self._file: dict[str, Any] = {}
        self._groups: dict[type[SettingsGroup], SettingsGroup] = {}
        if file is not None and file.exists():
            try:
                self._file = tomllib.loads(file.read_text("utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise BadSetting(f"{file.name} is not valid TOML: {error}") from error

    @property
    def settings(self) -> Settings:
        """The platform's own group."""
        return self.group(Settings)

    def group(self, kind: type[G]) -> G:
        """Read a group. Raises BadSetting naming the setting at fault."""
        if kind not in self._groups:
            section = self._file.get(kind.prefix, {}) if kind.prefix else self._file
            hints = get_type_hints(kind)
            values = {}
            for field in dataclasses.fields(cast(Any, kind)):
                raw = self._raw(kind, field.name, section)
                if raw is not None:
                    values[field.name] = _convert(kind, field, hints[field.name], raw)
            self._groups[kind] = kind(**values)
        return cast(G, self._groups[kind])

    def source(self, kind: type[SettingsGroup], name: str) -> str:
        """Where the value in force comes from: command line, environment, file or default."""
        dotted = f"{kind.prefix}.{name}" if kind.prefix else name
        if self._overrides.get(dotted) is not None:
            return "command line"
        if variable_name(kind, name) in self._environment:
            return "environment"
        section = self._file.get(kind.prefix, {}) if kind.prefix else self._file
        return "dodeca.toml" if name in section else "default"

    def unknown(self, groups: list[type[SettingsGroup]]) -> list[str]:
        """Names in the environment or the file that no group declares: most likely typing slips."""
        variables = {row.variable for group in groups for row in table(group)}
        names = {row.name for group in groups for row in table(group)}
        found = [v for v in self._environment if v.startswith("DODECA_") and v not in variables]
        for key, value in self._file.items():
            if isinstance(value, dict):
                found += [f"{key}.{name}" for name in value if f"{key}.{name}" not in names]
            elif key not in names:
                found.append(key)
        return sorted(found)

    def _raw(self, kind: type[SettingsGroup], name: str, section: Mapping[str, Any]) -> object | None:
        dotted = f"{kind.prefix}.{name}" if kind.prefix else name
        if self._overrides.get(dotted) is not None:
            return self._overrides[dotted]
        variable = variable_name(kind, name)
        return self._environment.get(variable, section.get(name))


def _convert(kind: type[SettingsGroup], field: dataclasses.Field[Any], hint: object, raw: object) -> object:
    """Turn text or a TOML value into the field's type."""
    where = variable_name(kind, field.name)
    text = str(raw).strip()
    if hint is bool:
        if text.lower() in TRUE:
            return True
        if text.lower() in FALSE:
            return False
        raise BadSetting(f"{where} must be 1 or 0, not {text!r}.", field=where)
    if hint is Path:
        return Path(text).expanduser()
    if hint in (int, float):
        try:
            number = int(text) if hint is int else float(text)
        except ValueError as error:
            raise BadSetting(f"{where} must be a number, not {text!r}.", field=where) from error
        minimum = field.metadata["minimum"]
        if minimum is not None and number < minimum:
            raise BadSetting(f"{where} must be at least {minimum}.", field=where)
        return number
    return text
