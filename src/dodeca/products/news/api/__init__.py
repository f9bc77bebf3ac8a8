"""The API of news (section 4 of its description): paths below /api/news."""

from litestar.types import ControllerRouterHandler

from dodeca.products.news.api import (
    inviting,
    marking,
    moderating,
    people,
    posts,
    reading,
    registering,
    shelving,
    streaming,
    suggesting,
    talking,
    voting,
)

routes: list[ControllerRouterHandler] = [
    *registering.routes,
    *posts.routes,
    *talking.routes,
    *voting.routes,
    *reading.routes,
    *streaming.routes,
    *suggesting.routes,  # before the marks, whose paths are as long
    *marking.routes,
    *people.routes,
    *inviting.routes,
    *shelving.routes,
    *moderating.routes,
]
