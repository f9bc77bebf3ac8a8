"""The geometry of charts."""

from __future__ import annotations

import pytest

from dodeca.kernel.web.charts import HEIGHT, WIDTH, plot


def test_a_line_reaches_from_edge_to_edge_and_its_top_is_the_highest_tick() -> None:
    drawn = plot([("a", 0), ("b", 50), ("c", 100)])

    assert drawn.line == f"M0 {HEIGHT}L{WIDTH // 2} {HEIGHT // 2}L{WIDTH} 0"
    assert drawn.ticks[0] == 100
    assert drawn.ticks[-1] == 0


@pytest.mark.parametrize("values", [[7], [0, 0, 0], [-5, 5], [0.001, 0.002], [10**12, 3]])
def test_everything_is_drawn_inside_the_plane(values: list[float]) -> None:
    drawn = plot([(str(index), value) for index, value in enumerate(values)])

    assert all(-0.01 <= bar.y <= HEIGHT and bar.y + bar.height <= HEIGHT + 0.01 for bar in drawn.bars)
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in drawn.bars)
    assert 2 <= len(drawn.ticks) <= 7


def test_a_bar_alone_stands_in_the_middle_and_is_not_as_wide_as_the_chart() -> None:
    (bar,) = plot([("today", 7)]).bars

    assert bar.width <= WIDTH / 8
    assert bar.x + bar.width / 2 == pytest.approx(WIDTH / 2, abs=0.01)


def test_no_values_make_an_empty_plot() -> None:
    drawn = plot([])

    assert drawn.line == ""
    assert drawn.ticks == [1.0, 0.0]


def test_labels_are_few_and_evenly_spread() -> None:
    drawn = plot([(str(day), 1) for day in range(31)])

    assert drawn.labels == ["0", "6", "12", "18", "24", "30"]
