"""`/api/shortener`: the product's own API."""

from dodeca.products.shortener.api import analysis, following, links, moderating, organising, shortening, transferring

routes = [
    *shortening.routes,
    *links.routes,
    *analysis.routes,
    *organising.routes,
    *moderating.routes,
    *transferring.routes,
    *following.routes,
]
