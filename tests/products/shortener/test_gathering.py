"""Plain links asked for at the same moment are made by one call, as each alone would have been."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select
from tests.products.shortener.conftest import Links, principal
from tests.support.platform import Factory

from dodeca.commons.accounts.models import Account
from dodeca.kernel.db import values_of
from dodeca.kernel.errors import DodecaError, Invalid
from dodeca.products.shortener.models import SHARED_DOMAIN, Link, ShortCode
from dodeca.products.shortener.service import Shortener, blocklist, creating
from dodeca.products.shortener.service.creating import Made, Wanted
from dodeca.products.shortener.service.gathering import create_together
from dodeca.products.shortener.service.wishes import NewLink

OWN = {"id", "short_code", "created_at", "updated_at"}
"""In which two links always differ."""


def together(shortener: Shortener, make: Factory, account: Account, urls: Sequence[str]) -> list[Any]:
    """What one call makes of the targets: rows, or errors."""
    with shortener.codes.reserved(len(urls)) as codes:
        wanted = [Wanted(principal(account), NewLink(long_url=url), codes, lambda _session, made: made) for url in urls]
        return list(make.run(lambda session: create_together(session, shortener, wanted)))


def row(shortener: Shortener, made: Made) -> dict[str, Any]:
    """The link's row, without what is its own."""
    link = shortener.db.read(lambda session: session.get_one(Link, made.link.id))
    return {name: value for name, value in values_of(link).items() if name not in OWN and not name.startswith("_")}


def test_links_of_one_call_are_as_those_made_alone(shortener: Shortener, make: Factory, alice: Account) -> None:
    urls = ["https://example.com/a", "bücher.example/é?q=1#x", "https://пример.example/", "https://example.com/a"]
    made = together(shortener, make, alice, urls)
    alone = [together(shortener, make, alice, [url])[0] for url in urls]

    assert [row(shortener, one) for one in made] == [row(shortener, one) for one in alone]
    assert len({one.link.short_code for one in [*made, *alone]}) == 8
    codes = shortener.db.read(lambda session: session.execute(select(ShortCode.link_id, ShortCode.text)).all())
    assert dict(codes) == {one.link.id: one.link.short_code for one in [*made, *alone]}


def test_each_is_refused_for_its_own_fault(shortener: Shortener, make: Factory, alice: Account) -> None:
    make.run(lambda session: blocklist.add(session, None, ["blocked.example", "https://example.com/bad"]))
    urls = [
        "https://example.com/good",
        "https://www.blocked.example/x",
        "javascript:alert(1)",
        "http://10.0.0.1/",
        "https://example.com/bad",
        "https://example.com/also-good",
    ]
    made = together(shortener, make, alice, urls)
    alone = [together(shortener, make, alice, [url])[0] for url in urls]

    assert [type(one).__name__ for one in made] == ["Made", "Invalid", "Invalid", "Invalid", "Invalid", "Made"]
    told = [[(e.message, e.field) for e in some if isinstance(e, DodecaError)] for some in (made, alone)]
    assert told[0] == told[1]
    assert shortener.db.read(lambda session: len(session.scalars(select(Link.id)).all())) == 4


@pytest.mark.parametrize("taken", ["alias", "code"])
def test_a_code_that_is_taken_already_is_passed_over(
    shortener: Shortener, make: Factory, alice: Account, links: Links, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    """An alias in another letter case, or a code that was brought in: each link gets one, and nobody is refused."""
    holder = links.new()
    code = links.new().short_code
    if taken == "alias":
        code = "Qx7aBc"
        alias = ShortCode(domain_id=SHARED_DOMAIN, text="qX7abC", alias_key="qx7abc", link_id=holder.id)
        make.run(lambda session: session.add(alias))
    real = shortener.codes.areserved

    def reserved(count: int = 1, *, readable: int = 0) -> Any:
        return _First(real(count, readable=readable), code)

    monkeypatch.setattr(shortener.codes, "areserved", reserved)
    wish = NewLink(long_url="https://example.com/many")

    async def ask() -> list[Made]:
        actor = principal(alice)
        return await asyncio.gather(*(creating.make(shortener, actor, wish, "") for _ in range(6)))

    made = asyncio.run(ask())
    found = [one.link.short_code for one in made]
    assert len(set(found)) == 6
    assert code not in found
    stored = shortener.db.read(lambda session: set(session.scalars(select(Link.short_code))))
    assert stored >= set(found)


class _First:
    """Reserved codes, with one before them that is taken."""

    def __init__(self, reserved: Any, code: str) -> None:
        self._reserved = reserved
        self._code = code

    async def __aenter__(self) -> Any:
        codes = await self._reserved.__aenter__()
        codes._plain.appendleft(self._code)
        return codes

    async def __aexit__(self, *raised: Any) -> Any:
        return await self._reserved.__aexit__(*raised)


def test_a_hundred_at_once_get_a_link_each(shortener: Shortener, make: Factory, alice: Account) -> None:
    actor = principal(alice)

    async def ask() -> list[Any]:
        wishes = [NewLink(long_url=f"https://example.com/{n}" if n % 10 else "mailto:x") for n in range(100)]
        return await asyncio.gather(
            *(creating.make(shortener, actor, wish, "") for wish in wishes), return_exceptions=True
        )

    made = asyncio.run(ask())
    assert [isinstance(one, Invalid) for one in made] == [n % 10 == 0 for n in range(100)]
    targets = [one.link.long_url for one in made if isinstance(one, Made)]
    assert targets == [f"https://example.com/{n}" for n in range(100) if n % 10]
    assert len({one.link.short_code for one in made if isinstance(one, Made)}) == 90


def test_more_codes_can_be_reserved_than_are_kept_at_hand(shortener: Shortener) -> None:
    found = shortener.codes.reserve(12_000).rest()[0]
    assert len(found) == len(set(found)) >= 12_000
