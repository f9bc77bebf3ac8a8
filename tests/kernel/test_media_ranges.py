"""Ranges: what RFC 9110 says for every combination of conditions, and never a byte outside the file."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.media import Delivery, answer

MODIFIED = datetime(2030, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
DATE = "Wed, 01 May 2030 12:00:00 GMT"
EARLIER = "Wed, 01 May 2030 11:59:59 GMT"
FILE = Delivery(size=1000, etag="abc", content_type="audio/mpeg", modified=MODIFIED, filename="song.mp3")


def get(**headers: str) -> tuple[int, int, int]:
    """Status and body of a GET with these headers (underscores stand for dashes)."""
    found = answer(FILE, {name.replace("_", "-"): value for name, value in headers.items()})
    return found.status, found.start, found.end


def test_the_whole_file_with_what_a_browser_needs_to_know() -> None:
    found = answer(FILE, {})

    assert (found.status, found.start, found.end, found.length) == (200, 0, 1000, 1000)
    assert dict(found.headers) == {
        "etag": '"abc"',
        "cache-control": "private, max-age=0, must-revalidate",
        "last-modified": DATE,
        "content-type": "audio/mpeg",
        "content-disposition": 'inline; filename="song.mp3"',
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; sandbox",
        "accept-ranges": "bytes",
        "content-length": "1000",
    }


def test_head_tells_the_length_and_sends_nothing() -> None:
    found = answer(FILE, {"range": "bytes=0-1"}, method="HEAD")

    assert (found.status, found.length) == (200, 0)
    assert dict(found.headers)["content-length"] == "1000"


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-499", 0, 500),
        ("bytes=500-", 500, 1000),
        ("bytes=999-", 999, 1000),
        ("bytes=500-99999", 500, 1000),
        ("bytes=-1", 999, 1000),
        ("bytes=-5000", 0, 1000),
        ("Bytes = 5 - 6", 5, 7),
    ],
)
def test_one_range_is_served(value: str, start: int, end: int) -> None:
    found = answer(FILE, {"range": value})

    assert (found.status, found.start, found.end) == (206, start, end)
    assert dict(found.headers)["content-range"] == f"bytes {start}-{end - 1}/1000"
    assert dict(found.headers)["content-length"] == str(end - start)


@pytest.mark.parametrize(
    "value",
    ["bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "bytes", "lines=0-5", "bytes=0-1,5-6", "bytes=0--5", "bytes=²-"],
)
def test_a_range_that_cannot_be_read_or_is_many_gets_the_whole_file(value: str) -> None:
    assert get(range=value) == (200, 0, 1000)


@pytest.mark.parametrize("value", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_outside_the_file_cannot_be_satisfied(value: str) -> None:
    found = answer(FILE, {"range": value})

    assert (found.status, found.length) == (416, 0)
    assert dict(found.headers)["content-range"] == "bytes */1000"


def test_an_empty_file_has_no_range() -> None:
    empty = Delivery(size=0, etag="e")

    assert answer(empty, {}).status == 200
    assert answer(empty, {"range": "bytes=0-"}).status == 416
    assert answer(empty, {"range": "bytes=-5"}).status == 416


@pytest.mark.parametrize(
    ("condition", "status"),
    [('"abc"', 206), ('"old"', 200), ('W/"abc"', 200), (DATE, 206), (EARLIER, 200), ("junk", 200)],
)
def test_a_range_of_an_older_file_gets_the_whole_new_one(condition: str, status: int) -> None:
    assert get(range="bytes=0-9", if_range=condition)[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": '"abc"'}, 304),
        ({"if_none_match": 'W/"abc"'}, 304),
        ({"if_none_match": '"x", "abc"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"x"'}, 200),
        ({"if_none_match": '"x"', "if_modified_since": DATE}, 200),
        ({"if_modified_since": DATE}, 304),
        ({"if_modified_since": EARLIER}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_match": '"abc"'}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": '"x"'}, 412),
        ({"if_match": 'W/"abc"'}, 412),
        ({"if_unmodified_since": DATE}, 200),
        ({"if_unmodified_since": EARLIER}, 412),
        ({"if_match": '"abc"', "if_unmodified_since": EARLIER}, 200),
        ({"if_match": '"x"', "if_none_match": '"abc"'}, 412),
        ({"if_none_match": '"abc"', "range": "bytes=0-9"}, 304),
    ],
)
def test_conditions(headers: dict[str, str], status: int) -> None:
    assert get(**headers)[0] == status


def test_not_modified_has_no_body_but_its_tag() -> None:
    found = answer(FILE, {"if-none-match": '"abc"'})

    assert found.length == 0
    assert dict(found.headers)["etag"] == '"abc"'


def test_a_condition_on_a_change_fails_as_a_precondition() -> None:
    assert answer(FILE, {"if-none-match": "*"}, method="PUT").status == 412


def test_what_could_act_as_a_page_is_a_download() -> None:
    page = answer(Delivery(size=1, etag="e", content_type="text/html", filename="a.html"), {})

    assert dict(page.headers)["content-disposition"].startswith("attachment")


@given(
    size=st.integers(0, 50),
    header=st.one_of(st.text(), st.from_regex(r"bytes=\d{0,3}-\d{0,3}", fullmatch=True)),
    condition=st.one_of(st.none(), st.text(), st.sampled_from(['"e"', '"f"'])),
)
def test_no_request_gets_bytes_that_are_not_there(size: int, header: str, condition: str | None) -> None:
    headers = {"range": header} | ({"if-range": condition, "if-modified-since": condition} if condition else {})

    found = answer(Delivery(size=size, etag="e", modified=MODIFIED), headers)

    assert 0 <= found.start <= found.end <= size
    assert found.status in (200, 206, 304, 416)
    assert found.status != 206 or found.length > 0
    assert all("\n" not in value and "\r" not in value for _, value in found.headers)
