"""Acquirers: whoever moves money in the world outside. All of today's simulate it, and only in test mode."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from sqlalchemy import select

from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.payments.acquirers.protocol import Acquirer, Capabilities
from dodeca.products.payments.acquirers.simulators import Simulator, SimulatorSettings
from dodeca.products.payments.models import AcquirerSetting

ALL_METHODS = frozenset({"card", "upi", "netbanking", "wallet", "bank_transfer"})
SIMULATORS: Mapping[str, Capabilities] = {
    "sim-alpha": Capabilities(ALL_METHODS, frozenset({"INR"}), fee_basis_points=110),
    "sim-beta": Capabilities(frozenset({"card"}), None, fee_basis_points=150),
    "sim-gamma": Capabilities(ALL_METHODS, frozenset({"INR", "EUR", "USD", "GBP"}), fee_basis_points=130),
}


_settings = Prepared(select(AcquirerSetting.name, AcquirerSetting.settings, AcquirerSetting.enabled), autoflush=False)
Settings = Mapping[str, tuple[Mapping[str, object], bool]]
"""By acquirer, what was set and whether it is enabled; those that nobody has set are not in it."""


def read(session: ReadSession) -> Settings:
    """What the database has."""
    return {name: (settings, enabled) for name, settings, enabled in _settings.rows(session)}


def expect(session: WriteSession, settings: Settings) -> None:
    """This unit of work will look acquirers up, whose settings these are."""
    session.info["acquirers"] = settings


def _all_settings(session: ReadSession) -> Settings:
    known: Settings | None = session.info.get("acquirers")
    return read(session) if known is None else known


def installed(session: ReadSession, mode: str) -> dict[str, tuple[Acquirer, bool]]:
    """The acquirers of a mode by name, and whether each is enabled. Simulators take test money only."""
    if mode != "test":
        return {}
    known = _all_settings(session)
    return {name: _made(name, known) for name in SIMULATORS}


def _made(name: str, known: Settings) -> tuple[Acquirer, bool]:
    if name not in known:
        return _simulator(name, SimulatorSettings()), True
    settings, enabled = known[name]
    return _simulator(name, msgspec.convert(settings, SimulatorSettings)), enabled


@lru_cache
def _simulator(name: str, settings: SimulatorSettings) -> Simulator:
    return Simulator(name, SIMULATORS[name], settings)


def acquirer(session: ReadSession, name: str) -> Acquirer:
    """The acquirer of a name with its present settings. Raises NotFound."""
    if name not in SIMULATORS:
        raise NotFound(f"There is no acquirer {name[:40]}.")
    return _made(name, _all_settings(session))[0]


def configure(session: WriteSession, name: str, changes: Mapping[str, object], enabled: bool | None) -> None:
    """Change an acquirer's settings. Raises NotFound, Invalid naming the field."""
    if name not in SIMULATORS:
        raise NotFound(f"There is no acquirer {name[:40]}.")
    row = session.get_locked(AcquirerSetting, name)
    if row is None:
        row = AcquirerSetting(name=name, settings={}, enabled=True)
        session.add(row)
    merged = {**row.settings, **changes}
    try:
        msgspec.convert(merged, SimulatorSettings)
    except (msgspec.ValidationError, ValueError) as error:
        raise Invalid(str(error), field="settings") from error
    row.settings = merged
    if enabled is not None:
        row.enabled = enabled
    session.flush()
    session.info.pop("acquirers", None)
