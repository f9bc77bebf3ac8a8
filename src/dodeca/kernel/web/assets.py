"""Static files under URLs that carry a hash of their content, so that browsers may keep them for ever.

`shell/css/shell.css` is served as `/static/shell/css/shell.3f9a1c0b7d2e.css`. References between files are followed:
in CSS, `@import "./x.css"` is replaced by that file's text and `url("./x.woff2")` by its hashed URL; in JavaScript,
`import … from "./x.js"` gets the hashed URL. A path that starts with `/static/` may name a file of another root.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import dirname, normpath
from typing import Any

import rcssmin
from litestar import Request, Response
from litestar.datastructures import State
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler, route
from litestar.params import FromPath

HASH_LENGTH = 12
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
SMALLEST_GZIP = 700  # bytes; below, the header costs more than compression saves

# Fixed here, because the machine's own table differs between systems and may be edited by its owner.
# Litestar adds the charset to text types.
CONTENT_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
}
_COMPRESSIBLE = {".css", ".js", ".mjs", ".json", ".webmanifest", ".svg", ".txt", ".wasm"}
_HASHED = re.compile(rf"^(?P<stem>.+)\.(?P<hash>[0-9a-f]{{{HASH_LENGTH}}})(?P<ext>\.[A-Za-z0-9]+)$")
_CSS_IMPORT = re.compile(r"""@import\s+(?:url\()?["']([^"')]+)["']\)?\s*;""")
_ABSOLUTE = re.compile(r"[a-z]+:|#|//")
_CSS_URL = re.compile(r"""url\(\s*["']?([^"')]+?)["']?\s*\)""")
# Within a block rcssmin takes ` :is(` for a declaration's colon and drops the space, so that `.a :is(b)` became
# `.a:is(b)`; `.a *:is(b)` says the same.
_BELOW = re.compile(r"(?<=[\w\])])\s+(:(?:is|where|not|has)\()")
_JS_IMPORT = re.compile(r"""((?:\bfrom|\bimport)\s*\(?\s*)(["'])((?:\.{1,2}|/static)/[^"']+)\2""")


class UnknownAsset(LookupError):
    """A template or a file names an asset that does not exist."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file in memory, with its references resolved. `packed` is its gzip form where that is smaller."""

    body: bytes
    packed: bytes | None
    content_type: str
    digest: str
    url: str


class Assets:
    """The static files of the shell and of the products: `roots` maps a URL segment to a folder.

    Only files that a scan of the folders finds can be served, so no path leads outside; symbolic links that point
    outside their root are left out. With `reload`, changes are looked for at every access (for development).
    """

    def __init__(self, roots: Mapping[str, Path], *, prefix: str = "/static", reload: bool = False) -> None:
        self._roots = {root: folder.resolve() for root, folder in roots.items()}
        self._prefix = prefix
        self._reload = reload
        self._files = self._scan()
        self._loaded: dict[str, Asset] = {}

    @property
    def prefix(self) -> str:
        """The path below which all assets are served."""
        return self._prefix

    @property
    def names(self) -> list[str]:
        """All names that `url` knows."""
        return sorted(self._files)

    def url(self, name: str) -> str:
        """The hashed URL of `<root>/<path>`. Raises UnknownAsset."""
        return self.asset(name).url

    def asset(self, name: str) -> Asset:
        """The file itself. Raises UnknownAsset."""
        if self._reload:
            self._refresh()
        return self._load(name, ())

    def find(self, path: str) -> tuple[Asset, bool] | None:
        """The asset for a path below the prefix, and whether the path carries its present hash.

        An outdated hash (a page from before an update) finds the present file, so that a page in use does not break;
        it must then be revalidated instead of kept.
        """
        name = path.lstrip("/")
        match = _HASHED.match(name)
        plain = match["stem"] + match["ext"] if match else name
        try:
            if match and plain in self._files:
                asset = self.asset(plain)
                return asset, asset.digest == match["hash"]
            return self.asset(name), False
        except UnknownAsset:
            return None

    def _scan(self) -> dict[str, tuple[Path, int, int]]:
        found = {}
        for root, folder in self._roots.items():
            for file in sorted(folder.rglob("*")):
                hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
                if hidden or not file.is_file() or not file.resolve().is_relative_to(folder):
                    continue
                state = file.stat()
                name = f"{root}/{file.relative_to(folder).as_posix()}"
                found[name] = (file, state.st_mtime_ns, state.st_size)
        return found

    def _refresh(self) -> None:
        files = self._scan()
        if files != self._files:
            self._files, self._loaded = files, {}

    def _load(self, name: str, parents: tuple[str, ...]) -> Asset:
        loaded = self._loaded.get(name)
        if loaded is not None:
            return loaded
        if name in parents:
            raise UnknownAsset(f"Assets refer to each other in a circle: {' → '.join((*parents, name))}.")
        if name not in self._files:
            source = f" (named in {parents[-1]})" if parents else ""
            raise UnknownAsset(f"There is no asset {name!r}{source}.")
        body = self._resolved(name, parents)
        asset = self._loaded[name] = self._made(name, body)
        return asset

    def _resolved(self, name: str, parents: tuple[str, ...]) -> bytes:
        body = self._files[name][0].read_bytes()
        if name.endswith(".css"):
            text = self._css(name, body.decode(), parents)
            return (text if self._reload else rcssmin.cssmin(_BELOW.sub(r" *\1", text))).encode()
        # What came from a package as one file stays as it is: it refers to nothing of ours.
        if name.endswith((".js", ".mjs")) and "/built/" not in name:
            return self._js(name, body.decode(), parents).encode()
        return body

    def _made(self, name: str, body: bytes) -> Asset:
        path = PurePosixPath(name)
        digest = hashlib.sha256(body).hexdigest()[:HASH_LENGTH]
        # mtime=0: the same content packs to the same bytes, on every machine and at every start.
        packed = gzip.compress(body, mtime=0) if path.suffix in _COMPRESSIBLE and len(body) >= SMALLEST_GZIP else None
        guess = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return Asset(
            body=body,
            packed=packed if packed and len(packed) < len(body) else None,
            content_type=CONTENT_TYPES.get(path.suffix, guess),
            digest=digest,
            url=f"{self._prefix}/{path.with_suffix('')}.{digest}{path.suffix}",
        )

    def _css(self, name: str, text: str, parents: tuple[str, ...]) -> str:
        def imported(match: re.Match[str]) -> str:
            target = self._target(name, match[1])
            return self._load(target, (*parents, name)).body.decode()

        def linked(match: re.Match[str]) -> str:
            if _ABSOLUTE.match(match[1]) or _HASHED.match(match[1]):
                return match[0]
            return f'url("{self._load(self._target(name, match[1]), (*parents, name)).url}")'

        return _CSS_URL.sub(linked, _CSS_IMPORT.sub(imported, text))

    def _js(self, name: str, text: str, parents: tuple[str, ...]) -> str:
        def linked(match: re.Match[str]) -> str:
            asset = self._load(self._target(name, match[3]), (*parents, name))
            return f"{match[1]}{match[2]}{asset.url}{match[2]}"

        return _JS_IMPORT.sub(linked, text)

    def _target(self, name: str, reference: str) -> str:
        """The asset that `reference`, written in the file `name`, means."""
        if reference.startswith(f"{self._prefix}/"):
            return reference.removeprefix(f"{self._prefix}/")
        return normpath(f"{dirname(name)}/{reference}")


def static_handler(assets: Assets) -> HTTPRouteHandler:
    """The route handler that serves `assets` with GET and HEAD, open to everybody."""

    @route(
        f"{assets.prefix}/{{path:path}}",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        access="public",
        include_in_schema=False,
        sync_to_thread=False,
        name="static",
    )
    def static(request: Request[Any, Any, State], path: FromPath[str]) -> Response[bytes]:
        return answer(assets, path, method=request.method, headers=request.headers)

    return static


def answer(assets: Assets, path: str, *, method: str, headers: Mapping[str, str]) -> Response[bytes]:
    """The answer to one request for a static file: 200, 304 or 404."""
    found = assets.find(path)
    if found is None:
        return Response(b"There is no such file.\n", status_code=404, media_type="text/plain")
    asset, current = found
    packed = asset.packed if asset.packed and accepts_gzip(headers.get("accept-encoding", "")) else None
    etag = f'"{asset.digest}{"-gz" if packed else ""}"'
    sent = {"ETag": etag, "Cache-Control": IMMUTABLE if current else REVALIDATE, "X-Content-Type-Options": "nosniff"}
    if asset.packed:
        sent["Vary"] = "Accept-Encoding"
    if etag_matches(headers.get("if-none-match", ""), etag):
        return Response(b"", status_code=304, headers=sent, media_type=asset.content_type)
    body = packed or asset.body
    if packed:
        sent["Content-Encoding"] = "gzip"
    if method == "HEAD":
        sent["Content-Length"] = str(len(body))
        body = b""
    return Response(body, headers=sent, media_type=asset.content_type)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip, by its Accept-Encoding header (RFC 9110, section 12.5.3)."""
    weights = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameter = part.partition(";")
        weights[coding.strip()] = parameter.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return weights.get("gzip", weights.get("*", False))


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match names `etag` (weak comparison, RFC 9110, section 13.1.2)."""
    if if_none_match.strip() == "*":
        return True
    return etag in {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
