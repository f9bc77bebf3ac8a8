"""The factors behind recommendations: learned by a job, kept in the media store, held in memory for lists."""

from __future__ import annotations

import asyncio
import io
import math
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import func, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.products.music.models import Exclusion, Like, Listen, Member, Playlist, PlaylistItem, Rating, TasteModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dodeca.kernel.platform import Platform

ROUNDS: Final = 12
FACTORS, REGULARISATION = 48, 0.05
SPARSE: Final = 20
"""Songs a listener, on average, below which factors are fewer and held back more: with many, they learn by heart what
few listeners happened to hear, and guess no better than what is popular does. Both were chosen on the bench's
listeners, at 50,000 listens of 10,000 (recall 0.26; 0.24 with the others) and at a million."""
SPARSE_FACTORS, SPARSE_REGULARISATION = 32, 20.0
ALPHA: Final = 8.0
"""Confidence of an interaction of weight w is 1 + ALPHA * w."""
SMALL: Final = 100_000
"""Up to so many interactions the factors are learned anew soon after a change, beyond it every night."""
CAUSES: Final = 6


class Data(msgspec.Struct):
    """What factors are learned from: parallel lists of account places, song places and weights."""

    users: int
    songs: list[int]
    rows: Any
    columns: Any
    weights: Any


@cache
def _one_thread() -> object:
    """Let BLAS work in the thread that asks. Its own threads wait for each other in a loop, which costs more than they
    save on matrices of this size: a list took 40 ms of processor time on two cores, and takes 3."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


class Model:
    """Factors in memory. `song_ids` are sorted."""

    def __init__(
        self, song_ids: NDArray[np.int64], factors: NDArray[np.float32], regularisation: float = REGULARISATION
    ) -> None:
        _one_thread()
        self.regularisation = regularisation
        self.song_ids = song_ids
        self.factors = factors
        self.gram = factors.T @ factors
        self.places = {int(song_id): place for place, song_id in enumerate(song_ids.tolist())}

    def scores(
        self, weights: Mapping[int, float], *, most: int, avoid: set[int]
    ) -> dict[int, tuple[float, list[tuple[int, float]]]]:
        """The best songs for somebody with these interactions: score, and which interactions brought how much of it."""
        import numpy as np

        known = [(self.places[song_id], weight) for song_id, weight in weights.items() if song_id in self.places]
        if not known:
            return {}
        places = np.array([place for place, _weight in known])
        confidence = np.array([ALPHA * weight for _place, weight in known], dtype=np.float32)
        mine = self.factors[places]
        normal = (
            self.gram + (mine.T * confidence) @ mine + self.regularisation * np.eye(mine.shape[1], dtype=np.float32)
        )
        inverse = np.linalg.inv(normal)
        per_cause = inverse @ (
            mine.T * (1.0 + confidence)
        )  # a column an interaction; their sum is the listener's vector
        found = self.factors @ per_cause.sum(axis=1)
        if avoid:
            found[[self.places[song_id] for song_id in avoid if song_id in self.places]] = -math.inf
        count = min(most, len(found))
        best = np.argpartition(-found, count - 1)[:count]
        best = best[np.argsort(-found[best])]
        shares = self.factors[best] @ per_cause
        answer: dict[int, tuple[float, list[tuple[int, float]]]] = {}
        for row, place in enumerate(best.tolist()):
            if not math.isfinite(found[place]):
                continue
            order = np.argsort(-shares[row])[:CAUSES]
            causes = [(int(self.song_ids[places[i]]), float(shares[row, i])) for i in order if shares[row, i] > 0]
            answer[int(self.song_ids[place])] = (float(found[place]), causes)
        return answer

    def near(self, song_id: int, most: int) -> list[int]:
        """The songs whose factors point most nearly the same way, the nearest first."""
        import numpy as np

        place = self.places.get(song_id)
        if place is None:
            return []
        lengths = np.linalg.norm(self.factors, axis=1) + 1e-9
        alike = (self.factors @ self.factors[place]) / lengths
        count = min(most + 1, len(alike))
        best = np.argpartition(-alike, count - 1)[:count]
        best = best[np.argsort(-alike[best])]
        return [int(self.song_ids[i]) for i in best.tolist() if i != place and alike[i] > 0]

    def to_bytes(self) -> bytes:
        """As one archive."""
        import numpy as np

        out = io.BytesIO()
        np.savez(out, song_ids=self.song_ids, factors=self.factors, regularisation=self.regularisation)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """What `to_bytes` gave."""
        import numpy as np

        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            held_back = float(arrays["regularisation"]) if "regularisation" in arrays else REGULARISATION
            return cls(arrays["song_ids"], arrays["factors"], held_back)


class _Held:
    """The newest model of a platform in this process."""

    def __init__(self) -> None:
        self.key = ""
        self.model: Model | None = None
        self.lock = threading.Lock()


_held: WeakKeyDictionary[Platform, _Held] = WeakKeyDictionary()


def current(session: ReadSession, platform: Platform) -> Model | None:
    """The newest factors, loaded once; None where none were learned yet."""
    key = session.scalar(select(TasteModel.media_key).order_by(TasteModel.id.desc()).limit(1))
    if key is None:
        return None
    held = _held.setdefault(platform, _Held())
    with held.lock:
        if held.key != key:
            try:
                held.model = Model.from_bytes(platform.media.read(key))
            except NotFound:
                return held.model
            held.key = key
        return held.model


# Learning


def is_due(session: ReadSession, *, nightly: bool = False) -> bool:
    """Whether something changed since the factors were learned, and they are to be learned now."""
    newest = session.scalar(select(TasteModel).order_by(TasteModel.id.desc()).limit(1))
    changed = session.scalar(select(func.max(Member.taste_at)))
    if changed is None or (newest is not None and newest.trained_at >= changed):
        return False
    return nightly or newest is None or newest.interactions < SMALL


def gather(session: ReadSession) -> Data:
    """All interactions of all listeners, without what they struck out or dislike."""
    import numpy as np

    pairs: dict[tuple[str, int], float] = {}
    heard = select(Listen.user_id, Listen.song_id, func.count()).where(Listen.song_id.is_not(None), Listen.counted)
    struck = select(Exclusion.id).where(
        Exclusion.user_id == Listen.user_id,
        (Exclusion.song_id == Listen.song_id)
        | (Exclusion.device == Listen.device)
        | ((Exclusion.from_at <= Listen.listened_at) & (Exclusion.to_at > Listen.listened_at)),
    )
    if session.scalar(select(Exclusion.id).limit(1)) is not None:
        heard = heard.where(~struck.exists())
    for user_id, song_id, count in session.execute(heard.group_by(Listen.user_id, Listen.song_id)):
        pairs[user_id, int(song_id or 0)] = float(count)
    for user_id, song_id in session.execute(select(Like.user_id, Like.target_id).where(Like.kind == "song")):
        pairs[user_id, song_id] = pairs.get((user_id, song_id), 0.0) + 4.0
    kept = select(Playlist.owner_id, PlaylistItem.song_id).join(PlaylistItem, PlaylistItem.playlist_id == Playlist.id)
    for user_id, song_id in session.execute(kept.distinct()):
        pairs[user_id, song_id] = pairs.get((user_id, song_id), 0.0) + 1.0
    rated = select(Rating.user_id, Rating.target_id, Rating.rating).where(Rating.kind == "song")
    for user_id, song_id, rating in session.execute(rated):
        if rating == -1:
            pairs.pop((user_id, song_id), None)
        elif rating >= 3:
            pairs[user_id, song_id] = pairs.get((user_id, song_id), 0.0) + rating - 2.0
    users = {user_id: place for place, user_id in enumerate(sorted({user_id for user_id, _song in pairs}))}
    songs = sorted({song_id for _user, song_id in pairs})
    places = {song_id: place for place, song_id in enumerate(songs)}
    rows = np.fromiter((users[user_id] for user_id, _song in pairs), dtype=np.int32, count=len(pairs))
    columns = np.fromiter((places[song_id] for _user, song_id in pairs), dtype=np.int32, count=len(pairs))
    weights = np.fromiter((1.0 + math.log1p(w) for w in pairs.values()), dtype=np.float32, count=len(pairs))
    return Data(len(users), songs, rows, columns, weights)


def learn(data: Data) -> Model | None:
    """Learn factors, from a thread; None where there is nothing to learn from."""
    import numpy as np
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    if data.users < 2 or len(data.songs) < 2:
        return None
    sparse = len(data.weights) < SPARSE * data.users
    most, regularisation = (SPARSE_FACTORS, SPARSE_REGULARISATION) if sparse else (FACTORS, REGULARISATION)
    factors = min(most, max(4, min(data.users, len(data.songs)) - 1))
    matrix = csr_matrix((data.weights, (data.rows, data.columns)), shape=(data.users, len(data.songs)))
    with threadpool_limits(1, "blas"):  # as implicit asks: its own threads share the work better
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularisation,
            alpha=ALPHA,
            iterations=ROUNDS,
            num_threads=1,
            random_state=7,
            calculate_training_loss=False,
        )
        model.fit(matrix, show_progress=False)
    item_factors = np.ascontiguousarray(model.item_factors, dtype=np.float32)
    return Model(np.array(data.songs, dtype=np.int64), item_factors, regularisation)


async def train(platform: Platform) -> bool:
    """Learn from all that is known now, and use it from now on; gives whether there was enough to learn from."""
    began, started = clock.now(), time.monotonic()
    data = await asyncio.to_thread(platform.db.read, gather)
    model = await asyncio.to_thread(learn, data)
    if model is None:
        return False
    blob = await asyncio.to_thread(platform.media.save_bytes, model.to_bytes())
    row = {
        "media_key": blob.key,
        "interactions": len(data.weights),
        "songs": len(data.songs),
        "seconds": time.monotonic() - started,
        "trained_at": began,
    }

    def unit(session: WriteSession) -> None:
        session.add(TasteModel(**row))

    await platform.db.awrite(unit)
    return True
