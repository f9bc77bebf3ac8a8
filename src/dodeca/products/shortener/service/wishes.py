"""What people may ask of a link, when it is made and when it is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.queries import UTM_FIELDS

MAX_TAGS = 50
REDIRECT_STATUSES = (301, 302, 307, 308)
LONGEST_UTM = 200
MOST_VISITS = 1_000_000_000

Title = Annotated[str, Meta(max_length=500)]
Description = Annotated[str, Meta(max_length=2000)]
Name = Annotated[str, Meta(max_length=100)]
Url = Annotated[str, Meta(max_length=20_000)]
Tags = Annotated[list[Name], Meta(max_length=MAX_TAGS)]


class LinkChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Fields to change; what is not given stays. None takes a setting away."""

    long_url: Url | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    """Another name of `long_url`."""
    title: Title | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    image: Url | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET
    folder: Name | UnsetType | None = UNSET
    group_id: Name | UnsetType | None = UNSET
    expires_at: datetime | UnsetType | None = UNSET
    starts_at: datetime | UnsetType | None = UNSET
    expired_url: Url | UnsetType | None = UNSET
    max_visits: int | UnsetType | None = UNSET
    password: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET
    redirect_status: int | UnsetType = UNSET
    forward_query: bool | UnsetType = UNSET
    crawlable: bool | UnsetType = UNSET
    utm: dict[str, Any] | UnsetType | None = UNSET
    rules: list[Any] | UnsetType | None = UNSET
    archived: bool | UnsetType = UNSET

    @property
    def target(self) -> str | None:
        """The wanted target, whatever the field is called; None when none is given."""
        given = self.long_url if self.long_url is not UNSET else self.url
        return None if given is UNSET else given


class NewLink(LinkChange, kw_only=True, forbid_unknown_fields=True):
    """A link to make. `style` is "" or readable; `reuse` takes the plain live link that the caller has already."""

    alias: Annotated[str, Meta(max_length=12_000)] | None = None
    style: str | None = None
    domain: Name | None = None
    reuse: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether the code is to be one that can be read aloud."""
        return self.style == "readable"

    @property
    def is_plain(self) -> bool:
        """Whether nothing but a target is asked for."""
        if self.alias or self.style or self.domain or self.reuse:
            return False
        return all(getattr(self, name) is UNSET for name in _SETTINGS)


_SETTINGS = tuple(name for name in LinkChange.__struct_fields__ if name not in ("long_url", "url"))


def checked_settings(wish: LinkChange, link: Link | None = None) -> dict[str, Any]:
    """The plain columns that the wish sets, checked. Raises Invalid naming the field."""
    columns: dict[str, Any] = {}
    for name in ("title", "description", "image"):
        given = getattr(wish, name)
        if given is not UNSET:
            columns[name] = " ".join((given or "").replace("\x00", "").split()) if name == "title" else given or ""
    for name in ("forward_query", "crawlable"):
        if getattr(wish, name) is not UNSET:
            columns[name] = getattr(wish, name)
    if wish.redirect_status is not UNSET:
        if wish.redirect_status not in REDIRECT_STATUSES:
            raise Invalid("A redirect has the status 301, 302, 307 or 308.", field="redirect_status")
        columns["redirect_status"] = wish.redirect_status
    _check_times(wish, columns, link)
    _check_visits(wish, columns, link)
    if wish.utm is not UNSET:
        columns["utm"] = checked_utm(wish.utm)
    if isinstance(wish, NewLink) and wish.style not in (None, "", "readable"):
        raise Invalid("A style is readable, or none.", field="style")
    return columns


def _check_times(wish: LinkChange, columns: dict[str, Any], link: Link | None) -> None:
    for name in ("expires_at", "starts_at"):
        given = getattr(wish, name)
        if given is not UNSET:
            columns[name] = in_utc(given, name)
    expires = columns.get("expires_at", link.expires_at if link else None)
    starts = columns.get("starts_at", link.starts_at if link else None)
    if columns.get("expires_at") is not None and expires is not None and expires <= clock.now():
        raise Invalid("This time has passed already.", field="expires_at")
    if starts is not None and expires is not None and starts >= expires:
        raise Invalid("The link must start before it expires.", field="starts_at")


def in_utc(moment: datetime | None, field: str) -> datetime | None:
    """The moment in UTC; one without zone is taken as UTC. Raises Invalid outside the calendar."""
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise Invalid("This time is outside the calendar.", field=field) from error


def _check_visits(wish: LinkChange, columns: dict[str, Any], link: Link | None) -> None:
    if wish.max_visits is UNSET:
        return
    limit = wish.max_visits
    if limit is not None and not 1 <= limit <= MOST_VISITS:
        raise Invalid("max_visits is at least 1.", field="max_visits")
    columns["max_visits"] = limit
    if link is None or limit is None or link.max_visits is None:
        columns["visits_left"] = limit


def checked_utm(utm: object) -> dict[str, str] | None:
    """UTM parameters with known names and short values. Raises Invalid naming the field."""
    if utm is None or utm == {}:
        return None
    if not isinstance(utm, dict):
        raise Invalid("UTM parameters are an object.", field="utm")
    for name, value in utm.items():
        if name not in UTM_FIELDS:
            raise Invalid(f"UTM parameters are: {', '.join(UTM_FIELDS)}.", field=f"utm.{name}"[:60])
        if value is not None and (not isinstance(value, str) or len(value) > LONGEST_UTM or not value.isprintable()):
            raise Invalid(f"A text of at most {LONGEST_UTM} characters is expected.", field=f"utm.{name}")
    kept = {name: str(utm[name]).strip() for name in UTM_FIELDS if utm.get(name) and str(utm[name]).strip()}
    return kept or None
