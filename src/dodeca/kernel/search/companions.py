"""The tables of FTS5 beside an index's own, by their names."""

from __future__ import annotations

from typing import Final

WORDS_SUFFIX: Final = "_fts"
PARTS_SUFFIX: Final = "_parts"
CONTENT_SUFFIX: Final = "_content"
"""Where FTS5 keeps what it was given: the row's number as `id`, then `c0`, `c1` … for the columns
(https://www.sqlite.org/fts5.html#fts5_data_structures)."""
_SHADOWS: Final = ("", "_config", CONTENT_SUFFIX, "_data", "_docsize", "_idx")


def is_companion(table_name: str | None) -> bool:
    """Whether a table in the database is FTS5's own, which migrations do not know."""
    name = (table_name or "").removeprefix("ix_")
    ends = tuple(suffix + shadow for suffix in (WORDS_SUFFIX, PARTS_SUFFIX) for shadow in _SHADOWS)
    return name.startswith("search_") and name.endswith(ends)
