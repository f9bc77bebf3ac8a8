"""Listens as ListenBrainz exports and imports them: one JSON object a line.

https://listenbrainz.readthedocs.io/en/latest/users/json.html. A line that cannot be used is an error that says which
and why, and reading goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Final

import msgspec

from dodeca.products.music.formats.entries import LONGEST_MS, isrc, mbid, number, plain

EARLIEST: Final = 1_033_430_400
"""The first of October 2002: nothing was scrobbled before, says ListenBrainz."""
LONGEST_LINE: Final = 100_000
"""In bytes."""
_LATEST: Final = 1 << 33


@dataclass(frozen=True, slots=True)
class ListenRow:
    """One listen. Durations in milliseconds; None: not known."""

    line: int
    listened_at: datetime
    artist: str
    track: str
    release: str = ""
    duration_ms: int | None = None
    ms_played: int | None = None
    mbid: str = ""
    isrc: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class ListenError:
    """A line that is no listen."""

    line: int
    message: str


def is_begun(head: bytes) -> bool:
    """Whether a file whose first `LONGEST_LINE` bytes these are holds listens: its first line tells."""
    line = head.lstrip().partition(b"\n")[0]
    return line.startswith(b"{") and b"track_metadata" in line


def read(stream: IO[bytes]) -> Iterator[ListenRow | ListenError]:
    """The listens of a file, line by line: memory does not grow with its length."""
    line = 0
    while raw := stream.readline(LONGEST_LINE):
        line += 1
        if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            while (more := stream.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
                pass
            yield ListenError(line, "The line is too long.")
        elif raw.strip():
            yield _row(line, raw)


def _row(line: int, raw: bytes) -> ListenRow | ListenError:
    try:
        data = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ListenError(line, "The line is not JSON.")
    about = data.get("track_metadata") if isinstance(data, dict) else None
    if not isinstance(about, dict):
        return ListenError(line, "The line has no track_metadata.")
    moment = number(data.get("listened_at"), EARLIEST, _LATEST)
    artist, track = plain(about.get("artist_name")), plain(about.get("track_name"))
    if moment is None:
        return ListenError(line, "listened_at is no Unix time after October 2002.")
    if not artist or not track:
        return ListenError(line, "artist_name or track_name is missing.")
    more = about.get("additional_info")
    info: dict[str, Any] = more if isinstance(more, dict) else {}
    mapping = about.get("mbid_mapping")
    mapped = mapping.get("recording_mbid") if isinstance(mapping, dict) else None
    seconds = number(info.get("duration"), 1, LONGEST_MS // 1000)
    return ListenRow(
        line=line,
        listened_at=datetime.fromtimestamp(moment, UTC),
        artist=artist,
        track=track,
        release=plain(about.get("release_name")),
        duration_ms=number(info.get("duration_ms"), 1, LONGEST_MS) or (seconds * 1000 if seconds else None),
        ms_played=number(info.get("ms_played"), 0, LONGEST_MS),
        mbid=mbid(info.get("recording_mbid")) or mbid(mapped),
        isrc=isrc(info.get("isrc")),
        device=plain(info.get("media_player") or info.get("submission_client"), 100),
    )


def write(rows: Iterable[ListenRow]) -> Iterator[bytes]:
    """The listens as lines of ListenBrainz' JSON."""
    encoder = msgspec.json.Encoder()
    for row in rows:
        info = {
            "duration_ms": row.duration_ms,
            "ms_played": row.ms_played,
            "recording_mbid": row.mbid or None,
            "isrc": row.isrc or None,
            "media_player": row.device or None,
        }
        about: dict[str, Any] = {"artist_name": row.artist, "track_name": row.track}
        if row.release:
            about["release_name"] = row.release
        about["additional_info"] = {name: value for name, value in info.items() if value is not None}
        yield encoder.encode({"listened_at": int(row.listened_at.timestamp()), "track_metadata": about}) + b"\n"
