"""APIs of other shorteners: each module owns its sign-in, shapes and errors, and calls the service.

What each supports, and what is narrower, stands in docs/products/shortener-api-clients.md."""

from dodeca.products.shortener.compat import bitly, shlink, yourls

routers = [bitly.router, shlink.router, yourls.router]
