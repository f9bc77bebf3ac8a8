"""The raw lanes: of sound, a song's file as it is, or a range of it, and of what Subsonic's apps read.

The first takes `/api/music/songs/ID/stream` with a bearer token and Subsonic's `/music/rest/stream` with token and
salt, where the file lies on this machine and nothing has to be converted. Whether the caller may hear the song is asked
each time. Everything else, and every refusal, is left to the routes, which say it in their own words."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast
from urllib.parse import parse_qsl

from sqlalchemy import bindparam, select

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import Call, Principal
from dodeca.kernel.http.access import Access, check_access, check_permissions
from dodeca.kernel.media import Delivery, answer
from dodeca.products.music import sound
from dodeca.products.music.compat import signing_in
from dodeca.products.music.compat.subsonic.answering import HEADERS, written
from dodeca.products.music.compat.subsonic.asking import METHODS, Asked, Parameters
from dodeca.products.music.compat.subsonic.schema import Node
from dodeca.products.music.models import AppPassword, LibraryFolder, Member, Song
from dodeca.products.music.sending import SOUND_HEADERS
from dodeca.products.music.service import app_passwords
from dodeca.products.music.service.viewers import PRODUCT
from dodeca.products.music.settings import MusicSettings
from dodeca.products.music.sound import Where

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

_OWN: Final = re.compile(r"/api/music/songs/([1-9][0-9]{0,17})/stream")
_SUBSONIC: Final = ("/music/rest/stream", "/music/rest/stream.view")
_PLAIN: Final = frozenset({"u", "t", "s", "v", "c", "id", "f"})
KEPT: Final = 20_000
"""Files whose headers a process has at hand."""
_VERSION: Final = re.compile(r"1\.(?:[0-9]|1[0-6])(?:\.[0-9]+)?")
MOST_AT_HAND: Final = 128 << 10
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)
"""Linux: read what needs no waiting, see preadv2(2)."""
_REST: Final = "/music/rest/"
_ANSWERED: Final = [(name.lower(), value) for name, value in HEADERS.items()] + [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", SOUND_HEADERS),
]
_ASKED: Final = ("range", "if-range", "if-none-match", "if-match", "if-modified-since", "if-unmodified-since")

_OF_SONG: Final = (
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
    LibraryFolder.path,
)
_most = select(Member.max_bit_rate).where(Member.user_id == bindparam("account_id")).scalar_subquery()
_for_member = Prepared(
    select(_most, *_OF_SONG)
    .select_from(Song)
    .outerjoin(LibraryFolder, LibraryFolder.id == Song.library_id)
    .where(Song.id == bindparam("song_id"))
)
_OF_APP: Final = (
    Account.id,
    Account.username,
    Account.suspended_at,
    Account.deletion_due_at,
    Account.deleted_at,
    AppPassword.sealed,
    AppPassword.used_at,
    Member.max_bit_rate,
)
_for_app = Prepared(
    select(*_OF_APP, *_OF_SONG)
    .select_from(Account)
    .join(AppPassword, AppPassword.user_id == Account.id)
    .outerjoin(Member, Member.user_id == Account.id)
    .join(Song, Song.id == bindparam("song_id"))
    .outerjoin(LibraryFolder, LibraryFolder.id == Song.library_id)
    .where(Account.username_key == bindparam("name"))
)
"""Everything in one statement: it costs about as much as each of three, and needs no transaction around it."""


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
        self._guesses = signing_in.guesses(platform)
        self._open = app_passwords.opener(platform)
        self._deliveries: OrderedDict[str, tuple[tuple[int, int, str], Delivery]] = OrderedDict()

    def answer_at_once(self, scope: Any, protocol: Any) -> bool:
        """Answer an app of Subsonic from SQLite and give True, or leave it."""
        asked = self._read(scope)
        if asked is None or asked.header:
            return False
        try:
            return self._send(asked, self._platform.db.read(lambda s: self._find(s, asked, None)), scope, protocol)
        except DodecaError:  # said by the route, in its protocol's words
            return False

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """Answer a plain request for sound and give True, or leave it."""
        asked = self._read(scope)
        return False if asked is None else self._answer(asked, scope, protocol)

    def _read(self, scope: Any) -> _Asked | None:
        path: str = scope.path
        if scope.method != "GET" or not path.endswith(("/stream", "/stream.view")):
            return None
        if self._platform.hostnames or self._accel:
            return None
        own = _OWN.fullmatch(path)
        if own is not None:
            header = scope.headers.get("authorization")
            return _Asked(int(own[1]), header) if header is not None and not scope.query_string else None
        if path not in _SUBSONIC:
            return None
        pairs = pairs_of(scope.query_string)
        values = dict(pairs)
        fit = len(values) == len(pairs) and values.keys() <= _PLAIN and {"u", "t", "s", "v", "c", "id"} <= values.keys()
        number = values.get("id", "")
        if not fit or not values["c"] or not (number.isascii() and number.isdigit() and len(number) < 19):
            return None
        name = plain_name(self._guesses, values["v"], values["u"])
        return None if name is None else _Asked(int(number), "", name, values["t"].lower(), values["s"])

    async def _answer(self, asked: _Asked, scope: Any, protocol: Any) -> bool:
        platform = self._platform
        try:
            principal: Principal | None = None
            if asked.header:
                principal = await platform.authenticator.by_authorization(asked.header)
                check_access(Access.MEMBER, principal, PRODUCT)
                check_permissions(principal, writes=False)
            found = await platform.db.aread(lambda session: self._find(session, asked, principal))
            return self._send(asked, found, scope, protocol)
        except DodecaError:  # said by the route, in its protocol's words
            return False

    def _send(self, asked: _Asked, found: tuple[Principal, Where] | None, scope: Any, protocol: Any) -> bool:
        """Send what was found. Raises TooManyRequests."""
        if found is None:
            return False
        account, where = found
        self._platform.limit(Call(cast(Any, None), self._platform, account, PRODUCT), None)
        name = where.path if where.path is not None else self._platform.media.local_name(where.media_key or "")
        delivery = self._delivery(name, where) if name is not None else None
        if name is None or delivery is None:
            return False
        headers: Mapping[str, str] = {name: value for name in _ASKED if (value := scope.headers.get(name)) is not None}
        given = answer(delivery, headers)
        told = list(given.headers)
        if asked.name:
            told.append(("access-control-allow-origin", "*"))
        if given.end <= given.start:
            protocol.response_empty(given.status, told)
        elif given.status == 206:
            piece = at_hand(name, given.start, given.end)
            if piece is not None:
                protocol.response_bytes(206, told, piece)
            else:
                protocol.response_file_range(206, told, name, given.start, given.end)
        else:
            protocol.response_file(given.status, told, name)
        return True

    def _delivery(self, name: str, where: Where) -> Delivery | None:
        """How a file is delivered, None where it is not there; one that was not changed is known from before."""
        try:
            stat = os.stat(name)
        except OSError:
            return None
        state = (stat.st_mtime_ns, stat.st_size, where.content_type)
        known = self._deliveries.get(name)
        if known is not None and known[0] == state:
            return known[1]
        delivery = sound.delivery_of(Path(name), where, sound.PRIVATE)
        self._deliveries[name] = (state, delivery)
        if len(self._deliveries) > KEPT:
            self._deliveries.popitem(last=False)
        return delivery

    def _find(self, session: ReadSession, asked: _Asked, principal: Principal | None) -> tuple[Principal, Where] | None:
        """Who asks and where the song lies, if they may hear it as it is."""
        if principal is not None:
            found = _for_member.first_alone(session, account_id=principal.account_id, song_id=asked.song_id)
            if found is None or found[0]:
                return None  # it is converted
            return self._heard(asked, principal, found[1:])
        hour_ago = clock.now() - timedelta(seconds=app_passwords.USE_NOTED_SECONDS)
        given = asked.token.encode("ascii", "replace")
        for row in _for_app.rows_alone(session, name=asked.name, song_id=asked.song_id):
            account_id, username, suspended, due, deleted, sealed, used_at, most = row[:8]
            if suspended or due or deleted or most or used_at is None or used_at < hour_ago:
                continue  # or the use of the password is to be noted
            text = (self._open(sealed, account_id) + asked.salt).encode("utf-8", "surrogatepass")
            made = hashlib.md5(text, usedforsecurity=False).hexdigest().encode()
            if hmac.compare_digest(made, given):
                return self._heard(asked, Principal(account_id=account_id, username=username), row[8:])
        return None

    def _heard(self, asked: _Asked, who: Principal, song: Sequence[Any]) -> tuple[Principal, Where] | None:
        """The song, if its sound is here and this one may hear it."""
        listed, uploader_id, missing_at, audio_hash, suffix, kind, rate, duration, size, key, inside, folder = song
        if missing_at is not None or audio_hash is None or (not listed and uploader_id != who.account_id):
            return None
        path = os.path.join(folder, inside) if folder is not None and inside is not None else None
        if path is None and key is None:
            return None
        kind = kind or "application/octet-stream"
        return who, Where(asked.song_id, "", audio_hash, suffix or "", kind, rate or 0, duration, size or 0, key, path)


class _Reading(NamedTuple):
    """What reads an answer, False where it cannot be told who asks; and in which format it is sent."""

    unit: Callable[[ReadSession], Node | Literal[False] | None]
    format: str


class ReadingLane:
    """Methods of Subsonic that only read, for apps that sign in with token and salt, in one unit of work."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._guesses = signing_in.guesses(platform)

    def answer_at_once(self, scope: Any, protocol: Any) -> bool:
        """Answer a plain request that only reads from SQLite and give True, or leave it."""
        asked = self._read(scope)
        try:
            return asked is not None and _told(self._platform.db.read(asked.unit), asked, protocol)
        except DodecaError:  # said by the route, in Subsonic's words
            return False

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """Answer a plain request that only reads and give True, or leave it."""
        asked = self._read(scope)
        return False if asked is None else self._answer(asked, protocol)

    async def _answer(self, asked: _Reading, protocol: Any) -> bool:
        try:
            return _told(await self._platform.db.aread(asked.unit), asked, protocol)
        except DodecaError:  # said by the route, in Subsonic's words
            return False

    def _read(self, scope: Any) -> _Reading | None:
        path: str = scope.path
        if scope.method != "GET" or not path.startswith(_REST) or self._platform.hostnames:
            return None
        method = path[len(_REST) :].removesuffix(".view")
        how, function = METHODS.get(method, ("", None))
        if how != "read" or function is None:
            return None
        values: dict[str, list[str]] = {"_method": [method]}
        for key, value in pairs_of(scope.query_string):
            values.setdefault(key, []).append(value)
        given = Parameters(values)
        if not given.text("t") or not given.text("s") or not given.text("c") or given.has("p") or given.has("apiKey"):
            return None
        name = plain_name(self._guesses, given.text("v"), given.text("u"))
        format = given.text("f", "xml")
        if name is None or format not in ("xml", "json"):
            return None
        platform = self._platform

        def unit(session: ReadSession) -> Node | Literal[False] | None:
            who = signing_in.by_token(session, platform, name, given.text("t"), given.text("s"))
            if who is None or who.note_password is not None:
                return False
            principal = Principal(account_id=who.account_id, username=who.username)
            call = Call(cast(Any, None), platform, principal, PRODUCT)
            platform.limit(call, None)
            asked = Asked(
                given.values,
                call=call,
                viewer=who.viewer,
                account_id=who.account_id,
                username=who.username,
                client=given.text("c")[:100],
            )
            return cast(Node | None, function(session, asked))

        return _Reading(unit, format)


def _told(made: Node | Literal[False] | None, asked: _Reading, protocol: Any) -> bool:
    """Send what was read, if it could be told who asks."""
    if made is False:
        return False
    content, media_type = written("ok", made, asked.format)
    protocol.response_bytes(200, [*_ANSWERED, ("content-type", media_type)], content)
    return True


class MusicLane:
    """Both. SQLite answers in the calling thread, so nothing waits and no event loop is needed."""

    def __init__(self, platform: Platform) -> None:
        self._lanes = SoundLane(platform), ReadingLane(platform)
        self._inline = platform.db.dialect == "sqlite"

    def answer_at_once(self, scope: Any, protocol: Any) -> bool:
        """Ask the one, then the other; no request is for both."""
        if not self._inline or not scope.path.startswith(_REST):
            return False
        sound, reading = self._lanes
        return sound.answer_at_once(scope, protocol) or reading.answer_at_once(scope, protocol)

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """The same in the event loop, and Dodeca's own API."""
        if not scope.path.startswith((_REST, "/api/music/songs/")):
            return False
        sound, reading = self._lanes
        answer = sound.handle(scope, protocol)
        return reading.handle(scope, protocol) if answer is False else answer


def at_hand(name: str, start: int, end: int) -> bytes | None:
    """A small piece of a file where the system has it in memory: nothing waits for a disk here.

    The start of a song is asked for much more often than the rest, and bytes cost the server a third of what a file
    does."""
    if end - start > MOST_AT_HAND or not _NOWAIT:
        return None
    piece = bytearray(end - start)
    try:
        file = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            got = os.preadv(file, [piece], start, _NOWAIT)
        finally:
            os.close(file)
    except OSError:  # not in memory, or a file system that cannot tell
        return None
    return bytes(piece) if got == len(piece) else None


def plain_name(guesses: signing_in.Guesses, version: str, user: str) -> str | None:
    """The name as it is stored, where the lane may look it up: not for what the routes refuse, or read otherwise."""
    if (version != "1.16.1" and not _VERSION.fullmatch(version)) or not user.isascii() or "@" in user:
        return None
    name = user.strip().lower()
    return None if guesses.are_refused(name) else name


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Names and values of a query; most have nothing to decode."""
    if "%" in query or "+" in query:
        return parse_qsl(query, keep_blank_values=True)
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]


def make_lane(platform: Platform) -> MusicLane:
    """The lane of one process."""
    return MusicLane(platform)
