"""Scans of folders, on both engines: what is new, moved, retagged, replaced, gone and back."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.products.music.conftest import viewer
from tests.products.music.test_catalogue import broken
from tests.products.music.test_sound import encoded, mp3
from tests.support.platform import Client, Factory

from dodeca.kernel import clock
from dodeca.kernel.platform import Platform
from dodeca.products.music import scanning
from dodeca.products.music.models import Listen, Scan, Song
from dodeca.products.music.service import folders, likes, listens

__all__ = ["mp3"]  # a fixture


@pytest.fixture
def library(platform: Platform, tmp_path: Path, mp3: Path) -> Path:
    """A folder of three songs."""
    folder = tmp_path / "library"
    (folder / "Töne").mkdir(parents=True)
    shutil.copy(mp3, folder / "Töne" / "a.mp3")
    encoded(folder / "Töne" / "b.flac", hertz=500, title="B", artist="Bläser", album="Töne")
    encoded(folder / "c.ogg", hertz=600, title="C", artist="Chor")
    (folder / "no sound.mp3").write_bytes(b"nothing")
    (folder / "cover.jpg.txt").write_text("no song")
    platform.db.write(lambda s: folders.add(s, str(folder)))
    return folder


def scan(platform: Platform) -> Scan:
    """Scan all folders now."""
    return asyncio.run(scanning.scan(platform))


def titles(platform: Platform) -> dict[str, int]:
    """Listed songs: title → id."""
    return platform.db.read(lambda s: {song.title: song.id for song in s.scalars(select(Song).where(Song.listed))})


def test_a_folder_becomes_songs_and_is_read_once(platform: Platform, library: Path, client: Client) -> None:
    first = scan(platform)
    found = titles(platform)
    second = scan(platform)

    assert set(found) == {"Ton", "B", "C"}
    assert (first.added, first.error_count, first.errors[0]["path"]) == (3, 1, "no sound.mp3")
    assert (second.added, second.changed, second.missing, second.count) == (0, 0, 0, 4)
    streamed = client.get(f"/api/music/songs/{found['C']}/stream")
    assert streamed.content == (library / "c.ogg").read_bytes()
    assert platform.db.write(broken) == {}


def test_moving_retagging_and_replacing_keep_a_song(platform: Platform, library: Path, make: Factory) -> None:
    scan(platform)
    before = titles(platform)
    listener = make.account()

    def act(session: Any) -> None:
        likes.like(session, viewer(listener), "song", before["B"])
        report = listens.Report(song_id=before["B"], listened_at=clock.ago(hours=1), counts=True)
        listens.record(session, listener.id, [report])

    platform.db.write(act)
    (library / "Moved").mkdir()
    os.rename(library / "c.ogg", library / "Moved" / "d.ogg")
    retagged = encoded(library / "x.flac", hertz=500, title="B", artist="Bläser", album="Neu", genre="Blech")
    os.replace(retagged, library / "Töne" / "b.flac")
    os.remove(library / "Töne" / "a.mp3")
    encoded(library / "Töne" / "a.flac", title="Ton", artist="Stimmgabel", album="Töne")

    done = scan(platform)

    assert titles(platform) == before
    assert (done.added, done.missing) == (0, 0)
    song = platform.db.read(lambda s: s.get_one(Song, before["B"]))
    assert (song.genres, song.like_count, song.play_count, song.version) == (["Blech"], 1, 1, 2)
    assert platform.db.read(lambda s: s.get_one(Song, before["Ton"])).codec == "flac"
    assert platform.db.read(lambda s: s.scalar(select(Listen.song_id))) == before["B"]


def test_a_file_that_goes_is_missing_and_comes_back(platform: Platform, library: Path, tmp_path: Path) -> None:
    scan(platform)
    before = titles(platform)
    os.rename(library / "c.ogg", tmp_path / "c.ogg")

    gone = scan(platform)
    without = titles(platform)
    os.rename(tmp_path / "c.ogg", library / "c.ogg")
    scan(platform)

    assert (gone.missing, set(without)) == (1, {"Ton", "B"})
    assert titles(platform) == before
    os.remove(library / "c.ogg")
    scan(platform)
    encoded(library / "c.flac", hertz=600, title="C", artist="Chor")
    scan(platform)
    assert titles(platform) == before
    assert platform.db.write(broken) == {}
    shutil.move(library, tmp_path / "unmounted")
    assert scan(platform).missing == 0
    assert titles(platform) == before
