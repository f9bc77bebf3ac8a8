"""The chat and the radio stations of elsewhere that apps of the Subsonic protocol show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.music.models import ChatMessage, RadioLink
from dodeca.products.music.service.tags import storable

LONGEST_MESSAGE: Final = 1000
MESSAGES_SHOWN: Final = 100
LONGEST_URL: Final = 2000
MOST_LINKS: Final = 500


def say(session: WriteSession, account_id: str, text: str) -> ChatMessage:
    """Say something to all. Raises Invalid."""
    tidy = storable(text).strip()
    if not 1 <= len(tidy) <= LONGEST_MESSAGE:
        raise Invalid(f"A message has 1 to {LONGEST_MESSAGE} characters.", field="message")
    message = ChatMessage(user_id=account_id, text=tidy, created_at=clock.now())
    session.add(message)
    session.flush()
    return message


def messages(session: ReadSession, since: datetime | None = None) -> Sequence[ChatMessage]:
    """The last messages, later than `since` where that is given, the oldest first."""
    statement = select(ChatMessage)
    if since is not None:
        statement = statement.where(ChatMessage.created_at > since)
    newest = session.scalars(
        statement.order_by(ChatMessage.created_at.desc(), ChatMessage.id.desc()).limit(MESSAGES_SHOWN)
    )
    return list(newest)[::-1]


def radio_links(session: ReadSession) -> Sequence[RadioLink]:
    """The stations of elsewhere, by name."""
    return session.scalars(select(RadioLink).order_by(RadioLink.name, RadioLink.id).limit(MOST_LINKS)).all()


def write_radio_link(
    session: WriteSession, number: int | None, *, name: str, stream_url: str, home_page_url: str = ""
) -> RadioLink:
    """Put a station of elsewhere into everybody's apps, or change one. Raises Invalid, NotFound."""
    tidy = " ".join(storable(name).split())
    if not 1 <= len(tidy) <= 200:
        raise Invalid("A name has 1 to 200 characters.", field="name")
    link = RadioLink(created_at=clock.now()) if number is None else _link(session, number)
    link.name, link.stream_url = tidy, _address(stream_url, "streamUrl")
    link.home_page_url = _address(home_page_url, "homepageUrl") if home_page_url else ""
    session.add(link)
    session.flush()
    return link


def remove_radio_link(session: WriteSession, number: int) -> None:
    """Take a station of elsewhere out. Raises NotFound."""
    session.delete(_link(session, number))
    session.flush()


def _link(session: ReadSession, number: int) -> RadioLink:
    found = session.get(RadioLink, number)
    if found is None:
        raise NotFound("There is no such station.")
    return found


def _address(text: str, field: str) -> str:
    """An http or https address: apps open it, so nothing else may stand there. Raises Invalid."""
    try:
        parts = urlsplit(text.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and len(text) <= LONGEST_URL
    except ValueError:
        good = False
    if not good or not text.isprintable():
        raise Invalid(f"{field} is an http or https address.", field=field)
    return text.strip()
