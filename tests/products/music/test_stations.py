"""Stations and parties: one timeline for everybody; shows never overlap; nothing private on the air."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import update
from tests.products.music.conftest import MakeSong, viewer
from tests.products.music.test_catalogue import audio, broken
from tests.support.platform import Factory

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from dodeca.kernel.platform import Platform
from dodeca.products.music import listeners
from dodeca.products.music.models import Song, Station, StationListeners
from dodeca.products.music.service import songs, stations
from dodeca.products.music.service.viewers import VISITOR

LENGTH_MS = 600_000
"""Long, so that no test is slow enough to see two of them."""


def sounding(make_song: MakeSong, *titles: str) -> list[Song]:
    """Songs that can be heard, of one length."""
    return [make_song(title, audio=replace(audio(title), duration_ms=LENGTH_MS)) for title in titles]


def opened(session: WriteSession, account: Account, found: list[Song], **options: object) -> Station:
    """A private station that repeats songs."""
    values = {"title": "Radio", "slug": "radio", "song_ids": [song.id for song in found], **options}
    return stations.create(session, account, viewer(account), **values)  # type: ignore[arg-type]


def on_air(session: WriteSession, station: Station, turn: float) -> str:
    """The title that plays so many songs after the station began."""
    began = stations.timeline(session, station).at(stations.now_ms()).starts_at_ms
    slot = stations.timeline(session, station).at(began + round(turn * LENGTH_MS))
    song = session.get(Song, slot.song_id) if slot.song_id is not None else None
    return song.title if song is not None else ""


def test_a_loop_is_the_same_for_everybody_at_any_moment(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    station = opened(session, make.account(), sounding(make_song, "A", "B", "C"))

    assert [on_air(session, station, turn + 0.5) for turn in range(7)] == list("ABCABCA")


def test_a_change_is_heard_after_the_current_song(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = make.account()
    first, second = sounding(make_song, "A", "B")
    station = opened(session, owner, [first])
    slot = stations.timeline(session, station).at(stations.now_ms())

    stations.change_loop(session, viewer(owner), station.id, [second.id])

    later = stations.timeline(session, station)
    assert later.at(slot.ends_at_ms - 1).song_id == first.id
    assert later.at(slot.ends_at_ms).song_id == second.id


def test_a_show_cuts_the_loop_and_no_other_show_fits_in(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    owner = make.account()
    a, b = sounding(make_song, "A", "B")
    station = opened(session, owner, [a])
    at = clock.now() + timedelta(minutes=10)
    show = stations.add_show(
        session, viewer(owner), station.id, title="Show", starts_at=at, duration_s=60, song_ids=[b.id]
    )

    slot = stations.timeline(session, station).at(round(at.timestamp() * 1000))
    with pytest.raises(stations.Overlap):
        stations.add_show(
            session,
            viewer(owner),
            station.id,
            title="Too",
            starts_at=at + timedelta(seconds=59),
            duration_s=5,
            live=True,
        )

    assert (slot.song_id, slot.show_id) == (b.id, show.id)
    assert broken(session) == {}
    clock.advance(630)
    with pytest.raises(Conflict):
        stations.remove_show(session, viewer(owner), station.id, show.id)


def test_a_private_station_is_heard_with_its_key_only(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    owner, guest = make.account(), make.account()
    station = opened(session, owner, sounding(make_song, "A"), kind="party")

    assert stations.find(session, viewer(owner), station.id) is station
    assert stations.find(session, viewer(guest), station.id, station.key) is station
    assert stations.by_key(session, station.key) is station
    for look, key in ((VISITOR, ""), (viewer(guest), "wrong")):
        with pytest.raises(NotFound):
            stations.find(session, look, station.id, key)
    stations.end(session, viewer(owner), station.id)
    with pytest.raises(NotFound):
        stations.by_key(session, station.key)


def test_who_opens_what(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    member, curator = make.account(), make.account(roles_too=["moderator"])
    (a,) = sounding(make_song, "A")
    hidden = make_song("H", by=member, visibility="private", audio=audio("H"))

    with pytest.raises(Forbidden):
        opened(session, member, [a], visibility="public")
    with pytest.raises(Invalid):
        opened(session, member, [hidden])
    with pytest.raises(Invalid):
        opened(session, member, [a], slug="No Good")
    assert opened(session, curator, [a], visibility="public").visibility == "public"
    with pytest.raises(stations.SlugTaken):
        opened(session, member, [a])


def test_a_song_made_private_is_named_no_more(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = make.account()
    song = make_song("A", by=owner, audio=audio("A"))
    station = opened(session, owner, [song])

    songs.publish(session, viewer(owner), song.id, visibility="private")

    slot = stations.timeline(session, station).at(stations.now_ms())
    assert stations.songs_of(session, [slot]) == {}


def test_listeners_are_counted_through_all_processes(platform: Platform, make: Factory, make_song: MakeSong) -> None:
    owner = make.account()
    found = sounding(make_song, "A")
    number = make.run(lambda session: opened(session, owner, found).id)

    def counted() -> int:
        return platform.db.read(lambda session: listeners.counts(session, platform, [number]))[number]

    with listeners.listening(platform, number):
        asyncio.run(listeners.tell(platform))
        own = counted()
    make.run(lambda session: session.execute(update(StationListeners).values(process="another", listeners=2)))
    with listeners.listening(platform, number):
        both = counted()
    make.run(lambda session: session.execute(update(StationListeners).values(until=clock.ago(seconds=1))))

    assert (own, both, counted()) == (1, 3, 0)
