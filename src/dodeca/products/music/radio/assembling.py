"""The bytes that a station sends, chunk by chunk: a function of its timeline and its songs alone.

Unix time is cut into chunks of 960 ms. Chunk k of a station is the same bytes for every listener and in every
process, so listeners share them, and live HLS segments are six chunks each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dodeca.products.music.radio import frames
from dodeca.products.music.radio.frames import CHUNK_MS, KINDS, RATE
from dodeca.products.music.radio.timeline import Slot, Timeline

Frames = Sequence[bytes]
Sounds = Callable[[Slot], Frames | None]
"""Gives the frames of a slot's song, None where they are not at hand."""
_HEADER_PAGES: Final = 2


def chunk_number(moment_ms: int) -> int:
    """The chunk that holds a moment."""
    return moment_ms // CHUNK_MS


def chunk_frames(timeline: Timeline, kind: str, number: int, sounds: Sounds) -> list[bytes]:
    """The frames of one chunk; silence where a song is over, missing, or nothing plays."""
    grid = KINDS[kind]
    found: list[bytes] = []
    first = number * grid.per_chunk
    slot = timeline.at(grid.moment_of(first))
    held = sounds(slot)
    for frame in range(first, first + grid.per_chunk):
        moment = grid.moment_of(frame)
        if moment >= slot.ends_at_ms:
            slot = timeline.at(moment)
            held = sounds(slot)
        place = grid.frame_at(slot.position_ms(moment)) if held else 0
        found.append(held[place] if held and 0 <= place < len(held) else frames.silence(kind))
    return found


def chunk_bytes(timeline: Timeline, kind: str, number: int, sounds: Sounds, *, serial: int = 0) -> bytes:
    """One chunk as it is sent. For Ogg it is one page, whose position and number follow from the chunk's."""
    return joined(kind, chunk_frames(timeline, kind, number, sounds), number, serial)


def joined(kind: str, parts: Sequence[bytes], number: int, serial: int) -> bytes:
    """A chunk's frames as they are sent."""
    return b"".join(parts) if kind != "ogg" else ogg_chunk(parts, number, serial)


def ogg_chunk(packets: Sequence[bytes], number: int, serial: int) -> bytes:
    """A chunk's packets as pages: as many as a page's table has room for."""
    pages: list[bytes] = []
    held: list[bytes] = []
    room = 255
    end = number * CHUNK_MS * RATE // 1000
    for packet in packets:
        lacing = len(packet) // 255 + 1
        if lacing > room:
            pages.append(frames.ogg_page(held, serial, number * 4 + len(pages) + _HEADER_PAGES, end))
            held, room = [], 255
        held.append(packet)
        room -= lacing
        end += frames.OPUS_SAMPLES
    pages.append(frames.ogg_page(held, serial, number * 4 + len(pages) + _HEADER_PAGES, end))
    return b"".join(pages)
