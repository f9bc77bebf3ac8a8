"""Moving an alias from one link to another: what was printed leads elsewhere."""

from __future__ import annotations

from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound, Unavailable
from dodeca.kernel.http import Principal
from dodeca.products.shortener.models import Link, ShortCode
from dodeca.products.shortener.service import blocklist, inserting, links
from dodeca.products.shortener.service.codes import Codes
from dodeca.products.shortener.service.installation import Shortener

_ATTEMPTS = 4


def alias_of(session: ReadSession, domain_id: int, alias: str) -> ShortCode:
    """A live alias, whoever has it. Raises NotFound."""
    row = session.scalar(
        select(ShortCode).where(
            ShortCode.domain_id == domain_id,
            ShortCode.alias_key == alias.lower(),
            ShortCode.released_at.is_(None),
        )
    )
    if row is None:
        raise NotFound("There is no such alias.")
    return row


def move_alias(
    session: WriteSession, shortener: Shortener, actor: Principal, alias: ShortCode, to: Link, codes: Codes
) -> None:
    """Let an alias lead to another link of the caller. The link that had it keeps its other codes; without one it is
    given a fresh code, so that no link is lost.

    `to` comes from `links.editable`. Raises NotFound, Forbidden, Invalid."""
    source = links.editable(session, actor, alias.link_id)
    if source.id == to.id:
        return
    if to.domain_id != alias.domain_id:
        raise Invalid("The alias and the link are on different domains.", field="domain")
    if to.user_id != source.user_id:
        raise Invalid("The links have different owners.", field="link")
    shortener.forget(session, *blocklist.entry_keys(session, source), *blocklist.entry_keys(session, to))
    alias.link_id = to.id
    session.flush()
    if source.short_code == alias.text:
        source.short_code = _other_code(session, source, codes)
    to.short_code = alias.text
    source.updated_at = to.updated_at = clock.now()
    session.flush()


def _other_code(session: WriteSession, link: Link, codes: Codes) -> str:
    """A code that the link still has, generated ones first, or a fresh one."""
    left = select(ShortCode.text).where(ShortCode.link_id == link.id, ShortCode.released_at.is_(None))
    kept = session.scalar(left.order_by(ShortCode.alias_key.is_not(None), ShortCode.text).limit(1))
    if kept is not None:
        return kept
    for _ in range(_ATTEMPTS):
        code = codes.take()
        equal = select(ShortCode.text).where(ShortCode.domain_id == link.domain_id, ShortCode.alias_key == code.lower())
        if session.scalar(equal) is None and inserting.insert_code(session, link.domain_id, code, link.id):
            return code
    raise Unavailable("No short code is ready. Try again.")
