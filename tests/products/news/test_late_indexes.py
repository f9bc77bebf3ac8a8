"""What a large import does without until its end."""

from __future__ import annotations

from pathlib import Path

import msgspec
from sqlalchemy import inspect
from tests.products.news.conftest import News

from dodeca.kernel.db import ReadSession
from dodeca.kernel.platform import Platform
from dodeca.kernel.transfer import NoProgress
from dodeca.products.news import importers, late_indexes
from dodeca.products.news.late_indexes import LARGE, LATE, TIMES_LARGER
from dodeca.products.news.service import searching


def lacking(session: ReadSession) -> set[str]:
    """Names of those that the database lacks."""
    inspector = inspect(session.connection())
    return LATE.keys() - {
        index["name"] for table in ("news_items", "search_news") for index in inspector.get_indexes(table)
    }


def test_a_large_import_into_an_empty_news_builds_indexes_at_its_end(platform: Platform, news: News) -> None:
    with late_indexes.left_out(platform.db, LARGE):
        meanwhile = news.run(lacking)
        words_meanwhile = news.run(searching.index.is_loading)

    assert len(meanwhile) == (len(LATE) if platform.db.dialect == "sqlite" else 0)
    assert words_meanwhile == (platform.db.dialect == "sqlite")
    assert news.run(lacking) == set()
    assert not news.run(searching.index.is_loading)


def test_a_news_that_is_read_keeps_its_indexes(platform: Platform, news: News, tmp_path: Path) -> None:
    story = {"type": "story", "by": "al", "time": 1462984500, "title": "Here already"}
    here = [{"id": number, **story} for number in range(1, LARGE // TIMES_LARGER + 2)]
    file = tmp_path / "items.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in here))
    importers.run(platform, file, NoProgress())

    with late_indexes.left_out(platform.db, LARGE):
        assert news.run(lacking) == set()


def test_what_a_broken_off_import_left_undone_is_built_before_serving(platform: Platform, news: News) -> None:
    news.run(late_indexes.drop)

    late_indexes.prepare(platform)

    assert news.run(lacking) == set()
    assert not news.run(searching.index.is_loading)
