"""The sweep of the media store, on both engines: what somebody's row names stays, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import os
import re
import time

from sqlalchemy import update
from tests.products.music.conftest import MakeSong
from tests.support.platform import Factory

from dodeca.kernel.db import Model
from dodeca.kernel.media import sweeping
from dodeca.kernel.media.sweeping import Swept
from dodeca.kernel.platform import Platform
from dodeca.products.music.models import Song

DAY = 86_400
KEY_NAMES = re.compile(r"(media|cover|video|picture|image|file)_key|avatar")


def save(platform: Platform, text: str, *, days_ago: float) -> str:
    """The key of a file that was stored so long ago."""
    key = platform.media.save_bytes(text.encode()).key
    path = platform.media.local_path(key)
    assert path is not None
    os.utime(path, (time.time() - days_ago * DAY,) * 2)
    return key


def sweep(platform: Platform, *, kept_days: int = 30) -> Swept:
    return asyncio.run(sweeping.sweep(platform, kept_days=kept_days))


def test_what_no_row_names_is_set_aside_and_comes_back_when_one_does(
    platform: Platform, make: Factory, make_song: MakeSong
) -> None:
    song = make_song()
    used, unused, young = (save(platform, name, days_ago=age) for name, age in (("a", 9), ("b", 9), ("c", 1)))
    make.run(lambda session: session.execute(update(Song).values(cover_key=used)))

    first = sweep(platform)
    there = [platform.media.local_path(key) is not None for key in (used, unused, young)]
    make.run(lambda session: session.execute(update(Song).where(Song.id == song.id).values(media_key=unused)))
    told = list(sweeping.problems(platform))
    second = sweep(platform)

    assert (first.aside, first.aside_bytes, there) == (1, 1, [True, False, True])
    assert unused in told[0]
    assert (second.back, second.aside, platform.media.read(unused)) == (1, 0, b"b")
    assert not list(sweeping.problems(platform))


def test_what_stays_aside_goes_after_its_time(platform: Platform) -> None:
    key = save(platform, "gone", days_ago=9)
    sweep(platform)
    asyncio.run(platform.media.put_back(time.strftime("%Y-%m-%d", time.gmtime()), key))
    asyncio.run(platform.media.set_aside("2001-05-01", key))

    swept = sweep(platform)

    assert (swept.removed, platform.media.aside()) == (1, [])


def test_an_upload_of_the_same_bytes_makes_a_file_young_again(platform: Platform) -> None:
    key = save(platform, "again", days_ago=9)
    platform.media.save_bytes(b"again")

    assert (sweep(platform).aside, platform.media.read(key)) == (0, b"again")


def test_every_column_that_names_files_says_so() -> None:
    marked = {str(column) for column in sweeping.columns()}
    named = {
        str(column)
        for table in Model.metadata.tables.values()
        for column in table.columns
        if KEY_NAMES.fullmatch(column.name)
    }

    assert named == marked
