"""Large threads: page by page, branch by branch, nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.products.news.conftest import News
from tests.products.news.test_pages import prepared_url  # noqa: F401 - a fixture
from tests.support.platform import Client

from dodeca.commons.discussion import Node, threaded
from dodeca.products.news.service import threads


def trees(parents: list[int]) -> list[Node[tuple[int, int]]]:
    """Comment n answers comment `parents[n]`, or the post where that is not before it."""
    rows = [(number, above if above < number else -1) for number, above in enumerate(parents)]
    return threaded(rows, key=lambda row: row[0], parent=lambda row: row[1], order=lambda row: row[0])


def everything_shown(tops: list[Node[tuple[int, int]]]) -> list[int]:
    """What a reader sees who follows every link."""
    seen: list[int] = []
    pages = threads.page_of(tops, 1).pages
    for number in range(1, pages + 1):
        for node, more in threads.page_of(tops, number).shown:
            seen.append(node.row[0])
            if more:
                seen += everything_shown(node.replies)
    return seen


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), max_size=400))
def test_every_comment_can_be_reached(parents: list[int]) -> None:
    assert sorted(set(everything_shown(trees(parents)))) == list(range(len(parents)))


def test_a_page_is_bounded_whatever_the_shape() -> None:
    for parents in (list(range(-1, 1999)), [-1] * 2000, [-1, *[0] * 1999], [n // 3 - 1 for n in range(2000)]):
        part = threads.page_of(trees([max(above, -1) if above >= 0 else 10**6 for above in parents]), 1)
        assert 0 < len(part.shown) <= threads.A_PAGE + threads.A_BRANCH


def test_pages_beyond_the_last_are_empty() -> None:
    tops = trees([10**6] * 3)
    assert threads.page_of(tops, 2).shown == []
    assert threads.page_of(tops, -1).shown == []


def test_a_reader_without_scripts_pages_through_a_large_thread(
    client: Client, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "A_PAGE", 4)
    monkeypatch.setattr(threads, "A_BRANCH", 3)
    post = news.post()
    first = news.comment(post)
    for _ in range(4):
        news.comment(first)
    for _ in range(5):
        news.comment(post)

    page = client.get(f"/news/item?id={post.id}").text
    assert "10\u00a0comments" in page
    assert f'href="/news/item?id={first.id}">2\u00a0more replies' in page
    following = re.search(r'class="morelink[^>]*href="([^"]+)"', page)
    assert following is not None
    second = client.get(following[1].replace("&amp;", "&")).text

    shown = [
        int(number) for text in (page, second) for number in re.findall(r'<article class="comment[^>]*id="(\d+)"', text)
    ]
    assert len(shown) == len(set(shown)) == 8
    assert client.get(f"/news/item?id={post.id}&p=99").status_code == 200
