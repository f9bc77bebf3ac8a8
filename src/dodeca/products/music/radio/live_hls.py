"""A station as live HLS (RFC 8216): segments of six chunks of AAC, named by their number since 1970.

Segments are packed audio (section 3.4): ADTS frames after an ID3 tag that says when they begin. The playlist is a
function of the moment, so all who ask at one instant get one text, from any process, and no state is kept.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Final

from dodeca.products.music.radio.frames import CHUNK_MS

SEGMENT_CHUNKS: Final = 6
SEGMENT_MS: Final = SEGMENT_CHUNKS * CHUNK_MS
WINDOW: Final = 6
"""Segments in the playlist."""
_PTS_RATE: Final = 90_000
_OWNER: Final = b"com.apple.streaming.transportStreamTimestamp\0"


def latest_segment(now_ms: int) -> int:
    """The newest segment that is complete."""
    return now_ms // SEGMENT_MS - 1


def is_offered(number: int, now_ms: int) -> bool:
    """Whether a segment is complete and young enough that a playlist named it within the last minutes."""
    latest = latest_segment(now_ms)
    return latest - 4 * WINDOW <= number <= latest


def chunks_of(number: int) -> range:
    """The numbers of a segment's chunks."""
    return range(number * SEGMENT_CHUNKS, (number + 1) * SEGMENT_CHUNKS)


def playlist(now_ms: int, *, prefix: str = "", suffix: str = "") -> str:
    """The media playlist at a moment; `prefix` and `suffix` stand around the segments' names, such as a key."""
    latest = latest_segment(now_ms)
    first = latest - WINDOW + 1
    lines = [
        *("#EXTM3U", "#EXT-X-VERSION:6", f"#EXT-X-TARGETDURATION:{-(-SEGMENT_MS // 1000)}"),
        *(f"#EXT-X-MEDIA-SEQUENCE:{first}", "#EXT-X-INDEPENDENT-SEGMENTS"),
    ]
    for number in range(first, latest + 1):
        moment = datetime.fromtimestamp(number * SEGMENT_MS / 1000, UTC)
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{moment.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}")
        lines += [f"#EXTINF:{SEGMENT_MS / 1000:.3f},", f"{prefix}{number}.aac{suffix}"]
    return "\n".join([*lines, ""])


def timestamp_tag(number: int) -> bytes:
    """The ID3 tag before a segment's frames: an MPEG-2 timestamp of 33 bits at 90 kHz."""
    stamp = number * SEGMENT_MS * (_PTS_RATE // 1000) % (1 << 33)
    frame = b"PRIV" + struct.pack(">IH", len(_OWNER) + 8, 0) + _OWNER + struct.pack(">Q", stamp)
    return b"ID3\x04\x00\x00" + struct.pack(">I", len(frame)) + frame
