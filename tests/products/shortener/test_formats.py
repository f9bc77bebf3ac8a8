from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.formats import (
    CSV_COLUMNS,
    ExportRow,
    ImportRow,
    RowError,
    read_blocklist,
    read_links,
    write_csv,
    write_jsonl,
)

MAY = datetime(2031, 5, 1, 18, tzinfo=UTC)


def links(text: str | bytes, kind: str) -> list[ImportRow | RowError]:
    return list(read_links(io.BytesIO(text.encode() if isinstance(text, str) else text), kind))


def test_a_list_of_urls_and_titles_is_enough() -> None:
    rows = links('long_url,title\nhttps://e.org/a,"A, b"\nhttps://e.org/c,\n', "csv")

    assert rows == [
        ImportRow(2, "https://e.org/a", title="A, b"),
        ImportRow(3, "https://e.org/c"),
    ]


def test_shlink_files_come_with_comma_or_semicolon() -> None:
    comma = "Short code,Long URL,Domain,Title,Tags\nabc,https://e.org/,s.test,Hello,a|b\n"
    expected = [ImportRow(2, "https://e.org/", "abc", "s.test", "Hello", ("a", "b"))]

    assert links(comma, "shlink") == expected
    assert links(comma.replace(",", ";"), "shlink") == expected


def test_shlink_needs_only_url_and_code() -> None:
    assert links("\ufeffLong URL;Short code\r\nhttps://e.org/?a,b;x\r\n", "shlink") == [
        ImportRow(2, "https://e.org/?a,b", "x")
    ]


def test_yourls_files_bring_time_and_clicks() -> None:
    rows = links(
        "keyword,url,title,timestamp,ip,clicks\nabc,https://e.org/,T,2031-05-01 18:00:00,1.2.3.4,12\n",
        "yourls",
    )

    assert rows == [ImportRow(2, "https://e.org/", "abc", title="T", created_at=MAY, clicks=12)]


BITLINK = {
    "created_at": "2031-05-01T18:00:00+0000",
    "id": "bit.ly/abc",
    "link": "https://bit.ly/abc",
    "title": "T",
    "long_url": "https://e.org/",
    "archived": True,
    "tags": ["a"],
}
FROM_BITLY = ImportRow(1, "https://e.org/", "abc", None, "T", ("a",), MAY, archived=True)


@pytest.mark.parametrize(
    "document",
    [
        json.dumps({"links": [BITLINK], "pagination": {"total": 1}}),
        json.dumps({"pagination": {"total": 1}, "links": [BITLINK]}, indent=2),
        json.dumps([BITLINK]),
        json.dumps(BITLINK) + "\n",
        "\ufeff " + json.dumps(BITLINK),
    ],
)
def test_bitly_exports_come_in_several_wrappings(document: str) -> None:
    assert links(document, "bitly") == [FROM_BITLY]


def test_pages_of_bitly_may_follow_one_another() -> None:
    custom = {**BITLINK, "link": "https://go.example/x"}
    page = json.dumps({"links": [BITLINK, custom]})

    rows = links(page + "\n" + page, "bitly")

    assert [(row.position, getattr(row, "domain", None)) for row in rows] == [
        (1, None), (2, "go.example"), (3, None), (4, "go.example"),
    ]  # fmt: skip


def test_a_truncated_bitly_file_gives_what_it_has_and_says_so() -> None:
    rows = links(json.dumps({"links": [BITLINK, BITLINK]})[:-30], "bitly")

    assert rows[0] == FROM_BITLY
    assert isinstance(rows[-1], RowError)


def test_a_bad_row_is_reported_and_the_others_are_read() -> None:
    table = (
        "long_url,short_code,created_at,max_visits,archived\n"
        "https://e.org/1,,,,\n"
        ",x,,,\n"
        "https://e.org/2,,yesterday,,\n"
        "https://e.org/3,,,many,\n"
        "https://e.org/4,,,,perhaps\n"
        "https://e.org/5,,,,,,surplus\n"
        "\n"
        "https://e.org/6,,,,\n"
    )

    rows = links(table.encode() + b"https://e.org/\xff,,,,\n", "csv")

    assert [row.long_url for row in rows if isinstance(row, ImportRow)] == [
        "https://e.org/1",
        "https://e.org/6",
    ]
    errors = [(row.position, row.field) for row in rows if isinstance(row, RowError)]
    assert errors == [
        (3, "long_url"), (4, "created_at"), (5, "max_visits"), (6, "archived"), (7, None), (10, "longurl"),
    ]  # fmt: skip


def test_an_endless_field_costs_its_row_only() -> None:
    rows = links("long_url\nhttps://e.org/1\n" + "x" * 200_000 + "\nhttps://e.org/2\n", "csv")

    assert [type(row) for row in rows] == [ImportRow, RowError, ImportRow]


@pytest.mark.parametrize(
    ("text", "kind", "field"),
    [
        ("", "csv", "file"),
        ("a,b\n1,2\n", "csv", "file"),
        ("Long URL\nx\n", "shlink", "file"),
        ("url\nx\n", "yourls", "file"),
        ("keyword,url\n", "bitly", "file"),
        ("", "bitly", "file"),
        ("long_url\n", "kuttt", "kind"),
    ],
)
def test_a_file_of_another_kind_is_refused_as_a_whole(text: str, kind: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        links(text, kind)
    assert caught.value.field == field


@given(st.binary(max_size=300), st.sampled_from(["csv", "shlink", "bitly", "yourls"]))
def test_no_file_makes_reading_crash(data: bytes, kind: str) -> None:
    heads = {
        "csv": b"url,title\n",
        "shlink": b"Long URL;Short code\n",
        "yourls": b"keyword,url\n",
        "bitly": b"[",
    }
    for row in links(heads[kind] + data, kind):
        assert isinstance(row, ImportRow | RowError)


@given(st.binary(max_size=300), st.sampled_from(["csv", "shlink", "bitly", "yourls"]))
def test_a_file_that_begins_with_anything_is_read_or_refused(data: bytes, kind: str) -> None:
    try:
        links(data, kind)
    except Invalid as error:
        field = error.field
    else:
        return
    assert field == "file"


def test_the_export_has_the_documented_columns() -> None:
    assert ",".join(CSV_COLUMNS) == (
        "short_code,long_url,domain,title,tags,created_at,expires_at,max_visits,password_protected,archived,"
        "clicks,unique_visitors,bots,last_click_at"
    )


plain_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30).map(str.strip)
tag = plain_text.filter(lambda value: bool(value) and "|" not in value)


@given(
    title=plain_text | st.sampled_from(["=1+1", "'=x", "@a", "-b", "'", "+c"]),
    tags=st.lists(tag | st.just("=t"), max_size=4, unique=True),
    moment=st.none() | st.datetimes(timezones=st.just(UTC)),
    visits=st.none() | st.integers(1, 10**12),
    archived=st.booleans(),
)
def test_an_export_can_be_imported_again(
    title: str, tags: list[str], moment: datetime | None, visits: int | None, archived: bool
) -> None:
    row = ExportRow(
        short_code="abc",
        long_url="https://e.org/?a=1,2",
        domain="go.example",
        title=title,
        tags=tuple(tags),
        created_at=moment,
        expires_at=moment,
        max_visits=visits,
        password_protected=archived,
        archived=archived,
        clicks=3,
    )

    [back] = links("".join(write_csv([row])), "csv")

    assert back == ImportRow(
        2, "https://e.org/?a=1,2", "abc", "go.example", title or None, tuple(tags), moment,
        moment, visits, archived, 3, archived
    )  # fmt: skip


@pytest.mark.parametrize("title", ["=cmd|'/c calc'!A1", "+1", "-2000 Lines of Code", "@SUM(A1)", "\tx", "'=1", "''-1"])
def test_a_title_is_never_a_formula_to_a_spreadsheet_and_comes_back_as_it_was(title: str) -> None:
    row = ExportRow(short_code="a", long_url="https://e.org/", title=title)

    written = "".join(write_csv([row]))
    [_, cells] = csv.reader(io.StringIO(written, newline=""))
    [back] = links(written, "csv")

    assert cells[CSV_COLUMNS.index("title")] == "'" + title
    assert isinstance(back, ImportRow)
    assert back.title == title


def test_json_lines_hold_all_members() -> None:
    row = ExportRow(short_code="a", long_url="https://e.org/", title="x\ny", tags=("t",), created_at=MAY)

    lines = list(write_jsonl([row, row]))

    assert [line.count("\n") for line in lines] == [1, 1]
    members = json.loads(lines[0])
    assert tuple(members) == CSV_COLUMNS
    assert (members["title"], members["tags"], members["created_at"]) == (
        "x\ny",
        ["t"],
        "2031-05-01T18:00:00Z",
    )


def test_a_hosts_file_gives_its_bad_names_only() -> None:
    text = (
        "# blocked\n127.0.0.1 localhost\n::1 ip6-localhost\n0.0.0.0 Bad.Example  # why\n"
        "0.0.0.0 a.test b.test.\n"
        "bare.example\nbücher.example\n0.0.0.0 not_a/host\n\n"
    )

    found = list(read_blocklist(io.BytesIO(text.encode())))

    assert [entry for entry in found if isinstance(entry, tuple)] == [
        (4, "bad.example"), (5, "a.test"), (5, "b.test"), (6, "bare.example"), (7, "xn--bcher-kva.example"),
    ]  # fmt: skip
    assert [entry.position for entry in found if isinstance(entry, RowError)] == [8]
