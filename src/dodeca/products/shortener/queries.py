"""Merging query parameters into a serialised target URL, leaving untouched what is not replaced."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import quote, unquote_plus

from dodeca.products.shortener.targets import MAX_BYTES

UTM_FIELDS = ("source", "medium", "campaign", "term", "content")
QR_MARK = "qr"
"""The parameter that our QR codes carry to tell scans from clicks. It is ours, so it is never forwarded."""

# Everything that the WHATWG "special-query" percent-encode set leaves alone, and the percent sign itself.
_QUERY_SAFE = "!$&()*+,-./:;=?@[\\]^_`{|}~%"


def merge_utm(location: str, utm: Mapping[str, str]) -> str:
    """Set `utm_source` and so on; parameters of the target with the same name are replaced.

    `utm` maps some of UTM_FIELDS to text; empty values are left out.
    """
    wanted = {f"utm_{name}": utm[name] for name in UTM_FIELDS if utm.get(name)}
    if not wanted:
        return location
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in wanted.items())
    return _replace(location, added, wanted)


def forward_query(location: str, raw_query: str) -> str:
    """Add the visitor's query string to the target; where both name a parameter, the visitor's values stay.

    `raw_query` is the query of the request, still encoded. The answer is safe in a header: controls, blanks,
    quotes and non-ASCII characters are percent-encoded. A result longer than a target may be is not made: the
    link's own target is returned instead.
    """
    pairs = [pair for pair in raw_query.split("&") if pair and _name(pair) != QR_MARK]
    if not pairs:
        return location
    added = quote("&".join(pairs), safe=_QUERY_SAFE, errors="replace")
    merged = _replace(location, added, {_name(pair) for pair in pairs})
    return merged if len(merged) <= MAX_BYTES else location


def holds_qr_mark(raw_query: str) -> bool:
    """Whether a request's query says that a QR code was scanned."""
    return QR_MARK in raw_query and any(_name(pair) == QR_MARK for pair in raw_query.split("&"))


def query_pairs(raw_query: str) -> tuple[tuple[str, str], ...]:
    """The decoded (name, value) pairs of a query string; a parameter without `=` has the value ''."""
    pairs = (pair.partition("=") for pair in raw_query.split("&") if pair)
    return tuple((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def _replace(location: str, added: str, names: Collection[str]) -> str:
    address, hash_mark, fragment = location.partition("#")
    path, _, query = address.partition("?")
    kept = [pair for pair in query.split("&") if pair and _name(pair) not in names]
    return f"{path}?{'&'.join([*kept, added])}{hash_mark}{fragment}"
