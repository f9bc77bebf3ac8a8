"""The platform's own pages: home, search, theme, health, metrics, documentation, media, mail."""

from pathlib import Path

from dodeca.commons.shell import handbook_pages, jobs, pages, service_pages
from dodeca.kernel.manifest import Manifest

manifest = Manifest(
    name="shell",
    title="Platform",
    folder=Path(__file__).parent,
    root=[*pages.routes, *service_pages.routes, *handbook_pages.routes],
    jobs=jobs.jobs,
)
