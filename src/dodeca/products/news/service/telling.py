"""No secret punishment: authors learn what was done to what they wrote, and why."""

from __future__ import annotations

from dodeca.commons import notifications
from dodeca.kernel.db import WriteSession
from dodeca.products.news.models import Item
from dodeca.products.news.service.rules import PRODUCT


def tell_author(session: WriteSession, item: Item, title: str, body: str, *, key: str | None = None) -> None:
    """Put it into the inbox of an item's author, where there is one; with a `key` only once."""
    if item.author_id is None:
        return
    href = f"/news/item?id={item.id}"
    notice = notifications.Notice(product=PRODUCT, kind="moderation", title=title, body=body, href=href, key=key)
    notifications.notify(session, item.author_id, notice)
