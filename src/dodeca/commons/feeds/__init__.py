"""Feeds: lists of things for feed readers and podcast apps, as RSS 2.0, Atom (RFC 4287) or JSON Feed 1.1.

A product says what stands in a feed and who may read it; it is written, and answered with validators, here."""

from dodeca.commons.feeds.answers import answer
from dodeca.commons.feeds.formats import FILES, MEDIA_TYPES, Enclosure, Entry, Feed, written

__all__ = ["FILES", "MEDIA_TYPES", "Enclosure", "Entry", "Feed", "answer", "written"]
