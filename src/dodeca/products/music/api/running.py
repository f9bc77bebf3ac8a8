"""Folders of the server and their scans, for admins."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dodeca.kernel.http import Access, AnyBody, ClosedRequest, DbRead, DbWrite, FromPath, delete, get, post
from dodeca.products.music.acting import number
from dodeca.products.music.jobs import scan_folders
from dodeca.products.music.models import LibraryFolder
from dodeca.products.music.service import folders
from dodeca.products.music.views import ScanView, scan_view

Line = Annotated[str, msgspec.Meta(max_length=1000)]


class NewFolder(ClosedRequest):
    """A folder of the server."""

    path: Line
    name: Line = ""
    watched: bool = True


class FolderView(msgspec.Struct):
    """A folder that is scanned."""

    library_id: str
    name: str
    path: str
    watched: bool
    songs: int


class FolderList(msgspec.Struct):
    """All folders."""

    libraries: list[FolderView]


@post("/scan", access=Access.ADMIN, status=202)
def start_scan(session: DbWrite) -> ScanView:
    """Look through all folders, soon."""
    scan_folders.enqueue(session, key="scan")
    return scan_view(session)


@get("/scan", access=Access.ADMIN)
def read_scan(session: DbRead) -> ScanView:
    """How far the last scan has come."""
    return scan_view(session)


@get("/libraries", access=Access.ADMIN)
def list_libraries(session: DbRead) -> FolderList:
    """All folders that are scanned."""
    return FolderList([_view(folder, count) for folder, count in folders.all_folders(session)])


def _view(folder: LibraryFolder, count: int) -> FolderView:
    return FolderView(str(folder.id), folder.name, folder.path, folder.watched, count)


@post("/libraries", access=Access.ADMIN)
def add_library(session: DbWrite, data: AnyBody[NewFolder]) -> FolderView:
    """Let a folder be scanned and watched."""
    folder = folders.add(session, data.path, data.name, watched=data.watched)
    scan_folders.enqueue(session, key="scan")
    return _view(folder, 0)


@delete("/libraries/{library_id:str}", access=Access.ADMIN)
def remove_library(session: DbWrite, library_id: FromPath[str]) -> None:
    """Let a folder go: its songs are missing until it comes back."""
    folders.remove(session, number(library_id))


routes = [start_scan, read_scan, list_libraries, add_library, remove_library]
