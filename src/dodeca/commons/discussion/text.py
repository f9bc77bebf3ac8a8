"""From what people type to HTML, in the small dialect of Hacker News (https://news.ycombinator.com/formatdoc).

Blank lines separate paragraphs, `*text*` is italic, lines that are indented after a blank line are code, addresses
become links. Everything else is text: there is no way to write HTML. HTML that comes from elsewhere is sanitised.
"""

from __future__ import annotations

import html
import re
from typing import Final

import nh3
from linkify_it import LinkifyIt

_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "/": "&#x2F;"}
_ESCAPED: Final = str.maketrans(_ESCAPES)
# Asterisks that enclose words; alone, or between spaces, they stay what they are. Bounded, so that no text is slow.
_ITALIC: Final = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]{1,2000}?)(?<=\S)\*(?![\w*])")
_CODE: Final = re.compile(r"(?:^|\n\n)((?:[ ]{2,}|\t)[^\n]*(?:\n(?:(?:[ ]{2,}|\t)[^\n]*|(?=\n(?:[ ]{2}|\t))))*)")
_LINKS: Final = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
_LINK_TEXT: Final = 60
_ALLOWED: Final = {"a", "b", "blockquote", "br", "code", "em", "i", "li", "ol", "p", "pre", "strong", "ul"}
_MARKUP: Final = re.compile("[<&\r\0]")
_BREAKS: Final = re.compile(r"<(?:p|br|/p|/pre|/blockquote|li)\b[^>]*>", re.IGNORECASE)
_TAGS: Final = re.compile(r"<[^>]*>")
_HREF: Final = re.compile(r'<a href="([^"]*)"[^>]*>')
_LINKED: Final = re.compile(r'<a href="([^"]*)"[^>]*>.*?</a>', re.DOTALL)
_ITALICS: Final = re.compile(r"<(?:i|em)>(.*?)</(?:i|em)>", re.DOTALL)
# Bidirectional controls could turn a text around; zero characters are nothing that a database keeps.
_UNWANTED: Final = re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def cleaned(text: str) -> str:
    """The text with plain line ends and without control characters."""
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n").rstrip()


def rendered(text: str) -> str:
    """Safe HTML of a typed text."""
    parts: list[str] = []
    at = 0
    text = re.sub(r"\n(?:[ \t]*\n)+", "\n\n", cleaned(text))
    for match in _CODE.finditer(text):
        parts += _paragraphs(text[at : match.start()])
        parts.append(f"<pre><code>{_escape(match[1])}\n</code></pre>")
        at = match.end()
    parts += _paragraphs(text[at:])
    return "<p>".join(parts)


def sanitised(markup: str) -> str:
    """HTML from elsewhere, with harmless elements only and links that give no credit."""
    return nh3.clean(
        markup, tags=_ALLOWED, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"}, link_rel="nofollow"
    )


def reserialised(markup: str) -> str:
    """HTML from elsewhere, sanitised and written as `rendered` writes it: the same words give the same bytes."""
    if _MARKUP.search(markup) is None:  # nothing that a parser would see
        return _escape(markup)
    parts: list[str] = []
    at = 0
    clean = sanitised(markup).replace("</p>", "")
    for tag in _TAGS.finditer(clean):
        parts.append(_escape(html.unescape(clean[at : tag.start()])))
        link = _HREF.fullmatch(tag[0])
        parts.append(f'<a href="{_escape(html.unescape(link[1]))}" rel="nofollow">' if link else tag[0])
        at = tag.end()
    parts.append(_escape(html.unescape(clean[at:])))
    return "".join(parts)


def typed(markup: str) -> str:
    """What somebody would type to get such HTML: the way back from `rendered`."""
    if "<" not in markup:
        return html.unescape(markup).strip()
    text = _LINKED.sub(lambda match: match[1], markup)
    parts = [part for part in re.split(r"<p>|</p>", _ITALICS.sub(r"*\1*", text)) if part.strip()]
    return "\n\n".join(_typed_paragraph(part) for part in parts)


def _typed_paragraph(part: str) -> str:
    if part.startswith("<pre>"):
        return html.unescape(_TAGS.sub("", part)).rstrip("\n")
    return html.unescape(_TAGS.sub("", _BREAKS.sub("\n\n", part))).strip()


def plain_text(markup: str) -> str:
    """What a reader would see of rendered HTML; paragraphs are separated by blank lines."""
    if "<" not in markup:
        return html.unescape(markup).strip()
    return html.unescape(_TAGS.sub("", _BREAKS.sub("\n\n", markup))).strip()


def _paragraphs(text: str) -> list[str]:
    return [_inline(part.strip()) for part in text.split("\n\n") if part.strip()]


def _inline(text: str) -> str:
    """One paragraph with its links and italics; addresses are found first, so asterisks in them stay."""
    parts: list[str] = []
    at = 0
    for link in _LINKS.match(text) or []:
        if link.schema not in ("http:", "https:"):
            continue
        parts.append(_emphasised(text[at : link.index]))
        shown = link.raw if len(link.raw) <= _LINK_TEXT else link.raw[: _LINK_TEXT - 3] + "..."
        parts.append(f'<a href="{_escape(link.raw)}" rel="nofollow">{_escape(shown)}</a>')
        at = link.last_index
    parts.append(_emphasised(text[at:]))
    return "".join(parts)


def _emphasised(text: str) -> str:
    return _ITALIC.sub(lambda match: f"<i>{match[1]}</i>", _escape(text))


def _escape(text: str) -> str:
    return text.translate(_ESCAPED)
