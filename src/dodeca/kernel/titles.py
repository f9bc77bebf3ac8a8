"""The title of a page at some address. Only public addresses are asked, and not for long."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

from dodeca.kernel.errors import Invalid, Unavailable
from dodeca.kernel.outbound import Outbound

SECONDS: Final = 5.0
MAX_BYTES: Final = 512 * 1024
MOST_REDIRECTS: Final = 3


class _TitleParser(HTMLParser):
    """Reads the first <title>, and og:title, which says it without the site's name."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.shared = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        if tag == "title" and not self.title:
            self._inside = True
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


async def fetch_title(outbound: Outbound, url: str) -> str:
    """The title in one line; empty where the page gives none or cannot be asked."""
    try:
        answer = await outbound.get(
            url,
            headers={"Accept": "text/html"},
            seconds=SECONDS,
            max_bytes=MAX_BYTES,
            truncate=True,
            redirects=MOST_REDIRECTS,
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
    return " ".join((parser.shared or parser.title).replace("\0", "").split())
