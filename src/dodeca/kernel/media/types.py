"""What a file is, by its first bytes, and how it may be handed to a browser."""

from __future__ import annotations

import unicodedata
from typing import Final
from urllib.parse import quote

import filetype

HEAD_BYTES: Final = 8192
"""How much of a file's beginning `sniffed` looks at."""

IMAGES: Final = frozenset({"image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"})
"""Images that are accepted and cleaned. SVG is not among them: it can hold scripts."""

AUDIO: Final = frozenset({"audio/aac", "audio/aiff", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav"})
VIDEO: Final = frozenset({"video/mp4", "video/quicktime", "video/webm", "video/x-matroska"})

INLINE: Final = IMAGES | AUDIO | VIDEO | {"text/plain"}
"""Types that a browser may show in place; everything else is handed over as a download."""

_STANDARD_NAMES: Final = {
    "audio/x-aiff": "audio/aiff",
    "audio/x-flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "audio/m4a": "audio/mp4",
}
_TEXT_CONTROLS: Final = frozenset(b"\t\n\r\f\x1b")


def sniffed(head: bytes) -> str:
    """The media type of a file that begins with `head` (HEAD_BYTES, or the whole file when it is shorter).

    Text in UTF-8 is text/plain whatever language it is written in, HTML and SVG included, so that it is never
    executed; what is not known is application/octet-stream.
    """
    kind = filetype.guess(head[:HEAD_BYTES])
    if kind is not None:
        name = str(kind.mime)
        return _STANDARD_NAMES.get(name, name)
    return "text/plain" if head and _is_text(head[:HEAD_BYTES]) else "application/octet-stream"


def _is_text(head: bytes) -> bool:
    if any(byte < 0x20 and byte not in _TEXT_CONTROLS for byte in head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end inside a character.
        return len(head) == HEAD_BYTES and error.start > len(head) - 4 and error.reason == "unexpected end of data"
    return True


def disposition(filename: str, *, inline: bool) -> str:
    """A Content-Disposition header (RFC 6266) for a name that may hold anything."""
    kind = "inline" if inline else "attachment"
    name = "".join(c for c in unicodedata.normalize("NFC", filename) if c.isprintable() and c not in '/\\:*?"<>|')
    name = name.strip(" .")[:150]
    if not name:
        return kind
    plain = "".join(c if c.isascii() and c not in "%" else "_" for c in name)
    if plain == name:
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
