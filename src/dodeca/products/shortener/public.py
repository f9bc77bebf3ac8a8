"""What other products may ask of the shortener."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dodeca.kernel.http import Principal
from dodeca.products.shortener.journal import Click, Recorded
from dodeca.products.shortener.recording import append
from dodeca.products.shortener.service import creating, of, wishes
from dodeca.products.shortener.service.installation import now_milliseconds

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


async def short_url(platform: Platform, actor: Principal, long_url: str) -> str:
    """The actor's short URL of a target, made if needed. Raises Invalid, TooMany."""
    shortener = of(platform)
    made = await creating.make_short(shortener, actor, long_url, "")
    return shortener.short_url(made.link.short_code)


async def make_link(platform: Platform, actor: Principal, wish: wishes.NewLink) -> tuple[int, str]:
    """Make a link with any settings; gives its id and short URL. Raises Invalid, TooMany, Conflict."""
    shortener = of(platform)
    made = await creating.make(shortener, actor, wish, "")
    table = await shortener.db.aread(shortener.hosts)
    return made.link.id, shortener.short_url(made.link.short_code, table.host_of(made.link.domain_id))


def count_impression(platform: Platform, link_id: int, *, address: str = "", user_agent: str = "") -> None:
    """Tell that a link was shown to somebody, for its click-through rate."""
    append(of(platform), Click(link_id, now_milliseconds(), int(Recorded.IMPRESSION), address, user_agent))
