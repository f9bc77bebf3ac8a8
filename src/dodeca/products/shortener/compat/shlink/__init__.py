"""Shlink's REST API at `/shortener/rest/v3` (v1 and v2 alike): https://api-spec.shlink.io.

Sign-in is `X-Api-Key: KEY`. Browsers of any origin may call it, as Shlink's web client does: no cookie counts here."""

from dodeca.kernel.http import open_to_all
from dodeca.products.shortener.compat.calls import METHODS
from dodeca.products.shortener.compat.shlink import domains, short_urls, tags, visits  # noqa: F401 - they add calls
from dodeca.products.shortener.compat.shlink.errors import shlink_error
from dodeca.products.shortener.compat.shlink.shapes import calls

router = calls.router(shlink_error, middleware=[open_to_all(METHODS, headers="X-Api-Key, Content-Type")])
