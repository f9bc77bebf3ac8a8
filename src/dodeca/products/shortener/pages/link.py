"""Settings of one link, its past, and its end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta
from sqlalchemy import select

from dodeca.commons.accounts.public import accounts_by_ids
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.products.shortener.models import Link, ShortCode
from dodeca.products.shortener.pages.surroundings import (
    Line,
    Member,
    Name,
    Url,
    UtmForm,
    choices,
    page,
    read_moment,
    split_names,
    written_moment,
)
from dodeca.products.shortener.service import aliases, groups, links, moderation, of
from dodeca.products.shortener.service.wishes import MOST_VISITS, LinkChange

REDIRECTS = (
    (302, "302 Found: asked anew each time"),
    (301, "301 Moved: browsers and search engines remember it"),
    (307, "307 Temporary: keeps the method"),
    (308, "308 Permanent: keeps the method"),
)


class SettingsForm(UtmForm, ClosedRequest, kw_only=True, forbid_unknown_fields=True):
    """All settings of a link; an empty field takes the setting away."""

    long_url: Url = ""
    title: Line = ""
    tags: Annotated[str, Meta(max_length=5000)] = ""
    folder: Name = ""
    group_id: Name = ""
    starts_at: Name = ""
    expires_at: Name = ""
    expired_url: Url = ""
    max_visits: Annotated[int, Meta(ge=1, le=MOST_VISITS)] | None = None
    password: Annotated[str, Meta(max_length=200)] = ""
    remove_password: Name = ""
    redirect_status: int = 302
    forward_query: Name = ""
    crawlable: Name = ""
    alias: Line = ""


class ArchiveForm(ClosedRequest):
    """Into the archive, or out of it."""

    archived: Name = "yes"


def link_of(session: ReadSession, call: Call) -> Link:
    """The link that the path names. Raises NotFound."""
    return links.find(session, call.member(), str(call.request.path_params["link_id"]))


def show_settings(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form as it was left, or with the link's settings."""
    shortener, actor = of(call.platform), call.member()
    link = link_of(session, call)
    codes = session.scalars(
        select(ShortCode.text).where(ShortCode.link_id == link.id, ShortCode.released_at.is_(None))
    ).all()
    mine = session.scalars(groups.visible_to(actor)).all()
    return page(
        call,
        "settings.html",
        form=state.form,
        link=links.view(session, shortener, link),
        codes=codes,
        redirects=REDIRECTS,
        starts_at=written_moment(link.starts_at),
        expires_at=written_moment(link.expires_at),
        groups=mine,
        group_options=[("", "None"), *((group.id, group.name) for group in mine)],
        **choices(session, actor),
    )


@get("/links/{link_id:str}/settings", access=Access.MEMBER)
def settings(session: DbRead, call: Calling, link_id: FromPath[str]) -> Page:
    """The settings of a link."""
    return show_settings(session, call, FormState())


@post("/links/{link_id:str}/settings", access=Access.MEMBER, status=200, form=show_settings)
async def change_settings(call: Calling, link_id: FromPath[str], data: AnyBody[SettingsForm]) -> Redirect:
    """Change a link. The next visitor gets the new target."""
    shortener, actor = of(call.platform), call.member()
    password_hash = await shortener.passwords.hash_async(data.password) if data.password else None

    def unit(session: WriteSession) -> None:
        link = links.editable(session, actor, link_id)
        links.change(session, shortener, actor, link, _wish(data, link), password_hash=password_hash)
        if data.alias.strip():
            aliases.add(session, shortener, actor, link, data.alias)

    await shortener.db.awrite(unit)
    return Redirect(f"/shortener/links/{link_id}/settings", toast="Saved.")


def _wish(data: SettingsForm, link: Link) -> LinkChange:
    """The form in the service's words. What was not touched is left out: a time that has passed stays as it is."""
    password: Any = UNSET
    if data.password:
        password = data.password
    elif data.remove_password:
        password = None
    return LinkChange(
        long_url=data.long_url,
        title=data.title or None,
        tags=split_names(data.tags),
        folder=data.folder.strip() or None,
        group_id=(data.group_id or None) if data.group_id != (link.group_id or "") else UNSET,
        starts_at=_moment(data.starts_at, link.starts_at, "starts_at"),
        expires_at=_moment(data.expires_at, link.expires_at, "expires_at"),
        expired_url=data.expired_url or None,
        max_visits=data.max_visits if data.max_visits != link.max_visits else UNSET,
        password=password,
        redirect_status=data.redirect_status,
        forward_query=bool(data.forward_query),
        crawlable=bool(data.crawlable),
        utm=data.utm or None,
    )


def _moment(text: str, before: datetime | None, field: str) -> datetime | msgspec.UnsetType | None:
    return UNSET if text.strip() == written_moment(before) else read_moment(text, field)


@post("/links/{link_id:str}/archive", access=Access.MEMBER, status=200)
def archive(
    session: DbWrite, call: Calling, actor: Member, link_id: FromPath[str], data: AnyBody[ArchiveForm]
) -> Redirect:
    """Put a link away, or back. It goes on redirecting."""
    archived = data.archived == "yes"
    link = links.editable(session, actor, link_id)
    links.change(session, of(call.platform), actor, link, LinkChange(archived=archived))
    toast = "Archived. It goes on redirecting." if archived else "Back among your links."
    return Redirect(f"/shortener/links/{link_id}", toast=toast)


@get("/links/{link_id:str}/deletion", access=Access.MEMBER)
def deletion(session: DbRead, call: Calling, actor: Member, link_id: FromPath[str]) -> Page:
    """Ask before deleting."""
    view = links.view(session, of(call.platform), links.find(session, actor, link_id))
    return page(call, "delete_many.html", views=[view], back=f"/shortener/links/{link_id}")


@get("/links/{link_id:str}/history", access=Access.MEMBER)
def history(session: DbRead, call: Calling, actor: Member, link_id: FromPath[str]) -> Page:
    """Which targets the link had, and whether moderators stopped it."""
    link = links.find(session, actor, link_id)
    changes = links.history(session, link)
    names = accounts_by_ids(session, [change.account_id for change in changes if change.account_id])
    events: list[dict[str, Any]] = [
        {
            "text": change.to_url,
            "detail": f"instead of {change.from_url}, by {_name(names, change.account_id)}",
            "time": change.at,
            "icon": "pencil",
            "tone": "accent",
        }
        for change in changes
    ]
    for entry in moderation.takedowns(session, link):
        words = "Taken down by moderators" if entry.action == "disabled" else "Released by moderators"
        tone = "bad" if entry.action == "disabled" else "good"
        events.append({"text": words, "detail": entry.reason, "time": entry.at, "icon": "shield", "tone": tone})
    events.sort(key=lambda event: event["time"], reverse=True)
    first = changes[-1].from_url if changes else link.long_url
    events.append(
        {"text": first, "detail": "The first target", "time": link.created_at, "icon": "plus", "tone": "good"}
    )
    return page(call, "history.html", link=links.view(session, of(call.platform), link), events=events)


def _name(names: Any, account_id: str | None) -> str:
    account = names.get(account_id) if account_id else None
    return f"@{account.username}" if account is not None else "somebody without an account"


routes = [settings, change_settings, archive, deletion, history]
