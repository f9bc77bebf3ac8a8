"""HTTP Live Streaming (RFC 8216): a song as AAC at several bit rates, in segments of six seconds.

All segments of a bit rate lie in one file, and the playlist names ranges of it: so a variant is stored, hashed and
served as any other file, and a song has three files more instead of hundreds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from dodeca.products.music.audio import ffmpeg
from dodeca.products.music.audio.ffmpeg import NotDecodable

BIT_RATES: Final = (64, 128, 256)
"""kbit/s."""
SEGMENT_SECONDS: Final = 6
MEDIA_TYPE: Final = "video/mp2t"
PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
_CODECS: Final = "mp4a.40.2"


class Segment(NamedTuple):
    """One piece of a variant's file."""

    duration_ms: int
    offset: int
    length: int


def package(source: Path, bit_rate: int, target: Path) -> tuple[Segment, ...]:
    """Write a variant to `target` and tell where its segments lie. From a thread. Raises NotDecodable."""
    with tempfile.TemporaryDirectory(dir=target.absolute().parent) as folder:
        playlist = Path(folder) / "variant.m3u8"
        made = Path(folder) / "variant.ts"
        ffmpeg.run(
            [
                *("-loglevel", "error"),
                *ffmpeg.reading(source),
                *("-map", "0:a:0", "-map_metadata", "-1", "-c:a", "aac", "-b:a", f"{bit_rate}k", "-ac", "2"),
                *("-ar", "48000", "-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod"),
                *("-hls_flags", "single_file", "-hls_segment_filename", str(made), f"file:{playlist}"),
            ]
        )
        segments = _segments(playlist.read_text("utf-8"))
        if not segments:
            raise NotDecodable("The file holds no sound.", field="file")
        made.replace(target)
    return segments


def _segments(text: str) -> tuple[Segment, ...]:
    found = []
    duration_ms = 0
    for line in text.splitlines():
        if line.startswith("#EXTINF:"):
            duration_ms = round(float(line[8:].partition(",")[0]) * 1000)
        elif line.startswith("#EXT-X-BYTERANGE:"):
            length, _, offset = line[17:].partition("@")
            found.append(Segment(duration_ms, int(offset), int(length)))
    return tuple(found)


def variant_playlist(segments: Sequence[Segment], uri: str) -> str:
    """The media playlist of one bit rate, whose file is at `uri`."""
    longest = max(segment.duration_ms for segment in segments)
    lines = [
        *("#EXTM3U", "#EXT-X-VERSION:4", f"#EXT-X-TARGETDURATION:{-(-longest // 1000)}"),
        *("#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-PLAYLIST-TYPE:VOD"),
    ]
    for segment in segments:
        lines += [
            f"#EXTINF:{segment.duration_ms / 1000:.3f},",
            f"#EXT-X-BYTERANGE:{segment.length}@{segment.offset}",
            uri,
        ]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def master_playlist(uris: Mapping[int, str]) -> str:
    """The master playlist: bit rate in kbit/s → address of its media playlist."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:4", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for bit_rate, uri in sorted(uris.items()):
        # Transport stream packets and headers add about a tenth.
        bandwidth = f"BANDWIDTH={bit_rate * 1150},AVERAGE-BANDWIDTH={bit_rate * 1100}"
        lines += [f'#EXT-X-STREAM-INF:{bandwidth},CODECS="{_CODECS}"', uri]
    return "\n".join([*lines, ""])
