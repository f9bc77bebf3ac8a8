"""Which songs sound alike, by the numbers that measuring took of their sound (`Song.timbre`)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import select

from dodeca.kernel.db import ReadSession
from dodeca.products.music.models import Song
from dodeca.products.music.service import songs
from dodeca.products.music.service.viewers import Viewer, songs_for

if TYPE_CHECKING:  # numpy is loaded by the first who asks: a server's start can do without
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.float32]

MOST_COMPARED: Final = 50_000
"""Songs that are looked at, the newest ones: 32 bytes each."""
_SCALE: Final = 120.0
"""The distance at which likeness is about a third."""


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
