"""Folders of the server's files and their scans."""

from __future__ import annotations

import os
from typing import Final

from sqlalchemy import exists, func, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.jobs import QueuedJob
from dodeca.products.music.models import LibraryFile, LibraryFolder, Scan, Song
from dodeca.products.music.service.songs import changing

SCAN_JOB: Final = "music.scan"
"""The job that looks through all folders; its key is the same each time, so that two do not run at once."""


def all_folders(session: ReadSession) -> list[tuple[LibraryFolder, int]]:
    """All folders, with the number of their songs."""
    count = select(func.count()).where(Song.library_id == LibraryFolder.id, Song.missing_at.is_(None))
    rows = session.execute(select(LibraryFolder, count.scalar_subquery()).order_by(LibraryFolder.id))
    return [(row[0], row[1]) for row in rows]


def add(session: WriteSession, path: str, name: str = "", *, watched: bool = True) -> LibraryFolder:
    """Take a folder in. Raises Invalid for what is none, Conflict for one that is known or lies within one."""
    if "\0" in path or not os.path.isabs(path) or not os.path.isdir(path):
        raise Invalid("This is no folder of the server. Give its whole path, such as /srv/music.", field="path")
    real = os.path.realpath(path)
    for known in session.scalars(select(LibraryFolder)):
        if os.path.commonpath([real, known.path]) in (real, known.path):
            raise Conflict("This folder is scanned already, or holds or lies in one that is.", field="path")
    folder = LibraryFolder(
        name=name.strip()[:200] or os.path.basename(real) or real,
        path=real,
        watched=watched,
        created_at=clock.now(),
    )
    with claiming(session, LibraryFolder, otherwise=Conflict("This folder is scanned already.", field="path")):
        session.add(folder)
    return folder


def remove(session: WriteSession, folder_id: int) -> None:
    """Let a folder go. Its songs keep their likes and plays, and are missing. Raises NotFound."""
    folder = session.get(LibraryFolder, folder_id)
    if folder is None:
        raise NotFound("There is no such folder.")
    songs = list(session.scalars(select(Song).where(Song.library_id == folder_id)))
    for song in songs:
        song.library_id, song.path = None, None
    session.query(LibraryFile).filter(LibraryFile.folder_id == folder_id).delete()
    session.flush()
    lose(session, songs)
    session.delete(folder)
    session.flush()


def lose(session: WriteSession, songs: list[Song]) -> None:
    """Songs whose file is not there any more: they are listed no longer, and lose nothing else."""
    with changing(session, [song.id for song in songs]):
        for song in songs:
            song.missing_at, song.listed = clock.now(), False
        session.flush()


def last_scan(session: ReadSession) -> Scan | None:
    """The present scan, else the last."""
    return session.scalar(select(Scan).order_by(Scan.id.desc()).limit(1))


def is_scanning(session: ReadSession) -> bool:
    """Whether the folders are being looked through, or soon will be: apps start a scan and wait until none is left."""
    last = last_scan(session)
    waits = exists().where(QueuedJob.name == SCAN_JOB, QueuedJob.state != "dead")
    return (last is not None and last.state == "running") or bool(session.scalar(select(waits)))
