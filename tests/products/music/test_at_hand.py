"""What the lane of sound keeps in memory, on both engines: a change is seen at once, in another process too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
from sqlalchemy import select
from tests.products.music.conftest import MakeSong, viewer
from tests.support.platform import Factory

from dodeca import app as composition
from dodeca.commons.accounts.public import Account
from dodeca.commons.accounts.service import people
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.platform import Platform
from dodeca.products.music.at_hand import AtHand, Listener, Sound, at_hand
from dodeca.products.music.models import Song
from dodeca.products.music.service import app_passwords, folders, members, songs
from dodeca.products.music.service.songs import Audio
from dodeca.products.music.service.viewers import Viewer


@pytest.fixture
def beside(platform: Platform) -> Iterator[AtHand]:
    """What another process on the same data keeps."""
    with closing(composition.compose(platform.config)) as another:
        yield at_hand(another)


def audio(name: str) -> Audio:
    return Audio(
        audio_hash=name, duration_ms=1000, codec="mp3", suffix="mp3", content_type="audio/mpeg", size=9, media_key=name
    )


def token(password: str) -> str:
    return hashlib.md5(f"{password}salt".encode()).hexdigest()


def test_a_changed_song_is_looked_up_again_everywhere(
    platform: Platform, beside: AtHand, make: Factory, make_song: MakeSong
) -> None:
    ann = make.account()
    song_id = make_song(by=ann, audio=audio("first")).id

    def read() -> list[Sound | None]:
        hands = (at_hand(platform), beside)
        return [platform.db.read(partial(hand.read_song, song_id=song_id)) for hand in hands]

    def kept() -> list[Sound | None]:
        return [hand.song(song_id) for hand in (at_hand(platform), beside)]

    changes: list[Callable[[WriteSession], object]] = [
        lambda session: songs.publish(session, viewer(ann), song_id, visibility="private"),
        lambda session: songs.replace_audio(session, viewer(ann), song_id, audio("second")),
        lambda session: folders.lose(session, [session.get_one(Song, song_id)]),
        lambda session: songs.remove(session, viewer(ann), song_id),
    ]
    assert read() == kept() != [None, None]
    for change in changes:
        platform.db.write(change)
        assert kept() == [None, None]
        assert read() == kept()  # nothing is kept of a song that cannot be heard


def test_others_do_not_hear_a_private_song(platform: Platform, make: Factory, make_song: MakeSong) -> None:
    ann, bob = make.account(), make.account()
    song_id = make_song(by=ann, audio=audio("first"), visibility="private").id

    sound = platform.db.read(lambda session: at_hand(platform).read_song(session, song_id))

    assert sound is not None
    assert (sound.is_for(ann.id), sound.is_for(bob.id)) == (True, False)


def test_access_that_is_taken_away_is_looked_up_again_everywhere(
    platform: Platform, beside: AtHand, make: Factory
) -> None:
    admin, ann = make.account(roles_too=["admin"]), make.account("ann")

    def read() -> list[Listener | None]:
        hands = (at_hand(platform), beside)
        return [platform.db.read(partial(hand.read_named, name="ann")) for hand in hands]

    def kept() -> list[Listener | None]:
        return [hand.named("ann") for hand in (at_hand(platform), beside)]

    def changed(change: Callable[[WriteSession, Account], object]) -> Listener:
        """What is known after a change; before, both processes knew what was."""
        assert read() == kept() != [None, None]
        platform.db.write(lambda session: change(session, session.get_one(Account, ann.id)))
        assert kept() == [None, None]
        found = read()[0]
        assert found is not None
        return found

    row, password = platform.db.write(lambda session: app_passwords.create(session, platform, ann, "Phone"))
    fresh = read()[0]
    assert fresh is not None
    known = fresh.secret_of(token(password), "salt")
    assert known is not None
    assert known.use_is_due
    assert fresh.secret_of(token("wrong"), "salt") is None
    noted = changed(lambda session, _: app_passwords.note_use(session, row.id, "test"))
    assert not noted.secrets[0].use_is_due
    assert changed(lambda session, one: members.change(session, one.id, {"max_bit_rate": 96})).max_bit_rate == 96
    assert not changed(lambda session, one: app_passwords.remove(session, one.id, row.id)).secrets
    platform.db.write(lambda session: people.suspend(session, admin, session.get_one(Account, ann.id)))
    assert kept() == read() == [None, None]


@pytest.mark.parametrize(
    ("role", "moderates", "administers"),
    [("merchant", False, False), ("moderator", True, False), ("admin", True, True)],
)
def test_a_listener_sees_what_their_roles_let_them_see(
    platform: Platform, make: Factory, role: str, moderates: bool, administers: bool
) -> None:
    ann = make.account("ann", roles_too=[role])

    found = platform.db.read(lambda session: at_hand(platform).read_named(session, "ann"))

    assert found is not None
    assert found.viewer == Viewer(ann.id, moderates, administers)


def test_what_a_unit_of_work_saw_before_a_change_is_not_kept(
    platform: Platform, make: Factory, make_song: MakeSong
) -> None:
    ann, hand = make.account("ann"), at_hand(platform)
    song_id = make_song(by=ann, audio=audio("first")).id

    def late(session: ReadSession) -> None:
        session.scalar(select(Song.id).where(Song.id == song_id))  # from here on it sees what is so now
        platform.db.write(lambda s: songs.publish(s, viewer(ann), song_id, visibility="private"))
        hand.read_song(session, song_id)
        hand.read_named(session, "ann")

    platform.db.read(late)

    assert (hand.song(song_id), hand.named("ann")) == (None, None)
