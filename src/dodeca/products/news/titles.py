"""The title of a page that somebody is about to post. Only public addresses are asked, 1 MB in 5 s at most."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

from dodeca.kernel.errors import Invalid, Unavailable
from dodeca.kernel.limits import Rate
from dodeca.kernel.outbound import Outbound
from dodeca.products.news.urls import checked_title, checked_url

SECONDS: Final = 5.0
MAX_BYTES: Final = 1_000_000
RATE: Final = Rate(30, 60)


class _TitleParser(HTMLParser):
    """Reads the first <title>, and og:title, which says it without the site's name."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.shared = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        self._inside = tag == "title" and not self.title
        given = dict(attrs)
        if tag == "meta" and given.get("property") == "og:title" and not self.shared:
            self.shared = given.get("content") or ""

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        if tag == "title":
            self._inside = False

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._inside:
            self.title += data


async def fetch(outbound: Outbound, url: str) -> str:
    """The title, cut to what a post may have; empty where the page gives none or cannot be asked."""
    try:
        answer = await outbound.get(
            checked_url(url),
            headers={"Accept": "text/html"},
            seconds=SECONDS,
            max_bytes=MAX_BYTES,
            truncate=True,
            redirects=3,
        )
    except (Invalid, Unavailable):
        return ""
    kind = answer.headers.get("content-type", "")
    if not answer.ok or "html" not in kind:
        return ""
    charset = kind.partition("charset=")[2].strip(" \"'").split(";")[0] or "utf-8"
    return title_in(answer.body, charset)


def title_in(body: bytes, charset: str = "utf-8") -> str:
    """The title that an HTML document gives itself."""
    parser = _TitleParser()
    try:
        text = body.decode(charset, "replace")
    except LookupError:
        text = body.decode("utf-8", "replace")
    parser.feed(text)
    try:
        return checked_title((parser.shared or parser.title)[:150])
    except Invalid:
        return ""
