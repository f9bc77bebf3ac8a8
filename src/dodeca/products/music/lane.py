"""The raw lane of sound: a song's file as it is, or a range of it, to whoever is known at once.

It takes `/api/music/songs/ID/stream` with a bearer token and Subsonic's `/music/rest/stream` with token and salt, where
the file lies on this machine and nothing has to be converted. Whether the caller may hear the song is asked each time.
Everything else, and every refusal, is left to the routes, which say it in their own words."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import parse_qsl

from sqlalchemy import bindparam, select

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import Call, Principal
from dodeca.kernel.http.access import Access, check_access, check_permissions
from dodeca.kernel.media import answer
from dodeca.products.music import sound
from dodeca.products.music.compat import signing_in
from dodeca.products.music.models import AppPassword, LibraryFolder, Member, Song
from dodeca.products.music.service import app_passwords
from dodeca.products.music.service.viewers import PRODUCT
from dodeca.products.music.settings import MusicSettings
from dodeca.products.music.sound import Where

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

_OWN: Final = re.compile(r"/api/music/songs/([1-9][0-9]{0,17})/stream")
_SUBSONIC: Final = ("/music/rest/stream", "/music/rest/stream.view")
_PLAIN: Final = frozenset({"u", "t", "s", "v", "c", "id", "f"})
_VERSION: Final = re.compile(r"1\.(?:[0-9]|1[0-6])(?:\.[0-9]+)?")
_ASKED: Final = ("range", "if-range", "if-none-match", "if-match", "if-modified-since", "if-unmodified-since")

_song = Prepared(
    select(
        Song.listed,
        Song.uploader_id,
        Song.missing_at,
        Song.audio_hash,
        Song.suffix,
        Song.content_type,
        Song.bit_rate,
        Song.duration_ms,
        Song.size,
        Song.media_key,
        Song.path,
        Song.library_id,
    ).where(Song.id == bindparam("song_id"))
)
_folder = Prepared(select(LibraryFolder.path).where(LibraryFolder.id == bindparam("folder_id")))
_limit = Prepared(select(Member.max_bit_rate).where(Member.user_id == bindparam("account_id")))
_passwords = Prepared(
    select(
        Account.id,
        Account.username,
        Account.suspended_at,
        Account.deletion_due_at,
        Account.deleted_at,
        AppPassword.sealed,
        AppPassword.used_at,
        Member.max_bit_rate,
    )
    .join(AppPassword, AppPassword.user_id == Account.id)
    .outerjoin(Member, Member.user_id == Account.id)
    .where(Account.username_key == bindparam("name"))
)


class _Asked(NamedTuple):
    """A request of the lane: which song, and the credentials of one of the two protocols."""

    song_id: int
    header: str
    name: str = ""
    token: str = ""
    salt: str = ""


class SoundLane:
    """See the module's text."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._accel = bool(platform.config.group(MusicSettings).accel_prefix)
        self._open = app_passwords.opener(platform)

    def handle(self, scope: Any, protocol: Any) -> Any:
        """Answer a plain request for sound and give True, or leave it."""
        path: str = scope.path
        if scope.method != "GET" or not path.endswith(("/stream", "/stream.view")) or self._platform.hostnames:
            return False
        asked = self._read(path, scope)
        return False if asked is None or self._accel else self._answer(asked, scope, protocol)

    def _read(self, path: str, scope: Any) -> _Asked | None:
        own = _OWN.fullmatch(path)
        if own is not None:
            header = scope.headers.get("authorization")
            return _Asked(int(own[1]), header) if header is not None and not scope.query_string else None
        if path not in _SUBSONIC:
            return None
        pairs = _pairs(scope.query_string)
        values = dict(pairs)
        fit = len(values) == len(pairs) and values.keys() <= _PLAIN and {"u", "t", "s", "v", "c", "id"} <= values.keys()
        number = values.get("id", "")
        if not fit or not values["c"] or not (number.isascii() and number.isdigit() and len(number) < 19):
            return None
        if not _VERSION.fullmatch(values["v"]) or not values["u"].isascii() or "@" in values["u"]:
            return None
        if signing_in.is_guarded(self._platform, values["u"].strip()):
            return None  # the route refuses the guesses, right ones too
        return _Asked(int(number), "", values["u"].strip().lower(), values["t"].lower(), values["s"])

    async def _answer(self, asked: _Asked, scope: Any, protocol: Any) -> bool:
        platform = self._platform
        try:
            principal: Principal | None = None
            if asked.header:
                principal = await platform.authenticator.by_authorization(asked.header)
                check_access(Access.MEMBER, principal, PRODUCT)
                check_permissions(principal, writes=False)
            found = await platform.db.aread(lambda session: self._find(session, asked, principal))
            if found is None:
                return False
            account, where = found
            platform.limit(Call(cast(Any, None), platform, account, PRODUCT), None)
            path = sound.located(platform, where)
            if path is None:
                return False
            delivery = sound.delivery_of(path, where, sound.PRIVATE)
        except DodecaError:  # said by the route, in its protocol's words
            return False
        headers: Mapping[str, str] = {name: value for name in _ASKED if (value := scope.headers.get(name)) is not None}
        given = answer(delivery, headers)
        told = list(given.headers)
        if asked.name:
            told.append(("access-control-allow-origin", "*"))
        if given.end <= given.start:
            protocol.response_empty(given.status, told)
        elif given.status == 206:
            protocol.response_file_range(206, told, os.fspath(path), given.start, given.end)
        else:
            protocol.response_file(given.status, told, os.fspath(path))
        return True

    def _find(self, session: ReadSession, asked: _Asked, principal: Principal | None) -> tuple[Principal, Where] | None:
        """Who asks and where the song lies, if they may hear it as it is."""
        if principal is not None:
            account: Principal | None = principal
            limit = _limit.first(session, account_id=principal.account_id)
            if limit is not None and limit[0]:
                return None  # it is converted
        else:
            account = self._signed_in(session, asked)
        if account is None:
            return None
        row = _song.first(session, song_id=asked.song_id)
        if row is None or row[2] is not None or row[3] is None or (not row[0] and row[1] != account.account_id):
            return None
        path = None
        if row[10] is not None and row[11] is not None:
            folder = _folder.first(session, folder_id=row[11])
            path = os.path.join(folder[0], row[10]) if folder is not None else None
        elif row[9] is None:
            return None
        kind = row[5] or "application/octet-stream"
        where = Where(asked.song_id, "", row[3], row[4] or "", kind, row[6] or 0, row[7], row[8] or 0, row[9], path)
        return account, where

    def _signed_in(self, session: ReadSession, asked: _Asked) -> Principal | None:
        """The account whose app password the token was made of, unless its use is to be noted."""
        hour_ago = clock.now() - timedelta(seconds=app_passwords.USE_NOTED_SECONDS)
        given = asked.token.encode("ascii", "replace")
        rows = _passwords.rows(session, name=asked.name)
        for account_id, username, suspended, due, deleted, sealed, used_at, most in rows:
            if suspended or due or deleted or most or used_at is None or used_at < hour_ago:
                continue
            text = (self._open(sealed, account_id) + asked.salt).encode("utf-8", "surrogatepass")
            made = hashlib.md5(text, usedforsecurity=False).hexdigest().encode()
            if hmac.compare_digest(made, given):
                return Principal(account_id=account_id, username=username)
        return None


def _pairs(query: str) -> list[tuple[str, str]]:
    """Names and values of a query; most have nothing to decode."""
    if "%" in query or "+" in query:
        return parse_qsl(query, keep_blank_values=True)
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]


def make_lane(platform: Platform) -> SoundLane:
    """The lane of one process."""
    return SoundLane(platform)
