"""HTTP Live Streaming (RFC 8216) of a finished file: renditions in segments, and the playlists that name them.

All segments of a rendition lie in one file, and its playlist names ranges of it: so a rendition is stored, hashed and
served as any other file, and a source has a few files more instead of hundreds."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from dodeca.commons.pipeline import ffmpeg
from dodeca.commons.pipeline.ffmpeg import NotDecodable, Progress

SEGMENT_SECONDS: Final = 6
MEDIA_TYPE: Final = "video/mp2t"
PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"


class Rendition(NamedTuple):
    """How a master playlist names one rendition: rates in bits a second with all overhead, codecs as in RFC 6381."""

    uri: str
    peak_rate: int
    average_rate: int
    codecs: str


class Segment(NamedTuple):
    """One piece of a variant's file."""

    duration_ms: int
    offset: int
    length: int


async def package(
    source: Path, encoding: Sequence[str], target: Path, duration_ms: int, progress: Progress
) -> tuple[Segment, ...]:
    """Write a rendition to `target` and tell where its segments lie. Raises NotDecodable, Unavailable.

    `encoding` are ffmpeg's arguments for what is taken from the source and how it is encoded. `progress` is told the
    share that is made of `duration_ms`. Whoever is cancelled here ends the work, and nothing is left of it."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        playlist = Path(folder) / "variant.m3u8"
        made = Path(folder) / "variant.ts"
        arguments = [
            *ffmpeg.reading(source),
            *encoding,
            *("-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod"),
            *("-hls_flags", "single_file", "-hls_segment_filename", str(made), f"file:{playlist}"),
        ]
        await ffmpeg.run_told(arguments, duration_ms, progress)
        segments = _segments(await asyncio.to_thread(playlist.read_text, "utf-8"))
        if not segments:
            raise NotDecodable("The file holds nothing to play.", field="file")
        await asyncio.to_thread(made.replace, target)
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
    """The media playlist of one rendition, whose file is at `uri`."""
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


def master_playlist(renditions: Sequence[Rendition]) -> str:
    """The master playlist, the lowest rate first."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:4", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for one in sorted(renditions, key=lambda rendition: rendition.average_rate):
        bandwidth = f"BANDWIDTH={one.peak_rate},AVERAGE-BANDWIDTH={one.average_rate}"
        lines += [f'#EXT-X-STREAM-INF:{bandwidth},CODECS="{one.codecs}"', one.uri]
    return "\n".join([*lines, ""])
