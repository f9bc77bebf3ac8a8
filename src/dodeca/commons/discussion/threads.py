"""From flat rows to a tree, for any depth: nothing here calls itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

R = TypeVar("R")


@dataclass(slots=True)
class Node(Generic[R]):
    """A row and its replies, in order. `below` counts all rows of its branch but itself; `depth` is 0 at the top."""

    row: R
    depth: int = 0
    below: int = 0
    replies: list[Node[R]] = field(default_factory=list)

    def walk(self) -> Iterator[Node[R]]:
        """This node and all below it, in reading order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.replies[::-1]


def threaded(
    rows: Iterable[R],
    *,
    key: Callable[[R], int],
    parent: Callable[[R], int | None],
    order: Callable[[R], Any],
    keep: Callable[[R], bool] = lambda _row: True,
) -> list[Node[R]]:
    """The trees of `rows`; siblings ascend by `order`. A row whose parent is not among the rows starts a tree.

    A row that is not to `keep` stays only where something below it does, so that an answer keeps its place."""
    nodes = {key(row): Node(row) for row in rows}
    tops: list[Node[R]] = []
    for node in nodes.values():
        above = nodes.get(cast(int, parent(node.row)))  # None is nobody's key
        (tops if above is None else above.replies).append(node)

    def arranged(siblings: list[Node[R]]) -> list[Node[R]]:
        kept = [node for node in siblings if node.replies or keep(node.row)]
        if len(kept) > 1:
            kept.sort(key=lambda node: order(node.row))
        return kept

    for node in _answered(tops):
        node.replies = arranged(node.replies)
        node.below = sum([reply.below + 1 for reply in node.replies])
    return arranged(tops)


def _answered(tops: list[Node[R]]) -> list[Node[R]]:
    """The nodes that have replies, each after all below it. Tells all how deep they are."""
    found: list[Node[R]] = []
    waiting = [top for top in tops if top.replies]
    while waiting:
        node = waiting.pop()
        found.append(node)
        depth = node.depth + 1
        for reply in node.replies:
            reply.depth = depth
            if reply.replies:
                waiting.append(reply)
    return found[::-1]
