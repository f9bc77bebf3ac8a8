"""Listens: one is one, whatever programs tell of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.products.music.conftest import MakeSong, viewer
from tests.products.music.test_catalogue import broken
from tests.support.platform import Factory

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.music.models import Listen
from dodeca.products.music.service import comments, listens, members, queue, shares
from dodeca.products.music.service.listens import Report
from dodeca.products.music.service.viewers import VISITOR


def test_one_listen_told_by_four_protocols_counts_once(
    session: WriteSession, make: Factory, make_song: MakeSong
) -> None:
    listener = make.account()
    song = make_song("Aria", "Bach", album="Variations")
    at = clock.ago(minutes=10)
    told = [
        Report(song_id=song.id, listened_at=at, ms_played=100_000, source="web", play_id="a"),
        Report(song_id=song.id, listened_at=at + timedelta(seconds=20), counts=True, source="subsonic"),
        Report(artist_name="BACH", track_name="aria", listened_at=at - timedelta(seconds=9), source="listenbrainz"),
        Report(artist_name="Bach", track_name="Aria (feat. Nobody)", listened_at=at, source="lastfm"),
    ]

    outcomes = [listens.record(session, listener.id, [report])[0] for report in told]

    assert outcomes == ["accepted", "duplicate", "duplicate", "duplicate"]
    session.expire_all()
    assert song.play_count == 1
    assert members.member(session, listener.id).listen_count == 1
    assert broken(session) == {}


def test_the_next_time_is_another_listen(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    listener = make.account()
    song = make_song(duration_ms=20_000)
    at = clock.ago(minutes=10)

    outcomes = listens.record(
        session,
        listener.id,
        [Report(song_id=song.id, listened_at=at + timedelta(seconds=s), counts=True) for s in (0, 9, 21)],
    )

    assert outcomes == ["accepted", "duplicate", "accepted"]


def test_a_song_that_was_skipped_does_not_count(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    listener = make.account()
    song, long = make_song("Short"), make_song("Long", duration_ms=3_600_000)
    at = clock.ago(hours=3)

    listens.record(session, listener.id, [Report(song_id=song.id, listened_at=at, ms_played=5000)])
    listens.record(session, listener.id, [Report(song_id=long.id, listened_at=at, ms_played=240_000)])

    session.expire_all()
    assert (song.play_count, long.play_count) == (0, 1)
    listens.record(session, listener.id, [Report(song_id=song.id, listened_at=at, ms_played=170_000)])
    session.expire_all()
    assert song.play_count == 1
    assert broken(session) == {}


def test_what_cannot_have_been_heard_is_left_out(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    listener = make.account()
    song, hidden = make_song(duration_ms=40_000_000), make_song(visibility="private")
    day = clock.ago(days=2).replace(hour=0, minute=0, second=0)

    outcomes = listens.record(
        session,
        listener.id,
        [
            Report(song_id=song.id, listened_at=clock.ahead(hours=1)),
            Report(song_id=hidden.id, listened_at=clock.ago(hours=1)),
            *(Report(song_id=song.id, listened_at=day + timedelta(hours=h)) for h in (1, 3, 5)),
        ],
    )

    assert outcomes == ["ahead", "unknown", "accepted", "accepted", "too_much"]
    assert broken(session) == {}


def test_a_listen_waits_for_its_song(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    listener = make.account()
    listens.record(
        session, listener.id, [Report(artist_name="Satie", track_name="Gnossienne", listened_at=clock.now())]
    )

    song = make_song("Gnossienne", "Satie", album="Pieces")

    assert session.scalar(select(Listen.song_id)) == song.id
    session.expire_all()
    assert song.play_count == 1
    assert broken(session) == {}


def test_listens_can_be_taken_back(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    listener = make.account()
    song = make_song()
    at = clock.ago(days=1)
    listens.record(session, listener.id, [Report(song_id=song.id, listened_at=at, counts=True)])

    gone = listens.forget(session, listener.id, since=at, until=at + timedelta(seconds=1))

    assert gone == 1
    session.expire_all()
    assert song.play_count == 0
    assert broken(session) == {}


def test_a_queue_of_an_older_revision_is_refused(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    look = viewer(make.account())
    a, b = make_song("A"), make_song("B")
    saved = queue.save(session, look, [a.id, b.id, a.id], current_index=2, position_ms=5000, device="phone")
    assert saved.revision == 1

    queue.save(session, look, [b.id], current_index=0, revision=1)

    with pytest.raises(queue.StaleQueue) as caught:
        queue.save(session, look, [a.id], current_index=0, revision=1)
    assert caught.value.details == {"revision": 2}
    assert [song.title for song in queue.items(session, look, queue.read(session, look.account_id or ""))[0]] == ["B"]


def test_history_is_private_until_its_owner_says_otherwise(session: WriteSession, make: Factory) -> None:
    owner, other = make.account(), make.account()
    seen = [listens.of(owner.id) is not None and members.history_visible(session, viewer(other), owner.id)]
    for visibility in ("followers", "public"):
        members.change(session, owner.id, {"history_visibility": visibility})
        seen.append(members.history_visible(session, viewer(other), owner.id))

    assert seen == [False, False, True]
    assert members.history_visible(session, viewer(owner), owner.id)


def test_comments_stand_at_a_moment_and_are_counted(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    look, other = viewer(make.account()), viewer(make.account())
    song = make_song()
    first = comments.add(session, look, song.id, "Here!", at_ms=60_000)
    comments.add(session, other, song.id, "And here", at_ms=1000)
    comments.add(session, other, song.id, "Indeed", parent_id=first.id)
    with pytest.raises(Invalid):
        comments.add(session, look, song.id, "Too late", at_ms=999_999_999)

    along = comments.of_song(session, VISITOR, song.id, "position").items
    comments.remove(session, look, first.id)

    assert [comment.at_ms for comment in along] == [1000, 60_000]
    session.expire_all()
    assert song.comment_count == 2
    assert broken(session) == {}


def test_a_share_gives_nothing_private_away(session: WriteSession, make: Factory, make_song: MakeSong) -> None:
    owner = make.account()
    song, hidden = make_song("Open", by=owner), make_song("Hidden", by=owner, visibility="private")
    with pytest.raises(Invalid):
        shares.create(session, viewer(owner), [("song", hidden.id)])
    share = shares.create(session, viewer(owner), [("song", song.id), ("artist", song.artist_id)])
    assert shares.by_token(session, share.token) is share

    assert [found.title for found in shares.songs_of(session, share)] == ["Open"]
    with pytest.raises(NotFound):
        shares.create(session, viewer(make.account()), [("song", hidden.id)])
