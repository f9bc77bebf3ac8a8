"""Pages of many albums beside pages of few, in every order that apps ask for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from dodeca.bench.harness import quantile
from dodeca.bench.parts.music_catalogue import FIRST_YEAR, GENRES, YEARS
from dodeca.kernel.db import ReadSession
from dodeca.products.music.compat.subsonic import album_pages
from dodeca.products.music.models import Album
from dodeca.products.music.service import drawing

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

SIZE: Final = 20
QUERIES: Final = 300
_ASKED: Final[Mapping[str, tuple[Mapping[str, object], int]]] = {
    "byGenre": ({"genre_key": GENRES[0]}, len(GENRES)),
    "byYear": ({"first_year": FIRST_YEAR, "last_year": FIRST_YEAR + YEARS // 2 - 1}, 2),
    album_pages.FROM_THE_LAST_YEAR: ({"first_year": FIRST_YEAR, "last_year": FIRST_YEAR + YEARS // 2 - 1}, 2),
}
"""What these orders are given, and of how many albums one is then listed."""


def compared(few: tuple[Platform, int], many: tuple[Platform, int]) -> dict[str, tuple[float, float]]:
    """For each order p95 in ms of any page of few albums and of any of many. They take turns, so that both have the
    same machine."""
    found = {order: _p95s(few, many, partial(_page, order)) for order in album_pages.ORDERS}
    found["random"] = _p95s(few, many, _drawn)
    return found


def _p95s(
    few: tuple[Platform, int], many: tuple[Platform, int], ask: Callable[[Platform, int, float], None]
) -> tuple[float, float]:
    generator = random.Random(20261127)  # noqa: S311 - repeatable
    times: tuple[list[float], list[float]] = [], []
    for _ in range(QUERIES):
        place = generator.random()
        for one, took in zip((few, many), times, strict=True):
            began = time.perf_counter()
            ask(*one, place)
            took.append(time.perf_counter() - began)
    return quantile(sorted(times[0]), 0.95), quantile(sorted(times[1]), 0.95)


def _page(order: str, platform: Platform, albums: int, place: float) -> None:
    given, share = _ASKED.get(order, ({}, 1))
    offset = int(place * max(1, albums // share - SIZE))

    def unit(session: ReadSession) -> album_pages.Page:
        return album_pages.read(session, platform, "nobody", order, size=SIZE, offset=offset, given=given)

    if len(platform.db.read(unit).albums) != SIZE:
        raise RuntimeError(f"A page of {order} from {offset} on is not full.")


def _drawn(platform: Platform, _albums: int, _place: float) -> None:
    def unit(session: ReadSession) -> list[int]:
        return drawing.drawn(session, Album, Album.public_songs > 0, count=SIZE)

    platform.db.read(unit)
