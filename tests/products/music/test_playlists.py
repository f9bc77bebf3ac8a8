"""Playlists: order, repeats, places, parallel writers, rules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.products.music.conftest import MakeSong, viewer
from tests.support.platform import Factory

from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Forbidden, Invalid, NotFound
from dodeca.kernel.platform import Platform
from dodeca.products.music.models import Playlist
from dodeca.products.music.service import likes, playlists, smart, songs
from dodeca.products.music.service.tags import Tags
from dodeca.products.music.service.viewers import VISITOR, Viewer


def titles(session: WriteSession, look: Viewer, playlist: Playlist) -> str:
    """The titles of a playlist's songs, one after another."""
    return "".join(song.title for _item, song in playlists.items(session, look, playlist))


def test_songs_stay_in_order_with_repeats(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = viewer(make.account())
    a, b, c = (make_song(name).id for name in "ABC")
    playlist = playlists.create(session, owner, "Mix", [a, b, a])

    playlists.append(session, owner, playlist.id, [c])
    playlists.append(session, owner, playlist.id, [c, b], position=1)

    assert titles(session, owner, playlist) == "ACBBAC"
    assert (playlist.song_count, playlist.version, playlist.duration_ms) == (6, 3, 6 * 180_000)


def test_an_item_moves_before_another_however_often(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = viewer(make.account())
    playlist = playlists.create(session, owner, "Mix", [make_song(name).id for name in "ABC"])
    a, b, c = (item for item, _song in playlists.items(session, owner, playlist))

    for _ in range(25):  # more often than a gap can be halved
        playlists.move(session, owner, playlist.id, c, before=b)
        playlists.move(session, owner, playlist.id, b, before=c)

    assert titles(session, owner, playlist) == "ABC"
    playlists.move(session, owner, playlist.id, a, before=None)
    assert titles(session, owner, playlist) == "BCA"


def test_an_unknown_song_leaves_no_playlist_behind(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = viewer(make.account())
    hidden = make_song(visibility="private")

    with pytest.raises(NotFound):
        playlists.create(session, owner, "Mix", [make_song().id, hidden.id])

    assert session.query(Playlist).count() == 0


def test_a_replacement_of_an_older_version_is_refused(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    owner = viewer(make.account())
    song = make_song()
    playlist = playlists.create(session, owner, "Mix")
    seen = playlist.version
    playlists.append(session, owner, playlist.id, [song.id])

    with pytest.raises(playlists.Stale) as caught:
        playlists.replace(session, owner, playlist.id, [], version=seen)

    assert caught.value.details == {"version": playlist.version}
    half = [song.id] * (playlists.MOST_SONGS // 2 + 1)
    for _ in range(2):  # what goes makes room for what comes
        playlists.replace(session, owner, playlist.id, half)
    assert playlist.song_count == len(half)
    with pytest.raises(Invalid):
        playlists.append(session, owner, playlist.id, half)


def test_guests_change_songs_and_strangers_do_not(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner, guest, stranger = (make.account() for _ in range(3))
    playlist = playlists.create(session, viewer(owner), "Mix")
    song = make_song()
    with pytest.raises(NotFound):
        playlists.append(session, viewer(guest), playlist.id, [song.id])

    playlists.collaborate(session, viewer(owner), playlist.id, guest, on=True)
    playlists.append(session, viewer(guest), playlist.id, [song.id])
    playlists.change(session, viewer(owner), playlist.id, {"visibility": "public"})

    assert titles(session, viewer(stranger), playlist) == "Air"
    with pytest.raises(Forbidden):
        playlists.append(session, viewer(stranger), playlist.id, [song.id])
    with pytest.raises(Forbidden):
        playlists.change(session, viewer(guest), playlist.id, {"title": "Mine"})


def test_parallel_appends_lose_nothing(platform: Platform, make: Factory) -> None:
    account = make.account()
    owner = viewer(account)
    song_ids = [
        platform.db.write(lambda s, n=n: songs.add(s, account.id, Tags(title=f"S{n}", artist="A")).id)  # type: ignore[misc]
        for n in range(4)
    ]
    playlist_id = platform.db.write(lambda s: playlists.create(s, owner, "Mix").id)

    with ThreadPoolExecutor(8) as pool:
        waiting = [
            pool.submit(platform.db.write, lambda s, n=n: playlists.append(s, owner, playlist_id, [song_ids[n % 4]]).id)
            for n in range(40)
        ]
        for future in waiting:
            future.result()

    found = platform.db.read(
        lambda s: [song.id for _i, song in playlists.items(s, owner, playlists.find(s, owner, playlist_id))]
    )
    assert sorted(found) == sorted(song_ids * 10)


def test_rules_find_the_owners_loved_songs_for_all_who_may_see_them(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    account = make.account()
    owner = viewer(account)
    loved, other = make_song("Loved", year=1999, genres=["Jazz"]), make_song("Other", year=2005)
    mine = make_song("Mine", by=account, visibility="private", year=1990)
    for song in (loved, mine):
        likes.like(session, owner, "song", song.id)
    rules = {"all": [{"is": {"loved": True}}, {"lt": {"year": 2000}}], "sort": "-year", "limit": 10}
    playlist = playlists.create(session, owner, "Smart", rules=rules, visibility="public")

    assert [song.title for song in smart.songs(session, owner, playlist)] == ["Loved", "Mine"]
    assert [song.title for song in smart.songs(session, VISITOR, playlist)] == ["Loved"]
    with pytest.raises(playlists.Smart):
        playlists.append(session, owner, playlist.id, [other.id])


@pytest.mark.parametrize(
    "rules",
    [
        {"all": [{"is": {"title": "x"}}, {"contains": {"artist": "%_"}}, {"startsWith": {"album": "'"}}]},
        {"any": [{"isNot": {"genre": "rock"}}, {"inTheRange": {"year": [1990, 1999]}}], "sort": "random"},
        {"all": [{"inTheLast": {"lastplayed": 30}}, {"notInTheLast": {"dateadded": 1}}], "sort": "-playcount,album"},
        {"all": [{"any": [{"gt": {"rating": 3}}, {"before": {"dateloved": "2031-01-01"}}]}], "sort": "rating"},
        {"any": [{"inPlaylist": {"id": "1"}}, {"is": {"haslyrics": False}}], "order": "desc", "sort": "artist"},
    ],
)
def test_all_kinds_of_rules_become_a_statement(
    session: WriteSession, make: Factory, make_song: MakeSong, rules: dict[str, object]
) -> None:
    owner = viewer(make.account())
    make_song()

    playlist = playlists.create(session, owner, "Smart", rules=rules)

    assert isinstance(smart.songs(session, owner, playlist), list)


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"all": []},
        {"all": [{"is": {"nothing": 1}}]},
        {"all": [{"gt": {"title": "x"}}]},
        {"all": [{"is": {"year": float("nan")}}]},
        {"all": [{"is": {"loved": "yes"}}]},
        {"all": [{"inTheRange": {"year": [1]}}]},
        {"all": [{"before": {"dateadded": "yesterday"}}]},
        {"all": [{"after": {"dateadded": "9999-12-31"}}]},
        {"any": [{"is": {"title": "x"}}], "sort": "; drop table"},
        {"any": [{"is": {"title": "x"}}], "limit": 0},
        {"any": [{"is": {"title": "x"}}], "all": [{"is": {"title": "x"}}]},
    ],
)
def test_rules_that_cannot_be_are_refused(session: WriteSession, make: Factory, rules: dict[str, object]) -> None:
    with pytest.raises(Invalid) as caught:
        playlists.create(session, viewer(make.account()), "Smart", rules=rules)

    assert caught.value.field == "rules"
