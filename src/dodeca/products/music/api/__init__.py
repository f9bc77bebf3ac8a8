"""The API of music (section 4 of its description): paths below /api/music."""

from litestar.types import ControllerRouterHandler

from dodeca.products.music.api import (
    browsing,
    covers,
    listening,
    live,
    playlists,
    registering,
    running,
    sharing,
    social,
    songs,
    stations,
    streaming,
    transferring,
    uploading,
)

routes: list[ControllerRouterHandler] = [
    *registering.routes,
    *uploading.routes,
    *songs.routes,
    *streaming.routes,
    *covers.routes,
    *playlists.routes,
    *social.routes,
    *browsing.routes,
    *listening.routes,
    *sharing.routes,
    *stations.routes,
    *live.routes,
    *transferring.routes,
    *running.routes,
]
