"""The geometry of the charts that templates draw as SVG. Only arithmetic: no markup, no colours.

Coordinates are on a plane of `WIDTH` by `HEIGHT` units that the page stretches to any size; labels are HTML beside
it, so that text is never stretched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

WIDTH = 600
HEIGHT = 200
WIDEST_BAR = WIDTH / 9
"""A day alone is a bar, not a wall."""
_MOST_LABELS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, or one hover strip of a line chart."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart ready to be drawn: the line and the area below it as SVG paths, bars, and the axes' labels."""

    line: str
    area: str
    bars: Sequence[Bar]
    strips: Sequence[Bar]
    ticks: Sequence[float]
    labels: Sequence[str]
    last_x: float
    last_y: float


def plot(points: Sequence[tuple[str, float]], *, floor_at_zero: bool = True) -> Plot:
    """Lay out labelled values, oldest first. Negative values are drawn from the lowest of them upwards.

    An empty series gives an empty plot with a scale from 0 to 1; one value gives a flat line.
    """
    values = [float(value) for _, value in points]
    low = min([0.0, *values]) if floor_at_zero else min(values, default=0.0)
    step = nice_step(max(values, default=0.0) - low)
    if values and all(value.is_integer() for value in values):
        step = max(step, 1.0)  # there is no half a click
    bottom = floor(low / step) * step
    ticks = [bottom]
    while ticks[-1] < max(values, default=1.0) or len(ticks) < 2:
        ticks.append(round(ticks[-1] + step, 10))
    scale = HEIGHT / (ticks[-1] - bottom)
    heights = [round((value - bottom) * scale, 2) for value in values]
    return Plot(
        *_paths(heights),
        bars=_bars(points, heights, gap=0.28),
        strips=_bars(points, [float(HEIGHT)] * len(points), gap=0),
        ticks=ticks[::-1],
        labels=_labels([label for label, _ in points]),
        last_x=_x(len(points) - 1, len(points)),
        last_y=HEIGHT - heights[-1] if heights else HEIGHT,
    )


def nice_step(span: float) -> float:
    """The distance between grid lines: 1, 2 or 5 times a power of ten, giving two to five lines over `span`."""
    if span <= 0:
        return 1.0
    raw = span / 4
    power: float = 10.0 ** floor(log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)


def _x(index: int, count: int) -> float:
    return WIDTH / 2 if count <= 1 else round(index * WIDTH / (count - 1), 2)


def _paths(heights: Sequence[float]) -> tuple[str, str]:
    if not heights:
        return "", ""
    xs = [_x(index, len(heights)) for index in range(len(heights))]
    if len(heights) == 1:
        xs, heights = [0.0, float(WIDTH)], [heights[0]] * 2
    line = "M" + "L".join(f"{x:g} {HEIGHT - height:g}" for x, height in zip(xs, heights, strict=True))
    return line, f"{line}L{xs[-1]:g} {HEIGHT}L{xs[0]:g} {HEIGHT}Z"


def _bars(points: Sequence[tuple[str, float]], heights: Sequence[float], *, gap: float) -> list[Bar]:
    slot = WIDTH / max(1, len(points))
    width = min(slot * (1 - gap), WIDEST_BAR) if gap else slot
    return [
        Bar(
            x=round(index * slot + (slot - width) / 2, 2),
            y=round(HEIGHT - height, 2),
            width=round(width, 2),
            height=height,
            label=label,
            value=value,
        )
        for index, ((label, value), height) in enumerate(zip(points, heights, strict=True))
    ]


def _labels(labels: Sequence[str]) -> list[str]:
    """At most `_MOST_LABELS` labels, evenly spread, with the first and the last."""
    if len(labels) <= _MOST_LABELS:
        return list(labels)
    last = len(labels) - 1
    # The largest divisor keeps the spacing even; without one, only the ends are named.
    parts = next((n for n in range(_MOST_LABELS - 1, 1, -1) if last % n == 0), 1)
    return [labels[index * last // parts] for index in range(parts + 1)]
