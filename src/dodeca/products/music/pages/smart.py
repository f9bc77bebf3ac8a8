"""Smart playlists as a form: one rule a line, understood without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, Call, Calling, DbRead, FormState, FromPath, Page, Redirect, get, post
from dodeca.kernel.web.forms import Form
from dodeca.products.music.acting import viewing
from dodeca.products.music.models import Playlist
from dodeca.products.music.pages.look import page, whole
from dodeca.products.music.service import playlists, smart

MOST_LINES: Final = 20
SPARE_LINES: Final = 2
LARGEST: Final = 1e15
"""More than any number of a song is."""
FIELDS: Final = {
    "title": "Title",
    "artist": "Artist",
    "albumartist": "Album artist",
    "album": "Album",
    "genre": "Genre",
    "year": "Year",
    "rating": "My stars",
    "loved": "Liked by me (yes, no)",
    "playcount": "My plays",
    "lastplayed": "Heard by me",
    "dateloved": "Liked on",
    "dateadded": "Added",
    "releasedate": "Released",
    "duration": "Length (seconds)",
    "bitrate": "kbit/s",
    "samplerate": "Hz",
    "codec": "Codec",
    "tracknumber": "Track",
    "discnumber": "Disc",
    "explicit": "Explicit (yes, no)",
    "haslyrics": "Has lyrics (yes, no)",
    "hasvideo": "Has a video (yes, no)",
    "filepath": "File",
}
OPERATORS: Final = {
    "is": "is",
    "isNot": "is not",
    "contains": "contains",
    "notContains": "does not contain",
    "startsWith": "begins with",
    "endsWith": "ends with",
    "gt": "is more than",
    "lt": "is less than",
    "before": "is before (day)",
    "after": "is after (day)",
    "inTheLast": "within days",
    "notInTheLast": "not within days",
}
SORTS: Final = {
    "title": "Title",
    "artist": "Artist",
    "-dateadded": "Newest first",
    "-year": "Latest year first",
    "-playcount": "Most played first",
    "-lastplayed": "Heard last first",
    "lastplayed": "Longest not heard first",
    "-rating": "Best rated first",
    "random": "At random",
}


class Rule(msgspec.Struct):
    """A line of the form."""

    field: str = "title"
    operator: str = "is"
    value: str = ""


def lines_of(rules: Mapping[str, Any]) -> list[Rule] | None:
    """Rules as lines, None where they are nested or of a kind that the form does not have."""
    found = []
    for rule in rules.get("all") or rules.get("any") or []:
        operator, operand = next(iter(rule.items()))
        if operator not in OPERATORS or next(iter(operand)) not in FIELDS:
            return None
        field, value = next(iter(operand.items()))
        text = ("no", "yes")[value] if isinstance(value, bool) else str(value)
        found.append(Rule(field, operator, text))
    return found


def told(rules: Mapping[str, Any]) -> list[str]:
    """Rules in words; empty where there are none for them."""
    return [f"{FIELDS[line.field]} {OPERATORS[line.operator]} {line.value}" for line in lines_of(rules) or []]


def _value(field: str, operator: str, text: str, name: str) -> Any:
    """What a line compares with. Raises Invalid."""
    fitting = [OPERATORS[one] for one in smart.operators_of(field) if one in OPERATORS]
    if OPERATORS.get(operator) not in fitting:
        raise Invalid(f"{FIELDS.get(field, 'This')} goes with: {', '.join(fitting)}.", field=name)
    if field in smart.FLAGS:
        if text.lower() not in ("yes", "no"):
            raise Invalid("Write yes or no.", field=name)
        return text.lower() == "yes"
    if field in smart.NUMBERS or operator in ("inTheLast", "notInTheLast"):
        try:
            number = float(text)
        except ValueError as error:
            raise Invalid("This is a number.", field=name) from error
        if not abs(number) < LARGEST:  # nor is what is not a number
            raise Invalid("This is no number that fits.", field=name)
        return int(number) if number.is_integer() else number
    return text


def rules_of(form: Form) -> dict[str, Any]:
    """The rules that a form holds; lines without a value are left out. Raises Invalid naming the line."""
    found = []
    for place in range(MOST_LINES):
        text = form.value(f"value-{place}").strip()
        if not text:
            continue
        field, operator = form.value(f"field-{place}", "title"), form.value(f"operator-{place}", "is")
        rule = {operator: {field: _value(field, operator, text, f"value-{place}")}}
        try:
            smart.checked({"all": [rule]})
        except Invalid as error:
            raise Invalid(error.message, field=f"value-{place}") from error
        found.append(rule)
    if not found:
        raise Invalid("Give at least one rule.", field="value-0")
    match = "any" if form.value("match") == "any" else "all"
    rules: dict[str, Any] = {match: found, "sort": form.value("sort", "title")}
    limit = whole(form.value("limit"), "limit")
    return rules | ({"limit": limit} if limit is not None else {})


def _shown(session: ReadSession, call: Call, state: FormState, playlist: Playlist | None) -> Page:
    rules = (playlist.rules if playlist is not None else None) or {}
    known = lines_of(rules)
    lines = known or []
    typed = sum(state.values.get(f"value-{place}") is not None for place in range(MOST_LINES))
    wanted = min(max(len(lines) + SPARE_LINES, typed), MOST_LINES)
    lines += [Rule()] * (wanted - len(lines))
    return page(
        session,
        viewing(session, call),
        "smart.html",
        "library",
        playlist=playlist,
        nested=bool(rules) and known is None,
        lines=lines,
        match="any" if "any" in rules else "all",
        sort=rules.get("sort", "title"),
        limit=rules.get("limit", ""),
        fields=list(FIELDS.items()),
        operators=list(OPERATORS.items()),
        sorts=list(SORTS.items()),
        form=state.form,
    )


def show_new(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form for a new smart playlist."""
    return _shown(session, call, state, None)


def show_rules(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form with the rules of one's own smart playlist."""
    return _shown(session, call, state, _own(session, call))


def _own(session: ReadSession, call: Call) -> Playlist:
    return playlists.find(session, viewing(session, call), int(call.request.path_params["playlist_id"]))


@get("/smart", access=Access.MEMBER)
def new_page(session: DbRead, call: Calling) -> Page:
    """A new smart playlist."""
    return show_new(session, call, FormState())


@post("/smart", access=Access.MEMBER, status=200, form=show_new)
async def make(call: Calling) -> Redirect:
    """Make a smart playlist."""
    form = Form.of(await call.request.form())
    rules = rules_of(form)

    def unit(session: WriteSession) -> int:
        made = playlists.create(session, viewing(session, call), form.value("title"), rules=rules)
        return made.id

    return Redirect(f"/music/playlists/{await call.platform.db.awrite(unit)}")


@get("/playlists/{playlist_id:int}/rules", access=Access.MEMBER)
def rules_page(session: DbRead, call: Calling, playlist_id: FromPath[int]) -> Page:
    """The rules of a smart playlist."""
    return show_rules(session, call, FormState())


@post("/playlists/{playlist_id:int}/rules", access=Access.MEMBER, status=200, form=show_rules)
async def change(call: Calling, playlist_id: FromPath[int]) -> Redirect:
    """Change the rules of a smart playlist."""
    form = Form.of(await call.request.form())
    changes = {"rules": rules_of(form), "title": form.value("title")}
    await call.platform.db.awrite(lambda session: _change(session, call, playlist_id, changes))
    return Redirect(f"/music/playlists/{playlist_id}", toast="Saved.")


def _change(session: WriteSession, call: Call, playlist_id: int, changes: Mapping[str, Any]) -> None:
    playlists.change(session, viewing(session, call), playlist_id, changes)


routes: Sequence[Any] = [new_page, make, rules_page, change]
