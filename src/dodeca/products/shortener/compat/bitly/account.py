"""The caller, what the caller may do, and the organisation that each account is here."""

from __future__ import annotations

import calendar
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import func, select

from dodeca.commons.accounts.public import Account, Origin, account_by_id, has_second_factor, rename
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.shortener.compat.bitly.groups import own_domains
from dodeca.products.shortener.compat.bitly.shapes import (
    base,
    bitly_time,
    calls,
    organisation_guid,
    personal_guid,
)
from dodeca.products.shortener.compat.calls import Asked
from dodeca.products.shortener.models import Link

UNLIMITED = 1_000_000_000
"""What is told as the limit where there is none: clients divide by it."""


class UserRequest(msgspec.Struct):
    """What `PATCH user` takes."""

    name: Annotated[str, Meta(max_length=200)] | None = None
    default_group_guid: str | None = None


def _account(session: ReadSession, asked: Asked) -> Account:
    account = account_by_id(session, asked.actor.account_id)
    if account is None:
        raise NotFound("There is no such account.")
    return account


def _user(session: ReadSession, account: Account) -> dict[str, object]:
    emails = []
    if account.email is not None:
        verified = account.email_verified_at is not None
        emails.append({"email": account.email, "is_primary": True, "is_verified": verified})
    return {
        "login": account.username,
        "name": account.name,
        "emails": emails,
        "default_group_guid": personal_guid(account.id),
        "created": bitly_time(account.created_at),
        "modified": bitly_time(account.created_at),
        "is_active": account.is_active,
        "is_2fa_enabled": has_second_factor(session, account),
        "is_sso_user": account.password_hash is None,
    }


@calls.reading("GET", "user")
def read_user(session: ReadSession, asked: Asked) -> object:
    """The caller."""
    return _user(session, _account(session, asked))


@calls.writing("PATCH", "user")
def change_user(session: WriteSession, asked: Asked) -> object:
    """Change the caller's name. The default group is always the personal one."""
    data = asked.body(UserRequest)
    account = _account(session, asked)
    if data.default_group_guid not in (None, personal_guid(account.id)):
        raise Invalid("The default group is the personal one.", field="default_group_guid")
    if data.name is not None:
        rename(session, account, data.name, Origin.of(asked.call))
    return _user(session, account)


@calls.reading("GET", "user/platform_limits")
def platform_limits(session: ReadSession, asked: Asked) -> object:
    """How often calls may be made: creations, a minute."""
    limit = asked.shortener.settings.creations_per_minute or UNLIMITED
    made = _made_since(session, asked, clock.now().replace(second=0, microsecond=0))
    creating = [{"name": "POST", "limit": limit, "count": made}]
    endpoints = [{"endpoint": path, "methods": creating} for path in ("/v4/shorten", "/v4/bitlinks")]
    return {"platform_limits": endpoints}


def _made_since(session: ReadSession, asked: Asked, moment: datetime) -> int:
    mine = select(func.count()).select_from(Link).where(Link.user_id == asked.actor.account_id)
    return session.scalar(mine.where(Link.created_at >= moment)) or 0


def _organisation(session: ReadSession, asked: Asked) -> dict[str, object]:
    account = _account(session, asked)
    guid = organisation_guid(account.id)
    return {
        "guid": guid,
        "name": account.name or account.username,
        "bsds": own_domains(session, asked),
        "created": bitly_time(account.created_at),
        "modified": bitly_time(account.created_at),
        "is_active": True,
        "tier": "free",
        "tier_family": "free",
        "tier_display_name": "Own installation",
        "role": "org-admin",
        "references": {"groups": f"{base(asked.shortener)}/groups?organization_guid={guid}"},
    }


@calls.reading("GET", "organizations")
def organizations(session: ReadSession, asked: Asked) -> object:
    """The one organisation that the caller is."""
    return {"organizations": [_organisation(session, asked)]}


def _check_organization(asked: Asked) -> None:
    if asked.part("organization") != organisation_guid(asked.actor.account_id):
        raise NotFound("There is no such organisation.", field="organization_guid")


@calls.reading("GET", "organizations/{organization}")
def organization(session: ReadSession, asked: Asked) -> object:
    """The same by guid."""
    _check_organization(asked)
    return _organisation(session, asked)


@calls.reading("GET", "organizations/{organization}/plan_limits")
def plan_limits(session: ReadSession, asked: Asked) -> object:
    """Links made this month, and how many the limit a minute lets through in it."""
    _check_organization(asked)
    today = clock.now()
    month = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    minutes = calendar.monthrange(today.year, today.month)[1] * 24 * 60
    limit = asked.shortener.settings.creations_per_minute * minutes or UNLIMITED
    used = _made_since(session, asked, month)
    return {"plan_limits": [{"name": "encodes", "limit": limit, "count": used}]}


@calls.reading("GET", "bsds")
def bsds(session: ReadSession, asked: Asked) -> object:
    """The caller's own domains that are served."""
    return {"bsds": own_domains(session, asked)}
