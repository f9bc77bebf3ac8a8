"""The URL shortener: the first product, and the pattern of the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dodeca.kernel.manifest import Manifest
from dodeca.products.shortener import (
    accounts,
    api,
    compat,
    demo,
    exporters,
    home,
    importers,
    invariants,
    jobs,
    lane,
    pages,
    visits,
)
from dodeca.products.shortener.service import moderation, of
from dodeca.products.shortener.settings import ShortenerSettings

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

__all__ = ["manifest"]


def prepare(platform: Platform) -> None:
    """Bring clicks into the numbers in the server process, unless workers do."""
    if platform.settings.workers_inline and not platform.settings.test_clock:
        of(platform).folder.start()


manifest = Manifest(
    name="shortener",
    title="Shortener",
    tagline="Short links that you own, with numbers you can check.",
    icon="link",
    folder=Path(__file__).parent,
    api=api.routes,
    pages=pages.routes,
    root=visits.routes,
    settings=ShortenerSettings,
    jobs=jobs.jobs,
    invariants=invariants.invariants,
    importers=importers.importers,
    exporters=exporters.exporters,
    account_export=accounts.export_account,
    account_delete=accounts.delete_account,
    demo=demo.fill,
    lane=lane.make_lane,
    hosts=visits.custom_hosts,
    compat=compat.routers,
    home=home.living,
    mine=home.mine,
    prepare=prepare,
    search=home.search,
    doctor=invariants.doctor,
    reports=moderation.open_for_admins,
)
