"""Counting answers by route."""

from __future__ import annotations

from litestar.types import Message, Scope
from prometheus_client import Counter

_answers = Counter("dodeca_http_answers_total", "Answers, by product and status.", ["product", "status"])
_known: dict[tuple[str | None, int], Counter] = {}


async def count_answers(message: Message, scope: Scope) -> None:
    """A `before_send` hook. Labels are bounded: the product and the status number."""
    if message["type"] != "http.response.start":
        return
    handler = scope.get("route_handler")
    count_answer(handler.opt.get("product") if handler is not None else None, message["status"])


def count_answer(product: str | None, status: int) -> None:
    """Count one answer; lanes call it themselves."""
    counter = _known.get((product, status))
    if counter is None:
        counter = _known[product, status] = _answers.labels(product or "platform", str(status))
    counter.inc()
