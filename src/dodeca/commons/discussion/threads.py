"""From flat rows to a tree, for any depth: nothing here calls itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

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
            waiting.extend(reversed(node.replies))


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
        above = parent(node.row)
        (nodes[above].replies if above is not None and above in nodes else tops).append(node)
    for node in _leaves_first(tops):
        node.replies = [reply for reply in node.replies if reply.replies or keep(reply.row)]
        node.replies.sort(key=lambda reply: order(reply.row))
        node.below = sum(reply.below + 1 for reply in node.replies)
    kept = [top for top in tops if top.replies or keep(top.row)]
    kept.sort(key=lambda top: order(top.row))
    return kept


def _leaves_first(tops: list[Node[R]]) -> list[Node[R]]:
    found: list[Node[R]] = []
    waiting = list(tops)
    while waiting:
        node = waiting.pop()
        found.append(node)
        for reply in node.replies:
            reply.depth = node.depth + 1
        waiting.extend(node.replies)
    return found[::-1]
