"""Pages of music."""

from litestar.types import ControllerRouterHandler

from dodeca.products.music.pages import acts, browsing, feeds, listening, mine, open, radio, smart, uploading

routes: list[ControllerRouterHandler] = [
    *listening.routes,
    *browsing.routes,
    *feeds.routes,
    *radio.routes,
    *mine.routes,
    *open.routes,
    *uploading.routes,
    *smart.routes,
    *acts.routes,
]
