"""News: people submit links and questions, vote and discuss; a public formula decides what all see first."""

from pathlib import Path

from dodeca.kernel.manifest import Manifest
from dodeca.products.news import (
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
    late_indexes,
    pages,
)
from dodeca.products.news.service import personal

__all__ = ["manifest"]

manifest = Manifest(
    name="news",
    title="News",
    tagline="Links and questions, ranked by a public formula.",
    icon="newspaper",
    folder=Path(__file__).parent,
    api=api.routes,
    pages=pages.routes,
    compat=compat.routers,
    jobs=jobs.jobs,
    invariants=invariants.invariants,
    importers=importers.importers,
    exporters=exporters.exporters,
    account_export=personal.export,
    account_delete=accounts.delete_account,
    demo=demo.fill,
    home=home.living,
    lane=lane.make_lane,
    prepare=late_indexes.prepare,
    search=home.search,
    reports=home.open_reports,
)
