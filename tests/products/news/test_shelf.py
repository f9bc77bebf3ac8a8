"""The shelf: what a member brings along is the member's alone."""

from __future__ import annotations

import io
import zipfile

import pytest
from tests.products.news.conftest import News
from tests.products.news.test_pages import prepared_url, signed_in  # noqa: F401 - one is a fixture
from tests.support.platform import Client

from dodeca.kernel.errors import Invalid
from dodeca.products.news.service import personal, shelf


def packed(**files: str) -> bytes:
    """A ZIP; `__` in a name stands for a dot."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return target.getvalue()


def send(client: Client, content: bytes) -> tuple[int, dict[str, object]]:
    """Import a ZIP."""
    answer = client.http.post(
        "/api/news/import/personal", files={"file": ("me.zip", content, "application/zip")}, headers=client.headers
    )
    return answer.status_code, answer.json()


def test_a_zip_comes_onto_a_private_shelf_once(client: Client, news: News) -> None:
    alice = client.with_token(news.make.token(news.make.account(username="alice")))
    bob = client.with_token(news.make.token(news.make.account(username="bob")))
    said = '{"id": 7, "time": 1700000000, "title": "Then", "text": "I <b>said</b><script>x</script>."}'
    content = packed(
        items__jsonl=f"{said}\nnonsense\n",
        favorites__txt="8863\nhttps://example.com/a\njavascript:alert(1)\n",
    )

    assert send(alice, content) == (201, {"imported": {"items": 1, "favorites": 2}, "skipped": 2})
    assert send(alice, content) == (201, {"imported": {"items": 0, "favorites": 0}, "skipped": 5})

    entries = alice.get("/api/news/users/me/shelf").json()["entries"]
    assert [(entry["kind"], entry["ref"]) for entry in entries] == [
        ("item", "7"), ("favorite", "8863"), ("favorite", "https://example.com/a"),
    ]  # fmt: skip
    assert "script" not in entries[0]["html"]
    assert bob.get("/api/news/users/me/shelf").json() == {"entries": []}
    assert client.get("/api/news/posts?sort=new").json()["posts"] == []


def test_what_one_exported_can_be_brought_along(news: News) -> None:
    alice, bob = news.make.account(username="alice"), news.make.account(username="bob")
    post = news.post(alice)
    content = news.run(lambda session: personal.zipped(session, alice.id))

    imported, _skipped = news.run(lambda session: shelf.add(session, bob.id, shelf.read(content)))

    assert imported.items == 1
    assert [row.title for row in news.run(lambda session: shelf.of(session, bob.id))] == [post.title]


@pytest.mark.parametrize("name", ["../items.jsonl", "/items.jsonl", "a/../../items.jsonl", "C:\\items.jsonl"])
def test_paths_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        shelf.read(packed(**{name: "{}", "user.json": "{}"}))


def test_bombs_and_other_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MAX_UNPACKED", 1000)
    for content in (packed(items__jsonl="x" * 2000), packed(other__txt="x"), b"no ZIP", b"PK\x03\x04 broken"):
        with pytest.raises(Invalid):
            shelf.read(content)


def test_the_page_takes_a_zip_and_says_what_is_wrong_with_another(client: Client, news: News) -> None:
    browser, _alice = signed_in(client, news)
    content = packed(items__jsonl='{"id": 7, "time": 1700000000, "title": "Then"}\n')

    refused = browser.submit("/news/shelf", {}, files={"file": ("me.zip", b"no ZIP", "application/zip")})
    taken = browser.submit("/news/shelf", {}, files={"file": ("me.zip", content, "application/zip")})

    assert refused.status_code == 400
    assert "This is not a ZIP that can be read." in refused.text
    assert taken.headers["location"] == "/news/shelf"
    assert "Then" in browser.get("/news/shelf").text
    assert client.get("/news/shelf").status_code == 401
