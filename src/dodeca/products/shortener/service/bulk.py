"""The same change for many links at once: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Principal
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import labels, links
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.service.wishes import LinkChange

MOST_LINKS = 100


def chosen(session: WriteSession, actor: Principal, link_ids: Sequence[str]) -> list[Link]:
    """Links that the caller may change, locked in order of their ids so that two callers cannot block each other.

    Raises Invalid for none or too many, NotFound, Forbidden."""
    wanted = sorted(set(link_ids))
    if not wanted:
        raise Invalid("Select at least one link.", field="links")
    if len(wanted) > MOST_LINKS:
        raise Invalid(f"Select at most {MOST_LINKS} links.", field="links")
    return [links.editable(session, actor, link_id) for link_id in wanted]


def archive(
    session: WriteSession, shortener: Shortener, actor: Principal, link_ids: Sequence[str], *, archived: bool = True
) -> int:
    """Put links into the archive, or take them out. Gives how many."""
    return _change(session, shortener, actor, link_ids, lambda _link: LinkChange(archived=archived))


def tag(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal,
    link_ids: Sequence[str],
    names: Sequence[str],
    *,
    remove: bool = False,
) -> int:
    """Add tags to links, or take them away; other tags stay. Raises Invalid without a name."""
    if not names:
        raise Invalid("Name a tag.", field="tag")
    found = chosen(session, actor, link_ids)
    held = labels.tags_of(session, [link.id for link in found])
    given = {name.lower() for name in names}
    for link in found:
        kept = [name for name in held.get(link.id, []) if name.lower() not in given]
        labels.set_tags(session, link, kept if remove else [*kept, *names])
    return len(found)


def move(
    session: WriteSession, shortener: Shortener, actor: Principal, link_ids: Sequence[str], folder: str | None
) -> int:
    """Put links into a folder, which is made where it is missing, or into none."""
    return _change(session, shortener, actor, link_ids, lambda _link: LinkChange(folder=folder or None))


def remove(session: WriteSession, shortener: Shortener, actor: Principal, link_ids: Sequence[str]) -> int:
    """Delete links."""
    found = chosen(session, actor, link_ids)
    for link in found:
        links.remove(session, shortener, link)
    return len(found)


def _change(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal,
    link_ids: Sequence[str],
    wish: Callable[[Link], LinkChange],
) -> int:
    found = chosen(session, actor, link_ids)
    for link in found:
        links.change(session, shortener, actor, link, wish(link))
    return len(found)
