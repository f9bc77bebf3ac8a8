"""A song as HLS: AAC at several bit rates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dodeca.commons.pipeline import hls
from dodeca.commons.pipeline.ffmpeg import Progress
from dodeca.commons.pipeline.hls import Rendition, Segment

BIT_RATES: Final = (64, 128, 256)
"""kbit/s."""
_CODECS: Final = "mp4a.40.2"


async def package(
    source: Path, bit_rate: int, target: Path, duration_ms: int, progress: Progress
) -> tuple[Segment, ...]:
    """Write a song at a bit rate to `target` and tell where its segments lie. Raises NotDecodable, Unavailable."""
    sound = ("-map", "0:a:0", "-map_metadata", "-1", "-c:a", "aac", "-b:a", f"{bit_rate}k", "-ac", "2", "-ar", "48000")
    return await hls.package(source, sound, target, duration_ms, progress)


def master_playlist(uris: Mapping[int, str]) -> str:
    """The master playlist: bit rate in kbit/s → address of its media playlist."""
    # Transport stream packets and headers add about a tenth.
    return hls.master_playlist([Rendition(uri, rate * 1150, rate * 1100, _CODECS) for rate, uri in uris.items()])
