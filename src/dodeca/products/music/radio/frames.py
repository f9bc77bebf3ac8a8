"""Songs as frames that are sent one by one: each stands for a fixed time, so a moment names a frame.

All songs of a stream are encoded alike (`transcoding.RADIO_PROFILES`, 48 kHz stereo), so frames of different songs
follow each other without a seam: 24 ms of MP3 (ISO/IEC 11172-3), 21⅓ ms of AAC in ADTS (ISO/IEC 13818-7), 20 ms of
Opus (RFC 6716) taken out of Ogg (RFC 3533).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

from dodeca.products.music.audio.containers import adts_size, mpeg_frame

CHUNK_MS: Final = 960
"""40 frames of MP3, 45 of AAC, 48 of Opus: the shortest time that is whole in all three and near a second."""
RATE: Final = 48_000
OPUS_SAMPLES: Final = 960


class Kind(NamedTuple):
    """A codec's grid. A frame lasts `samples` at 48 kHz; a chunk has `per_chunk` of them."""

    samples: int
    per_chunk: int
    media_type: str

    def frame_at(self, position_ms: int) -> int:
        """The number of the frame that sounds at a position."""
        return position_ms * RATE // (self.samples * 1000)

    def moment_of(self, frame: int) -> int:
        """When a frame begins, in whole milliseconds, rounded up, so that `frame_at` of it is the frame."""
        return -(-frame * self.samples * 1000 // RATE)


KINDS: Final = {
    "mp3": Kind(1152, 40, "audio/mpeg"),
    "aac": Kind(1024, 45, "audio/aac"),
    "ogg": Kind(OPUS_SAMPLES, 48, "audio/ogg"),
}


def split(kind: str, data: bytes) -> tuple[bytes, ...]:
    """The frames of a whole file. What is broken at its end is left out."""
    if kind == "ogg":
        return tuple(opus_packets(data))
    found = []
    at = 0
    while at < len(data):
        size = _size(kind, data[at : at + 7])
        if not size or at + size > len(data):
            break
        found.append(data[at : at + size])
        at += size
    return tuple(found)


class Splitter:
    """Takes frames out of a stream that arrives in pieces."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._held = b""
        self._skipped = 0
        self._partial = b""

    def add(self, data: bytes) -> list[bytes]:
        """The frames that are complete now."""
        self._held += data
        return self._of_ogg() if self._kind == "ogg" else self._of_frames()

    def _of_frames(self) -> list[bytes]:
        found: list[bytes] = []
        at = 0
        while at + 7 <= len(self._held):
            size = _size(self._kind, self._held[at : at + 7])
            if not size:
                at += 1  # out of step: look for the next frame
                continue
            if at + size > len(self._held):
                break
            found.append(self._held[at : at + size])
            at += size
        self._held = self._held[at:]
        return found

    def _of_ogg(self) -> list[bytes]:
        found: list[bytes] = []
        at = 0
        while at + 27 <= len(self._held):
            table = self._held[at + 27 : at + 27 + self._held[at + 26]]
            body = at + 27 + self._held[at + 26]
            if body + sum(table) > len(self._held):
                break
            for length in table:
                self._partial += self._held[body : body + length]
                body += length
                if length < 255:
                    found.append(self._partial)
                    self._partial = b""
            at = body
        self._held = self._held[at:]
        headers = min(2 - self._skipped, len(found))
        self._skipped += headers
        return found[headers:]


def _size(kind: str, header: bytes) -> int:
    if kind == "aac":
        return adts_size(header)
    frame = mpeg_frame(header)
    return frame.size if frame is not None else 0


@cache
def silence(kind: str) -> bytes:
    """One frame in which nothing is heard."""
    if kind == "mp3":
        # MPEG-1 layer III, 128 kbit/s, 48 kHz, stereo, no checksum; all of the side information zero.
        return b"\xff\xfb\x94\x00" + bytes(380)
    if kind == "aac":
        # A channel pair whose spectra are empty, and the end of the block, after an ADTS header for 48 kHz stereo.
        body = b"\x21\x10\x04\x60\x8c\x1c"
        size = 7 + len(body)
        return bytes((0xFF, 0xF1, 0x4C, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC)) + body
    return b"\xfc\xff\xfe"  # CELT, full band, stereo, 20 ms: RFC 6716's way of saying nothing


# Ogg


def opus_packets(data: bytes) -> list[bytes]:
    """The audio packets of an Ogg Opus file, without its two headers."""
    found: list[bytes] = []
    partial = b""
    at = 0
    while at + 27 <= len(data) and data[at : at + 4] == b"OggS":
        count = data[at + 26]
        table = data[at + 27 : at + 27 + count]
        body = at + 27 + count
        for length in table:
            partial += data[body : body + length]
            body += length
            if length < 255:
                found.append(partial)
                partial = b""
        at = body
    return found[2:]


def opus_headers(serial: int, title: str) -> bytes:
    """The pages with which every listener's stream begins (RFC 7845)."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 312, RATE, 0, 0)
    vendor, comment = b"dodeca", f"TITLE={title}".encode()[:1000]
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<II", 1, len(comment)) + comment
    return ogg_page([head], serial, 0, 0, first=True) + ogg_page([tags], serial, 1, 0)


def ogg_page(packets: Sequence[bytes], serial: int, number: int, granule: int, *, first: bool = False) -> bytes:
    """One page of whole packets. `granule` is the position at its end, in samples. At most 255 lacing values."""
    table = b"".join(b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,)) for packet in packets)
    if len(table) > 255:
        raise ValueError("more packets than a page holds")
    flags = 2 if first else 0
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, serial, number & 0xFFFFFFFF, 0)
    page = head + bytes((len(table),)) + table + b"".join(packets)
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


@cache
def _table() -> tuple[int, ...]:
    """CRC-32 with polynomial 0x04C11DB7, not reflected (RFC 3533, section 6)."""
    found = []
    for index in range(256):
        value = index << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
        found.append(value)
    return tuple(found)


def _checksum(page: bytes) -> int:
    table, value = _table(), 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ table[value >> 24 ^ byte]
    return value
