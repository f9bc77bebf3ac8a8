"""Listeners with known tastes, whose held-back listens recommendations have to guess."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dodeca.commons.recommendations import Interactions, Model

TASTES = 25
TASTES_OF_ONE = 2
OWN_SHARE = 0.85
"""Of what somebody hears, so much is of their tastes; the rest is what everybody hears."""
HELD_BACK = 0.2
SHOWN = 20


class World(NamedTuple):
    """Listens as learning gets them, and for some listeners the songs that were held back."""

    data: Interactions
    heard: list[dict[int, float]]
    held: list[set[int]]
    popular: list[int]
    songs: int


class Quality(NamedTuple):
    """Share of held-back songs among the first SHOWN, and share of the catalogue that is ever shown."""

    recall: float
    coverage: float


def made(listens: int, users: int, songs: int, *, judges: int = 1000, seed: int = 20261126) -> World:
    """Draw listens of `users` to `songs`; popularity falls as 1/rank within each taste."""
    random = np.random.default_rng(seed)
    taste_of = random.integers(0, TASTES, songs)
    rank_weight = 1.0 / (1.0 + random.permutation(songs))
    by_taste = [np.flatnonzero(taste_of == taste) for taste in range(TASTES)]
    shares = [rank_weight[own] / rank_weight[own].sum() for own in by_taste]
    tastes = random.integers(0, TASTES, (users, TASTES_OF_ONE))
    who = random.integers(0, users, listens)
    what = random.choice(songs, listens, p=rank_weight / rank_weight.sum())
    own = np.flatnonzero(random.random(listens) < OWN_SHARE)
    chosen = tastes[who[own], random.integers(0, TASTES_OF_ONE, len(own))]
    for taste in range(TASTES):
        mine = own[chosen == taste]
        what[mine] = random.choice(by_taste[taste], len(mine), p=shares[taste])
    pairs, counts = np.unique(who.astype(np.int64) * songs + what, return_counts=True)
    rows, columns = pairs // songs, pairs % songs
    judged = rows < judges
    held_back = judged & (random.random(len(pairs)) < HELD_BACK)
    heard: list[dict[int, float]] = [{} for _ in range(judges)]
    held: list[set[int]] = [set() for _ in range(judges)]
    for place in np.flatnonzero(judged).tolist():
        if held_back[place]:
            held[rows[place]].add(int(columns[place]))
        else:
            heard[rows[place]][int(columns[place])] = 1.0 + float(np.log1p(counts[place]))
    kept = ~held_back
    weights = (1.0 + np.log1p(counts[kept])).astype(np.float32)
    data = Interactions(users, list(range(songs)), rows[kept].astype(np.int32), columns[kept].astype(np.int32), weights)
    totals: Any = np.bincount(columns[kept], minlength=songs)
    return World(data, heard, held, np.argsort(-totals).tolist(), songs)


def by_model(world: World, model: Model) -> Quality:
    """How well the factors guess."""
    lists = [
        list(model.scores(heard, most=SHOWN, avoid=set(heard))) if heard else world.popular[:SHOWN]
        for heard in world.heard
    ]
    return _judged(world, lists)


def by_popularity(world: World) -> Quality:
    """How well a list of what is heard most guesses, without what somebody has heard."""
    lists = [
        [song for song in world.popular[: SHOWN + len(heard)] if song not in heard][:SHOWN] for heard in world.heard
    ]
    return _judged(world, lists)


def _judged(world: World, lists: list[list[int]]) -> Quality:
    shares = [
        len(held & set(shown)) / min(len(held), SHOWN) for held, shown in zip(world.held, lists, strict=True) if held
    ]
    seen = {song for shown in lists for song in shown}
    return Quality(sum(shares) / len(shares), len(seen) / world.songs)
