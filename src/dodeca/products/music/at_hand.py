"""What the lane of sound keeps in memory: who signs in with which app passwords, and where songs lie.

To start a song, two questions to the database cost more than everything else. Their answers are kept for a minute, and
forgotten in every process as soon as a unit of work has changed them: accounts, app passwords and choices by
`forget_principal`, songs whenever a row is changed, which only the ORM does (counters apart). Where a replica answers,
which may not know the change yet, nothing is kept."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, event, select
from sqlalchemy.orm.attributes import instance_state

from dodeca.commons.accounts.public import PRINCIPALS, Account, holders
from dodeca.kernel import clock
from dodeca.kernel.cache import Cache
from dodeca.kernel.db import Prepared, ReadSession
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.music.models import AppPassword, LibraryFolder, Member, Song
from dodeca.products.music.service import app_passwords
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.sound import Where, whereabouts

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

KEPT_SECONDS: Final = 60.0
"""How long a change goes unnoticed whose process is killed between its commit and telling the others. With 10,000 who
listen at once, what is read again within a quarter of that takes a tenth of all the time."""
MOST_LISTENERS: Final = 20_000
MOST_SONGS: Final = 50_000
_BYTES: Final = 1_000
"""What one of them takes, roughly."""


def _holds(role: str) -> ColumnElement[bool]:
    """Whether the account of a row has a role: by key, where a list of all who have it would cost as much again."""
    has = holders(role)
    return has.where(has.selected_columns.account_id == Account.id).exists()


_of_listener = (
    select(
        Account.id,
        Account.username,
        _holds("moderator"),
        _holds("admin"),
        Member.max_bit_rate,
        AppPassword.id,
        AppPassword.sealed,
        AppPassword.used_at,
    )
    .select_from(Account)
    .outerjoin(AppPassword, AppPassword.user_id == Account.id)
    .outerjoin(Member, Member.user_id == Account.id)
    .where(Account.suspended_at.is_(None), Account.deletion_due_at.is_(None), Account.deleted_at.is_(None))
    .order_by(AppPassword.id.desc())
)
_by_name = Prepared(_of_listener.where(Account.username_key == bindparam("key")))
_by_id = Prepared(_of_listener.where(Account.id == bindparam("key")))
_LOCATING: Final = (
    "listed",
    "uploader_id",
    "missing_at",
    "audio_hash",
    "suffix",
    "content_type",
    "bit_rate",
    "duration_ms",
    "size",
    "media_key",
    "library_id",
    "path",
)
"""Columns of a song that say who may hear it and where it lies."""


def _located() -> Select[Any]:
    columns = [getattr(Song, name) for name in _LOCATING]
    statement = select(*columns, LibraryFolder.path).select_from(Song)
    return statement.outerjoin(LibraryFolder, LibraryFolder.id == Song.library_id)


_song = Prepared(_located().where(Song.id == bindparam("song_id")))


class Secret(msgspec.Struct, frozen=True, gc=False):
    """An app password in UTF-8, and from when on its use is to be noted again (seconds since the Unix epoch)."""

    number: int
    text: bytes
    due_at: float

    @property
    def use_is_due(self) -> bool:
        """Whether its use is to be noted again."""
        return self.due_at < clock.timestamp()


class Listener(msgspec.Struct, frozen=True):
    """An active account: its app passwords, the newest first, and its choice of kbit/s (0: as the file is)."""

    account_id: str
    username: str
    viewer: Viewer
    max_bit_rate: int
    secrets: tuple[Secret, ...]

    def secret_of(self, token: str, salt: str) -> Secret | None:
        """The app password of which a token is made: the MD5 in hexadecimal of the password and a salt."""
        if not token.isascii():
            return None
        salted = salt.encode("utf-8", "surrogatepass")
        for secret in self.secrets:
            made = hashlib.md5(secret.text + salted, usedforsecurity=False).hexdigest()
            if hmac.compare_digest(made, token):
                return secret
        return None

    def is_proven(self, token: str, salt: str) -> bool:
        """Whether a token is made of an app password whose use need not be noted again."""
        secret = self.secret_of(token, salt)
        return secret is not None and secret.due_at >= clock.timestamp()


class Sound(msgspec.Struct, frozen=True):
    """A song that can be heard: by everybody, where it is `listed`, else by its uploader."""

    where: Where
    listed: bool
    uploader_id: str | None

    def is_for(self, account_id: str) -> bool:
        """Whether an account may hear it."""
        return self.listed or self.uploader_id == account_id


class AtHand:
    """See the module's text. Safe from any thread."""

    def __init__(self, platform: Platform) -> None:
        self._open = app_passwords.opener(platform)
        self._keeps = not platform.settings.database_replica_url
        self._ids: OrderedDict[str, str] = OrderedDict()
        self._listeners: Cache[Listener] = Cache(
            PRINCIPALS,  # is told of accounts, by their ids
            max_bytes=MOST_LISTENERS * _BYTES * 2,
            max_entries=MOST_LISTENERS,
            seconds=KEPT_SECONDS,
            size=_size,
            invalidation=platform.invalidation,
        )
        self._songs: Cache[Sound] = Cache(
            "music.songs",
            max_bytes=MOST_SONGS * _BYTES * 2,
            max_entries=MOST_SONGS,
            seconds=KEPT_SECONDS,
            size=_size,
            invalidation=platform.invalidation,
        )

    def named(self, name: str) -> Listener | None:
        """The account of a name as it is stored, where it is known here."""
        account_id = self._ids.get(name)
        return None if account_id is None else self._listeners.get(account_id)

    def account(self, account_id: str) -> Listener | None:
        """The account of an id, where it is known here."""
        return self._listeners.get(account_id)

    def known(self, name: str, number: str) -> tuple[Listener | None, Sound | None]:
        """The account of a name as it is stored, and the song of an id in decimal digits, where they are known here."""
        account_id = self._ids.get(name)
        return None if account_id is None else self._listeners.get(account_id), self._songs.get(number)

    def song(self, song_id: int) -> Sound | None:
        """The song of an id, where it is known here."""
        return self._songs.get(str(song_id))

    def look_up(
        self, session: ReadSession, song_id: int, *, name: str = "", account_id: str = ""
    ) -> tuple[Listener | None, Sound | None]:
        """The account of a name or an id, and a song: what is not at hand is read."""
        of_song = _mark(self._songs, session)  # before the first statement, which decides what the others see
        song = self.song(song_id)
        if account_id:
            listener = self.account(account_id) or self._read_account(session, account_id, alone=song is not None)
        else:
            listener = self.named(name) or self.read_named(session, name, alone=song is not None)
        return listener, song or self._read_song(session, song_id, of_song)

    def read_named(self, session: ReadSession, name: str, *, alone: bool = False) -> Listener | None:
        """Look an account up by its name as it is stored. `alone`: nothing else is read in the unit of work."""
        mark = _mark(self._listeners, session)
        rows = _by_name.rows_alone(session, key=name) if alone else _by_name.rows(session, key=name)
        found = self._listener(rows, mark)
        if found is not None and self._keeps:
            self._ids[name] = found.account_id
            if len(self._ids) > 2 * MOST_LISTENERS:
                self._ids.popitem(last=False)
        return found

    def _read_account(self, session: ReadSession, account_id: str, *, alone: bool) -> Listener | None:
        mark = _mark(self._listeners, session)
        rows = _by_id.rows_alone(session, key=account_id) if alone else _by_id.rows(session, key=account_id)
        return self._listener(rows, mark)

    def _listener(self, rows: Sequence[Sequence[Any]], mark: int | None) -> Listener | None:
        if not rows:
            return None
        account_id, username, moderates, administers, most, *_ = rows[0]
        secrets = [
            Secret(number, self._open(sealed, account_id).encode(), app_passwords.use_due_at(used_at))
            for *_, number, sealed, used_at in rows
            if number is not None
        ]
        viewer = Viewer(account_id, bool(moderates or administers), bool(administers))
        found = Listener(account_id, username, viewer, most or 0, tuple(secrets))
        if self._keeps and mark is not None:
            self._listeners.put(account_id, found, mark)
        return found

    def read_song(self, session: ReadSession, song_id: int) -> Sound | None:
        """Look a song up; None where there is none that can be heard."""
        return self._read_song(session, song_id, _mark(self._songs, session))

    def _read_song(self, session: ReadSession, song_id: int, mark: int | None) -> Sound | None:
        row = _song.first(session, song_id=song_id)
        if row is None:
            return None
        listed, uploader_id, missing_at, audio_hash, suffix, kind, rate, length, size, key, _, inside, folder = row
        if missing_at is not None or audio_hash is None:
            return None
        where = whereabouts(song_id, "", audio_hash, suffix, kind, rate, length, size, key, folder, inside)
        if where.path is None and key is None:
            return None
        found = Sound(where, listed, uploader_id)
        if self._keeps and mark is not None:
            self._songs.put(str(song_id), found, mark)
        return found

    def forget_song(self, song_id: int) -> None:
        """A song has changed: look it up again, in every process."""
        self._songs.invalidate(str(song_id))


def _mark(cache: Cache[Any], session: ReadSession) -> int | None:
    """From when on what is read may be kept; None where the unit of work reads what was so at an earlier moment."""
    driver = session.info.get("driver")
    begun = driver.in_transaction if driver is not None else session.in_transaction()
    return None if begun else cache.mark()


def _size(_value: object) -> int:
    return _BYTES


at_hand: Final = OfPlatform(AtHand)
"""What this process keeps of a platform. Each process has it from its start: one that keeps nothing itself, such as an
import, tells the others of what it changes."""


@event.listens_for(Song, "after_update")
def _changed(_mapper: object, _connection: object, song: Song) -> None:
    if not instance_state(song).committed_state.keys().isdisjoint(_LOCATING):
        _forget_later(song)


@event.listens_for(Song, "after_delete")
def _deleted(_mapper: object, _connection: object, song: Song) -> None:
    _forget_later(song)


def _forget_later(song: Song) -> None:
    song_id = song.id
    at_hand.after_change_of(song, lambda hand: hand.forget_song(song_id))
