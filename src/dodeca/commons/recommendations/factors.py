"""Factors of things, learned from who has to do with what: they know neither songs nor videos, only numbers.

All people's interactions make factors by implicit alternating least squares (Hu, Koren and Volinsky, "Collaborative
Filtering for Implicit Feedback Datasets", 2008). Somebody's own vector is computed when a list is asked for, from what
is true at that moment; the same formula tells how much each of their interactions has contributed to a score."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDS: Final = 12
FACTORS, REGULARISATION = 48, 0.05
SPARSE: Final = 20
"""Interactions a person, on average, below which factors are fewer and held back more: with many, they learn by heart
what few people happened to choose, and guess no better than what is popular does. Both were chosen on the listeners of
`dodeca bench music`, at 50,000 listens of 10,000 (recall 0.26; 0.24 with the others) and at a million."""
SPARSE_FACTORS, SPARSE_REGULARISATION = 32, 20.0
ALPHA: Final = 8.0
"""Confidence of an interaction of weight w is 1 + ALPHA * w."""
CAUSES: Final = 6

Causes = list[tuple[int, float]]
"""Which of somebody's interactions brought a score, and how much of it each, the strongest first."""


class Interactions(msgspec.Struct):
    """What factors are learned from: parallel lists of places of people, places in `items`, and weights."""

    people: int
    items: list[int]
    """Sorted ids."""
    rows: Any
    columns: Any
    weights: Any

    @classmethod
    def of(cls, strengths: Mapping[tuple[str, int], float]) -> Interactions:
        """From (account id, id of the thing) → how much they have to do with each other, above -1; a thing that was
        chosen a hundred times weighs 1 + log(101), so that habits do not drown the rest."""
        import numpy as np

        people = {person: place for place, person in enumerate(sorted({person for person, _item in strengths}))}
        items = sorted({item for _person, item in strengths})
        places = {item: place for place, item in enumerate(items)}
        count = len(strengths)
        rows = np.fromiter((people[person] for person, _item in strengths), dtype=np.int32, count=count)
        columns = np.fromiter((places[item] for _person, item in strengths), dtype=np.int32, count=count)
        weights = np.fromiter((1.0 + math.log1p(w) for w in strengths.values()), dtype=np.float32, count=count)
        return cls(len(people), items, rows, columns, weights)


@cache
def _one_thread() -> object:
    """Let BLAS work in the thread that asks. Its own threads wait for each other in a loop, which costs more than they
    save on matrices of this size: a list took 40 ms of processor time on two cores, and takes 3."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


class Model:
    """Factors in memory. `item_ids` are sorted."""

    def __init__(
        self, item_ids: NDArray[np.int64], factors: NDArray[np.float32], regularisation: float = REGULARISATION
    ) -> None:
        _one_thread()
        self.regularisation = regularisation
        self.item_ids = item_ids
        self.factors = factors
        self.gram = factors.T @ factors
        self.places = {int(item_id): place for place, item_id in enumerate(item_ids.tolist())}

    def scores(self, weights: Mapping[int, float], *, most: int, avoid: set[int]) -> dict[int, tuple[float, Causes]]:
        """The best things for somebody with these interactions: score, and which of them brought how much of it."""
        import numpy as np

        known = [(self.places[item_id], weight) for item_id, weight in weights.items() if item_id in self.places]
        if not known:
            return {}
        places = np.array([place for place, _weight in known])
        confidence = np.array([ALPHA * weight for _place, weight in known], dtype=np.float32)
        mine = self.factors[places]
        normal = (
            self.gram + (mine.T * confidence) @ mine + self.regularisation * np.eye(mine.shape[1], dtype=np.float32)
        )
        inverse = np.linalg.inv(normal)
        per_cause = inverse @ (mine.T * (1.0 + confidence))  # a column an interaction; their sum is the person's vector
        found = self.factors @ per_cause.sum(axis=1)
        if avoid:
            found[[self.places[item_id] for item_id in avoid if item_id in self.places]] = -math.inf
        count = min(most, len(found))
        best = np.argpartition(-found, count - 1)[:count]
        best = best[np.argsort(-found[best])]
        shares = self.factors[best] @ per_cause
        answer: dict[int, tuple[float, Causes]] = {}
        for row, place in enumerate(best.tolist()):
            if not math.isfinite(found[place]):
                continue
            order = np.argsort(-shares[row])[:CAUSES]
            causes = [(int(self.item_ids[places[i]]), float(shares[row, i])) for i in order if shares[row, i] > 0]
            answer[int(self.item_ids[place])] = (float(found[place]), causes)
        return answer

    def near(self, item_id: int, most: int) -> list[int]:
        """The things whose factors point most nearly the same way, the nearest first."""
        import numpy as np

        place = self.places.get(item_id)
        if place is None:
            return []
        lengths = np.linalg.norm(self.factors, axis=1) + 1e-9
        alike = (self.factors @ self.factors[place]) / lengths
        count = min(most + 1, len(alike))
        best = np.argpartition(-alike, count - 1)[:count]
        best = best[np.argsort(-alike[best])]
        return [int(self.item_ids[i]) for i in best.tolist() if i != place and alike[i] > 0]

    def to_bytes(self) -> bytes:
        """As one archive."""
        import numpy as np

        out = io.BytesIO()
        np.savez(out, item_ids=self.item_ids, factors=self.factors, regularisation=self.regularisation)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """What `to_bytes` gave."""
        import numpy as np

        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            held_back = float(arrays["regularisation"]) if "regularisation" in arrays else REGULARISATION
            return cls(arrays["item_ids"], arrays["factors"], held_back)


def learn(data: Interactions) -> Model | None:
    """Learn factors, from a thread; None where there is nothing to learn from."""
    import numpy as np
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    if data.people < 2 or len(data.items) < 2:
        return None
    sparse = len(data.weights) < SPARSE * data.people
    most, regularisation = (SPARSE_FACTORS, SPARSE_REGULARISATION) if sparse else (FACTORS, REGULARISATION)
    factors = min(most, max(4, min(data.people, len(data.items)) - 1))
    matrix = csr_matrix((data.weights, (data.rows, data.columns)), shape=(data.people, len(data.items)))
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
    return Model(np.array(data.items, dtype=np.int64), item_factors, regularisation)
