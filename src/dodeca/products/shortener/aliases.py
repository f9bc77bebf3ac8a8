"""Custom aliases: which names people may choose, and what to offer when one is taken."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterator

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid

MIN_SHARED = 3
"""Shortest alias on the shared domain. Owners of a domain may use a single character."""
MAX_LENGTH = 64
ALTERNATIVES = 3

_RESERVED_TEXT = """
    admin settings dashboard api s v1 v2 v3 v4 rest qr track clicks aliases analytics blocklist bulk check
    claim data domains events export folders groups import impressions info links live preview redirect
    reports rules shorten tags utm-templates verify webhooks about account accounts auth docs favicon
    health healthz help home login logout metrics openapi outbox privacy readyz register report schema
    search shortener sign-in sign-out sign-up static terms yourls-api
"""
RESERVED = frozenset(_RESERVED_TEXT.split())
"""Names of routes and of pages that people expect at these places; compared ignoring case."""

_ALLOWED = re.compile(r"[A-Za-z0-9_-]+\Z")


def check_alias(text: str, *, own_domain: bool = False, field: str = "alias") -> str:
    """Return the alias, trimmed. Raises Invalid for its characters or length; being reserved is not judged
    here."""
    alias = text.strip()
    shortest = 1 if own_domain else MIN_SHARED
    if not shortest <= len(alias) <= MAX_LENGTH:
        raise Invalid(f"An alias has {shortest} to {MAX_LENGTH} characters.", field=field)
    if not _ALLOWED.match(alias):
        raise Invalid("An alias has only letters a to z, digits, - and _.", field=field)
    return alias


def is_reserved(alias: str) -> bool:
    """Whether the name belongs to the product itself, in any letter case."""
    return alias.lower() in RESERVED


def alias_key(alias: str) -> str:
    """The form in which aliases are unique and are looked up."""
    return alias.lower()


def alternatives(
    alias: str, taken: Callable[[Collection[str]], Collection[str]], *, count: int = ALTERNATIVES
) -> list[str]:
    """At least `count` free aliases near the wanted one, best first.

    `taken` is asked with batches of alias keys and returns those in use, so a handful of queries suffice
    however crowded a name is. The candidates never end, hence neither do the alternatives.
    """
    found: list[str] = []
    for batch in _batches(candidates(alias), 12):
        used = set(taken([alias_key(name) for name in batch]))
        found += [name for name in batch if alias_key(name) not in used]
        if len(found) >= count:
            break
    return found[:count]


def candidates(alias: str) -> Iterator[str]:
    """Endless distinct valid aliases resembling `alias`; none is reserved or equal to it."""
    seen = {alias_key(alias)}
    for name in itertools.chain(_decorated(alias), _numbered(alias)):
        key = alias_key(name)
        if key not in seen and MIN_SHARED <= len(name) <= MAX_LENGTH and key not in RESERVED:
            seen.add(key)
            yield name


def _batches(names: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(itertools.islice(names, size)):
        yield batch


def _decorated(alias: str) -> Iterator[str]:
    year = clock.now().year
    yield _fit(alias, "-2")
    yield _fit(alias, f"-{year}")
    yield _fit("my-" + alias, "")
    yield _fit("go-" + alias, "")
    yield _fit(alias, "-link")
    yield _fit(alias, "-now")
    yield _fit("the-" + alias, "")
    yield _fit(alias, "-info")


def _numbered(alias: str) -> Iterator[str]:
    return (_fit(alias, f"-{number}") for number in itertools.count(3))


def _fit(stem: str, suffix: str) -> str:
    return stem[: MAX_LENGTH - len(suffix)] + suffix
