"""Feeds as feed readers and podcast apps read them."""

from __future__ import annotations

from datetime import UTC, datetime

import feedparser
import msgspec
import pytest

from dodeca.commons.feeds import Enclosure, Entry, Feed, written

AT = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)
SOUND = Enclosure(url="https://here.test/a?b=1&c=2", media_type="audio/flac", size=1234, duration_ms=61_500)


def feed(*entries: Entry) -> Feed:
    """A feed of these."""
    return Feed(
        title="Tea & <cake>",
        link="https://here.test/",
        own="https://here.test/feed.xml",
        description="All of it",
        entries=entries,
    )


def entry(**options: object) -> Entry:
    """An entry; state only what matters."""
    usual = {"title": "One", "page": "https://here.test/1", "author": "Ada", "at": AT}
    return Entry(**{**usual, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_hostile_text_is_read_back_as_text(kind: str) -> None:
    written_ = written(feed(entry(title='</title>\x00\ufffe "&', html="<p>1 &lt; 2</p>")), kind)

    read = feedparser.parse(written_)

    assert not read.bozo, read.get("bozo_exception")
    assert read.feed.title == "Tea & <cake>"
    assert read.entries[0].title == '</title> "&'
    assert "1 &lt; 2" in (read.entries[0].get("summary") or read.entries[0].content[0].value)
    assert read.entries[0].author == "Ada"
    assert read.entries[0].published_parsed[:5] == (2031, 5, 1, 12, 0)


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_a_podcast_app_finds_the_file(kind: str) -> None:
    found = feedparser.parse(written(feed(entry(enclosure=SOUND), entry(key="urn:x:2")), kind)).entries

    (file,) = found[0].enclosures
    assert (file.href, file.type, file.length) == (SOUND.url, "audio/flac", "1234")
    assert not found[1].enclosures
    assert [one.id for one in found] == ["https://here.test/1", "urn:x:2"]
    if kind == "rss":
        assert found[0].itunes_duration == "62"


def test_json_tells_the_same() -> None:
    linked = entry(link="https://there.test/", comments="https://here.test/1", enclosure=SOUND)
    first, second = msgspec.json.decode(written(feed(linked, entry(key="urn:x:2")), "jsonfeed"))["items"]

    assert (first["url"], first["external_url"]) == ("https://here.test/1", "https://there.test/")
    assert first["attachments"] == [
        {"url": SOUND.url, "mime_type": "audio/flac", "size_in_bytes": 1234, "duration_in_seconds": 61.5}
    ]
    assert second["id"] == "urn:x:2"
    assert not {"external_url", "attachments"} & set(second)


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_a_feed_without_news_was_changed_when_its_newest_entry_was(kind: str) -> None:
    read = feedparser.parse(written(feed(entry(), entry(at=AT.replace(hour=15))), kind)).feed

    assert read.updated_parsed[:5] == (2031, 5, 1, 15, 0)
    assert not feedparser.parse(written(feed(), kind)).bozo
