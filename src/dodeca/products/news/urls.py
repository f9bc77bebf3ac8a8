"""Addresses and titles of posts: what is accepted, and when two addresses are the same page."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from publicsuffixlist import PublicSuffixList

from dodeca.kernel.errors import Invalid

LONGEST_URL: Final = 2048
LONGEST_TITLE: Final = 150
_TRACKING: Final = re.compile(r"utm_.*|fbclid|gclid", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_KINDS: Final = ((re.compile(r"ask(?: hn)?:", re.I), "ask"), (re.compile(r"show(?: hn)?:", re.I), "show"))


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """Read when first needed: it takes as long as a page."""
    return PublicSuffixList()


def checked_url(url: str) -> str:
    """The address as it will be linked. Raises Invalid for what is no http(s) address, or too long."""
    url = url.strip()
    if len(url) > LONGEST_URL:
        raise Invalid(f"An address has at most {LONGEST_URL:,} characters.", field="url")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise Invalid("This is not an address.", field="url") from error
    if _has_invisible(url) or parts.scheme.lower() not in _DEFAULT_PORTS or not host or "." not in host.strip("."):
        raise Invalid("Give an address that begins with http:// or https://.", field="url")
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~-._")


def _has_invisible(url: str) -> bool:
    if url.isascii() and url.isprintable():
        return " " in url
    return any(c.isspace() or unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in url)


def url_key(url: str) -> str:
    """What is equal for two addresses of one page: without scheme, www., default port, fragment, trailing slash and
    tracking parameters; host in lower case, the query in order."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.").rstrip(".")
    port = f":{parts.port}" if parts.port and parts.port != _DEFAULT_PORTS.get(parts.scheme.lower()) else ""
    pairs = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.fullmatch(k)]
    query = f"?{urlencode(sorted(pairs))}" if pairs else ""
    return f"{host}{port}{parts.path.rstrip('/')}{query}"


@lru_cache(maxsize=20_000)
def _registered(host: str) -> str:
    return str(_suffixes().privatesuffix(host) or host)


def site_of(url: str) -> str:
    """The site that a post's address belongs to: its registered domain."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return _registered(host)


def checked_title(title: str) -> str:
    """The title in one line without invisible characters. Raises Invalid unless 1 to 150 characters remain."""
    if not (title.isascii() and title.isprintable()):
        visible = "".join(" " if c.isspace() else c for c in title if c.isspace() or not _invisible(c))
        title = unicodedata.normalize("NFC", visible)
    title = " ".join(title.split())
    if not title:
        raise Invalid("Give a title.", field="title")
    if len(title) > LONGEST_TITLE:
        raise Invalid(f"A title has at most {LONGEST_TITLE} characters.", field="title")
    return title


def _invisible(character: str) -> bool:
    """Controls, zero-width and bidirectional marks, halves of surrogate pairs, private use."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn") or character in "\u115f\u1160\u3164\uffa0"


def kind_of(title: str) -> str:
    """story, ask or show, by the beginning of the title."""
    return next((kind for pattern, kind in _KINDS if pattern.match(title)), "story")
