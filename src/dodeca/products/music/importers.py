"""Files in and out for one account: listens as JSON Lines, playlists and iTunes libraries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select, tuple_

from dodeca.commons.accounts.public import Account, account_by_login, holders
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.transfer import ImportReport, Progress
from dodeca.products.music import formats, listen_files, transfers
from dodeca.products.music.accounts import listen_row
from dodeca.products.music.formats import LibraryFile
from dodeca.products.music.formats import listens as listen_lines
from dodeca.products.music.formats.listens import ListenRow
from dodeca.products.music.models import Listen
from dodeca.products.music.service.viewers import Viewer

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

PAGE = 1000


def _owner(session: ReadSession, owner: str) -> Account:
    """The account that it is about: the named one, else the first admin."""
    if owner:
        found = account_by_login(session, owner)
        if found is None:
            raise NotFound(f"There is no account {owner}.")
        return found
    admins = select(Account).where(Account.id.in_(holders("admin"))).order_by(Account.created_at).limit(1)
    found = session.scalar(admins)
    if found is None:
        raise Invalid("Say whose it is: --as NAME.")
    return found


def run(platform: Platform, path: Path, progress: Progress, owner: str = "", **_options: object) -> ImportReport:
    """Take a file in: what it is, its content tells."""
    with path.open("rb") as file:
        is_listens = listen_lines.is_begun(file.read(listen_lines.LONGEST_LINE))
    return (take_listens if is_listens else take_lists)(platform, path, progress, owner)


def take_listens(
    platform: Platform, path: Path, progress: Progress, owner: str = "", **_options: object
) -> ImportReport:
    """Listens, a line each, as ListenBrainz gives them out."""
    account_id = platform.db.read(lambda session: _owner(session, owner).id)
    report = ImportReport()
    progress.start("Listens", None)
    with path.open("rb") as file:
        for part in listen_files.parts(file):
            listen_files.note(report, part, platform.db.write(listen_files.recording(account_id, part)))
            progress.advance(len(part))
    return report


def take_lists(platform: Platform, path: Path, progress: Progress, owner: str = "", **_options: object) -> ImportReport:
    """A playlist, a smart playlist or an iTunes library."""
    file = formats.read_any(path.read_bytes())
    viewer = Viewer(platform.db.read(lambda session: _owner(session, owner).id))
    entries = transfers.entries_of(file)
    known = platform.db.read(lambda session: transfers.matched(session, viewer, entries))
    progress.start("Songs", len(entries))
    if isinstance(file, LibraryFile):
        parts = []
        for unit in transfers.library_units(viewer, file, known):
            parts.append(platform.db.write(unit))
            progress.advance(parts[-1].matched)
        done = transfers.together(parts)
    else:
        title = "" if file.title else path.stem
        done = platform.db.write(lambda s: transfers.take_playlist(s, viewer, file, known, title))
        progress.advance(done.matched)
    report = ImportReport(read=done.matched, added=done.matched)
    for one in done.unmatched:
        report.refuse(0, f"Not here: {one.artist} - {one.title} {one.location}".strip())
    report.notes.append(
        f"{len(done.playlists)} playlists, {done.rated} ratings, {done.liked} likes, {done.listens} listens"
    )
    return report


def export_listens(platform: Platform, owner: str = "", **_options: object) -> Iterator[bytes]:
    """An account's listens, oldest first, as ListenBrainz' JSON Lines."""
    account_id = platform.db.read(lambda session: _owner(session, owner).id)
    place = tuple_(Listen.listened_at, Listen.id)
    mine = select(Listen).where(Listen.user_id == account_id).order_by(*place).limit(PAGE)
    after: tuple[datetime, int] | None = None
    while True:

        def page(session: ReadSession, after: tuple[datetime, int] | None = after) -> list[tuple[int, ListenRow]]:
            later = mine if after is None else mine.where(place > tuple_(*after))
            return [(row.id, listen_row(row)) for row in session.scalars(later)]

        rows = platform.db.read(page)
        if not rows:
            return
        yield from listen_lines.write(row for _id, row in rows)
        after = rows[-1][1].listened_at, rows[-1][0]


importers = {"": run, "listens": take_listens, "playlist": take_lists, "itunes": take_lists}
exporters = {"": export_listens, "listens": export_listens}
