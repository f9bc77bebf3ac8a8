"""What a file says, line by line: checked, and as `import_staging` keeps it. Pure: other processes can do it too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from dodeca.commons.discussion import reserialised, typed
from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid
from dodeca.products.news.import_staging import Entry, Person, StagedEntry, StagedPerson, staged, staged_person
from dodeca.products.news.service.members import LONGEST_ABOUT
from dodeca.products.news.service.posting import checked_tags
from dodeca.products.news.urls import checked_title, checked_url

LARGEST_ID: Final = 2**52
LARGEST_SCORE: Final = 10**7
TYPES: Final = ("story", "comment", "poll", "pollopt", "job")


class Reading(NamedTuple):
    """What some rows say. `refused` are their lines, and why."""

    rows: int
    entries: list[StagedEntry]
    people: list[StagedPerson]
    refused: list[tuple[int, str]]


def read_lines(first: int, block: bytes, latest: int) -> Reading:
    """Check whole lines of JSON, of which `first` is the number of the first."""
    return read_rows([(line, _row(raw)) for line, raw in enumerate(block.split(b"\n"), first) if raw.strip()], latest)


def read_rows(rows: Iterable[tuple[int, Mapping[str, Any] | None]], latest: int) -> Reading:
    """Check rows that come with their lines; None stands for what is no row. `latest` is now, see `_time`."""
    reading = Reading(0, [], [], [])
    count = 0
    for line, raw in rows:
        count += 1
        try:
            if raw is not None and "type" not in raw and "created" in raw and "karma" in raw:
                reading.people.append(staged_person(_checked_person(line, raw, latest)))
            else:
                reading.entries.append(staged(_checked(line, raw, latest)))
        except Invalid as error:
            reading.refused.append((line, error.message))
    return reading._replace(rows=count)


def _row(raw: bytes) -> Mapping[str, Any] | None:
    try:
        row = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _checked(line: int, raw: Mapping[str, Any] | None, latest: int) -> Entry:
    """A row as an entry. Raises Invalid with what is wrong with it."""
    if raw is None:
        raise Invalid("This line is not a JSON object, or not a row of a table.")
    kind = str(raw.get("type", "story"))
    if kind not in TYPES:
        raise Invalid(f"There is no type {kind[:20]!r}.")
    entry = Entry(
        line=line,
        id=_number(raw.get("id"), "id", 1, LARGEST_ID),
        type=kind,
        time=_time(raw.get("time", raw.get("created_at")), latest),
        by=_name(raw.get("by", raw.get("author"))),
        text=reserialised(str(raw.get("text") or "")[:100_000]),
        score=_number(raw.get("score", raw.get("num_points", 1)), "score", -LARGEST_SCORE, LARGEST_SCORE),
        descendants=_number(raw.get("descendants", raw.get("num_comments", 0)), "descendants", 0, LARGEST_SCORE),
        dead=_truth(raw.get("dead")),
        flagged=_truth(raw.get("flagged")),
        deleted=_truth(raw.get("deleted")),
        tags=_tags(raw.get("tags")),
    )
    if kind in ("comment", "pollopt"):
        above = raw.get("parent", raw.get("poll"))
        entry.parent = _number(above, "parent", 1, LARGEST_ID)
        if entry.parent == entry.id:
            raise Invalid("An item is not its own parent.")
    elif not entry.deleted:
        entry.title = checked_title(str(raw.get("title") or "")[:150])
        entry.url = checked_url(str(raw["url"])) if raw.get("url") else None
    return entry


def _checked_person(line: int, raw: Mapping[str, Any], latest: int) -> Person:
    """A user as a person. Raises Invalid."""
    name = _name(raw.get("id")).strip()
    if not name:
        raise Invalid("A user needs an id.", field="id")
    return Person(
        line=line,
        name=name,
        created=_time(raw["created"], latest),
        karma=_number(raw["karma"], "karma", -LARGEST_SCORE, LARGEST_SCORE),
        about=typed(reserialised(str(raw.get("about") or "")[: 2 * LONGEST_ABOUT]))[:LONGEST_ABOUT],
        delay=_number(raw.get("delay", 0), "delay", 0, 10),
    )


def _name(value: object) -> str:
    """Who it is about, without zero characters, which PostgreSQL does not take."""
    return str(value or "").replace("\0", "")[:64]


def _number(value: object, name: str, least: int, most: int) -> int:
    if type(value) is int and least <= value <= most:  # as nearly all are
        return value
    try:
        number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise Invalid(f"{name} is not a number from {least} to {most}.", field=name)
    return number


def _time(value: object, latest: int) -> int:
    """Seconds since 1970. Raises Invalid for what is after `latest`, which is now: nobody writes in the future, and
    with another time the item would not be known again."""
    if isinstance(value, str) and not value.isdigit():
        try:
            seconds = int(clock.parse_rfc3339(value.strip()).timestamp())
        except (ValueError, OverflowError) as error:
            raise Invalid("time is neither seconds since 1970 nor a date.", field="time") from error
    else:
        seconds = _number(value, "time", 0, 2**33)
    if seconds > latest:
        raise Invalid("The time is in the future: import the file again then.", field="time")
    return seconds


def _tags(value: object) -> Sequence[str]:
    """Tags, which our own files have; none where they are not tags."""
    if not isinstance(value, list):
        return ()
    try:
        return checked_tags([str(tag) for tag in value])
    except Invalid:
        return ()


def _truth(value: object) -> bool:
    return value is not None and str(value).strip().lower() in ("true", "1", "yes")
