"""Telling open pages what happened, after its commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dodeca.kernel.db import WriteSession
from dodeca.products.news import reading
from dodeca.products.news.models import Item
from dodeca.products.news.service import items
from dodeca.products.news.service.vote_rows import VotedItem

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


CHANGES = "news:changes"
"""The channel that tells of every change of what all may see: only that there was one, and of which item."""


def topic(name: str) -> str:
    """The channel of a topic: top, new, or item:ID."""
    return f"news:{name}"


def score_changed(session: WriteSession, platform: Platform, item: Item | VotedItem) -> None:
    """Points or number of comments of a post; a comment's points are its author's affair."""
    session.after_commit(lambda: reading.forget(platform, item.id, item.root_id))
    if item.type == "comment" or item.state != "live":
        return
    post_id = item.root_id or item.id
    data = {"id": item.id, "score": item.score, "comments_count": items.comments_shown(item)}
    realtime = platform.realtime

    def send() -> None:
        for channel in (topic("top"), topic("new"), topic(f"item:{post_id}")):
            if realtime.may_be_heard(channel):  # most posts are voted on while nobody has them open
                realtime.publish_latest(channel, "score", data, key=item.id)
        if realtime.is_heard(CHANGES):
            realtime.publish_latest(CHANGES, "change", None, key=None)

    session.after_commit(send)


def added(session: WriteSession, platform: Platform, item: Item, view: object) -> None:
    """A new post or comment, as the API shows it to visitors."""
    _forget(session, platform, item)
    if item.state != "live":
        return
    if item.type == "comment":
        _publish(session, platform, [f"item:{item.root_id}"], "comment", view)
    else:
        _publish(session, platform, ["new"], "post", view)


def _forget(session: WriteSession, platform: Platform, item: Item) -> None:
    """What was kept of the item, of what it answers and of its post."""
    ids = (item.id, item.parent_id, item.root_id)
    session.after_commit(lambda: reading.forget(platform, *ids))


def _publish(session: WriteSession, platform: Platform, topics: list[str], kind: str, data: object) -> None:
    realtime = platform.realtime

    def send() -> None:
        for name in topics:
            realtime.publish(topic(name), kind, data)
        realtime.publish(CHANGES, "change", None)

    session.after_commit(send)


def changed(session: WriteSession, platform: Platform, item: Item) -> None:
    """An item says something else now, or is gone: what was kept of it is forgotten, and its thread learns of it."""
    _forget(session, platform, item)
    data = {"id": item.id, "state": item.state}
    _publish(session, platform, [f"item:{item.root_id or item.id}"], "change", data)


def ranked(session: WriteSession, platform: Platform, top: list[int]) -> None:
    """The front page after all ranks were refreshed."""
    _publish(session, platform, ["top"], "rank", {"ids": top})
