"""Which songs sound alike."""

from __future__ import annotations

import pytest
from tests.products.music.conftest import MakeSong, viewer
from tests.products.music.test_catalogue import audio
from tests.support.platform import Factory

from dodeca.commons.accounts.public import Account
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.products.music.models import Song
from dodeca.products.music.service import likeness, likes, taste


@pytest.fixture
def scale(make: Factory, make_song: MakeSong, session: WriteSession) -> tuple[Account, list[Song]]:
    """Five songs, each of which sounds a little brighter than the one before; the fourth is private."""
    account = make.account()
    made = []
    for step in range(5):
        visibility = "private" if step == 3 else "public"
        song = make_song(f"Step {step}", by=account, visibility=visibility)
        session.get_one(Song, song.id).timbre = bytes([40 * step] * 32)
        made.append(song)
    session.flush()
    return account, made


def test_the_nearest_come_first(session: WriteSession, scale: tuple[Account, list[Song]]) -> None:
    account, songs = scale

    found = likeness.nearest(session, viewer(account), songs[1], 3)

    assert {song.title for song, _ in found[:2]} == {"Step 0", "Step 2"}
    assert found[2][0].title == "Step 3"
    values = [value for _, value in found]
    assert values == sorted(values, reverse=True)
    assert all(0 < value < 1 for value in values)


def test_a_path_goes_over_what_lies_between(
    session: WriteSession, make: Factory, scale: tuple[Account, list[Song]]
) -> None:
    account, songs = scale

    own = likeness.path(session, viewer(account), songs[0], songs[4], 5)
    others = likeness.path(session, viewer(make.account()), songs[0], songs[4], 5)

    assert [song.title for song, _ in own] == [f"Step {step}" for step in range(5)]
    assert own[0][1] == 1.0
    assert "Step 3" not in [song.title for song, _ in others]
    assert [others[0][0].title, others[-1][0].title] == ["Step 0", "Step 4"]


def test_what_was_not_measured_is_like_nothing(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    account = make.account()
    song = make_song(by=account)

    assert likeness.nearest(session, viewer(account), song, 5) == []
    assert likeness.path(session, viewer(account), song, song, 5) == []


def test_a_new_song_is_recommended_for_its_sound(
    platform: Platform, session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    """Nobody has heard it, and nobody knows its artist or genre."""
    listener, uploader = make.account(), make.account()
    made = [make_song(f"Song {step}", f"Artist {step}", by=uploader, audio=audio(f"{step}")) for step in range(6)]
    for step, song in enumerate(made):
        session.get_one(Song, song.id).timbre = bytes([20 * step] * 32)
    session.flush()
    likes.like(session, viewer(listener), "song", made[0].id)

    picks = taste.recommend(session, platform, viewer(listener), kind="discover", limit=2)

    assert picks[0].song.id == made[1].id
    assert [(cause.kind, cause.title) for cause in picks[0].because] == [("sound", "Song 0")]
