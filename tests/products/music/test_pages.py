"""Pages as a browser without JavaScript uses them: files in, playlists in order, rules."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image
from tests.products.music.conftest import MakeSong, viewer
from tests.support.platform import Client, Factory

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.products.music.models import Playlist, Song
from dodeca.products.music.service import comments, listens, playlists, shares, smart, songs


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    """One engine is enough here: the services are tested on both."""
    return sqlite_url


@pytest.fixture
def ann(make: Factory) -> Account:
    return make.account("ann")


@pytest.fixture
def browser(client: Client, make: Factory, ann: Account) -> Client:
    return client.with_token(make.token(ann))


def test_tags_of_all_files_are_mended_and_published_on_one_page(
    platform: Platform, browser: Client, ann: Account, make_song: MakeSong
) -> None:
    one, two = (make_song(title, "Ann", by=ann, visibility="private") for title in ("Take 1", "Take 2"))
    form = {
        "song": [str(one.id), str(two.id)],
        f"title-{one.id}": "First light",
        f"artist-{one.id}": "Ann Archer",
        f"album-{one.id}": "Days",
        f"track-{one.id}": "x",
        f"title-{two.id}": "Take 2",
        f"artist-{two.id}": "Ann",
        f"publish-{one.id}": "on",
    }

    refused = browser.submit("/music/upload/publish", form, page="/music/upload")
    assert refused.status_code == 400
    assert "This is a number." in refused.text
    assert 'value="First light"' in refused.text  # nothing that was typed is lost
    assert platform.db.read(lambda session: session.get_one(Song, one.id)).title == "Take 1"

    done = browser.submit("/music/upload/publish", {**form, f"track-{one.id}": "1"}, page="/music/upload")
    first, second = platform.db.read(lambda session: [session.get_one(Song, song.id) for song in (one, two)])
    assert done.headers["location"].startswith("/music/studio")
    assert (first.title, first.artist_name, first.track, first.visibility) == ("First light", "Ann Archer", 1, "public")
    assert (second.title, second.visibility, second.version) == ("Take 2", "private", 1)


def test_nobody_tags_the_songs_of_others_on_the_upload_page(
    platform: Platform, browser: Client, make: Factory, make_song: MakeSong
) -> None:
    theirs = make_song("Theirs", by=make.account())
    form = {"song": [str(theirs.id)], f"title-{theirs.id}": "Mine", f"artist-{theirs.id}": "Ann"}

    assert browser.submit("/music/upload/publish", form, page="/music/upload").status_code == 403
    nobodys = browser.submit("/music/upload/publish", {**form, "song": ["9" * 5_000, "9" * 18]}, page="/music/upload")
    assert nobodys.status_code == 404
    for at in ("9" * 400, "²", "1e3"):
        said = browser.submit(f"/music/songs/{theirs.id}/comments", {"text": "Nice", "at": at}, page="/music/")
        assert said.status_code == 400
    assert platform.db.read(lambda session: session.get_one(Song, theirs.id)).title == "Theirs"


def test_a_smart_playlist_is_made_and_changed_by_its_form(
    platform: Platform, browser: Client, ann: Account, make_song: MakeSong
) -> None:
    make_song("Old", year=1999, genres=["Folk"], duration_ms=60_000)
    make_song("New", year=2024, genres=["Folk"], duration_ms=90_000)
    form = {
        "title": "Folk",
        "match": "all",
        "field-0": "genre",
        "operator-0": "is",
        "value-0": "folk",
        "field-1": "year",
        "operator-1": "contains",
        "value-1": "2000",
        "sort": "-year",
        "limit": "",
    }

    refused = browser.submit("/music/smart", form)
    assert refused.status_code == 400
    assert "Year goes with: is, is not, is more than, is less than." in refused.text
    assert 'value="2000"' in refused.text

    for value in ("nan", "inf", "-1e400", "1e30"):
        wrong = browser.submit("/music/smart", {**form, "operator-1": "gt", "value-1": value})
        assert (wrong.status_code, "This is no number that fits." in wrong.text) == (400, True)

    made = browser.submit("/music/smart", {**form, "operator-1": "gt"})
    number = int(made.headers["location"].rpartition("/")[2])
    playlist = platform.db.read(lambda session: session.get_one(Playlist, number))
    assert playlist.rules == {"all": [{"is": {"genre": "folk"}}, {"gt": {"year": 2000}}], "sort": "-year"}
    assert platform.db.read(lambda session: smart.size(session, viewer(ann), playlist)) == (1, 90_000)
    assert "1&nbsp;song" in browser.get("/music/library?part=playlists").text.replace("\xa0", "&nbsp;")

    browser.submit(f"/music/playlists/{number}/rules", {**form, "value-1": "", "limit": "5"})
    page = browser.get(f"/music/playlists/{number}")
    assert "Genre is folk" in page.text
    assert "Old" in page.text


def test_songs_of_a_playlist_move_up_and_down_by_their_menus(
    platform: Platform, browser: Client, ann: Account, make: Factory, make_song: MakeSong
) -> None:
    held = [make_song(title) for title in ("One", "Two", "Three")]
    made = make.run(lambda session: playlists.create(session, viewer(ann), "Mine", [song.id for song in held]))

    def titles() -> list[str]:
        found = platform.db.read(
            lambda session: playlists.items(session, viewer(ann), session.get_one(Playlist, made.id))
        )
        return [song.title for _, song in found]

    items = platform.db.read(lambda session: [number for number, _ in playlists.items(session, viewer(ann), made)])
    path, page = f"/music/playlists/{made.id}/move", f"/music/playlists/{made.id}"
    shown = browser.get(page).text
    assert shown.count("Move up") == shown.count("Move down") == 2
    browser.submit(path, {"item_id": items[2], "before": items[1]}, page=page)
    assert titles() == ["One", "Three", "Two"]
    browser.submit(path, {"item_id": items[0], "before": ""}, page=page)
    assert titles() == ["Three", "Two", "One"]


def test_files_of_other_programs_and_pictures_need_no_script(
    platform: Platform, browser: Client, ann: Account, make_song: MakeSong
) -> None:
    song = make_song("Air", "Anna", by=ann)
    picture = BytesIO()
    Image.new("RGB", (40, 40), "teal").save(picture, "PNG")
    sent = {"file": ("list.m3u8", b"#EXTM3U\n#PLAYLIST:Mine\n#EXTINF:180,Anna - Air\nair.mp3\n")}

    made = browser.submit("/music/upload/import", {}, page="/music/upload", files=sent)
    assert "Air" in browser.get(made.headers["location"]).text
    nothing = browser.submit("/music/upload/import", {}, page="/music/upload", files={"file": ("", b"")})
    assert nothing.status_code == 400
    heard = b'{"listened_at": 1600000000, "track_metadata": {"artist_name": "Anna", "track_name": "Air"}}\n{"listened'
    lines = {"file": ("listens.jsonl", heard)}
    came = browser.submit("/music/upload/import", {}, page="/music/upload", files=lines)
    told = (
        "Listens added: 1. Here before: 0. Lines that could not be taken: 1. The first is line 2: The line is not JSON."
    )
    assert told in browser.get(came.headers["location"]).text
    edit = f"/music/songs/{song.id}/edit"
    cover = {"file": ("a.png", picture.getvalue())}
    browser.submit(f"/music/songs/{song.id}/cover", {}, page=edit, files=cover)
    assert platform.db.read(lambda session: session.get_one(Song, song.id)).cover_key is not None


def test_what_one_heard_most_is_listed_and_linked(
    platform: Platform, browser: Client, ann: Account, make_song: MakeSong
) -> None:
    song = make_song("Air", by=ann)
    heard = [
        listens.Report(song_id=song.id, listened_at=clock.ago(hours=1), counts=True),
        listens.Report(artist_name="Ben", track_name="Elsewhere", listened_at=clock.ago(hours=2), counts=True),
    ]
    platform.db.write(lambda session: listens.record(session, ann.id, heard))

    page = browser.get("/music/stats")

    assert page.status_code == 200, page.text
    assert f'<a href="/music/songs/{song.id}">Air</a>' in page.text
    assert "Elsewhere" in page.text


def test_the_studio_tells_of_plays_and_comments(
    browser: Client, ann: Account, make: Factory, make_song: MakeSong
) -> None:
    song, bob = make_song("Air", by=ann), make.account("bob")
    make.run(lambda session: comments.add(session, viewer(bob), song.id, "Lovely bit here", at_ms=65_000))

    page = browser.get("/music/studio").text.replace("\xa0", " ")

    assert "0 plays · 0 likes · 1 comment" in page
    assert "Lovely bit here" in page
    assert "at 1:05" in page


def test_a_link_is_called_by_what_it_leads_to_and_nothing_private(
    browser: Client, client: Client, ann: Account, make: Factory, make_song: MakeSong
) -> None:
    shown, hidden = make_song("Air", by=ann), make_song("Secret", by=ann)

    def unit(session: WriteSession) -> str:
        made = shares.create(session, viewer(ann), [("song", shown.id), ("song", hidden.id)])
        songs.publish(session, viewer(ann), hidden.id, visibility="private")
        return made.token

    token = make.run(unit)
    pages = (client.get(f"/music/share/{token}").text, browser.get("/music/shares").text)

    assert all("Air" in page and "Secret" not in page for page in pages)
