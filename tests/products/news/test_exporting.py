"""What is exported and taken in by a fresh server is told alike by both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.products.news.conftest import News
from tests.support.platform import ADDRESS

from dodeca import app as composition
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Config
from dodeca.kernel.transfer import NoProgress
from dodeca.products.news import exporters, importers
from dodeca.products.news.compat.firebase import value_at
from dodeca.products.news.invariants import invariants
from dodeca.products.news.models import Item
from dodeca.products.news.service import marks, members
from dodeca.products.news.service.members import Viewer


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    """SQLite: the importer is tested on both engines elsewhere."""
    return sqlite_url


@pytest.fixture
def fresh(sqlite_template: Path, tmp_path: Path) -> Iterator[Platform]:
    """Another installation, without anything in it."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    shutil.copyfile(sqlite_template, folder / "dodeca.sqlite3")
    platform = composition.compose(
        Config(environment={}, overrides={"data": folder, "workers_inline": False}), address=ADDRESS
    )
    yield platform
    platform.close()


def told(session: ReadSession, ids: list[int], names: list[str]) -> dict[str, Any]:
    """All that Hacker News' API tells."""
    lists = ("topstories", "newstories", "beststories", "askstories", "showstories", "jobstories", "maxitem")
    values = {name: value_at(session, name) for name in lists}
    values |= {f"item/{number}": value_at(session, f"item/{number}") for number in ids}
    return values | {f"user/{name}": value_at(session, f"user/{name}") for name in names}


def test_an_export_into_a_fresh_server_tells_the_same(news: News, fresh: Platform, tmp_path: Path) -> None:
    al, bea = news.account(username="Al"), news.account(username="bea")
    news.run(lambda session: members.change_profile(session, al.id, {"about": "Reads *much*.\n\nhttps://example.org"}))
    link = news.post(al, title="A <b> & c", url="https://example.com/?q=1&r=2", tags=["maps", "web"])
    ask = news.post(bea, title="Ask HN: Why?", content="Because & so.\n\n  code <here>")
    poll = news.post(al, title="Poll: which?", content="", options=["This", "That"])
    top = news.comment(link, bea, "See https://example.org/a?b=c&d *now*.")
    below = news.comment(top, al)
    gone, dead, hidden = news.comment(link, bea), news.comment(ask, al), news.comment(ask, bea)
    for item in (link, top, below):
        news.vote(item)

    def end(session: WriteSession) -> None:
        session.get_one(Item, gone.id).state = "deleted"
        session.get_one(Item, dead.id).state = "dead"
        session.get_one(Item, hidden.id).state = "flagged"
        session.get_one(Item, link.id).descendants -= 1
        session.get_one(Item, ask.id).descendants -= 2
        for who in (al, bea):
            marks.mark(session, who, Viewer(who.id), poll.id, "favorite")

    news.run(end)
    file = tmp_path / "news.jsonl"
    file.write_bytes(b"".join(exporters.run(news.platform)))

    report = importers.run(fresh, file, NoProgress())

    assert report.refused == 0
    numbers = list(range(1, 15))
    before = news.platform.db.read(lambda session: told(session, numbers, ["Al", "bea"]))
    after = fresh.db.read(lambda session: told(session, numbers, ["Al", "bea"]))
    assert after == before
    assert {name: list(fresh.db.read(check)) for name, check in invariants.items()} == {name: [] for name in invariants}
    again = importers.run(fresh, file, NoProgress())
    assert again.added == 0
