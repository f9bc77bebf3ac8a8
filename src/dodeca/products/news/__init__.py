"""News: people submit links and questions, vote and discuss; a public formula decides what all see first."""

from pathlib import Path

from dodeca.kernel.manifest import Manifest
from dodeca.products.news import api, importers, invariants, jobs
from dodeca.products.news.service import personal

__all__ = ["manifest"]

manifest = Manifest(
    name="news",
    title="News",
    tagline="Links and questions, ranked by a public formula.",
    icon="newspaper",
    folder=Path(__file__).parent,
    api=api.routes,
    jobs=jobs.jobs,
    invariants=invariants.invariants,
    importers=importers.importers,
    account_export=personal.export,
)
