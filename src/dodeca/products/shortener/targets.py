"""Target URLs: what may be shortened, how it is written, and how it is compared.

A target is parsed once, by the parser that browsers agree on (WHATWG URL, through ada). Everything that
decides about it (own host, private address, look-alike, hash) looks at that parse and never at the text that
was typed, so a second spelling cannot pass where the first was refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

import ada_url

from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.hosts import HostVerdict, OwnHosts, judge_host

MAX_BYTES = 8_000
"""Length limit of a target in bytes of UTF-8: what servers and proxies accept in one request line."""

WEB_SCHEMES = frozenset({"http", "https"})
NEVER_SCHEMES = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "filesystem"})
"""Schemes that run code or read local files in the visitor's browser; no setting allows them."""

# What the WHATWG parser strips (C0 controls and space) and the blanks that pasting from a document brings.
_TRIM = "".join(map(chr, range(0x21))) + "\x7f\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff\u200b"
_CONTROLS = re.compile(r"[\x00-\x1f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# `example.com:8080/x` is, to the parser, the scheme "example.com". Nobody means that.
_HOST_AND_PORT = re.compile(r"(?:[^/?#:@\\]+\.[^/?#:@\\]+|localhost):\d{1,5}(?:[/?#\\]|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """What this installation allows as a target."""

    own: OwnHosts = field(default_factory=OwnHosts)
    allow_private: bool = False
    extra_schemes: frozenset[str] = frozenset()
    """Further schemes without colon, lower case, for example `{"tel", "mailto"}`."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be redirected to."""

    long_url: str
    """As the person gave it, trimmed."""
    location: str
    """Its WHATWG serialisation (ASCII): the value of the `Location` header."""
    host: str
    domain: str
    """Registrable domain, or the host where there is none."""
    url_hash: int
    """63-bit hash of `location`."""
    lookalike: bool

    @property
    def warning(self) -> str | None:
        return "lookalike" if self.lookalike else None


def judge_target(text: str, policy: TargetPolicy, *, field: str = "long_url") -> Target:
    """Parse and judge a target. Raises Invalid naming `field`, with a reason that the person can act on."""
    given = text.strip(_TRIM)
    absolute = _with_scheme(_checked_text(given, field), field)
    try:
        href: str = ada_url.normalize_url(absolute)
    except ValueError as error:
        raise Invalid("This is not a URL that a browser could open.", field=field) from error
    scheme, has_user, host, path = _parts(href)
    if scheme in NEVER_SCHEMES or (scheme not in WEB_SCHEMES and scheme not in policy.extra_schemes):
        raise Invalid(f"Only http and https addresses can be shortened, not {scheme}:.", field=field)
    if has_user:
        raise Invalid("Leave the user name and password out of the URL: everybody would see them.", field=field)
    verdict = _judged_host(host, path, scheme, policy, field)
    return Target(given, href, host, verdict.domain, url_hash(href), verdict.lookalike)


def _parts(href: str) -> tuple[str, bool, str, str]:
    """Scheme, whether it names a user, host and path of a serialised URL.

    A web address that is serialised has one shape (https://url.spec.whatwg.org/#url-serializing), in which each is
    found by what stands around it; asking the parser for each costs four times as much as parsing. Other schemes have
    more."""
    scheme, _, rest = href.partition(":")
    if scheme not in WEB_SCHEMES:
        parts = ada_url.parse_url(href, attributes=("username", "password", "hostname", "pathname"))
        return scheme, bool(parts["username"] or parts["password"]), parts["hostname"], parts["pathname"]
    authority, _, path = rest[2:].partition("/")
    user, at, host = authority.rpartition("@")
    if not host.endswith("]"):  # an IPv6 address has colons and is in brackets
        name, colon, port = host.rpartition(":")
        host = name if colon else port
    return scheme, bool(user or at), host, "/" + path.partition("#")[0].partition("?")[0]


def url_hash(location: str) -> int:
    """A 63-bit hash of a serialised URL, so that it fits a signed 64-bit column. Equal hashes need a
    comparison."""
    return int.from_bytes(hashlib.blake2b(location.encode(), digest_size=8).digest()) >> 1


def _checked_text(text: str, field: str) -> str:
    if not text:
        raise Invalid("Paste the address to shorten.", field=field)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise Invalid("The URL holds characters that are not valid Unicode.", field=field) from error
    if size > MAX_BYTES:
        raise Invalid(f"The URL has {size:,} bytes; at most {MAX_BYTES:,} are allowed.", field=field)
    if _CONTROLS.search(text):
        raise Invalid("The URL has a line break, tab or control character inside.", field=field)
    return text


def _with_scheme(text: str, field: str) -> str:
    if _SCHEME.match(text) and not _HOST_AND_PORT.match(text):
        return text
    if text.startswith("//"):
        return f"https:{text}"
    if text[0] in "/\\?#:.":
        raise Invalid("This is only a part of a URL: the host is missing.", field=field)
    return f"https://{text}"


def _judged_host(host: str, path: str, scheme: str, policy: TargetPolicy, field: str) -> HostVerdict:
    if scheme not in WEB_SCHEMES and not host:
        return HostVerdict(private=False, domain="", lookalike=False)
    if policy.own.is_short_link(host, path):
        raise Invalid("This is already a short link of ours.", field=field)
    verdict = judge_host(host)
    if verdict.private and not policy.allow_private:
        raise Invalid("This address exists only on a local network.", field=field)
    return verdict
