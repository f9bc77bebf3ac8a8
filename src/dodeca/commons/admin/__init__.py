"""Running the platform: accounts and roles, mail, jobs, the audit log, settings, health, reports. For admins only."""

from pathlib import Path

from dodeca.commons.admin import account_pages, api, pages
from dodeca.kernel.manifest import Manifest

__all__ = ["manifest"]

manifest = Manifest(
    name="admin",
    title="Administration",
    icon="shield",
    folder=Path(__file__).parent,
    api=api.routes,
    root=[*pages.routes, *account_pages.routes],
)
