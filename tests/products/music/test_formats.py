"""Playlists, libraries, listens and lyrics in the formats of others."""

from __future__ import annotations

import io
import plistlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.errors import Invalid
from dodeca.products.music import formats
from dodeca.products.music.formats import Entry, LibraryFile, PlaylistFile, listens, lrc, tail
from dodeca.products.music.formats.entries import plain
from dodeca.products.music.formats.listens import ListenError, ListenRow
from dodeca.products.music.formats.lrc import Line, Lyrics

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(plain)
words = texts.filter(lambda text: text and not text.startswith("#") and " - " not in f" {text} ")
mbids = st.one_of(st.just(""), st.uuids().map(str))
isrcs = st.sampled_from(["", "DEAB12300001", "USRC17607839"])
entries = st.builds(
    Entry,
    location=words,
    title=words,
    artist=words,
    album=texts,
    duration_ms=st.one_of(st.none(), st.integers(1, 86_400_000)),
    isrc=isrcs,
    mbid=mbids,
)
playlists = st.builds(
    PlaylistFile, title=texts, description=texts, entries=st.lists(entries, max_size=5).map(tuple), rules=st.none()
)


@pytest.mark.parametrize("format", ["xspf", "jspf"])
@given(playlist=playlists)
def test_xml_and_json_playlists_come_back_whole(format: str, playlist: PlaylistFile) -> None:
    kept = _without_noncharacters(playlist) if format == "xspf" else playlist

    assert formats.read_any(formats.write(playlist, format)[1]) == kept


def _without_noncharacters(playlist: PlaylistFile) -> PlaylistFile:
    """XML has no place for U+FFFE and U+FFFF."""

    def bare(text: str) -> str:
        return plain(text.replace("\ufffe", "").replace("\uffff", ""))

    songs = tuple(
        replace(e, location=bare(e.location), title=bare(e.title), artist=bare(e.artist), album=bare(e.album))
        for e in playlist.entries
    )
    return replace(playlist, title=bare(playlist.title), description=bare(playlist.description), entries=songs)


@given(playlist=playlists)
def test_m3u_keeps_all_it_has_a_place_for(playlist: PlaylistFile) -> None:
    expected = tuple(replace(entry, isrc="", mbid="") for entry in playlist.entries)

    assert formats.read_any(formats.write(playlist, "m3u8")[1]) == PlaylistFile(playlist.title, "", expected)


@given(playlist=playlists)
def test_pls_keeps_all_it_has_a_place_for(playlist: PlaylistFile) -> None:
    def seconds(entry: Entry) -> int | None:
        rounded = round((entry.duration_ms or 0) / 1000) * 1000
        return rounded or None

    expected = tuple(replace(e, album="", isrc="", mbid="", duration_ms=seconds(e)) for e in playlist.entries)

    assert formats.read_any(formats.write(playlist, "pls")[1]) == PlaylistFile(playlist.title, "", expected)


def test_rules_come_back_whole() -> None:
    rules = {"all": [{"gt": {"rating": 3}}], "sort": "-year", "limit": 20}

    assert formats.read_any(formats.write(PlaylistFile("Best", "of", rules=rules), "nsp")[1]) == PlaylistFile(
        "Best", "of", rules=rules
    )
    with pytest.raises(Invalid):
        formats.write(PlaylistFile("No rules"), "nsp")


def test_a_table_has_the_promised_columns_and_no_formulas() -> None:
    song = Entry("x", "=cmd()", "Ann, B", "", 61_500, "DEAB12300001", "")

    content = formats.write(PlaylistFile("t", "", (song,)), "csv")[1]

    assert content == (b'position,title,artist,album,duration,isrc,mbid\r\n1,\'=cmd(),"Ann, B",,61.5,DEAB12300001,\r\n')


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(Invalid, match="m3u8"):
        formats.write(PlaylistFile(), "exe")


def test_a_plain_m3u_of_a_windows_program_is_read() -> None:
    data = (
        "#EXTM3U\r\n#EXTINF:123,Björk - Jóga\r\nC:\\Music\\Björk\\Jóga.mp3\r\n\r\nD:\\b.mp3\r\n#EXTINF:-1,Radio\r\nhttp://x/y"
    ).encode("cp1252")

    found = formats.read_any(data)

    assert isinstance(found, PlaylistFile)
    assert found.entries == (
        Entry("C:\\Music\\Björk\\Jóga.mp3", "Jóga", "Björk", duration_ms=123_000),
        Entry("D:\\b.mp3"),
        Entry("http://x/y", "Radio"),
    )


@pytest.mark.parametrize(
    "location",
    [
        "file:///C:/Music/Ann/Days/01%20Evening.mp3",
        "C:\\Music\\Ann\\Days\\01 Evening.mp3",
        "/srv/ann/days/01 EVENING.mp3",
        "../../Ann/./Days/01 Evening.mp3",
        "http://host/x/Ann/Days/01%20Evening.mp3?key=1",
    ],
)
def test_paths_of_all_systems_end_alike(location: str) -> None:
    assert tail(location) == ("ann", "days", "01 evening.mp3")


@given(st.text(max_size=300))
def test_any_location_has_a_tail(location: str) -> None:
    assert not {"", ".", ".."} & set(tail(location))


def _library() -> dict[str, object]:
    return {
        "Major Version": 1,
        "Tracks": {
            "101": {
                "Track ID": 101,
                "Name": "Evening",
                "Artist": "Ann",
                "Album Artist": "Ann & Co",
                "Album": "Days",
                "Genre": "Folk",
                "Total Time": 183_000,
                "Track Number": 3,
                "Disc Number": 1,
                "Year": 1999,
                "Play Count": 12,
                "Play Date UTC": datetime(2020, 5, 1, 12, 30),  # noqa: DTZ001 - plistlib writes naive ones
                "Rating": 80,
                "Loved": True,
                "Location": "file://localhost/C:/Music/Ann/Days/03%20Evening.mp3",
            },
            "102": {"Track ID": 102, "Name": "Night", "Rating": 100, "Rating Computed": True, "Play Count": -5},
            "103": {"Track ID": 103},
        },
        "Playlists": [
            {"Name": "Library", "Master": True, "Playlist Items": [{"Track ID": 101}]},
            {
                "Name": "Mine",
                "Playlist Items": [{"Track ID": 102}, {"Track ID": 101}, {"Track ID": 999}, {"Track ID": 101}],
            },
        ],
    }


def test_an_itunes_library_is_read() -> None:
    found = formats.read_any(plistlib.dumps(_library()))

    assert isinstance(found, LibraryFile)
    first, second = found.tracks
    assert first.entry.title == "Evening"
    assert first.entry.duration_ms == 183_000
    assert tail(first.entry.location) == ("ann", "days", "03 evening.mp3")
    assert (first.play_count, first.rating, first.loved, first.year) == (12, 4, True, 1999)
    assert first.played_at == datetime(2020, 5, 1, 12, 30, tzinfo=UTC)
    assert (second.rating, second.play_count) == (0, 0)
    assert [(p.title, [e.title for e in p.entries]) for p in found.playlists] == [
        ("Mine", ["Night", "Evening", "Evening"])
    ]


ENTITY = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY b "&a;&a;">]>"""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf",
        ENTITY + b"<plist version='1.0'><dict><key>Tracks</key><string>&a;</string></dict></plist>",
        b"<plist><dict><key>Tracks</key></dict></plist>",
        b"<plist><dict><string>x</string></dict></plist>",
        b"<plist><integer>" + b"9" * 5000 + b"</integer></plist>",
        b"<plist><date>soon</date></plist>",
        b"<plist version='1.0'><array/></plist>",
        b"<playlist",
        b"<html></html>",
        b'{"playlist": 5}',
        b'{"playlist": ' + b"[" * 5000,
        b'{"name": "x"}',
        b"{" * 5000,
        b"PK\x03\x04\0\0\0\0",
    ],
)
def test_files_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        formats.read_any(data)


def test_entities_in_xspf_are_not_expanded() -> None:
    data = (
        ENTITY
        + b"<playlist><title>&b;</title><trackList><track><location>&a;</location></track></trackList></playlist>"
    )

    found = formats.read_any(data)

    assert isinstance(found, PlaylistFile)
    assert "root" not in found.title
    assert "root" not in found.entries[0].location


@given(st.binary(max_size=400))
def test_nothing_but_a_refusal_comes_of_any_bytes(data: bytes) -> None:
    for begin in (b"", b"<playlist>", b"<plist>", b"{", b"[playlist]\n", b"#EXTM3U\n"):
        try:
            formats.read_any(begin + data)
        except Invalid:
            continue


# Listens

rows = st.builds(
    ListenRow,
    line=st.just(1),
    listened_at=st.integers(listens.EARLIEST, 2**32).map(lambda second: datetime.fromtimestamp(second, UTC)),
    artist=texts.filter(bool),
    track=texts.filter(bool),
    release=texts,
    duration_ms=st.one_of(st.none(), st.integers(1, 86_400_000)),
    ms_played=st.one_of(st.none(), st.integers(0, 86_400_000)),
    mbid=mbids,
    isrc=isrcs,
    device=texts,
)


@given(rows)
def test_a_listen_comes_back_whole(row: ListenRow) -> None:
    assert list(listens.read(io.BytesIO(b"".join(listens.write([row]))))) == [row]


def test_broken_lines_cost_only_themselves() -> None:
    good = b'{"listened_at": 1700000000, "track_metadata": {"artist_name": "Ann", "track_name": "Evening"}}\n'
    lines = [b"x\n", b"[]\n", b"y" * 250_000 + b"\n", b'{"listened_at": 5, "track_metadata": {}}\n', b"\n", good]

    found = list(listens.read(io.BytesIO(b"".join(lines))))

    assert [(type(row), row.line) for row in found] == [
        (ListenError, 1),
        (ListenError, 2),
        (ListenError, 3),
        (ListenError, 4),
        (ListenRow, 6),
    ]


# Lyrics


def test_synced_lyrics_are_read_in_their_order() -> None:
    text = "[ti:Song]\n[la:en]\n[offset:+500]\n[00:12.50][01:00]Again\n[00:01.5]First <00:02.00>\n\nplain"

    assert lrc.read(text) == Lyrics(
        True,
        (Line(1_000, "First"), Line(12_000, "Again"), Line(59_500, "Again")),
        language="en",
        title="Song",
    )


def test_words_in_time_are_read() -> None:
    (line,) = lrc.read("[00:01.00]<00:01.00> Good <00:01.50> night").lines

    assert line.text == "Good night"
    assert [(word.start_ms, word.text) for word in line.words] == [(1000, "Good"), (1500, "night")]


def test_text_without_times_is_plain_lyrics() -> None:
    assert lrc.read("One\n\n[Chorus]\nTwo\n\n") == Lyrics(
        False, (Line(None, "One"), Line(None, ""), Line(None, "[Chorus]"), Line(None, "Two"))
    )


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5_000_000),
            st.text(st.characters(categories=["L", "N", "Zs"], exclude_characters="<["), max_size=40).map(plain),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_synced_lyrics_come_back_whole(given_lines: list[tuple[int, str]]) -> None:
    lines = tuple(Line(start, text) for start, text in sorted(given_lines, key=lambda line: line[0]))

    assert lrc.read(lrc.write(Lyrics(True, lines))).lines == lines


@given(st.text(max_size=500))
def test_any_text_is_lyrics(text: str) -> None:
    found = lrc.read(text)

    assert all((line.start_ms is not None) == found.synced for line in found.lines)
