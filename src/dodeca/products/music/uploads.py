"""Uploads: a file arrives, is looked at apart from any unit of work, and becomes a song or a song's new sound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from litestar.datastructures import UploadFile

from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Forbidden, Invalid, TooLarge, UnsupportedMedia
from dodeca.products.music.audio import probing
from dodeca.products.music.audio.probing import Probed
from dodeca.products.music.models import Song
from dodeca.products.music.service import preparing, releases, songs
from dodeca.products.music.service.songs import Audio
from dodeca.products.music.service.tags import Tags, lenient
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.settings import MusicSettings

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

MOST_BYTES: Final = 500_000_000
VIDEOS: Final = frozenset({"video/mp4", "video/webm"})
_PIECE: Final = 1 << 18


class Upload(msgspec.Struct):
    """A stored file and what it says of itself."""

    audio: Audio
    tags: Tags


async def pieces(file: UploadFile) -> AsyncIterator[bytes]:
    """The bytes of a file of a form."""
    while piece := await file.read(_PIECE):
        yield piece


async def pieces_of(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a file of this machine."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece


def may_upload(platform: Platform, viewer: Viewer) -> None:
    """Raises Forbidden where only admins upload."""
    if platform.config.group(MusicSettings).uploads == "admins" and not viewer.is_admin:
        raise Forbidden("Only admins may upload here.")


def is_approved(platform: Platform, viewer: Viewer) -> bool:
    """Whether what somebody uploads is seen without an admin's look."""
    return platform.config.group(MusicSettings).uploads != "review" or viewer.is_admin or viewer.is_moderator


async def receive(platform: Platform, chunks: AsyncIterator[bytes], filename: str = "") -> Upload:
    """Store a file that arrives, if it is sound. Raises TooLarge (413), UnsupportedMedia (415), Unavailable."""
    from dodeca.products.music.audio import measuring  # it loads numpy, which a server's start can do without

    seen: list[tuple[Probed, int]] = []

    def look(path: Path) -> tuple[Probed, int]:
        return probing.probe(path), measuring.check(path)

    async def inspect(path: Path) -> None:
        seen.append(await asyncio.to_thread(look, path))

    blob = await platform.media.save(chunks, max_bytes=MOST_BYTES, inspect=inspect)
    ((probed, duration_ms),) = seen
    cover = await asyncio.to_thread(kept_cover, platform, probed.cover)
    tags = tags_of(probed.tags, filename)
    return Upload(audio_of(probed, blob.size, duration_ms, media_key=blob.key, cover_key=cover), tags)


def kept_cover(platform: Platform, picture: bytes | None) -> str | None:
    """Store a picture that came inside a file; one that is none is left out. From a thread."""
    if not picture or len(picture) > probing.MAX_COVER_BYTES:
        return None
    try:
        return platform.media.save_image_bytes(picture).key
    except (Invalid, TooLarge, UnsupportedMedia):
        return None


def audio_of(
    probed: Probed,
    size: int,
    duration_ms: int,
    *,
    media_key: str | None = None,
    library_id: int | None = None,
    path: str | None = None,
    cover_key: str | None = None,
) -> Audio:
    """What is kept of a file that was probed."""
    gain = probed.tags.replay_gain
    return Audio(
        audio_hash=probed.audio_hash,
        duration_ms=duration_ms,
        codec=probed.codec,
        suffix=probed.suffix,
        content_type=probed.media_type,
        size=size,
        bit_rate=probed.bit_rate,
        sample_rate=probed.sample_rate,
        channels=probed.channels,
        bit_depth=probed.bit_depth,
        media_key=media_key,
        library_id=library_id,
        path=path,
        lyrics=probed.tags.lyrics or None,
        cover_key=cover_key,
        track_gain=gain.track_gain,
        track_peak=gain.track_peak,
        tagged_album_gain=gain.album_gain,
        tagged_album_peak=gain.album_peak,
    )


def tags_of(found: probing.Tags, filename: str) -> Tags:
    """A file's tags as the catalogue has them; a file without a title is called after its name."""
    stem = Path(filename.replace("\\", "/")).stem.replace("_", " ").strip()
    artists = list(found.artists)
    return lenient(
        Tags(
            title=found.title or stem or "Untitled",
            artist=", ".join(artists) or "Unknown Artist",
            artists=artists,
            album=found.album,
            album_artist="; ".join(found.album_artists),
            track=found.track,
            disc=found.disc,
            year=found.year,
            release_date=found.release_date or None,
            genres=list(found.genres),
            composers=[found.composer] if found.composer else [],
            explicit=bool(found.explicit),
            isrc=found.isrc or None,
            mbid=found.recording_mbid or None,
            album_mbid=found.album_mbid or None,
            artist_mbids=list(found.artist_mbids),
            album_artist_mbids=list(found.album_artist_mbids),
            compilation=found.compilation,
        )
    )


def add(
    session: WriteSession, platform: Platform, viewer: Viewer, upload: Upload, tags: Tags, **options: object
) -> Song:
    """Make a song of an upload and have it analysed. Raises Invalid, SameAudio, Forbidden."""
    from dodeca.products.music.jobs import SongRef, analyse_song

    may_upload(platform, viewer)
    song = songs.add(
        session,
        viewer.account_id,
        tags,
        audio=upload.audio,
        approved=is_approved(platform, viewer),
        **options,  # type: ignore[arg-type]
    )
    preparing.begin(session, song)
    analyse_song.enqueue(session, SongRef(song.id), key=str(song.id))
    if song.listed:
        releases.tell(session, song)
    return song
