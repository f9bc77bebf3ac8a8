"""Recording a request in the journal before its answer leaves."""

from __future__ import annotations

import structlog

from dodeca.kernel.errors import Unavailable
from dodeca.products.shortener import metrics
from dodeca.products.shortener.agents import Kind
from dodeca.products.shortener.journal import Click, Recorded
from dodeca.products.shortener.queries import holds_qr_mark
from dodeca.products.shortener.redirect import Asked
from dodeca.products.shortener.service.installation import Shortener, now_milliseconds

log = structlog.get_logger(__name__)
QR = "qr"
_RECORDED = {
    Kind.CLICK: Recorded.VISIT,
    Kind.BOT: Recorded.VISIT,
    Kind.HEAD: Recorded.HEAD,
    Kind.PREFETCH: Recorded.PREFETCH,
}


def record(
    shortener: Shortener, asked: Asked, kind: Recorded | Kind, link_id: int, *, rule_id: int = 0, detail: str = ""
) -> None:
    """Write one request to the journal. A full disk does not keep people from where they want to go."""
    headers = asked.headers
    click = Click(
        link_id,
        now_milliseconds(),
        int(_RECORDED[kind] if isinstance(kind, Kind) else kind),
        asked.address,
        headers.get("user-agent", ""),
        headers.get("referer", ""),
        headers.get("accept-language", ""),
        QR if asked.raw_query and holds_qr_mark(asked.raw_query) else "",
        rule_id,
        headers.get("sec-gpc", "").strip() == "1",
        detail,
    )
    append(shortener, click)


def append(shortener: Shortener, click: Click) -> None:
    """The same of a ready click."""
    try:
        shortener.journal.append(click)
    except Unavailable as error:
        metrics.unrecorded.inc()
        log.error("shortener.click_not_recorded", error=str(error))
