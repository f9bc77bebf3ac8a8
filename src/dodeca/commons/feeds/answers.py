"""A feed over HTTP: readers ask every few minutes, and mostly nothing is new."""

from __future__ import annotations

import hashlib

from litestar import Response

from dodeca.commons.feeds.formats import MEDIA_TYPES, Feed, written
from dodeca.kernel.http import Call
from dodeca.kernel.web.assets import etag_matches

MOST_SECONDS = 60
"""How long a feed that everybody may read is kept by caches."""


def answer(call: Call, feed: Feed, kind: str, *, shared: bool = True) -> Response[bytes]:
    """A feed in a format of MEDIA_TYPES, or 304 where the reader has it. Any page may read one that is `shared`;
    another one, whose address is a secret, is kept by nobody."""
    content = written(feed, kind)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "Cache-Control": f"public, max-age={MOST_SECONDS}" if shared else "private, no-store",
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
        "ETag": etag,
    }
    if etag_matches(call.request.headers.get("if-none-match", ""), etag):
        return Response(b"", status_code=304, headers=headers, media_type=MEDIA_TYPES[kind])
    return Response(content, headers=headers, media_type=MEDIA_TYPES[kind])
