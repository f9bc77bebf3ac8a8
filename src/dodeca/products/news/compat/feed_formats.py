"""A feed written as RSS 2.0, Atom (RFC 4287) or JSON Feed 1.1."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

from dodeca.kernel import clock
from dodeca.kernel.clock import rfc3339

MEDIA_TYPES: Final = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "jsonfeed": "application/feed+json; charset=utf-8",
}
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Entry(msgspec.Struct, kw_only=True):
    """One post or comment. `page` is its own page here, `link` what it leads to."""

    title: str
    link: str
    page: str
    author: str
    at: datetime
    html: str = ""


class Feed(msgspec.Struct, kw_only=True):
    """A feed and its entries, newest or best first."""

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


def _rss(feed: Feed) -> str:
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>',
        f"<title>{_text(feed.title)}</title><link>{_text(feed.link)}</link>"
        f"<description>{_text(feed.description)}</description>"
        f'<atom:link href={quoteattr(feed.own)} rel="self" type="application/rss+xml"/>'
        f"<lastBuildDate>{format_datetime(clock.now())}</lastBuildDate>",
    ]
    for entry in feed.entries:
        words = f"<description>{_text(entry.html)}</description>" if entry.html else ""
        parts.append(
            f"<item><title>{_text(entry.title)}</title><link>{_text(entry.link)}</link>"
            f'<comments>{_text(entry.page)}</comments><guid isPermaLink="true">{_text(entry.page)}</guid>'
            f"<dc:creator>{_text(entry.author)}</dc:creator><pubDate>{format_datetime(entry.at)}</pubDate>{words}</item>"
        )
    return "\n".join([*parts, "</channel></rss>\n"])


def _atom(feed: Feed) -> str:
    updated = max((entry.at for entry in feed.entries), default=clock.now())
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<title>{_text(feed.title)}</title><id>{_text(feed.own)}</id><updated>{rfc3339(updated)}</updated>"
        f'<link href={quoteattr(feed.link)}/><link rel="self" href={quoteattr(feed.own)}/>',
    ]
    for entry in feed.entries:
        words = f'<content type="html">{_text(entry.html)}</content>' if entry.html else ""
        parts.append(
            f"<entry><title>{_text(entry.title)}</title><id>{_text(entry.page)}</id>"
            f'<link href={quoteattr(entry.link)}/><link rel="replies" href={quoteattr(entry.page)}/>'
            f"<author><name>{_text(entry.author or 'somebody')}</name></author>"
            f"<published>{rfc3339(entry.at)}</published><updated>{rfc3339(entry.at)}</updated>{words}</entry>"
        )
    return "\n".join([*parts, "</feed>\n"])


def _json(feed: Feed) -> str:
    entries = [
        {
            "id": entry.page,
            "url": entry.page,
            "external_url": entry.link,
            "title": entry.title,
            "authors": [{"name": entry.author}],
            "date_published": rfc3339(entry.at),
            "content_html": entry.html,
        }
        for entry in feed.entries
    ]
    whole = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.link,
        "feed_url": feed.own,
        "description": feed.description,
        "items": entries,
    }
    return msgspec.json.encode(whole).decode()


_WRITERS: Final[dict[str, Callable[[Feed], str]]] = {"rss": _rss, "atom": _atom, "jsonfeed": _json}
