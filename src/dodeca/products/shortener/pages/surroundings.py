"""What the pages of the shortener share: who looks, the frame around a page, and fields that stand in several forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Meta

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Call, InUnit, Page, Principal
from dodeca.products.shortener.models import Folder, Tag, UtmTemplate
from dodeca.products.shortener.queries import UTM_FIELDS
from dodeca.products.shortener.service import Shortener, labels, links
from dodeca.products.shortener.service.wishes import LONGEST_UTM

Member = Annotated[Principal, InUnit(lambda _session, call: call.member())]
"""Marks the parameter that receives who is signed in."""
Line = Annotated[str, Meta(max_length=500)]
Name = Annotated[str, Meta(max_length=100)]
Url = Annotated[str, Meta(max_length=20_000)]
Utm = Annotated[str, Meta(max_length=LONGEST_UTM)]
STATUS_TONES = {
    "active": "good",
    "scheduled": "info",
    "expired": "warn",
    "inactive": "warn",
    "exhausted": "warn",
    "disabled": "bad",
    "archived": "neutral",
}
_MINUTES = "%Y-%m-%dT%H:%M"


class UtmForm(msgspec.Struct, kw_only=True):
    """The five UTM parameters of a form; their names are those under which the service reports mistakes."""

    utm_source: Utm = msgspec.field(default="", name="utm.source")
    utm_medium: Utm = msgspec.field(default="", name="utm.medium")
    utm_campaign: Utm = msgspec.field(default="", name="utm.campaign")
    utm_term: Utm = msgspec.field(default="", name="utm.term")
    utm_content: Utm = msgspec.field(default="", name="utm.content")

    @property
    def utm(self) -> dict[str, str]:
        """Those that are filled in."""
        values = {name: getattr(self, f"utm_{name}").strip() for name in UTM_FIELDS}
        return {name: value for name, value in values.items() if value}


def page(call: Call, template: str, **context: Any) -> Page:
    """A page of the product, with what its navigation needs."""
    moderator = call.principal is not None and call.principal.is_moderator
    return Page(f"shortener/{template}", moderator=moderator, status_tones=STATUS_TONES, **context)


def host_of(url: str) -> str:
    """The host of a URL as people recognise it."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def split_names(text: str) -> list[str]:
    """Names that were typed with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def read_moment(text: str, field: str) -> datetime | None:
    """The value of a `datetime-local` control, which is UTC here: the script converts. Raises Invalid."""
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise Invalid("Enter a date and a time.", field=field) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def written_moment(moment: datetime | None) -> str:
    """The same the other way."""
    return moment.strftime(_MINUTES) if moment is not None else ""


def choices(session: ReadSession, actor: Principal) -> dict[str, Sequence[Any]]:
    """The member's tags, folders and UTM templates, for suggestions and filters."""
    return {
        "tags": session.scalars(labels.visible_to(Tag, actor).order_by(Tag.key).limit(500)).all(),
        "folders": session.scalars(labels.visible_to(Folder, actor).order_by(Folder.key).limit(500)).all(),
    }


def templates_of(session: ReadSession, actor: Principal) -> Sequence[UtmTemplate]:
    """The member's UTM templates."""
    return session.scalars(labels.visible_to(UtmTemplate, actor).order_by(UtmTemplate.key).limit(200)).all()


def own_hosts(session: ReadSession, shortener: Shortener, actor: Principal) -> list[str]:
    """The member's domains that are served now."""
    served = shortener.hosts(session).domains.values()
    return sorted(domain.host for domain in served if domain.account_id == actor.account_id)


def with_query(path: str, values: Mapping[str, str | None]) -> str:
    """A path with the parameters that have a value."""
    kept = {name: value for name, value in values.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def qr_source(short_url: str) -> str:
    """Where the picture of a short URL's QR code comes from."""
    return "/shortener/qr?" + urlencode({"short_url": short_url, "size": "320", "margin": "1"})


def is_past(view: links.LinkView) -> bool:
    """Whether the link's own time is over."""
    return view.expires_at is not None and view.expires_at <= clock.now()
