"""Music: a streaming service for one's own library and for artists, that every Subsonic app can play."""

from pathlib import Path

from dodeca.kernel.manifest import Manifest
from dodeca.products.music import api, compat, invariants, jobs, pages
from dodeca.products.music.settings import MusicSettings

__all__ = ["manifest"]

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
)
