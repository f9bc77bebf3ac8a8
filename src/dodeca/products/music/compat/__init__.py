"""The protocols that players and scrobblers speak: Subsonic, ListenBrainz, internet radio.

Each module owns its sign-in, shapes and errors, and calls the service. What each supports, and what is narrower, stands
in docs/products/music.md."""

from litestar.types import ControllerRouterHandler

from dodeca.products.music.compat import listenbrainz, radio, subsonic

routers = [subsonic.router, listenbrainz.router, radio.router]
"""Below /music."""
root: list[ControllerRouterHandler] = [listenbrainz.router]
"""At the root, for clients that drop the path of their base address."""
