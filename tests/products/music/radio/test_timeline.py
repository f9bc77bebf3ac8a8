"""What a station plays when."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.products.music.radio.timeline import FOREVER_MS, Loop, Show, Slot, Timeline

SECOND = 1000
LOOP = Loop(10_000, [(1, 30_000), (2, 20_000), (3, 10_000)])

songs = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 40)), max_size=6)
loops = st.lists(st.builds(Loop, st.integers(0, 300), songs), max_size=4, unique_by=lambda loop: loop.starts_at_ms)


@st.composite
def shows(draw: st.DrawFn) -> list[Show]:
    """Up to four that do not overlap."""
    found, at = [], 0
    for show_id in range(draw(st.integers(0, 4))):
        at += draw(st.integers(0, 80))
        length = draw(st.integers(1, 60))
        found.append(Show(show_id, at, at + length, draw(songs), live=draw(st.booleans())))
        at += length
    return found


def test_a_loop_begins_with_its_first_song_and_repeats() -> None:
    timeline = Timeline([LOOP])

    assert timeline.at(10_000) == Slot(10_000, 40_000, 1, loop_index=0)
    assert timeline.at(39_999).song_id == 1
    assert timeline.at(40_000) == Slot(40_000, 60_000, 2, loop_index=1)
    assert timeline.at(70_000 + 60_000 * 1_000_000) == Slot(60_000_070_000, 60_000_100_000, 1, loop_index=0)


def test_before_the_first_loop_nothing_plays() -> None:
    assert Timeline([LOOP]).at(9_999) == Slot(-FOREVER_MS, 10_000, None)
    assert Timeline([]).at(0).song_id is None


def test_a_show_cuts_the_loop_on_its_second() -> None:
    timeline = Timeline([LOOP], [Show(7, 25_000, 55_000, [(8, 12_000), (9, 100_000)])])

    assert timeline.at(24_999) == Slot(10_000, 25_000, 1, loop_index=0)
    assert timeline.at(25_000) == Slot(25_000, 37_000, 8, show_id=7)
    assert timeline.at(54_999) == Slot(37_000, 55_000, 9, show_id=7)
    assert timeline.at(55_000) == Slot(55_000, 60_000, 2, offset_ms=15_000, loop_index=1)


def test_a_show_that_runs_out_of_songs_gives_the_air_back() -> None:
    timeline = Timeline([LOOP], [Show(7, 25_000, 55_000, [(8, 5_000)])])

    assert timeline.at(29_999).song_id == 8
    assert timeline.at(30_000) == Slot(30_000, 40_000, 1, offset_ms=20_000, loop_index=0)


def test_a_live_show_has_no_song() -> None:
    assert Timeline([LOOP], [Show(7, 25_000, 55_000, live=True)]).at(30_000) == Slot(
        25_000, 55_000, None, show_id=7, live=True
    )


def test_a_change_is_heard_after_the_current_song() -> None:
    before = Timeline([LOOP])
    moment = before.takes_effect_at(20_000)

    after = Timeline([LOOP, Loop(moment, [(5, 60_000)])])

    assert moment == 40_000
    assert after.at(39_999) == before.at(39_999)
    assert after.at(40_000).song_id == 5


def test_a_change_in_silence_is_heard_at_once() -> None:
    assert Timeline([]).takes_effect_at(123) == 123


def test_shows_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        Timeline([LOOP], [Show(1, 0, 10, []), Show(2, 9, 20, [])])


@given(loops, shows())
def test_time_is_covered_without_gap_or_overlap(some_loops: list[Loop], some_shows: list[Show]) -> None:
    timeline = Timeline(some_loops, some_shows)

    slots = list(timeline.between(0, 600))

    assert slots[0].starts_at_ms <= 0 or slots[0].starts_at_ms == 0
    assert slots[-1].ends_at_ms >= 600
    assert all(one.ends_at_ms == two.starts_at_ms for one, two in pairwise(slots))
    assert all(slot.duration_ms > 0 for slot in slots)


@given(loops, shows(), st.integers(0, 599))
def test_every_moment_of_a_slot_gives_the_same_slot(
    some_loops: list[Loop], some_shows: list[Show], moment: int
) -> None:
    timeline = Timeline(some_loops, some_shows)
    slot = timeline.at(moment)

    assert slot.starts_at_ms <= moment < slot.ends_at_ms
    assert timeline.at(max(0, slot.starts_at_ms)) == slot
    assert timeline.at(min(slot.ends_at_ms, FOREVER_MS) - 1) == slot


@given(loops, shows(), st.integers(0, 599), songs)
def test_what_was_heard_does_not_change(
    some_loops: list[Loop], some_shows: list[Show], now: int, new_songs: list[tuple[int, int]]
) -> None:
    before = Timeline(some_loops, some_shows)
    moment = before.takes_effect_at(now)
    kept = [loop for loop in some_loops if loop.starts_at_ms < moment]

    after = Timeline([*kept, Loop(moment, new_songs)], some_shows)

    assert all(
        (after.at(t).song_id, after.at(t).position_ms(t)) == (before.at(t).song_id, before.at(t).position_ms(t))
        for t in range(0, min(moment, 600), 7)
    )
