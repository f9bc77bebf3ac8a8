"""Songs, albums and artists: identity from tags, history, and who sees what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select
from tests.products.music.conftest import MakeSong, viewer
from tests.support.platform import Factory

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Forbidden, NotFound
from dodeca.kernel.platform import Platform
from dodeca.migrations.versions import music_0012_albums_of_genres
from dodeca.products.music import invariants
from dodeca.products.music.models import Album, AlbumGenre, Artist
from dodeca.products.music.service import catalogue, likes, searching, songs
from dodeca.products.music.service.songs import Audio, SameAudio
from dodeca.products.music.service.tags import Tags
from dodeca.products.music.service.viewers import VISITOR


def audio(digest: str) -> Audio:
    """Some file."""
    return Audio(
        audio_hash=digest, duration_ms=1000, codec="mp3", suffix="mp3", content_type="audio/mpeg", size=9, media_key="m"
    )


def broken(session: WriteSession) -> dict[str, list[object]]:
    """Rules that are broken now."""
    session.flush()
    return {name: rows for name, rule in invariants.invariants.items() if (rows := list(rule(session)))}


def test_songs_of_one_album_and_artist_find_the_same_rows(session: WriteSession, make_song: MakeSong) -> None:
    first = make_song("One", "Björk", album="Homogenic", year=1997)
    second = make_song("Two", "BJORK feat. Mark", album="homogenic", year=1997)

    assert first.album_id == second.album_id
    assert first.artist_id == second.artist_id
    names = list(session.scalars(select(Artist.name).order_by(Artist.id)))
    assert names == ["Björk", "Mark"]
    assert broken(session) == {}


def test_a_private_song_shows_nothing_of_itself_to_others(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    owner, other = make.account(), make.account()
    song = make_song("Secret", "Hidden Artist", by=owner, album="Hidden Album", visibility="private")
    searching.put(session, [f"song:{song.id}", f"album:{song.album_id}", f"artist:{song.artist_id}"])

    assert song.album_id is not None
    assert songs.find(session, viewer(owner), song.id) is song
    assert searching.find(session, viewer(owner), "Secret", "song", limit=5) == [song.id]
    for look in (VISITOR, viewer(other)):
        with pytest.raises(NotFound):
            songs.find(session, look, song.id)
        with pytest.raises(NotFound):
            catalogue.find_artist(session, look, song.artist_id)
        with pytest.raises(NotFound):
            catalogue.find_album(session, look, song.album_id)
        with pytest.raises(NotFound):
            likes.like(session, look, "song", song.id)
        assert searching.find(session, look, "Secret", "song", limit=5) == []
        assert searching.find(session, look, "Hidden", "album", limit=5) == []


def test_a_song_for_later_is_hidden_until_its_day(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = make.account()
    song = make_song(by=owner, published_at=clock.ahead(days=1))
    with pytest.raises(NotFound):
        songs.find(session, VISITOR, song.id)
    clock.advance(86_401)

    assert songs.relist(session, song)

    assert songs.find(session, VISITOR, song.id) is song
    assert broken(session) == {}


def test_retagging_moves_a_song_and_can_be_undone(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = make.account()
    song = make_song("One", "Wrong", by=owner, album="Old", genres=["Rock"])
    likes.like(session, viewer(owner), "song", song.id)
    old_album = song.album_id

    songs.retag(session, viewer(owner), song.id, {"artist": "Right", "album": "New", "genres": ["Jazz"]})

    assert (song.artist_name, song.version, song.like_count) == ("Right", 2, 1)
    assert session.get(Album, old_album) is None
    assert broken(session) == {}
    songs.revert(session, viewer(owner), song.id, 1)
    assert (song.artist_name, song.version) == ("Wrong", 3)
    assert [row.version for row in songs.versions(session, song)] == [3, 2, 1]
    assert broken(session) == {}


def test_a_genre_has_the_albums_with_a_song_of_it_that_everybody_sees(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    owner = make.account()
    first = make_song("One", by=owner, album="Mixed", genres=["Rock", "Folk"])
    second = make_song("Two", by=owner, album="Mixed", genres=["Jazz"], visibility="private")

    def shown() -> list[str]:
        assert broken(session) == {}
        statement = select(AlbumGenre.genre_key).where(AlbumGenre.album_id == first.album_id)
        return list(session.scalars(statement.order_by(AlbumGenre.genre_key)))

    assert shown() == ["folk", "rock"]
    songs.publish(session, viewer(owner), second.id, visibility="public")
    assert shown() == ["folk", "jazz", "rock"]
    songs.retag(session, viewer(owner), first.id, {"genres": ["Folk"]})
    assert shown() == ["folk", "jazz"]
    songs.remove(session, viewer(owner), second.id)
    assert shown() == ["folk"]


def test_albums_of_an_older_installation_get_their_genres(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    make_song("One", album="Mixed", genres=["Rock", "Folk"])
    make_song("Two", album="Mixed", genres=["Rock"])
    make_song("Three", album="Mixed", genres=["Jazz"], visibility="private")
    session.flush()

    with Operations.context(MigrationContext.configure(session.connection())):
        music_0012_albums_of_genres.downgrade()
        music_0012_albums_of_genres.upgrade()

    assert session.scalar(select(func.count()).select_from(AlbumGenre)) == 2
    assert broken(session) == {}


def test_a_song_of_another_cannot_be_changed(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    song, hidden = make_song(), make_song("Other", visibility="private")
    stranger = viewer(make.account())

    with pytest.raises(Forbidden):
        songs.retag(session, stranger, song.id, {"title": "Mine"})
    with pytest.raises(NotFound):
        songs.retag(session, stranger, hidden.id, {"title": "Mine"})


def test_one_library_has_an_audio_once(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    ada, bob = make.account(), make.account()
    song = make_song(by=ada, audio=audio("aa"))

    with pytest.raises(SameAudio) as caught:
        songs.add(session, ada.id, Tags(title="Again", artist="A"), audio=audio("aa"))

    assert caught.value.details == {"song_id": str(song.id)}
    assert make_song(by=bob, audio=audio("aa")).id != song.id


def test_an_erased_song_leaves_no_trace(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = make.account()
    song = make_song("Gone", "Alone", by=owner, album="Single", genres=["Folk"])
    likes.like(session, viewer(owner), "song", song.id)
    likes.rate(session, viewer(owner), "song", song.id, 5)

    songs.remove(session, viewer(owner), song.id)

    with pytest.raises(NotFound):
        songs.find(session, viewer(owner), song.id)
    assert session.scalar(select(Album.id)) is None
    assert broken(session) == {}


@pytest.mark.parametrize("typed", ["homo", "Homogenic", "MOGENI", "homogenik"])
def test_search_finds_beginnings_parts_and_slips(session: WriteSession, make_song: MakeSong, typed: str) -> None:
    song = make_song("Homogenic", "Björk")
    searching.put(session, [f"song:{song.id}"])

    assert searching.find(session, VISITOR, typed, "song", limit=5) == [song.id]


def test_search_gives_first_what_begins_so(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = make.account()
    titles = ("Night", "A night", "Night and day", "Nightfall", "Day")
    made = {title: make_song(title, "Trio", by=owner) for title in titles}
    own = make_song("Nightly", "Trio", by=owner, visibility="private")
    made["Nightfall"].play_count = 5
    searching.put(session, [f"song:{song.id}" for song in [*made.values(), own]])

    first = [made[title].id for title in ("Night", "Nightfall", "Night and day", "A night")]
    assert searching.find(session, VISITOR, "night", "song", limit=9) == first
    assert searching.find(session, VISITOR, "night", "song", limit=2, offset=2) == first[2:]
    assert searching.find(session, VISITOR, "night", "song", limit=2, offset=10**7) == []
    assert searching.find(session, viewer(owner), "nightly", "song", limit=9) == [own.id]
    assert own.id in searching.find(session, viewer(owner), "Night", "song", limit=9)
    assert searching.find(session, viewer(make.account()), "nightly", "song", limit=9) == []


def test_songs_that_come_at_once_are_all_counted(platform: Platform, make: Factory) -> None:
    account = make.account()

    def add(number: int) -> None:
        tags = Tags(title=f"Part {number}", artist=f"A{number % 2}", album="Suite", album_artist="A", genres=["Folk"])
        platform.db.write(lambda s: songs.add(s, account.id, tags))

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(add, number) for number in range(18)]:
            done.result()

    assert platform.db.read(lambda s: s.scalar(select(Album.public_songs))) == 18
    assert platform.db.write(broken) == {}
