"""Smart playlists: rules in Navidrome's form (.nsp), checked once and turned into one statement.

    {"all": [{"is": {"loved": true}}, {"any": [{"gt": {"rating": 3}}, {"inTheLast": {"lastplayed": 30}}]}],
     "sort": "-rating,title", "limit": 50}

Fields and operators: https://www.navidrome.org/docs/usage/features/smart-playlists/"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.products.music.models import (
    Album,
    Like,
    Listen,
    Playlist,
    PlaylistItem,
    Rating,
    Song,
    SongCredit,
    SongGenre,
)
from dodeca.products.music.models import Artist as ArtistRow
from dodeca.products.music.service.folding import folded
from dodeca.products.music.service.viewers import Viewer, playlists_for, songs_for

MOST_RULES: Final = 100
DEEPEST: Final = 5
MOST_SONGS: Final = 2000
LONGEST_VALUE: Final = 500
TEXTS: Final = ("title", "album", "artist", "albumartist", "genre", "codec", "filepath")
NUMBERS: Final = (
    "year", "tracknumber", "discnumber", "duration", "bitrate", "samplerate", "channels", "playcount", "rating"
)  # fmt: skip
MOMENTS: Final = ("dateadded", "lastplayed", "dateloved", "releasedate")
FLAGS: Final = ("loved", "explicit", "haslyrics", "hascoverart", "hasvideo")
FIELDS: Final = (*TEXTS, *NUMBERS, *MOMENTS, *FLAGS)
_OF_TEXT: Final = ("is", "isNot", "contains", "notContains", "startsWith", "endsWith")
_OF_FLAG: Final = ("is", "isNot")
_OF_NUMBER: Final = ("is", "isNot", "gt", "lt", "inTheRange")
_OF_MOMENT: Final = ("is", "before", "after", "inTheRange", "inTheLast", "notInTheLast")
_OF_PLAYLIST: Final = ("inPlaylist", "notInPlaylist")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def checked(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The same rules in their plain form. Raises Invalid, naming the rule that cannot be."""
    unknown = set(rules) - {"all", "any", "sort", "order", "limit", "name", "comment"}
    if unknown:
        raise _wrong(f"Rules have all or any, sort, order and limit, not {sorted(unknown)[0]!r}.")
    if ("all" in rules) == ("any" in rules):
        raise _wrong("Rules have either all or any.")
    kind = "all" if "all" in rules else "any"
    counted = [0]
    plain: dict[str, Any] = {kind: _group(rules[kind], 1, counted)}
    sort = rules.get("sort")
    if sort is not None:
        plain["sort"] = _sort(sort)
    if rules.get("order") is not None:
        if rules["order"] not in ("asc", "desc"):
            raise _wrong("order is asc or desc.")
        plain["order"] = rules["order"]
    limit = rules.get("limit")
    if limit is not None:
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_SONGS:
            raise _wrong(f"limit is from 1 to {MOST_SONGS:,}.")
        plain["limit"] = limit
    return plain


def _wrong(message: str) -> Invalid:
    return Invalid(message, field="rules")


def _group(group: Any, depth: int, counted: list[int]) -> list[dict[str, Any]]:
    if not isinstance(group, Sequence) or isinstance(group, str) or not group:
        raise _wrong("all and any hold a list of rules.")
    if depth > DEEPEST:
        raise _wrong(f"Rules stand at most {DEEPEST} deep in one another.")
    found: list[dict[str, Any]] = []
    for rule in group:
        counted[0] += 1
        if counted[0] > MOST_RULES:
            raise _wrong(f"There are at most {MOST_RULES} rules.")
        if not isinstance(rule, Mapping) or len(rule) != 1:
            raise _wrong('A rule is written {"operator": {"field": value}}.')
        operator, operand = next(iter(rule.items()))
        if operator in ("all", "any"):
            found.append({operator: _group(operand, depth + 1, counted)})
            continue
        if not isinstance(operand, Mapping) or len(operand) != 1:
            raise _wrong('A rule is written {"operator": {"field": value}}.')
        name, value = next(iter(operand.items()))
        field = str(name) if operator in _OF_PLAYLIST else str(name).lower()
        found.append({operator: {field: _value(operator, field, value)}})
    return found


def _value(operator: str, field: str, value: Any) -> Any:
    if operator in _OF_PLAYLIST:
        text = str(value).removeprefix("pl-")
        if field != "id" or not (text.isascii() and text.isdigit() and len(text) < 19):
            raise _wrong('A playlist is named {"inPlaylist": {"id": "12"}}.')
        return text
    _allow(operator, field)
    if field in TEXTS:
        if not isinstance(value, (str, int)) or len(str(value)) > LONGEST_VALUE:
            raise _wrong(f"{field} is compared with a text of at most {LONGEST_VALUE} characters.")
        return str(value).replace("\0", "")
    if field in FLAGS:
        if not isinstance(value, bool):
            raise _wrong(f"{field} is true or false.")
        return value
    if field in NUMBERS:
        return _numbers(field, value, pair=operator == "inTheRange")
    if field in MOMENTS:
        if operator in ("inTheLast", "notInTheLast"):
            days = _numbers(field, value, pair=False)
            if not 0 <= days <= 100_000:
                raise _wrong(f"{field} is within a number of days.")
            return days
        days_given = list(value) if operator == "inTheRange" and isinstance(value, (list, tuple)) else [value]
        if len(days_given) != (2 if operator == "inTheRange" else 1) or not all(map(_is_date, days_given)):
            raise _wrong(f"{field} is compared with a date such as 2031-05-01.")
        return days_given if operator == "inTheRange" else value
    raise _wrong(f"There is no field {field[:50]!r}. Known are {', '.join(FIELDS)}.")


def operators_of(field: str) -> tuple[str, ...]:
    """By what a field is compared; nothing for an unknown one."""
    if field in TEXTS:
        return _OF_TEXT
    if field in FLAGS:
        return _OF_FLAG
    return _OF_NUMBER if field in NUMBERS else _OF_MOMENT if field in MOMENTS else ()


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        _day(value) + timedelta(days=1)  # up to whose end it goes
    except (ValueError, OverflowError):
        return False
    return True


def _allow(operator: str, field: str) -> None:
    operators = operators_of(field)
    if operators and operator not in operators:
        raise _wrong(f"{field} is compared by {', '.join(operators)}, not {operator[:50]!r}.")


def _numbers(field: str, value: Any, *, pair: bool) -> Any:
    values = list(value) if pair and isinstance(value, (list, tuple)) else [value]
    for number in values:
        plain = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not plain or not math.isfinite(number) or abs(number) >= 2**53:
            raise _wrong(f"{field} is compared with a number.")
    if len(values) != (2 if pair else 1):
        raise _wrong(f"{field} lies in a range of two numbers.")
    return values if pair else value


def _sort(sort: Any) -> str:
    names = [part.strip() for part in str(sort).split(",") if part.strip()]
    plain = [(name[0] if name[0] in "+-" else "", name.lstrip("+-")) for name in names]
    plain = [(sign, name.lower()) for sign, name in plain]
    unknown = next((name for _sign, name in plain if name not in (*FIELDS, "random")), None)
    if unknown is not None or not plain or len(plain) > 5:
        raise _wrong(f"sort names up to five fields, not {str(sort)[:50]!r}.")
    return ",".join(sign + name for sign, name in plain)


# From rules to a statement


def songs(session: ReadSession, viewer: Viewer, playlist: Playlist) -> list[Song]:
    """What the rules of a smart playlist find for its owner, as far as the viewer sees it."""
    return list(session.scalars(_found(viewer, playlist, Song)))


def size(session: ReadSession, viewer: Viewer, playlist: Playlist) -> tuple[int, int]:
    """How many songs these are, and how long they last in milliseconds."""
    found = _found(viewer, playlist, Song.duration_ms).subquery()
    count, length = session.execute(select(func.count(), func.coalesce(func.sum(found.c[0]), 0))).one()
    return count, int(length)


def _found(viewer: Viewer, playlist: Playlist, what: Any) -> Select[Any]:
    rules = playlist.rules or {}
    owner = Viewer(playlist.owner_id)
    statement = select(what).where(_joined(rules, owner), songs_for(owner), songs_for(viewer))
    return statement.order_by(*_order(rules, owner), Song.id).limit(rules.get("limit", MOST_SONGS))


def _joined(rules: Mapping[str, Any], owner: Viewer) -> ColumnElement[bool]:
    kind = "all" if "all" in rules else "any"
    parts = [_condition(rule, owner) for rule in rules[kind]]
    return and_(*parts) if kind == "all" else or_(*parts)


def _condition(rule: Mapping[str, Any], owner: Viewer) -> ColumnElement[bool]:
    operator, operand = next(iter(rule.items()))
    if operator in ("all", "any"):
        return _joined(rule, owner)
    field, value = next(iter(operand.items()))
    if operator in _OF_PLAYLIST:
        return _playlist_condition(operator, value, owner)
    if field in TEXTS:
        return _text_condition(operator, field, value)
    return _column_condition(operator, field, _column(field, owner), value)


def _playlist_condition(operator: str, value: str, owner: Viewer) -> ColumnElement[bool]:
    seen = select(Playlist.id).where(Playlist.id == int(value), playlists_for(owner, by_address=True))
    inside = Song.id.in_(select(PlaylistItem.song_id).where(PlaylistItem.playlist_id.in_(seen)))
    return inside if operator == "inPlaylist" else not_(inside)


def _column_condition(operator: str, field: str, column: Any, value: Any) -> ColumnElement[bool]:
    if field in FLAGS:
        flag: ColumnElement[bool] = column
        return flag if (operator == "is") == value else not_(flag)
    if field in MOMENTS:
        return _moment_condition(operator, column, value)
    if operator == "inTheRange":
        between: ColumnElement[bool] = column.between(value[0], value[1])
        return between
    tests: Mapping[str, Callable[[], ColumnElement[bool]]] = {
        "is": lambda: column == value,
        "isNot": lambda: column != value,
        "gt": lambda: column > value,
        "lt": lambda: column < value,
    }
    return tests[operator]()


def _text_condition(operator: str, field: str, value: str) -> ColumnElement[bool]:
    wanted = value if field == "filepath" else folded(value)

    test = partial(_TEXT_TESTS[operator], wanted)

    if field == "genre":
        found: ColumnElement[bool] = Song.id.in_(select(SongGenre.song_id).where(test(SongGenre.genre_key)))
    elif field == "album":
        found = Song.album_id.in_(select(Album.id).where(test(Album.title_key)))
    elif field in ("artist", "albumartist"):
        role = "artist" if field == "artist" else "album_artist"
        credits = select(SongCredit.song_id).join(ArtistRow, ArtistRow.id == SongCredit.artist_id)
        found = Song.id.in_(credits.where(SongCredit.role == role, test(ArtistRow.name_key)))
    else:
        columns = {"title": Song.title_key, "codec": Song.codec, "filepath": Song.path}
        found = test(func.coalesce(columns[field], ""))
    return not_(found) if operator in ("isNot", "notContains") else found


_TEXT_TESTS: Final[Mapping[str, Callable[[str, Any], ColumnElement[bool]]]] = {
    "is": lambda text, column: column == text,
    "isNot": lambda text, column: column == text,
    "contains": lambda text, column: column.contains(text, autoescape=True),
    "notContains": lambda text, column: column.contains(text, autoescape=True),
    "startsWith": lambda text, column: column.startswith(text, autoescape=True),
    "endsWith": lambda text, column: column.endswith(text, autoescape=True),
}
"""How a text is compared; the two operators that say not are turned round afterwards."""


def _moment_condition(operator: str, column: Any, value: Any) -> ColumnElement[bool]:
    if operator in ("inTheLast", "notInTheLast"):
        recent: ColumnElement[bool] = column >= clock.now() - timedelta(days=value)
        return recent if operator == "inTheLast" else or_(column.is_(None), not_(recent))
    days = [_day(text) for text in (value if isinstance(value, list) else [value])]
    begun: ColumnElement[bool] = column >= days[0]
    not_over: ColumnElement[bool] = column < days[-1] + timedelta(days=1)
    if operator == "before":
        return not_(begun)
    return not_(not_over) if operator == "after" else and_(begun, not_over)


def _day(text: str) -> datetime:
    return clock.parse_rfc3339(text)


def _column(field: str, owner: Viewer) -> Any:
    """The column of a field; what is the owner's own comes from their rows."""
    me = owner.account_id
    listens = select(func.count()).where(Listen.user_id == me, Listen.song_id == Song.id, Listen.counted)
    heard = select(func.max(Listen.listened_at)).where(Listen.user_id == me, Listen.song_id == Song.id)
    stars = select(Rating.rating).where(Rating.user_id == me, Rating.kind == "song", Rating.target_id == Song.id)
    liked = select(Like.created_at).where(Like.user_id == me, Like.kind == "song", Like.target_id == Song.id)
    columns: Mapping[str, Callable[[], Any]] = {
        "year": lambda: Song.year,
        "tracknumber": lambda: Song.track,
        "discnumber": lambda: Song.disc,
        "duration": lambda: Song.duration_ms / 1000.0,
        "bitrate": lambda: Song.bit_rate,
        "samplerate": lambda: Song.sample_rate,
        "channels": lambda: Song.channels,
        "playcount": listens.scalar_subquery,
        "rating": lambda: func.coalesce(stars.scalar_subquery(), 0),
        "dateadded": lambda: Song.created_at,
        "lastplayed": heard.scalar_subquery,
        "dateloved": liked.scalar_subquery,
        "releasedate": lambda: Song.published_at,
        "loved": liked.exists,
        "explicit": lambda: Song.explicit,
        "haslyrics": lambda: Song.lyrics.is_not(None),
        "hascoverart": lambda: Song.cover_key.is_not(None),
        "hasvideo": lambda: Song.video_key.is_not(None),
    }
    return columns[field]()


def _order(rules: Mapping[str, Any], owner: Viewer) -> list[Any]:
    clauses: list[Any] = []
    texts = {"title": Song.title_key, "artist": Song.artist_name, "codec": Song.codec, "filepath": Song.path}
    for name in str(rules.get("sort", "title")).split(","):
        field = name.lstrip("+-")
        if field == "random":
            return [func.random()]
        if field in ("album", "albumartist", "genre"):
            wanted = {"album": Album.sort_key, "albumartist": Album.artist_key, "genre": Album.genre_key}[field]
            column: Any = select(wanted).where(Album.id == Song.album_id).scalar_subquery()
        else:
            column = texts[field] if field in texts else _column(field, owner)
        descending = name.startswith("-") != (rules.get("order") == "desc")
        clauses.append(column.desc().nulls_last() if descending else column.asc().nulls_last())
    return clauses
