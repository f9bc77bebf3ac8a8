"""The shortener for people. Every form works without JavaScript; scripts only save steps."""

from __future__ import annotations

from dodeca.products.shortener.pages import (
    domains,
    groups,
    home,
    imports,
    labels,
    link,
    links,
    manage,
    moderation,
    numbers,
    qr_codes,
    rules,
)

routes = [
    *home.routes,
    *qr_codes.routes,
    *links.routes,
    *numbers.routes,
    *link.routes,
    *rules.routes,
    *manage.routes,
    *labels.routes,
    *groups.routes,
    *domains.routes,
    *imports.routes,
    *moderation.routes,
]

__all__ = ["routes"]
