"""What a product (or a commons module) is, as data: `app.py` composes the application from manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from litestar.types import ControllerRouterHandler

from dodeca.kernel.db import ReadSession
from dodeca.kernel.jobs import Job
from dodeca.kernel.limits import Rate
from dodeca.kernel.outbox import Event
from dodeca.kernel.settings import SettingsGroup

if TYPE_CHECKING:
    from dodeca.kernel.http.bridge import Lane
    from dodeca.kernel.http.context import Call
    from dodeca.kernel.platform import Platform
    from dodeca.kernel.web.shell import HomeItem

Invariant = Callable[[ReadSession], Sequence[object]]
"""Gives the ids of rows that break a rule; an empty answer means that all is well."""


class OpenReport(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people reported and staff has not decided yet. `href` leads to where it is decided."""

    title: str
    href: str
    reason: str
    at: datetime
    count: int = 1
    """How many reported it."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A product's description. All parts but the names are optional.

    `api` routes lie below `/api/<name>`, `pages` below `/<name>`, `root` at the root (reserved paths, protocols).
    `compat` holds whole routers with their own error shapes, below `/<name>`. `lane` makes the raw handler of the hot
    path. `home` gives the living content of the card on the home page. `prepare` runs once a process, before serving.
    """

    name: str
    title: str
    tagline: str = ""
    icon: str = "box"
    folder: Path
    api: Sequence[ControllerRouterHandler] = ()
    pages: Sequence[ControllerRouterHandler] = ()
    compat: Sequence[ControllerRouterHandler] = ()
    root: Sequence[ControllerRouterHandler] = ()
    settings: type[SettingsGroup] | None = None
    jobs: Sequence[Job[Any]] = ()
    subscriptions: Mapping[type[Event], Sequence[Job[Any]]] = field(default_factory=dict)
    invariants: Mapping[str, Invariant] = field(default_factory=dict)
    importers: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """Format name → `function(platform, path, progress, **options) -> report`; the key "" is the default."""
    exporters: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """Format name → `function(platform, **options) -> Iterator[bytes]`; the key "" is the default."""
    account_export: Callable[[ReadSession, str], Mapping[str, bytes]] | None = None
    """What the product holds of an account, as files (name → content) for the account's export."""
    account_delete: Callable[..., None] | None = None
    """`function(session, account_id)`: remove or anonymise what the product holds of an account."""
    demo: Callable[[Platform], None] | None = None
    lane: Callable[[Platform], Lane] | None = None
    key_rate: Rate | None = None
    """How often one API key may ask this product, counted by the key, in place of its account's general limit."""
    hosts: Callable[[Platform], Callable[[str, str], str | None]] | None = None
    """For a product that answers on hosts of its own: `function(host, path)` gives the platform's path, or None."""
    home: Callable[[ReadSession, Platform], Any] | None = None
    mine: Callable[[ReadSession, Call, int], Sequence[HomeItem]] | None = None
    """`function(session, call, limit)`: lines of the home card that are the signed-in caller's own."""
    prepare: Callable[[Platform], None] | None = None
    search: Callable[[ReadSession, Call, str, int], Iterable[HomeItem]] | None = None
    """`function(session, call, text, limit)`: what the caller may see for the words, best first."""
    bench: Callable[..., Any] | None = None
    doctor: Sequence[Callable[..., Any]] = ()
    """Further checks that `dodeca doctor` runs: `function(platform) -> Iterable[problem text]`."""
    reports: Callable[[ReadSession, int], Sequence[OpenReport]] | None = None
    """`function(session, limit)`: what people reported and is still open, newest first, for `/admin/reports`."""
