"""A feed written as RSS 2.0 (https://www.rssboard.org/rss-specification), Atom (RFC 4287) or JSON Feed 1.1
(https://www.jsonfeed.org/version/1.1/). Of the same things, the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

from dodeca.kernel.clock import rfc3339

MEDIA_TYPES: Final = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "jsonfeed": "application/feed+json; charset=utf-8",
}
FILES: Final = {"feed.xml": "rss", "feed.atom": "atom", "feed.json": "jsonfeed"}
"""What the feeds of a page are called, below its address."""
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When a feed without entries was changed last: Atom wants to know, and it must not be another moment each time."""


class Enclosure(msgspec.Struct, kw_only=True):
    """A file to hear or see. `size` in bytes, 0 where it is not known; `duration_ms` in milliseconds, 0 likewise."""

    url: str
    media_type: str
    size: int = 0
    duration_ms: int = 0


class Entry(msgspec.Struct, kw_only=True):
    """One thing of a feed. `page` is its own page here and, where no `key` is given, its identity; a `key` is a URI.
    `link` is what it leads to, `comments` where it is discussed; empty for none."""

    title: str
    page: str
    author: str
    at: datetime
    html: str = ""
    link: str = ""
    comments: str = ""
    key: str = ""
    enclosure: Enclosure | None = None


class Feed(msgspec.Struct, kw_only=True):
    """A feed and its entries, newest or best first. `own` is its own address, `link` the page that it is of."""

    title: str
    link: str
    own: str
    description: str
    entries: Sequence[Entry]


def written(feed: Feed, kind: str) -> bytes:
    """The feed in a format of MEDIA_TYPES."""
    return _WRITERS[kind](feed).encode()


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("", value))


def _attribute(value: str) -> str:
    return quoteattr(_NOT_XML.sub("", value))


def _updated(feed: Feed) -> datetime:
    return max((entry.at for entry in feed.entries), default=_EPOCH)


# RSS


def _rss(feed: Feed) -> str:
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">'
        "<channel>",
        f"<title>{_text(feed.title)}</title><link>{_text(feed.link)}</link>"
        f"<description>{_text(feed.description)}</description>"
        f'<atom:link href={_attribute(feed.own)} rel="self" type="application/rss+xml"/>'
        f"<lastBuildDate>{format_datetime(_updated(feed))}</lastBuildDate>",
        *map(_rss_item, feed.entries),
    ]
    return "\n".join([*parts, "</channel></rss>\n"])


def _rss_item(entry: Entry) -> str:
    identity = f'<guid isPermaLink="{"false" if entry.key else "true"}">{_text(entry.key or entry.page)}</guid>'
    return (
        f"<item><title>{_text(entry.title)}</title><link>{_text(entry.link or entry.page)}</link>"
        + (f"<comments>{_text(entry.comments)}</comments>" if entry.comments else "")
        + identity
        + (f"<dc:creator>{_text(entry.author)}</dc:creator>" if entry.author else "")
        + f"<pubDate>{format_datetime(entry.at)}</pubDate>"
        + (f"<description>{_text(entry.html)}</description>" if entry.html else "")
        + (_rss_enclosure(entry.enclosure) if entry.enclosure is not None else "")
        + "</item>"
    )


def _rss_enclosure(file: Enclosure) -> str:
    duration = f"<itunes:duration>{round(file.duration_ms / 1000)}</itunes:duration>" if file.duration_ms else ""
    named = f"url={_attribute(file.url)} type={_attribute(file.media_type)}"
    return f'<enclosure {named} length="{file.size}"/>{duration}'


# Atom


def _atom(feed: Feed) -> str:
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<title>{_text(feed.title)}</title><id>{_text(feed.own)}</id><updated>{rfc3339(_updated(feed))}</updated>"
        f'<link href={_attribute(feed.link)}/><link rel="self" href={_attribute(feed.own)}/>',
        *map(_atom_entry, feed.entries),
    ]
    return "\n".join([*parts, "</feed>\n"])


def _atom_entry(entry: Entry) -> str:
    return (
        f"<entry><title>{_text(entry.title)}</title><id>{_text(entry.key or entry.page)}</id>"
        f"<link href={_attribute(entry.link or entry.page)}/>"
        + (f'<link rel="replies" href={_attribute(entry.comments)}/>' if entry.comments else "")
        + (_atom_enclosure(entry.enclosure) if entry.enclosure is not None else "")
        + f"<author><name>{_text(entry.author or 'somebody')}</name></author>"
        f"<published>{rfc3339(entry.at)}</published><updated>{rfc3339(entry.at)}</updated>"
        + (f'<content type="html">{_text(entry.html)}</content>' if entry.html else "")
        + "</entry>"
    )


def _atom_enclosure(file: Enclosure) -> str:
    length = f' length="{file.size}"' if file.size else ""
    return f'<link rel="enclosure" href={_attribute(file.url)} type={_attribute(file.media_type)}{length}/>'


# JSON Feed


def _json(feed: Feed) -> str:
    whole = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.link,
        "feed_url": feed.own,
        "description": feed.description,
        "items": [_json_item(entry) for entry in feed.entries],
    }
    return msgspec.json.encode(whole).decode()


def _json_item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": entry.key or entry.page,
        "url": entry.page,
        "title": entry.title,
        "authors": [{"name": entry.author}] if entry.author else [],
        "date_published": rfc3339(entry.at),
        "content_html": entry.html,
    }
    if entry.link and entry.link != entry.page:
        item["external_url"] = entry.link
    if entry.enclosure is not None:
        item["attachments"] = [_json_attachment(entry.enclosure)]
    return item


def _json_attachment(file: Enclosure) -> dict[str, Any]:
    found: dict[str, Any] = {"url": file.url, "mime_type": file.media_type}
    if file.size:
        found["size_in_bytes"] = file.size
    if file.duration_ms:
        found["duration_in_seconds"] = round(file.duration_ms / 1000, 3)
    return found


_WRITERS: Final[dict[str, Callable[[Feed], str]]] = {"rss": _rss, "atom": _atom, "jsonfeed": _json}
