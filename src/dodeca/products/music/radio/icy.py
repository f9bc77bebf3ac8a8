"""Titles inside a stream, as SHOUTcast's ICY protocol has them.

After every `icy-metaint` bytes of sound comes one byte that says how many 16-byte blocks of text follow; 0 means that
the title is the same as before.
"""

from __future__ import annotations

from typing import Final

METAINT: Final = 16_000
"""A second of sound at 128 kbit/s."""
_LONGEST: Final = 255 * 16


def title_block(title: str) -> bytes:
    """The block that announces a title: `StreamTitle='Artist - Title';`, in UTF-8, filled up with zeros."""
    # Apostrophes cannot be escaped; players end the title at `';`.
    plain = " ".join(title.replace("';", "\u2019;").split())
    text = plain.encode("utf-8")[: _LONGEST - 32].decode("utf-8", "ignore")
    content = f"StreamTitle='{text}';".encode()
    blocks = -(-len(content) // 16)
    return bytes((blocks,)) + content.ljust(blocks * 16, b"\0")


class IcyWriter:
    """Puts titles between the bytes of one listener's stream."""

    def __init__(self, metaint: int = METAINT) -> None:
        self._metaint = metaint
        self._until_block = metaint
        self._told = ""

    def add(self, data: bytes, title: str) -> bytes:
        """The next bytes of sound, with the blocks that are due; `title` is what they play."""
        parts: list[bytes] = []
        while len(data) >= self._until_block:
            parts.append(data[: self._until_block])
            data = data[self._until_block :]
            self._until_block = self._metaint
            parts.append(b"\0" if title == self._told else title_block(title))
            self._told = title
        parts.append(data)
        self._until_block -= len(data)
        return b"".join(parts)


def header_text(value: str) -> str:
    """A station's name or genre as the value of a header: one line of Latin-1, as players expect."""
    return " ".join(value.split()).encode("latin-1", "replace").decode("latin-1")[:200]
