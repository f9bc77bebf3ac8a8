"""Uploaded songs are measured and packaged in the background, and their uploaders see how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from tests.products.music.conftest import MakeSong
from tests.products.music.test_sound import encoded, mp3, upload
from tests.support.platform import Client, Factory, work

from dodeca.commons.pipeline import ffmpeg
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.jobs import JobContext, Nothing
from dodeca.kernel.platform import Platform
from dodeca.products.music import jobs, packaging, sound
from dodeca.products.music.audio import hls
from dodeca.products.music.models import Preparation, Song, Transcode
from dodeca.products.music.service import preparing

__all__ = ["mp3"]  # a fixture
LONG_SECONDS = 40.0


@pytest.fixture
def ada(client: Client, make: Factory) -> Client:
    """A member."""
    return client.with_token(make.token(make.account("ada")))


@pytest.fixture(autouse=True)
def _told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told many times of what takes a second or two."""
    monkeypatch.setattr(ffmpeg, "TOLD_SECONDS", 0.1)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song that takes a second or two to package."""
    return encoded(tmp_path_factory.mktemp("long") / "long.flac", seconds=LONG_SECONDS, title="Lang", artist="Atem")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bit rates that ffmpeg really began to make."""
    rates: list[int] = []
    package = hls.package

    async def counted(source: Path, bit_rate: int, *rest: Any) -> Any:
        rates.append(bit_rate)
        return await package(source, bit_rate, *rest)

    monkeypatch.setattr(hls, "package", counted)
    return rates


def prepared(member: Client, number: str) -> Any:
    """How far a song is, as its answer says."""
    return member.get(f"/api/music/songs/{number}").json()["preparation"]


def profiles(platform: Platform) -> Sequence[str]:
    """What is stored."""
    return sorted(row.profile for row in platform.db.read(lambda s: s.query(Transcode).all()))


def broken(platform: Platform, number: str) -> None:
    """Destroy a song's file."""
    key = platform.db.read(lambda s: s.get_one(Song, int(number))).media_key
    path = platform.media.local_path(key or "")
    assert path is not None
    path.chmod(0o600)
    path.write_bytes(b"no sound any more " * 500)


def run_packaging(platform: Platform) -> Any:
    """The job's work, once."""
    return packaging.package_songs.handler(JobContext(platform, "test", 1), Nothing())


def test_an_upload_is_measured_then_packaged_then_ready(
    ada: Client, long: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[preparing.PreparationView] = []
    to: set[str] = set()

    def heard(channel: str, _kind: str, data: preparing.PreparationView, *, key: object) -> None:
        to.add(channel)
        told.append(data)

    monkeypatch.setattr(platform.realtime, "publish_latest", heard)
    song = upload(ada, long).json()["song"]
    number = song["song_id"]
    first = song["preparation"]
    asyncio.run(jobs.analyse(platform, int(number)))
    second = prepared(ada, number)
    asyncio.run(run_packaging(platform))

    assert (first["state"], first["share"]) == ("measuring", 0)
    assert (second["state"], second["share"]) == ("packaging", preparing.MEASURING_SHARE)
    assert prepared(ada, number) == {"song_id": number, "state": "ready", "share": 1, "told": "Ready to stream"}
    shares = [one.share for one in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len([one for one in told if one.state == "measuring"]) >= 2
    assert len({one.share for one in told if one.state == "packaging"}) >= 4
    assert to == {preparing.channel(song["uploader_id"])}
    assert profiles(platform) == ["hls-128", "hls-256", "hls-64"]


def test_nobody_else_sees_how_far_it_is(ada: Client, client: Client, make: Factory, mp3: Path) -> None:
    number = upload(ada, mp3).json()["song_id"]
    someone = make.account("eve", roles_too=["admin"])
    eve = client.with_token(make.token(someone))

    assert prepared(ada, number)["state"] == "measuring"
    assert prepared(eve, number) is None
    assert prepared(client, number) is None
    assert make.run(lambda session: preparing.latest(session, someone.id)) == []
    assert client.get("/api/music/uploads/events").status_code == 401
    assert "data-preparing" not in eve.get(f"/music/songs/{number}/edit").text


def test_of_a_song_that_is_not_prepared_nobody_is_told(
    ada: Client, mp3: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = upload(ada, mp3).json()["song_id"]
    platform.db.write(lambda s: s.execute(delete(Preparation)) and None)
    told: list[object] = []
    monkeypatch.setattr(platform.realtime, "publish_latest", lambda *what, key: told.append(what))

    work(platform)

    assert told == []
    assert prepared(ada, number) is None
    assert platform.db.read(lambda s: s.get_one(Song, int(number))).analysed_at is not None


def test_songs_that_nobody_uploaded_are_not_packaged(platform: Platform, make_song: MakeSong) -> None:
    make_song()

    work(platform)

    assert platform.db.read(lambda s: s.query(Preparation).count()) == 0


def test_what_is_stored_is_not_made_again(ada: Client, mp3: Path, platform: Platform, made: list[int]) -> None:
    number = upload(ada, mp3).json()["song_id"]

    early = ada.get(f"/api/music/songs/{number}/hls/128.m3u8")
    work(platform)
    late = ada.get(f"/api/music/songs/{number}/hls/64.m3u8")

    assert (early.status_code, late.status_code) == (200, 200)
    assert sorted(made) == [64, 128, 256]
    assert prepared(ada, number)["state"] == "ready"


def test_of_two_that_want_the_same_at_once_one_makes_it(
    ada: Client, long: Path, platform: Platform, made: list[int]
) -> None:
    number = int(upload(ada, long).json()["song_id"])
    found = platform.db.read(lambda s: sound.where(s, s.get_one(Song, number)))

    async def both() -> set[str]:
        here = [asyncio.create_task(sound.hls_variant(platform, found, 64)) for _ in range(2)]
        while not made:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
        sound._running(platform).clear()  # as in another process, which knows nothing of what this one makes
        there = asyncio.create_task(sound.hls_variant(platform, found, 64))
        return {transcode.media_key for transcode in await asyncio.gather(*here, there)}

    assert len(asyncio.run(both())) == 1
    assert made == [64]


def test_a_job_that_is_killed_leaves_no_half_file_and_the_next_completes(
    ada: Client, long: Path, platform: Platform, made: list[int]
) -> None:
    number = upload(ada, long).json()["song_id"]
    asyncio.run(jobs.analyse(platform, int(number)))
    folder = platform.data / "music" / "growing"

    async def killed() -> None:
        task = asyncio.create_task(run_packaging(platform))
        while not any(folder.glob("*/variant.ts")):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(killed())
    left = [path.name for path in folder.iterdir() if path.suffix != ".lock"]
    between = prepared(ada, number)
    begun = list(made)
    work(platform)

    assert (left, begun) == ([], [64])
    assert between["state"] == "packaging"
    assert profiles(platform) == ["hls-128", "hls-256", "hls-64"]
    assert prepared(ada, number)["state"] == "ready"


@pytest.mark.parametrize("measured", [False, True])
def test_a_file_that_breaks_ends_in_a_clear_state(ada: Client, mp3: Path, platform: Platform, measured: bool) -> None:
    number = upload(ada, mp3, visibility="private").json()["song_id"]
    if measured:
        asyncio.run(jobs.analyse(platform, int(number)))

    broken(platform, number)
    work(platform)
    clock.advance(3600)
    work(platform)

    now = prepared(ada, number)
    assert now["state"] == "failed"
    assert now["told"].startswith("The file cannot be played")
    assert now["share"] < 1
    assert profiles(platform) == []
    page = ada.get("/music/upload").text
    assert f'name="publish-{number}" value="on"' in page
    assert f'name="publish-{number}" value="on" checked' not in page
    refused = ada.patch(f"/api/music/songs/{number}", json={"visibility": "public"})
    assert (refused.status_code, refused.json()["field"]) == (400, "visibility")


def measured_upload(ada: Client, mp3: Path, platform: Platform) -> tuple[str, Path]:
    """A song that was uploaded and measured, and where its file lies."""
    number = str(upload(ada, mp3).json()["song_id"])
    asyncio.run(jobs.analyse(platform, int(number)))
    key = platform.db.read(lambda s: s.get_one(Song, int(number))).media_key
    path = platform.media.local_path(key or "")
    assert path is not None
    return number, path


def test_a_file_that_is_away_is_tried_again(ada: Client, mp3: Path, platform: Platform) -> None:
    number, path = measured_upload(ada, mp3, platform)
    away = path.rename(path.with_suffix(".away"))

    work(platform)
    without = prepared(ada, number)
    away.rename(path)
    clock.advance(600)
    work(platform)

    assert without["state"] == "packaging"
    assert prepared(ada, number)["state"] == "ready"


def test_what_stays_away_is_given_up(ada: Client, mp3: Path, platform: Platform) -> None:
    number, path = measured_upload(ada, mp3, platform)
    path.unlink()

    for _ in range(preparing.MOST_TRIES):
        asyncio.run(run_packaging(platform))
        clock.advance(3600)

    assert prepared(ada, number)["state"] == "failed"
    assert "no such file" in prepared(ada, number)["told"]


def test_another_file_is_prepared_anew_and_a_withdrawn_song_leaves_nothing(
    ada: Client, mp3: Path, platform: Platform, tmp_path: Path
) -> None:
    number = upload(ada, mp3).json()["song_id"]
    work(platform)
    other = encoded(tmp_path / "other.flac", hertz=300)

    changed = ada.put(f"/api/music/songs/{number}/audio", content=other.read_bytes()).json()["song"]["preparation"]
    work(platform)
    again = prepared(ada, number)["state"]
    gone = ada.delete(f"/api/music/songs/{number}")

    def rows(session: ReadSession) -> int:
        return session.query(Preparation).count()

    assert (changed["state"], again, gone.status_code < 300) == ("measuring", "ready", True)
    assert platform.db.read(rows) == 0


def test_the_upload_page_shows_it_without_javascript(ada: Client, mp3: Path, platform: Platform) -> None:
    upload(ada, mp3, visibility="private")

    before = ada.get("/music/upload").text
    work(platform)
    after = ada.get("/music/upload").text

    assert "Measuring" in before
    assert 'src="/api/music/uploads/events"' in before
    assert "Ready to stream" in after
    assert "uploads/events" not in after
