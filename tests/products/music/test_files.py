"""Files in and out, the export of an account, and its end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from tests.products.music.conftest import MakeSong, viewer
from tests.products.music.test_catalogue import broken
from tests.support.platform import Factory

from dodeca.commons.recommendations import LearnedFactors, learn
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.kernel.transfer import NoProgress
from dodeca.products.music import accounts, demo, importers, transfers
from dodeca.products.music.formats import Entry
from dodeca.products.music.models import Comment, LibraryFolder, Listen, Song
from dodeca.products.music.service import comments, likes, listens, playlists, songs, taste, taste_data
from dodeca.products.music.service.listens import Report
from dodeca.products.music.service.tags import Tags


def test_listens_go_out_and_come_back_once(platform: Platform, make: Factory, tmp_path: Path) -> None:
    ada, bob = make.account("ada"), make.account("bob")
    reports = [
        Report(artist_name="Bach", track_name=f"Aria {n}", listened_at=clock.ago(hours=n + 1), counts=True)
        for n in range(5)
    ]
    platform.db.write(lambda s: listens.record(s, ada.id, reports))
    file = tmp_path / "listens.jsonl"
    file.write_bytes(b"".join(importers.export_listens(platform, owner="ada")) + b'{"track_metadata": 1}\n')

    first = importers.run(platform, file, NoProgress(), owner="bob")
    second = importers.run(platform, file, NoProgress(), owner="bob")

    assert (first.read, first.added, first.refused) == (6, 5, 1)
    assert (second.added, second.unchanged) == (0, 5)
    theirs = platform.db.read(lambda s: [row.track_name for row in s.scalars(listens.of(bob.id))])
    assert sorted(theirs) == [f"Aria {n}" for n in range(5)]


def test_listens_go_out_oldest_first_page_after_page(
    platform: Platform, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = make.account("ada")
    moments = [clock.ago(hours=hours) for hours in (1, 5, 3, 3, 9)]  # a service lost its connection for a while
    reports = [Report(artist_name="Bach", track_name=f"Aria {n}", listened_at=at) for n, at in enumerate(moments)]
    platform.db.write(lambda s: listens.record(s, ada.id, reports))
    monkeypatch.setattr(importers, "PAGE", 2)

    lines = b"".join(importers.export_listens(platform, owner="ada")).splitlines()

    assert [msgspec.json.decode(line)["track_metadata"]["track_name"][-1] for line in lines] == list("41230")


def test_an_account_takes_everything_of_its_own_along(session: WriteSession, make: Factory) -> None:
    ada, bob = make.account(), make.account()
    mine = songs.add(session, ada.id, Tags(title="Mine", artist="Ada"))
    theirs = songs.add(session, bob.id, Tags(title="Theirs", artist="Bob"))
    likes.like(session, viewer(ada), "song", theirs.id)
    likes.rate(session, viewer(ada), "song", theirs.id, 4)
    said = comments.add(session, viewer(ada), theirs.id, "Well said")
    comments.add(session, viewer(bob), theirs.id, "Thanks", parent_id=said.id)
    playlists.create(session, viewer(ada), "List", [theirs.id, mine.id])
    listens.record(session, ada.id, [Report(song_id=theirs.id, listened_at=clock.ago(hours=1), counts=True)])

    held = accounts.export(session, ada.id)
    accounts.delete_account(session, ada.id)

    data = msgspec.json.decode(held["music.json"])
    assert [one["title"] for one in data["songs"]] == ["Mine"]
    assert data["playlists"][0]["songs"] == [theirs.id, mine.id]
    assert b"Theirs" in held["music-listens.jsonl"]
    session.expire_all()
    assert (theirs.like_count, theirs.rating_count, theirs.play_count, theirs.comment_count) == (0, 0, 0, 1)
    assert session.get(Song, mine.id) is None
    assert session.scalar(select(Listen.id).where(Listen.user_id == ada.id)) is None
    assert session.scalar(select(Comment.text).where(Comment.id == said.id)) == ""
    assert broken(session) == {}


@pytest.mark.parametrize("prepared_url", ["sqlite"], indirect=True)  # many listens, and no SQL of its own
def test_the_demos_people_listen_once(session: WriteSession, make: Factory) -> None:
    for name in ("admin", "alice", "bob"):
        make.account(name)
    uploader = make.account(demo.UPLOADER)
    for number, genre in enumerate(["Folk", "Jazz", "Baroque", "Ambient"] * 3):
        tags = Tags(title=f"Piece {number}", artist="Players", album=genre, genres=[genre])
        songs.add(session, uploader.id, tags, duration_ms=90_000)

    demo.people_listen(session)
    before = session.query(Listen).count()
    demo.people_listen(session)

    assert before > 100
    assert session.query(Listen).count() == before
    assert broken(session) == {}


# Recommendations


def _world(session: WriteSession, make: Factory) -> tuple[list[Song], list[Song]]:
    """Two tastes of six songs each; five people hear each of them."""
    uploader = make.account()
    sets = []
    for genre in ("Folk", "Techno"):
        made = []
        for number in range(6):
            audio = songs.Audio(
                audio_hash=f"{genre}{number}",
                duration_ms=100_000,
                codec="mp3",
                suffix="mp3",
                content_type="audio/mpeg",
                size=1,
                media_key="k",
            )
            tags = Tags(title=f"{genre} {number}", artist=f"{genre} artist {number}")
            made.append(songs.add(session, uploader.id, tags, audio=audio))
        sets.append(made)
    for made in sets:
        for _ in range(5):
            person = make.account()
            reports = [
                Report(song_id=song.id, listened_at=clock.ago(days=1) + timedelta(minutes=5 * n), counts=True)
                for n, song in enumerate(made)
            ]
            listens.record(session, person.id, reports)
    return sets[0], sets[1]


def test_a_like_moves_the_list_and_is_named_as_the_cause(
    session: WriteSession, platform: Platform, make: Factory
) -> None:
    folk, techno = _world(session, make)
    model = learn(taste_data.gather(session))
    assert model is not None
    me = viewer(make.account())
    _use(session, platform, model.to_bytes())
    before = {pick.song.id for pick in taste.recommend(session, platform, me, "discover", 5)}

    likes.like(session, me, "song", folk[0].id)
    picks = taste.recommend(session, platform, me, "discover", 5)

    assert before  # never empty: what many hear
    assert {pick.song.id for pick in picks} == {song.id for song in folk[1:]}
    assert all((pick.because[0].kind, pick.because[0].title) == ("like", folk[0].title) for pick in picks)
    taste.exclude(session, me, song_id=folk[0].id)
    assert folk[0].id not in {pick.song.id for pick in taste.recommend(session, platform, me, "mix", 12)}
    likes.rate(session, me, "song", techno[0].id, -1)
    assert techno[0].id not in {pick.song.id for pick in taste.recommend(session, platform, me, "mix", 12)}


def _use(session: WriteSession, platform: Platform, data: bytes) -> None:
    key = platform.media.save_bytes(data).key
    session.add(LearnedFactors(product="music", media_key=key, interactions=1, items=12, seconds=0.1))
    session.flush()


def test_songs_are_matched_by_the_end_of_their_path_and_not_by_a_common_name_alone(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    owner = make.account()
    folder = LibraryFolder(name="Music", path="/srv/music")
    session.add(folder)
    session.flush()
    first, second, named = (
        make_song(title, artist) for title, artist in (("Intro", "Ann"), ("Intro", "Bo"), ("Sea", "Cy"))
    )
    for song, path in ((first, "Ann/Days/01.mp3"), (second, "Bo/Nights/01.mp3"), (named, "Cy/Sea/07.flac")):
        song.library_id, song.path = folder.id, path
    session.flush()
    entries = {
        "two names of a path": Entry(location="C:\\Music\\Bo\\Nights\\01.mp3"),
        "one name, and who it is by": Entry(location="/elsewhere/01.mp3", title="Intro", artist="Ann"),
        "one name that another song has too": Entry(location="/elsewhere/01.mp3"),
        "one name that stands for another song": Entry(location="/elsewhere/07.flac", title="Land", artist="Di"),
        "one name that no other song has": Entry(location="07.flac"),
        "names alone": Entry(location="/lost/9.ogg", title="sea", artist="CY"),
    }

    found = transfers.matched(session, viewer(owner), entries.values())

    assert {what: found.get(entry) for what, entry in entries.items()} == {
        "two names of a path": second.id,
        "one name, and who it is by": first.id,
        "one name that another song has too": None,
        "one name that stands for another song": None,
        "one name that no other song has": named.id,
        "names alone": named.id,
    }
