"""Pages of music."""

from litestar.types import ControllerRouterHandler

from dodeca.products.music.pages import listening

routes: list[ControllerRouterHandler] = [*listening.routes]
