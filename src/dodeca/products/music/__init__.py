"""Music: a streaming service for one's own library and for artists, that every Subsonic app can play."""

from pathlib import Path

from dodeca.kernel.manifest import Manifest
from dodeca.kernel.platform import Platform
from dodeca.products.music import accounts, api, compat, demo, home, importers, invariants, jobs, lane, pages
from dodeca.products.music.at_hand import at_hand
from dodeca.products.music.settings import MusicSettings

__all__ = ["manifest"]


def prepare(platform: Platform) -> None:
    """Let this process hear and tell what of songs and listeners is to be looked up again."""
    at_hand(platform)


manifest = Manifest(
    name="music",
    title="Music",
    tagline="Your own library and everybody's songs, on every device.",
    icon="music",
    folder=Path(__file__).parent,
    api=api.routes,
    pages=pages.routes,
    compat=compat.routers,
    root=compat.root,
    settings=MusicSettings,
    jobs=jobs.jobs,
    invariants=invariants.invariants,
    demo=demo.fill,
    lane=lane.make_lane,
    prepare=prepare,
    importers=importers.importers,
    exporters=importers.exporters,
    home=home.living,
    search=home.search,
    reports=home.open_reports,
    account_export=accounts.export,
    account_delete=accounts.delete_account,
)
