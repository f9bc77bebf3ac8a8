"""The raw lanes: of sound, a song's file as it is, or a range of it, and of what Subsonic's apps read.

The first takes `/api/music/songs/ID/stream` with a bearer token and Subsonic's `/music/rest/stream` with token and
salt, where the file lies on this machine and nothing has to be converted. Who may hear what is at hand in memory, see
`at_hand`. Everything else, and every refusal, is left to the routes, which say it in their own words."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from operator import itemgetter, methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast
from urllib.parse import parse_qsl

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.http import Call, Principal
from dodeca.kernel.http.access import Access, check_access, check_permissions
from dodeca.kernel.media import Delivery, answer
from dodeca.products.music.at_hand import Listener, Sound, at_hand
from dodeca.products.music.compat import signing_in
from dodeca.products.music.compat.subsonic.answering import HEADERS, written
from dodeca.products.music.compat.subsonic.asking import METHODS, Asked, Parameters
from dodeca.products.music.compat.subsonic.schema import Node
from dodeca.products.music.sending import SOUND_HEADERS
from dodeca.products.music.service.viewers import PRODUCT
from dodeca.products.music.settings import MusicSettings
from dodeca.products.music.sound import PRIVATE, Where, delivery_of

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

_OWN: Final = re.compile(r"/api/music/songs/([1-9][0-9]{0,17})/stream")
_SUBSONIC: Final = frozenset({"/music/rest/stream", "/music/rest/stream.view"})
_NEEDED: Final = ("u", "t", "s", "v", "c", "id")
_needed_of = itemgetter(*_NEEDED)
_in_two = methodcaller("split", "=", 1)
KEPT: Final = 20_000
"""Files whose headers a process has at hand."""
PIECES_KEPT: Final = 512
"""Pieces of files that a process has in its own memory, of at most `MOST_AT_HAND` bytes each: to open and read a file
takes as long as all the rest of an answer."""
LONGEST_KEPT: Final = 100
"""Characters of headers with which an answer is kept."""
_ANY_ORIGIN: Final = ("access-control-allow-origin", "*")
_VERSION: Final = re.compile(r"1\.(?:[0-9]|1[0-6])(?:\.[0-9]+)?")
MOST_AT_HAND: Final = 128 << 10
"""Bytes up to which a piece of a file is sent from memory."""
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)
"""Linux: read what needs no waiting, see preadv2(2)."""
_REST: Final = "/music/rest/"
_ANSWERED: Final = [(name.lower(), value) for name, value in HEADERS.items()] + [
    _ANY_ORIGIN,
    ("access-control-expose-headers", SOUND_HEADERS),
]
_ASKED: Final = ("range", "if-range", "if-none-match", "if-match", "if-modified-since", "if-unmodified-since")


_AppRequest = tuple[str, str, str, str]
"""What an app of Subsonic brings: its name, token and salt, and the number of the song it wants."""


class _FileAnswer(NamedTuple):
    """What is sent of a file: the bytes from `start` up to, not including, `end`.

    Subsonic's apps are told in `open_headers` that a page of any origin may read them."""

    name: str
    status: int
    headers: list[tuple[str, str]]
    open_headers: list[tuple[str, str]]
    start: int
    end: int
    changes: bool
    """Whether the file may have another content tomorrow: those of the media store have not."""


class SoundLane:
    """See the module's text."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._is_sent_elsewhere = bool(platform.hostnames or platform.config.group(MusicSettings).accel_prefix)
        self._guesses = signing_in.guesses(platform)
        self._hand = at_hand(platform)
        self._deliveries: OrderedDict[str, tuple[tuple[int, int, str], Delivery]] = OrderedDict()
        self._answers: OrderedDict[tuple[Any, ...], tuple[Where, _FileAnswer]] = OrderedDict()
        self._pieces: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()

    def answer_at_once(self, scope: Any, protocol: Any) -> bool:
        """Answer an app of Subsonic from SQLite and give True, or leave it."""
        asked = self._of_app(scope)
        if asked is None:
            return False
        hand, (name, token, salt, number) = self._hand, asked
        listener, song = hand.known(name, number)
        try:
            if listener is None or song is None:
                listener, song = self._platform.db.read(lambda session: hand.look_up(session, int(number), name=name))
            if listener is None or song is None or not listener.is_proven(token, salt):
                return False
            return self._sent(listener, song, scope, protocol, True)
        except DodecaError:  # said by the route, in its protocol's words
            return False

    def handle(self, scope: Any, protocol: Any) -> Awaitable[bool] | bool:
        """Answer a plain request for sound and give True, or leave it."""
        if (asked := self._of_app(scope)) is not None:
            return self._answer_app(asked, scope, protocol)
        path: str = scope.path
        if not path.endswith("/stream") or scope.method != "GET" or self._is_sent_elsewhere or scope.query_string:
            return False
        own = _OWN.fullmatch(path)
        header = scope.headers.get("authorization") if own is not None else None
        return False if own is None or header is None else self._answer_member(int(own[1]), header, scope, protocol)

    def _of_app(self, scope: Any) -> _AppRequest | None:
        """A plain request of an app for sound. It is read with few calls into Python: between two starts the kernel
        copies a piece of a file through the processor's caches, so that each call costs several times what it should.
        """
        if scope.path not in _SUBSONIC or scope.method != "GET" or self._is_sent_elsewhere:
            return None
        query: str = scope.query_string
        coded = "%" in query or "+" in query
        pairs: list[Any] = parse_qsl(query, keep_blank_values=True) if coded else [*map(_in_two, query.split("&"))]
        try:
            values: dict[str, str] = dict(pairs)
            user, token, salt, version, client, number = _needed_of(values)
        except (KeyError, ValueError):  # ValueError: a name without a value
            return None
        if len(values) != len(pairs) or len(values) != len(_NEEDED) + ("f" in values):
            return None
        if not client or not (number.isascii() and number.isdigit() and len(number) < 19) or number[0] == "0":
            return None
        name = plain_name(self._guesses, version, user)
        return None if name is None else (name, token.lower(), salt, number)

    async def _answer_app(self, asked: _AppRequest, scope: Any, protocol: Any) -> bool:
        hand, (name, token, salt, number) = self._hand, asked
        listener, song = hand.known(name, number)
        try:
            if listener is None or song is None:
                listener, song = await self._platform.db.aread(lambda s: hand.look_up(s, int(number), name=name))
            if listener is None or song is None or not listener.is_proven(token, salt):
                return False
            return self._sent(listener, song, scope, protocol, True)
        except DodecaError:  # said by the route, in its protocol's words
            return False

    async def _answer_member(self, song_id: int, header: str, scope: Any, protocol: Any) -> bool:
        platform, hand = self._platform, self._hand
        try:
            principal = await platform.authenticator.by_authorization(header)
            check_access(Access.MEMBER, principal, PRODUCT)
            check_permissions(principal, writes=False)
            account_id = principal.account_id
            listener, song = hand.account(account_id), hand.song(song_id)
            if listener is None or song is None:
                listener, song = await platform.db.aread(lambda s: hand.look_up(s, song_id, account_id=account_id))
            if listener is None or song is None:
                return False
            return self._sent(listener, song, scope, protocol, False)
        except DodecaError:  # said by the route, in its protocol's words
            return False

    def _sent(self, listener: Listener, song: Sound, scope: Any, protocol: Any, to_app: bool) -> bool:
        """Send the song to whoever may hear it as it is. Raises TooManyRequests."""
        if listener.max_bit_rate or not (song.listed or song.is_for(listener.account_id)):  # or it is converted
            return False
        self._platform.limit_member(listener.account_id)
        found = self._file_answer(song.where, scope.headers.get)
        if found is None:
            return False
        headers = found.open_headers if to_app else found.headers
        if found.end <= found.start:
            protocol.response_empty(found.status, headers)
        elif found.status == 206:
            piece = self._piece(found)
            if piece is not None:
                protocol.response_bytes(206, headers, piece)
            else:
                protocol.response_file_range(206, headers, found.name, found.start, found.end)
        else:
            protocol.response_file(found.status, headers, found.name)
        return True

    def _piece(self, found: _FileAnswer) -> bytes | bytearray | None:
        """A small piece of a file, where it can be had without waiting for a disk."""
        name, start, end = found.name, found.start, found.end
        if found.changes:
            return in_memory(name, start, end)
        piece = self._pieces.get((name, start, end))
        if piece is None and (read := in_memory(name, start, end)) is not None:
            piece = self._pieces[name, start, end] = bytes(read)
            if len(self._pieces) > PIECES_KEPT:
                self._pieces.popitem(last=False)
        return piece

    def _file_answer(self, where: Where, header: Callable[[str], str | None]) -> _FileAnswer | None:
        """What is sent of a file, None where it is not there."""
        asked = (*map(header, _ASKED),)
        if where.path is not None:
            headers = _given(asked)
            delivery = self._delivery(where.path, where)
            return None if delivery is None else _answer_of(where.path, delivery, headers, changes=True)
        # A file of the media store never changes: what was answered once is the answer.
        key = (where.song_id, asked)
        known = self._answers.get(key)
        if known is not None and known[0] is where:
            return known[1]
        headers = _given(asked)
        name = self._platform.media.local_name(where.media_key or "")
        delivery = self._delivery(name, where) if name is not None else None
        if name is None or delivery is None:
            return None
        found = _answer_of(name, delivery, headers, changes=False)
        if sum(len(value) for _, value in headers) < LONGEST_KEPT:
            self._answers[key] = (where, found)
            if len(self._answers) > KEPT:
                self._answers.popitem(last=False)
        return found

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
        delivery = delivery_of(Path(name), where, PRIVATE)
        self._deliveries[name] = (state, delivery)
        if len(self._deliveries) > KEPT:
            self._deliveries.popitem(last=False)
        return delivery


def _given(asked: Sequence[str | None]) -> list[tuple[str, str]]:
    """The headers that came, of those in `_ASKED`."""
    return [(name, value) for name, value in zip(_ASKED, asked, strict=True) if value is not None]


def _answer_of(name: str, delivery: Delivery, headers: Sequence[tuple[str, str]], *, changes: bool) -> _FileAnswer:
    found = answer(delivery, dict(headers))
    told = list(found.headers)
    return _FileAnswer(name, found.status, told, [*told, _ANY_ORIGIN], found.start, found.end, changes)


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
            platform.limit_member(who.account_id)
            principal = Principal(account_id=who.account_id, username=who.username)
            call = Call(cast(Any, None), platform, principal, PRODUCT)
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


def in_memory(name: str, start: int, end: int) -> bytearray | None:
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
    return piece if got == len(piece) else None


def plain_name(guesses: signing_in.Guesses, version: str, user: str) -> str | None:
    """The name as it is stored, where the lane may look it up: not for what the routes refuse, or read otherwise."""
    if (version != "1.16.1" and not _VERSION.fullmatch(version)) or not user.isascii() or "@" in user:
        return None
    name = user.strip().lower()
    return None if guesses.are_refused(name) else name


def pairs_of(query: str) -> list[tuple[str, str]] | list[list[str]]:
    """Names and values of a query; most have nothing to decode."""
    if "%" in query or "+" in query:
        return parse_qsl(query, keep_blank_values=True)
    return [part.split("=", 1) if "=" in part else [part, ""] for part in query.split("&")]


def make_lane(platform: Platform) -> MusicLane:
    """The lane of one process."""
    return MusicLane(platform)
