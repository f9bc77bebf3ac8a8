"""Scans: folders are walked, what is new or changed is read, songs keep their identity wherever their files go.

Each batch of files is one unit of work, so a scan that is killed loses at most the batch it was at, and the next one
goes on: a file whose size and time are known is not read again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import structlog
from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, PreparedIn, ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError
from dodeca.products.music.audio import probing
from dodeca.products.music.models import AlbumSong, LibraryFile, LibraryFolder, Scan, Song
from dodeca.products.music.service import adding, catalogue, folders, searching, songs
from dodeca.products.music.service.counting import Touched, recount
from dodeca.products.music.service.folding import work_key
from dodeca.products.music.service.songs import Audio
from dodeca.products.music.service.tags import Tags, checked
from dodeca.products.music.service.viewers import insert_for
from dodeca.products.music.uploads import audio_of, kept_cover, tags_of

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
BATCH: Final = 100
READERS: Final = 2
MOST_ERRORS_KEPT: Final = 100
MOST_DEPTH: Final = 40
NEAR_MS: Final = 3000


_hashes_of: Final = PreparedIn(
    select(Song.audio_hash).where(Song.library_key == bindparam("library_key")), Song.audio_hash.expression
)
_files: Final = cast(Table, LibraryFile.__table__)


def _keeping_file() -> Prepared:
    names = ("folder_id", "path", "size", "mtime_ns", "song_id", "error", "seen")
    made = postgresql.insert(_files).values({name: bindparam(name, type_=_files.c[name].type) for name in names})
    changed = {name: made.excluded[name] for name in names[2:]}
    return Prepared(made.on_conflict_do_update(index_elements=["folder_id", "path"], set_=changed))


_keep_file: Final = _keeping_file()


class Seen(NamedTuple):
    """A file in a folder: its path there, size in bytes, time of last change in nanoseconds."""

    path: str
    size: int
    mtime_ns: int


class Known(NamedTuple):
    """The same, as the last scan left it."""

    id: int
    size: int
    mtime_ns: int
    song_id: int | None


class Read(NamedTuple):
    """A file that was read: its sound and tags, or why it is no song."""

    seen: Seen
    audio: Audio | None
    tags: Tags | None
    error: str


async def scan(platform: Platform) -> Scan:
    """Look through all folders. Files that are gone make their songs missing, unless they came back elsewhere."""
    scan_id = await platform.db.awrite(_begin)
    state = "failed"
    try:
        for folder in await platform.db.aread(lambda s: list(s.scalars(select(LibraryFolder)))):
            await _Folder(platform, folder, scan_id).run()
        state = "done"
    finally:
        await platform.db.awrite(lambda s: _end(s, scan_id, state))
    return await platform.db.aread(lambda s: s.get_one(Scan, scan_id))


def _begin(session: WriteSession) -> int:
    """Note that a scan runs. The queue lets only one run at once, so what still runs by the table was killed."""
    session.execute(update(Scan).where(Scan.state == "running").values(state="failed", finished_at=clock.now()))
    row = Scan(started_at=clock.now(), beat_at=clock.now(), state="running")
    session.add(row)
    session.flush()
    return row.id


def _end(session: WriteSession, scan_id: int, state: str) -> None:
    row = session.get_one(Scan, scan_id)
    row.state, row.finished_at = state, clock.now()
    session.flush()


class _Folder:
    """The scan of one folder."""

    def __init__(self, platform: Platform, folder: LibraryFolder, scan_id: int) -> None:
        self.platform, self.folder, self.scan_id = platform, folder, scan_id
        self.root = Path(folder.path)
        self.covers: dict[Path, str | None] = {}
        self.some_missing = False

    async def run(self) -> None:
        """Read what is new or changed, then see what is missing."""
        if not await asyncio.to_thread(self.root.is_dir):  # a disk that is not mounted loses nobody's songs
            await self._note(errors=[{"path": self.folder.path, "error": "The folder is not there."}])
            return
        found = await asyncio.to_thread(lambda: {seen.path: seen for seen in walk(self.root)})
        known = await self.platform.db.aread(self._known)
        self.some_missing = await self.platform.db.aread(self._are_some_missing)
        fresh = [seen for path, seen in found.items() if not _same(known.get(path), seen)]
        gone = {path: row for path, row in known.items() if path not in found}
        await self._note(count=len(found) - len(fresh))
        async with aclosing(self._batches(fresh)) as batches:
            async for read in batches:
                await self.platform.db.awrite(partial(self._take, read=read, known=known, gone=gone))
        if gone:
            await self.platform.db.awrite(lambda s: self._lose(s, gone))

    async def _batches(self, fresh: Sequence[Seen]) -> AsyncGenerator[list[Read], None]:
        """What the files hold, a batch at a time; the next is read while the last is written."""
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="music-scan")

        def start(some: Sequence[Seen]) -> list[asyncio.Future[list[Read]]]:
            share = BATCH // READERS  # neighbours stay together: they have one cover
            return [
                loop.run_in_executor(pool, self._read_all, some[place : place + share])
                for place in range(0, len(some), share)
            ]

        try:
            ahead = start(fresh[:BATCH])
            for place in range(BATCH, len(fresh) + BATCH, BATCH):
                parts, ahead = ahead, start(fresh[place : place + BATCH])
                read = [one for part in parts for one in await part]
                yield read
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _known(self, session: ReadSession) -> dict[str, Known]:
        table = LibraryFile
        rows = session.execute(
            select(table.path, table.id, table.size, table.mtime_ns, table.song_id).where(
                table.folder_id == self.folder.id
            )
        )
        return {row[0]: Known(*row[1:]) for row in rows}

    def _are_some_missing(self, session: ReadSession) -> bool:
        library = (Song.library_key == f"l:{self.folder.id}", Song.uploader_id.is_(None))
        missing = select(Song.id).where(~Song.listed, *library, Song.missing_at.is_not(None))
        return session.scalar(missing.limit(1)) is not None

    def _read_all(self, some: Sequence[Seen]) -> list[Read]:
        """Read some files, from a thread."""
        return [self._read(seen) for seen in some]

    def _read(self, seen: Seen) -> Read:
        """Read one file. Nothing that a file holds ends the scan."""
        path = self.root / seen.path
        try:
            cover = self._cover_beside(path.parent)
            probed = probing.probe(path, pictured=cover is None)
            if probed.cover is not None:
                cover = self.covers[path.parent] = kept_cover(self.platform, probed.cover)
            audio = audio_of(
                probed,
                seen.size,
                probed.duration_ms,
                library_id=self.folder.id,
                path=seen.path,
                cover_key=cover,
            )
            return Read(seen, audio, checked(tags_of(probed.tags, path.name)), "")
        except DodecaError as error:
            return Read(seen, None, None, error.message)
        except OSError as error:
            return Read(seen, None, None, f"The file cannot be read: {error.strerror}.")

    def _cover_beside(self, folder: Path) -> str | None:
        """The picture of a folder, else of the first file in it that held one; None where there is none yet."""
        if folder not in self.covers:
            beside = probing.folder_cover(folder)
            self.covers[folder] = kept_cover(self.platform, beside.read_bytes()) if beside is not None else None
        return self.covers[folder]

    # In a unit of work

    def _take(
        self, session: WriteSession, read: Sequence[Read], known: dict[str, Known], gone: dict[str, Known]
    ) -> None:
        """Make songs of a batch of files, or find the ones that they are."""
        touched = Touched()
        held = self._add_new(session, read, known, gone)
        touched.new(held.values())
        added, changed = len(held), 0
        errors: list[dict[str, str]] = []
        for one in read:
            error = one.error
            if one.audio is not None and one.tags is not None and one.seen.path not in held:
                try:
                    before = known.get(one.seen.path)
                    song, is_new = self._song(session, one.audio, one.tags, before, gone, touched)
                    added, changed = added + is_new, changed + (not is_new)
                    held[one.seen.path] = song.id
                except DodecaError as refused:
                    error = refused.message
            if error:
                errors.append({"path": one.seen.path, "error": error})
        self._keep_files(session, [(one.seen, held.get(one.seen.path)) for one in read], errors)
        recount(session, touched)
        searching.later(session, touched)
        self._count(session, count=len(read), added=added, changed=changed, errors=errors)

    def _add_new(
        self, session: WriteSession, read: Sequence[Read], known: dict[str, Known], gone: dict[str, Known]
    ) -> dict[str, int]:
        """Make songs of the files that can be nothing else than new, all at once; gives their ids by path.

        Where a song is missing, or files are gone, each file is looked at by itself: it may be what is missing."""
        if gone or self.some_missing:
            return {}
        fresh = {
            one.audio.audio_hash: (one.seen.path, one.tags, one.audio)
            for one in reversed(read)
            if one.audio is not None and one.tags is not None and one.seen.path not in known
        }
        if not fresh:
            return {}
        here = {row[0] for row in _hashes_of.rows(session, fresh, library_key=f"l:{self.folder.id}")}
        new = [found for audio_hash, found in fresh.items() if audio_hash not in here]
        ids = adding.add_many(session, [(tags, audio) for _path, tags, audio in new])
        return {path: song_id for (path, _tags, _audio), song_id in zip(new, ids, strict=True)}

    def _song(
        self,
        session: WriteSession,
        audio: Audio,
        tags: Tags,
        before: Known | None,
        gone: dict[str, Known],
        touched: Touched,
    ) -> tuple[Song, bool]:
        """The song of a file, and whether it is new."""
        library_key = f"l:{self.folder.id}"
        same = session.scalar(select(Song).where(Song.library_key == library_key, Song.audio_hash == audio.audio_hash))
        known = same or self._replaced(session, audio, tags, before, gone)
        if known is None:
            return songs.add(session, None, tags, audio=audio, touched=touched), True
        song = session.get_one_locked(Song, known.id)  # as it is now: listens count in it, people change its tags
        if same is None:
            songs.set_audio(session, song, audio, touched=touched)
        with songs.changing(session, [song.id], within=touched):
            self._follow(session, song, audio, tags, touched)
        return song, False

    def _follow(self, session: WriteSession, song: Song, audio: Audio, tags: Tags, touched: Touched) -> None:
        """Let a known song follow its file: to another place, to other tags, or onto a further album."""
        moved = song.path != audio.path
        still_there = moved and song.missing_at is None and song.path is not None and (self.root / song.path).is_file()
        if still_there:
            self._also_on(session, song, tags)
            return
        song.library_id, song.path, song.size = self.folder.id, audio.path, audio.size
        song.cover_key = audio.cover_key or song.cover_key
        if song.missing_at is not None:
            song.missing_at = None
            song.listed = songs.is_listed(song)
        session.flush()
        if songs.tags_of(session, song) != tags and not self._was_edited(session, song):
            songs.write_version(session, song, tags, None, touched=touched)

    def _was_edited(self, session: ReadSession, song: Song) -> bool:
        """Whether a person changed the tags here: then the file's do not undo it."""
        versions = songs.versions(session, song)
        return any(row.editor_id is not None for row in versions)

    def _also_on(self, session: WriteSession, song: Song, tags: Tags) -> None:
        artists = catalogue.artists_of(session, tags)
        album = catalogue.album_for(session, tags, catalogue.album_artists_of(session, tags, artists))
        if album is not None and album.id != song.album_id:
            place = {"album_id": album.id, "song_id": song.id, "disc": tags.disc or 1, "track": tags.track or 0}
            session.execute(insert_for(session)(AlbumSong).on_conflict_do_nothing(), [place])

    def _replaced(
        self, session: ReadSession, audio: Audio, tags: Tags, before: Known | None, gone: dict[str, Known]
    ) -> Song | None:
        """The song whose file this one took the place of: at the same path, or gone and the same recording."""
        key = work_key(tags.artist, tags.title)
        if before is not None and before.song_id is not None:
            song = session.get(Song, before.song_id)
            if song is not None and self._is_recording(song, key, audio, tags):
                return song
        lost = [row.song_id for row in gone.values() if row.song_id is not None]
        for start in range(0, len(lost), 900):
            alike = select(Song).where(Song.id.in_(lost[start : start + 900]))
            alike = alike.where((Song.work_key == key) | (Song.mbid == (tags.mbid or "")))
            for song in session.scalars(alike):
                if self._is_recording(song, key, audio, tags):
                    return song
        missing = select(Song).where(Song.library_key == f"l:{self.folder.id}", Song.missing_at.is_not(None))
        found = session.scalars(missing.where(Song.work_key == key).limit(10))
        return next((song for song in found if self._is_recording(song, key, audio, tags)), None)

    def _is_recording(self, song: Song, key: str, audio: Audio, tags: Tags) -> bool:
        if song.mbid is not None and tags.mbid is not None:
            return song.mbid == tags.mbid
        near = not song.duration_ms or not audio.duration_ms or abs(song.duration_ms - audio.duration_ms) <= NEAR_MS
        return song.work_key == key and near

    def _keep_files(
        self, session: WriteSession, read: Sequence[tuple[Seen, int | None]], errors: Sequence[dict[str, str]]
    ) -> None:
        """Note what a batch of files holds."""
        told = {one["path"]: one["error"] for one in errors}
        rows = [
            {**seen._asdict(), "song_id": song_id, "error": told.get(seen.path), "folder_id": self.folder.id}
            for seen, song_id in read
        ]
        _keep_file.run_many(session, [{**row, "seen": self.scan_id} for row in rows])

    def _lose(self, session: WriteSession, gone: dict[str, Known]) -> None:
        """Forget files that are gone; a song without any other file is missing."""
        numbers = [row.id for row in gone.values()]
        for start in range(0, len(numbers), 900):
            session.execute(delete(LibraryFile).where(LibraryFile.id.in_(numbers[start : start + 900])))
        lost: list[Song] = []
        for path, row in gone.items():
            song = session.get(Song, row.song_id) if row.song_id is not None else None
            if song is None or song.path != path or song.library_id != self.folder.id:
                continue
            other = session.scalar(select(LibraryFile.path).where(LibraryFile.song_id == song.id).limit(1))
            if other is not None:
                song.path = other
            else:
                lost.append(song)
        folders.lose(session, lost)
        self._count(session, missing=len(lost))

    async def _note(self, *, count: int = 0, errors: Sequence[dict[str, str]] = ()) -> None:
        await self.platform.db.awrite(lambda s: self._count(s, count=count, errors=errors))

    def _count(
        self,
        session: WriteSession,
        *,
        count: int = 0,
        added: int = 0,
        changed: int = 0,
        missing: int = 0,
        errors: Sequence[dict[str, str]] = (),
    ) -> None:
        row = session.get_one(Scan, self.scan_id)
        row.count, row.added, row.changed = row.count + count, row.added + added, row.changed + changed
        row.missing, row.error_count = row.missing + missing, row.error_count + len(errors)
        row.errors = [*row.errors, *errors][:MOST_ERRORS_KEPT]
        row.beat_at = clock.now()
        session.flush()


def _same(known: Known | None, seen: Seen) -> bool:
    return known is not None and known.size == seen.size and known.mtime_ns == seen.mtime_ns


def _is_text(name: str) -> bool:
    """Whether a name is text: Linux allows any bytes, and Python gives those that are none as surrogates."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def walk(root: Path) -> Iterator[Seen]:
    """The files below a folder that may be songs. Links that lead out of it are not followed."""
    waiting = [("", 0)]
    while waiting:
        inside, depth = waiting.pop()
        try:
            entries = list(os.scandir(root / inside))
        except OSError as error:
            log.warning("music.folder_not_read", path=inside, reason=error.strerror)
            continue
        for entry in entries:
            name = f"{inside}/{entry.name}" if inside else entry.name
            if entry.name.startswith(".") or not (entry.name.isascii() or _is_text(entry.name)):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < MOST_DEPTH:
                    waiting.append((name, depth + 1))
            elif os.path.splitext(entry.name)[1].lower() in probing.AUDIO_SUFFIXES and entry.is_file(
                follow_symlinks=False
            ):
                stat = entry.stat(follow_symlinks=False)
                yield Seen(name, stat.st_size, stat.st_mtime_ns)
