"""A station's timeline: everybody who asks at one moment gets the same answer, in whatever process.

A loop repeats its songs from its start for ever; a later loop replaces it at its own start. A show takes the air from
its first to its last millisecond; when its songs are over before its end, the loop is heard again. The loop's clock
runs on beneath a show. All of the past is fixed as long as nobody changes a loop or show that has begun, so whoever
edits lets the new loop begin at `takes_effect_at`.

Times are milliseconds of Unix time; a look-up costs O(log n) in songs, loops and shows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

FOREVER_MS: Final = 1 << 53
"""The end of what has no end."""


class Slot(NamedTuple):
    """What is heard from one moment until another. `song_id` None: a live show, or silence."""

    starts_at_ms: int
    ends_at_ms: int
    song_id: int | None
    offset_ms: int = 0
    """Where in the song the slot begins: other than 0 where something cut into the song."""
    show_id: int | None = None
    live: bool = False
    loop_index: int | None = None

    @property
    def duration_ms(self) -> int:
        """How long it is heard."""
        return self.ends_at_ms - self.starts_at_ms

    def position_ms(self, at_ms: int) -> int:
        """Where in the song it is at a moment of the slot."""
        return self.offset_ms + at_ms - self.starts_at_ms


class Row:
    """Songs one after the other: their ids and durations in milliseconds."""

    __slots__ = ("ends", "ids")

    def __init__(self, songs: Iterable[tuple[int, int]]) -> None:
        kept = [(song_id, duration) for song_id, duration in songs if duration > 0]
        self.ids = [song_id for song_id, _ in kept]
        self.ends = list(accumulate(duration for _, duration in kept))

    @property
    def total_ms(self) -> int:
        return self.ends[-1] if self.ends else 0

    def find(self, position_ms: int) -> tuple[int, int, int]:
        """Index, begin and end of the song at a position before `total_ms`."""
        index = bisect_right(self.ends, position_ms)
        return index, self.ends[index - 1] if index else 0, self.ends[index]


class Loop:
    """Songs that repeat from a moment on."""

    __slots__ = ("songs", "starts_at_ms")

    def __init__(self, starts_at_ms: int, songs: Iterable[tuple[int, int]]) -> None:
        """`songs` are (id, duration in milliseconds); those that last no time are left out."""
        self.starts_at_ms = starts_at_ms
        self.songs = Row(songs)


class Show:
    """A span of time that belongs to its own songs, or to somebody live."""

    __slots__ = ("ends_at_ms", "live", "show_id", "songs", "starts_at_ms")

    def __init__(
        self,
        show_id: int,
        starts_at_ms: int,
        ends_at_ms: int,
        songs: Iterable[tuple[int, int]] = (),
        *,
        live: bool = False,
    ) -> None:
        self.show_id = show_id
        self.starts_at_ms = starts_at_ms
        self.ends_at_ms = ends_at_ms
        self.songs = Row(songs)
        self.live = live

    @property
    def silent_from_ms(self) -> int:
        """From when on the loop is heard again."""
        if self.live:
            return self.ends_at_ms
        return min(self.ends_at_ms, self.starts_at_ms + self.songs.total_ms)


class Timeline:
    """One station's loops and shows. Raises ValueError where shows overlap."""

    def __init__(self, loops: Iterable[Loop], shows: Iterable[Show] = ()) -> None:
        self._loops = sorted(loops, key=lambda loop: loop.starts_at_ms)
        self._shows = sorted(shows, key=lambda show: show.starts_at_ms)
        self._loop_starts = [loop.starts_at_ms for loop in self._loops]
        self._show_starts = [show.starts_at_ms for show in self._shows]
        for earlier, later in zip(self._shows, self._shows[1:], strict=False):
            if later.starts_at_ms < earlier.ends_at_ms:
                raise ValueError(f"shows {earlier.show_id} and {later.show_id} overlap")

    def at(self, moment_ms: int) -> Slot:
        """What is heard at a moment."""
        show = self._show_at(moment_ms)
        if show is not None and moment_ms < show.silent_from_ms:
            return _of_show(show, moment_ms)
        since = max(show.silent_from_ms if show is not None else -FOREVER_MS, self._last_show_end(moment_ms))
        until = self._next(self._show_starts, moment_ms)
        return self._of_loop(moment_ms, since, until)

    def without_live(self) -> Timeline:
        """The same station as it sounds where nobody speaks in its live shows."""
        return Timeline(self._loops, [show for show in self._shows if not show.live])

    def between(self, from_ms: int, to_ms: int) -> Iterator[Slot]:
        """The slots that are heard from one moment up to another; the first may have begun before."""
        while from_ms < to_ms:
            slot = self.at(from_ms)
            yield slot
            from_ms = slot.ends_at_ms

    def takes_effect_at(self, now_ms: int) -> int:
        """When a change that is made now is heard: after the current song. In silence, at once."""
        slot = self.at(now_ms)
        return now_ms if slot.song_id is None and not slot.live else slot.ends_at_ms

    def _show_at(self, moment_ms: int) -> Show | None:
        index = bisect_right(self._show_starts, moment_ms) - 1
        if index < 0 or self._shows[index].ends_at_ms <= moment_ms:
            return None
        return self._shows[index]

    def _last_show_end(self, moment_ms: int) -> int:
        index = bisect_right(self._show_starts, moment_ms) - 1
        if index < 0 or self._shows[index].ends_at_ms > moment_ms:
            return -FOREVER_MS
        return self._shows[index].silent_from_ms

    def _next(self, starts: Sequence[int], moment_ms: int) -> int:
        index = bisect_left(starts, moment_ms + 1)
        return starts[index] if index < len(starts) else FOREVER_MS

    def _of_loop(self, moment_ms: int, since_ms: int, until_ms: int) -> Slot:
        index = bisect_right(self._loop_starts, moment_ms) - 1
        until = min(until_ms, self._next(self._loop_starts, moment_ms))
        loop = self._loops[index] if index >= 0 else None
        if loop is None or not loop.songs.total_ms:
            return Slot(max(since_ms, loop.starts_at_ms if loop else -FOREVER_MS), until, None)
        turn, position = divmod(moment_ms - loop.starts_at_ms, loop.songs.total_ms)
        place, begin, end = loop.songs.find(position)
        turn_starts = loop.starts_at_ms + turn * loop.songs.total_ms
        starts = max(turn_starts + begin, since_ms)
        return Slot(
            starts_at_ms=starts,
            ends_at_ms=min(turn_starts + end, until),
            song_id=loop.songs.ids[place],
            offset_ms=starts - (turn_starts + begin),
            loop_index=place,
        )


def _of_show(show: Show, moment_ms: int) -> Slot:
    if show.live:
        return Slot(show.starts_at_ms, show.ends_at_ms, None, show_id=show.show_id, live=True)
    place, begin, end = show.songs.find(moment_ms - show.starts_at_ms)
    return Slot(
        starts_at_ms=show.starts_at_ms + begin,
        ends_at_ms=min(show.starts_at_ms + end, show.ends_at_ms),
        song_id=show.songs.ids[place],
        show_id=show.show_id,
    )
