"""Which songs sound alike, by the numbers that measuring took of their sound (`Song.timbre`)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.music.models import Song
from dodeca.products.music.service import songs
from dodeca.products.music.service.viewers import Viewer, songs_for

if TYPE_CHECKING:  # numpy is loaded by the first who asks: a server's start can do without
    import numpy as np
    from numpy.typing import NDArray

    from dodeca.kernel.platform import Platform

    Numbers: TypeAlias = NDArray[np.float32]

MOST_COMPARED: Final = 50_000
"""Songs that are looked at, the newest ones: 32 bytes each."""
MOST_FRESH: Final = 2_000
FRESH_SECONDS: Final = 10.0
_SCALE: Final = 120.0
"""The distance at which likeness is about a third."""


class Likeness(NamedTuple):
    """A song that sounds like another, and how much."""

    song_id: int
    share: float
    to: int


def nearest(session: ReadSession, viewer: Viewer, song: Song, count: int) -> list[tuple[Song, float]]:
    """The songs that sound most like one, with their likeness (1 is the same sound, 0 nothing in common)."""
    if song.timbre is None:
        return []
    import numpy as np

    ids, table = _table(session, viewer)
    likeness = _likeness(table, _numbers(song.timbre))
    ranked = [place for place in np.argsort(-likeness) if ids[place] != song.id][:count]
    return _found(session, viewer, [(ids[place], float(likeness[place])) for place in ranked])


def path(session: ReadSession, viewer: Viewer, first: Song, last: Song, count: int) -> list[tuple[Song, float]]:
    """A way from one song to another over those that lie between them, with each one's likeness to the one before.

    Both ends are part of it; nothing where one of them was not measured."""
    if first.timbre is None or last.timbre is None:
        return []
    import numpy as np

    ids, table = _table(session, viewer)
    start, end = _numbers(first.timbre), _numbers(last.timbre)
    used = {first.id, last.id}
    way: list[tuple[int, Numbers]] = [(first.id, start)]
    for step in range(1, count - 1):
        ranked = np.argsort(-_likeness(table, start + (end - start) * (step / (count - 1))))
        place = next((int(place) for place in ranked if ids[place] not in used), None)
        if place is None:
            break
        used.add(ids[place])
        way.append((ids[place], table[place]))
    if first.id != last.id:
        way.append((last.id, end))
    found = [(way[0][0], 1.0)]
    for (_, before), (song_id, numbers) in pairwise(way):
        found.append((song_id, float(_likeness(numbers[None, :], before)[0])))
    return _found(session, viewer, found)


class _Fresh:
    """The newest songs that were measured, as everybody may hear them, as they were a moment ago."""

    def __init__(self) -> None:
        self.until = 0.0
        self.ids: Sequence[int] = []
        self.table: Numbers | None = None


_fresh: Final = OfPlatform(lambda _platform: _Fresh())


def fresh_like(session: ReadSession, platform: Platform, heard: Sequence[int], most: int) -> list[Likeness]:
    """New songs that sound like one of those that somebody hears, the most alike first.

    How much is said beside the other new songs: 1 is the most alike, 0 what is no nearer than most of them."""
    import numpy as np

    held = _fresh(platform)
    if held.until <= clock.timestamp():
        rows = session.execute(
            select(Song.id, Song.timbre)
            .where(Song.listed, Song.timbre.is_not(None))
            .order_by(Song.created_at.desc(), Song.id.desc())
            .limit(MOST_FRESH)
        ).all()
        held.ids = [row[0] for row in rows]
        held.table = np.stack([_numbers(row[1]) for row in rows]) if rows else None
        held.until = clock.timestamp() + FRESH_SECONDS
    known = session.execute(select(Song.id, Song.timbre).where(Song.id.in_(heard), Song.timbre.is_not(None))).all()
    if held.table is None or not known:
        return []
    likeness = np.stack([_likeness(held.table, _numbers(row[1])) for row in known])
    best, which = likeness.max(axis=0), likeness.argmax(axis=0)
    usual = float(np.median(best))
    shares = (best - usual) / max(float(best.max()) - usual, 1e-6)
    ranked = [place for place in np.argsort(-shares)[: most + len(known)].tolist() if shares[place] > 0]
    found = [Likeness(held.ids[place], float(shares[place]), known[which[place]][0]) for place in ranked]
    return [one for one in found if one.song_id != one.to][:most]


def _table(session: ReadSession, viewer: Viewer) -> tuple[Sequence[int], Numbers]:
    import numpy as np

    measured = select(Song.id, Song.timbre).where(Song.timbre.is_not(None), songs_for(viewer))
    rows = session.execute(measured.order_by(Song.id.desc()).limit(MOST_COMPARED)).all()
    if not rows:
        return [], np.zeros((0, 32), dtype=np.float32)
    return [row[0] for row in rows], np.stack([_numbers(row[1]) for row in rows])


def _numbers(timbre: bytes | None) -> Numbers:
    import numpy as np

    return np.frombuffer(timbre or bytes(32), dtype=np.uint8).astype(np.float32)


def _likeness(table: Numbers, to: Numbers) -> Numbers:
    import numpy as np

    distance = np.sqrt(((table - to) ** 2).sum(axis=1))
    return np.asarray(np.exp(-distance / _SCALE), dtype=np.float32)


def _found(session: ReadSession, viewer: Viewer, ranked: Sequence[tuple[int, float]]) -> list[tuple[Song, float]]:
    rows = songs.by_ids(session, viewer, [song_id for song_id, _ in ranked])
    return [(rows[song_id], value) for song_id, value in ranked if song_id in rows]
