"""Acquirers: whoever moves money in the world outside. All of today's simulate it, and only in test mode."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dodeca.kernel.db import ReadSession, WriteSession
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


def installed(session: ReadSession, mode: str) -> dict[str, tuple[Acquirer, bool]]:
    """The acquirers of a mode by name, and whether each is enabled. Simulators take test money only."""
    if mode != "test":
        return {}
    rows = {row.name: row for row in session.query(AcquirerSetting)}
    found: dict[str, tuple[Acquirer, bool]] = {}
    for name, capabilities in SIMULATORS.items():
        row = rows.get(name)
        settings = msgspec.convert(row.settings, SimulatorSettings) if row is not None else SimulatorSettings()
        found[name] = (Simulator(name, capabilities, settings), row.enabled if row is not None else True)
    return found


def acquirer(session: ReadSession, name: str) -> Acquirer:
    """The acquirer of a name with its present settings. Raises NotFound."""
    found = installed(session, "test").get(name)
    if found is None:
        raise NotFound(f"There is no acquirer {name[:40]}.")
    return found[0]


def configure(session: WriteSession, name: str, changes: Mapping[str, object], enabled: bool | None) -> None:
    """Change an acquirer's settings. Raises NotFound, Invalid naming the field."""
    if name not in SIMULATORS:
        raise NotFound(f"There is no acquirer {name[:40]}.")
    row = session.get(AcquirerSetting, name, with_for_update=True)
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
