"""What must not pile up, block others or be lost as a library grows old."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, insert, select, update
from tests.products.music.conftest import MakeSong, viewer
from tests.products.music.test_catalogue import audio
from tests.products.music.test_sound import encoded, mp3, prepared_url, upload
from tests.products.music.test_stations import opened, sounding
from tests.support.platform import Client, Factory, work
from tests.support.servers import object_store

from dodeca.commons import following
from dodeca.commons.notifications.models import Notification
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.media import MediaStore
from dodeca.kernel.platform import Platform
from dodeca.products.music import accounts, jobs, scanning, sound
from dodeca.products.music.models import Album, Listen, Show, Song, StationLoop
from dodeca.products.music.service import folders, releases, searching, songs, stations
from dodeca.products.music.service.viewers import VISITOR

__all__ = ["mp3", "prepared_url"]  # fixtures


def files_of(platform: Platform) -> int:
    """How many files the store has."""

    async def counted() -> int:
        return len([file async for file in platform.media.walk()])

    return asyncio.run(counted())


def test_a_refused_upload_leaves_nothing_behind(client: Client, make: Factory, platform: Platform) -> None:
    ada = client.with_token(make.token(make.account("ada")))

    answer = ada.post("/api/music/songs", files={"file": ("a.mp3", b"no sound at all" * 9999)})

    assert answer.status_code == 415
    assert files_of(platform) == 0


def test_a_name_that_is_no_text_is_left_out(platform: Platform, tmp_path: Path, mp3: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    shutil.copy(mp3, folder / "good.mp3")
    encoded(folder / "🎵.ogg", title="Note", artist="Chor")
    shutil.copy(os.fsencode(mp3), os.fsencode(folder / "🎵") + b"\xff.mp3")
    platform.db.write(lambda s: folders.add(s, str(folder)))

    done = asyncio.run(scanning.scan(platform))

    assert (done.state, done.count, done.added) == ("done", 2, 2)


def test_songs_whose_file_is_away_do_not_keep_others_from_being_measured(
    platform: Platform, make_song: MakeSong, client: Client, make: Factory, mp3: Path
) -> None:
    for number in range(jobs.ANALYSED_AT_ONCE):
        make_song(f"Away {number}", audio=audio(f"away {number}"))
    ada = client.with_token(make.token(make.account("ada")))
    number = int(upload(ada, mp3).json()["song_id"])

    platform.db.write(lambda s: s.execute(update(Song).values(analysed_at=None)))
    for _ in range(3):
        clock.advance(21)
        work(platform)

    song = platform.db.read(lambda s: s.get_one(Song, number))
    assert song.analysed_at is not None


def test_all_followers_hear_of_a_release_some_at_a_time(platform: Platform, make: Factory, make_song: MakeSong) -> None:
    uploader = make.account()
    song = make_song("Out", "Ann", by=uploader, audio=audio("out"), visibility="private")
    fans = [make.account().id for _ in range(releases.TOLD_AT_ONCE + 3)]
    artist = str(song.artist_id)
    platform.db.write(
        lambda s: [following.follow(s, fan, product="music", target_type="artist", target_id=artist) for fan in fans]
    )

    platform.db.write(lambda s: songs.publish(s, viewer(uploader), song.id, visibility="public"))
    work(platform)

    told = platform.db.read(lambda s: s.scalars(select(Notification.account_id)).all())
    assert sorted(told) == sorted(fans)


def test_lists_of_words_are_joined_from_time_to_time(platform: Platform, make_song: MakeSong) -> None:
    index, name = searching.indexes["song"], f"song:{make_song('Harbour').id}"
    platform.db.write(index.begin_load)  # so that they are not joined at once
    for _ in range(12):
        platform.db.write(lambda session: searching.put(session, [name]))
    platform.db.write(index.end_load)

    platform.db.write(searching.join_lists.enqueue)
    work(platform)

    assert not platform.db.write(index.join_lists)
    assert platform.db.read(lambda s: searching.find(s, VISITOR, "arbou", "song", limit=5)) == [int(name[5:])]


def test_an_account_with_a_long_history_can_go(session: WriteSession, make: Factory) -> None:
    """More listens than a statement has room for parameters."""
    person = make.account()
    now = clock.now()
    rows = [
        {
            "user_id": person.id,
            "listened_at": now - timedelta(minutes=4 * number),
            "artist_name": "A",
            "track_name": "B",
            "work_key": "a\tb",
            "dedupe_key": str(number),
            "source": "import",
            "inserted_at": now,
        }
        for number in range(33_000)
    ]
    session.execute(insert(Listen), rows)

    accounts.delete_account(session, person.id)

    assert session.scalar(select(func.count()).select_from(Listen)) == 0


def test_the_stations_of_an_account_that_goes_are_found_no_more(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    curator = make.account(roles_too=["moderator"])
    station = opened(session, curator, sounding(make_song, "A"), visibility="public", title="Nachtmusik")
    searching.put(session, [f"station:{station.id}"])
    assert searching.find(session, VISITOR, "nachtmusik", "station", limit=5) == [station.id]

    accounts.delete_account(session, curator.id)

    assert searching.find(session, VISITOR, "nachtmusik", "station", limit=5) == []


def test_a_long_programme_is_read_as_far_as_it_is_heard(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    """Years of loops and shows before and after change nothing of what plays now, nor what is read."""
    station = opened(session, make.account(), sounding(make_song, "A", "B"))
    now = clock.now().replace(microsecond=0)
    loop = session.scalars(select(StationLoop)).one().songs
    for day in (*range(-60, 0), *range(1, 60)):
        at = now + timedelta(days=day, minutes=7)
        fields = {"title": "S", "songs": [loop[0]], "starts_at": at, "ends_at": at + timedelta(minutes=3)}
        session.add(Show(station_id=station.id, **fields))
        session.add(StationLoop(station_id=station.id, starts_at_ms=round(at.timestamp() * 1000) + 1, songs=loop))
    session.flush()
    session.expire_all()
    moment = stations.now_ms()
    whole = stations.timeline(session, station, since_ms=0, until_ms=2 * moment)

    timeline = stations.timeline(session, station, since_ms=moment, until_ms=moment + 3_600_000)

    assert list(timeline.between(moment, moment + 3_600_000)) == list(whole.between(moment, moment + 3_600_000))
    assert len(timeline._shows) <= 3
    assert len(timeline._loops) <= 3
    assert stations.timeline(session, station, since_ms=250_000_000_000_000).at(250_000_000_000_000).song_id


def test_an_album_is_as_loud_as_its_songs_together(
    client: Client, make: Factory, platform: Platform, tmp_path: Path
) -> None:
    ada = client.with_token(make.token(make.account("ada")))
    for number, name in enumerate(("a", "b")):
        path = encoded(tmp_path / f"{name}.flac", hertz=300 + 200 * number, title=name, artist="X", album="Both")
        upload(ada, path)

    work(platform)

    album = platform.db.read(lambda s: s.scalars(select(Album)).one())
    gains = [song.track_gain or 0.0 for song in platform.db.read(lambda s: s.scalars(select(Song)).all())]
    assert album.album_gain is not None
    assert min(gains) - 0.2 <= album.album_gain <= max(gains) + 0.2
    view = ada.get("/api/music/albums?sort=newest").json()["albums"][0]
    shown = ada.get(f"/api/music/albums/{view['album_id']}").json()["songs"][0]["replay_gain"]
    assert (shown["album_gain"], shown["album_peak"]) == (album.album_gain, album.album_peak)


def test_what_files_say_of_their_album_goes_before_what_is_measured(
    client: Client, make: Factory, platform: Platform, tmp_path: Path
) -> None:
    ada = client.with_token(make.token(make.account("ada")))
    said = {"replaygain_album_gain": "-7.50 dB", "replaygain_album_peak": "0.9"}
    upload(ada, encoded(tmp_path / "a.flac", seconds=1.0, hertz=440.0, title="a", artist="X", album="Both", **said))

    work(platform)

    album = platform.db.read(lambda s: s.scalars(select(Album)).one())
    assert (album.album_gain, album.album_peak) == (-7.5, 0.9)


# Where the store is elsewhere


@pytest.fixture
def in_s3(platform: Platform) -> Iterator[Platform]:
    """The platform with its media in S3."""
    before = platform.media
    with object_store() as url:
        platform.media = MediaStore(url)
        yield platform
    platform.media = before


@pytest.mark.cluster
def test_sound_in_s3_is_played_converted_measured_and_its_copies_go(
    in_s3: Platform, client: Client, make: Factory, mp3: Path
) -> None:
    ada = client.with_token(make.token(make.account("ada")))
    number = upload(ada, mp3).json()["song_id"]
    path = f"/api/music/songs/{number}/stream"
    work(in_s3)

    played = ada.get(path, headers={"Range": "bytes=10-19"})
    converted = ada.get(f"{path}?format=opus")
    copies = list((in_s3.data / "music" / "sources").iterdir())
    kept = sound.forget_copies(in_s3, older_than_seconds=3600)
    for copy in copies:
        os.utime(copy, (time.time() - 7200,) * 2)
    gone = sound.forget_copies(in_s3, older_than_seconds=3600)

    assert (played.status_code, played.content) == (206, mp3.read_bytes()[10:20])
    assert converted.content[:4] == b"OggS"
    assert ada.get(f"/api/music/songs/{number}").json()["replay_gain"] is not None
    assert (len(copies), kept, gone) == (1, 0, 1)


@pytest.mark.cluster
class TestRedirectsToS3:
    """With `music.s3_redirect`."""

    @pytest.fixture
    def settings(self) -> dict[str, object]:
        return {"music.s3_redirect": True}

    def test_apps_are_sent_to_s3_and_pages_are_not(
        self, in_s3: Platform, client: Client, make: Factory, mp3: Path
    ) -> None:
        ada = client.with_token(make.token(make.account("ada")))
        number = upload(ada, mp3, visibility="private").json()["song_id"]
        path = f"/api/music/songs/{number}/stream"

        sent = ada.get(path)
        fetched = httpx.get(sent.headers["location"], headers={"Range": "bytes=10-19"})
        known = ada.get(path, headers={"If-None-Match": sent.headers.get("etag", f'"{number}"')})

        assert (sent.status_code, sent.headers["cache-control"]) == (302, "private, max-age=600")
        assert (fetched.status_code, fetched.content) == (206, mp3.read_bytes()[10:20])
        assert known.status_code in (302, 304)
        assert ada.get(path, headers={"Sec-Fetch-Site": "same-origin"}).content == mp3.read_bytes()
        assert ada.request("HEAD", path).headers["content-length"] == str(mp3.stat().st_size)
        assert ada.get(f"/api/music/songs/{number}/download").content == mp3.read_bytes()
        assert client.get(path).status_code == 404
