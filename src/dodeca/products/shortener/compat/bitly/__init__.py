"""Bitly's API, version 4, at `/shortener/v4`: https://dev.bitly.com/api-reference.

Sign-in is `Authorization: Bearer KEY` or the bare key, as Bitly's clients send it."""

from dodeca.products.shortener.compat.bitly import account, bitlinks, custom, groups, metrics  # noqa: F401 - they add calls
from dodeca.products.shortener.compat.bitly.errors import bitly_error
from dodeca.products.shortener.compat.bitly.shapes import calls

router = calls.router(bitly_error)
