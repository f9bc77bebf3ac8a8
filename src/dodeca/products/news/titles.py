"""The title of a page that somebody is about to post."""

from __future__ import annotations

from typing import Final

from dodeca.kernel.errors import Invalid
from dodeca.kernel.limits import Rate
from dodeca.kernel.outbound import Outbound
from dodeca.kernel.titles import fetch_title
from dodeca.products.news.urls import checked_title, checked_url

RATE: Final = Rate(30, 60)
_MOST = 150


async def fetch(outbound: Outbound, url: str) -> str:
    """The title, cut to what a post may have; empty where the page gives none or cannot be asked."""
    try:
        return checked_title((await fetch_title(outbound, checked_url(url)))[:_MOST])
    except Invalid:
        return ""
