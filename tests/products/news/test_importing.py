"""Files of Hacker News' shape."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.products.news.conftest import News

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.errors import Unavailable
from dodeca.kernel.platform import Platform
from dodeca.kernel.transfer import NoProgress
from dodeca.products.news import import_helpers, import_writing, importers
from dodeca.products.news.models import Member
from dodeca.products.news.service import items, searching, threads
from dodeca.products.news.service.members import VISITOR

LINES = """\
{"id":12,"type":"comment","by":"bea","parent":11,"time":1462984700,"text":"A <i>reply</i><script>x</script>"}
{"id":11,"type":"comment","by":"Al","parent":10,"time":1462984600,"text":"First"}
{"id":10,"type":"story","by":"gdeglin","descendants":7,"score":74,"time":1462984500,"title":"Gizmondo","url":"http://www.thedrive.com/a"}
{"id":13,"type":"story","by":"al","descendants":9,"score":3,"time":1462984500,"title":"Ask HN: Who?","text":"Hm"}
{"id":14,"type":"comment","by":"al","parent":999,"time":1462984600,"text":"Lost"}
{"id":15,"type":"story","by":"al","time":1462984600,"title":"Bad","url":"javascript:alert(1)"}
not json
{"id":16,"type":"comment","parent":10,"time":1462984600,"deleted":true}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_text(LINES, "utf-8")
    return path


def test_a_file_in_any_order_becomes_posts_and_threads(platform: Platform, news: News, file: Path) -> None:
    report = importers.run(platform, file, NoProgress())

    assert (report.read, report.added, report.unchanged, report.refused) == (8, 5, 0, 3)
    post = news.item(10)
    assert (post.score, post.descendants, items.comments_shown(news.item(13)), post.site) == (74, 2, 9, "thedrive.com")
    trees = news.run(lambda session: threads.thread(session, VISITOR, session.get_one(type(post), 10)))
    assert [node.row.html for node in trees[0].walk()] == ["First", "A <i>reply</i>"]
    assert news.item(13).kind == "ask"
    assert news.item(13).author_id == news.item(11).author_id
    found, _ = news.run(lambda session: searching.find(session, VISITOR, "gizmondo"))
    assert [row.id for row in found] == [10]


def test_the_same_file_again_adds_nothing(platform: Platform, news: News, file: Path) -> None:
    importers.run(platform, file, NoProgress())
    again = importers.run(platform, file, NoProgress())

    assert (again.added, again.unchanged) == (0, 5)


def test_of_a_longer_file_only_what_is_new_is_added(platform: Platform, news: News, file: Path) -> None:
    importers.run(platform, file, NoProgress())
    with file.open("a", encoding="utf-8") as more:
        more.write('{"id":17,"type":"comment","by":"bea","parent":12,"time":1462984800,"text":"Lighthouse"}\n')

    report = importers.run(platform, file, NoProgress())

    assert (report.added, report.unchanged) == (1, 5)
    _, found = news.run(lambda session: searching.find(session, VISITOR, "lighthouse"))
    assert [row.id for row in found] == [17]


def test_new_ids_begin_behind_imported_ones(platform: Platform, news: News, file: Path) -> None:
    importers.run(platform, file, NoProgress())

    assert news.post().id == 17


def test_a_file_whose_ids_are_taken_is_shifted(platform: Platform, news: News, file: Path) -> None:
    for _ in range(11):
        news.post()

    report = importers.run(platform, file, NoProgress())

    assert "shifted by 12" in report.notes[0]
    assert news.item(22).title == "Gizmondo"


def test_csv_is_read_too(platform: Platform, news: News, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        "id,title,url,num_points,num_comments,author,created_at\n"
        '5,"One, two",https://a.example/,10,3,zed,2016-08-04 11:52:00\n6,,,,,zed,never\n',
        "utf-8",
    )

    report = importers.run(platform, path, NoProgress())

    assert (report.added, report.refused) == (1, 1)
    assert (news.item(5).title, news.item(5).score) == ("One, two", 10)


def test_a_line_that_cannot_be_read_is_refused_and_the_others_come_in(platform: Platform, tmp_path: Path) -> None:
    lines, table = tmp_path / "items.jsonl", tmp_path / "items.csv"
    good = [f'{{"id":{n},"type":"story","by":"al","time":1462984500,"title":"Gizmondo"}}' for n in (1, 2)]
    lines.write_text("\n".join([good[0], '{"a":' + "[" * 5000, good[1]]), "utf-8")
    long = "3,story,al,1462984500,Long," + "x" * 140_000
    table.write_text(f"id,type,by,time,title,text\n{long}\n4,story,al,1462984500,Short,y\n", "utf-8")

    of_lines = importers.run(platform, lines, NoProgress())
    of_table = importers.run(platform, table, NoProgress())

    assert (of_lines.added, of_lines.refused, [one.line for one in of_lines.errors]) == (2, 1, [2])
    assert (of_table.added, of_table.refused, [one.line for one in of_table.errors]) == (1, 1, [2])


def test_what_is_dated_in_the_future_is_refused_until_then(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, later = tmp_path / "items.jsonl", int(clock.timestamp()) + 3600
    times = [1462984500, later]
    lines = [f'{{"id":{n},"type":"story","by":"al","time":{t},"title":"Gizmondo"}}' for n, t in enumerate(times, 1)]
    path.write_text("\n".join(lines), "utf-8")

    found = [importers.run(platform, path, NoProgress()) for _ in range(2)]
    monkeypatch.setattr(clock, "timestamp", lambda: later + 1.0)
    found.append(importers.run(platform, path, NoProgress()))

    assert [(report.added, report.refused, report.notes) for report in found] == [(1, 1, []), (0, 1, []), (1, 0, [])]
    assert "in the future" in found[0].errors[0].message


def test_zero_characters_in_names_are_left_out(platform: Platform, news: News, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    story = r'{"id":1,"type":"story","by":"a\u0000l","time":1462984500,"title":"Gizmondo"}'
    path.write_text(f'{story}\n{{"id":"b\\u0000ea","created":1462984400,"karma":5}}\n', "utf-8")

    report = importers.run(platform, path, NoProgress())

    names = news.run(lambda session: set(session.scalars(select(Account.username))))
    assert (report.added, report.refused) == (2, 0)
    assert names >= {"al", "bea"}


def test_an_author_has_been_here_since_the_first_thing_written(
    platform: Platform, news: News, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_writing, "PART", 1)  # what comes first in the file's order is stored first
    with file.open("a", encoding="utf-8") as more:
        more.write('{"id":18,"type":"comment","by":"gdeglin","parent":13,"time":1462984400,"text":"Early"}\n')

    importers.run(platform, file, NoProgress())

    author = news.item(18).author_id
    assert author is not None
    joined = news.run(lambda session: session.get_one(Member, author).joined_at)
    assert int(joined.timestamp()) == 1462984400


@pytest.mark.slow
def test_other_processes_bring_the_same(
    platform: Platform, news: News, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_helpers, "LARGE_BYTES", 0)
    monkeypatch.setattr(import_writing, "PART", 2)

    report = importers.run(platform, file, NoProgress())
    again = importers.run(platform, file, NoProgress())

    assert (report.read, report.added, report.unchanged, report.refused) == (8, 5, 0, 3)
    assert [error.line for error in report.errors] == [6, 7, 5]
    assert (again.added, again.unchanged, again.refused) == (0, 5, 3)
    assert (news.item(10).descendants, news.item(12).html) == (2, "A <i>reply</i>")
    _, found = news.run(lambda session: searching.find(session, VISITOR, "reply"))
    assert [row.id for row in found] == [12]
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_helper_that_is_killed_ends_the_import_and_the_next_one_goes_on(
    platform: Platform, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killing(NoProgress):
        def start(self, label: str, total: int | None) -> None:
            if label == "Importing":
                for process in multiprocessing.active_children():
                    process.kill()

    monkeypatch.setattr(import_helpers, "LARGE_BYTES", 0)
    with pytest.raises(Unavailable, match="run the import again"):
        importers.run(platform, file, Killing())

    report = importers.run(platform, file, NoProgress())

    assert (report.added, report.refused) == (5, 3)
