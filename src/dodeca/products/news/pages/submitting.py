"""Submitting in three fields; what is posted already shows before sending."""

from __future__ import annotations

from dodeca.commons.accounts.public import Actor
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.products.news import flows, titles
from dodeca.products.news.acting import Looking, viewing
from dodeca.products.news.pages.surroundings import Line, Text, page, rows
from dodeca.products.news.service import posting
from dodeca.products.news.service.members import Viewer


class SubmitForm(ClosedRequest):
    """A link, a text, or both; options, one a line, make a poll."""

    title: Line = ""
    url: Line = ""
    content: Text = ""
    tags: Line = ""
    options: Text = ""


def show_submit(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form as it was left."""
    return _form(session, call, viewing(session, call), state)


def _form(session: ReadSession, call: Call, viewer: Viewer, state: FormState, title: str = "", url: str = "") -> Page:
    given = state.values.get("url") or url
    return page(
        session,
        call,
        "submit.html",
        tab="submit",
        form=state.form,
        title=title,
        url=url,
        known=_known(session, viewer, given),
        more_open=any(state.values.get(name) for name in ("tags", "options")),
    )


def _known(session: ReadSession, viewer: Viewer, url: str) -> list[object]:
    """Posts of the same page."""
    if not url.strip():
        return []
    try:
        found = posting.same_page(session, url)
    except Invalid:
        return []
    return list(rows(session, viewer, found))


@get("/submit", access=Access.MEMBER)
def submit_page(
    session: DbRead, call: Calling, viewer: Looking, title: FromQuery[str] = "", url: FromQuery[str] = ""
) -> Page:
    """The form; the bookmarklet fills in `title` and `url`."""
    return _form(session, call, viewer, FormState(), title[:300], url[:2100])


@post("/submit", access=Access.MEMBER, status=200, form=show_submit)
def submit(session: DbWrite, call: Calling, account: Actor, data: AnyBody[SubmitForm]) -> Redirect:
    """Post it."""
    submission = posting.Submission(
        data.title,
        data.url or None,
        data.content,
        [tag for tag in data.tags.replace(",", " ").split() if tag],
        [line for line in data.options.splitlines() if line.strip()],
    )
    item, is_new = flows.submit(session, call, account, submission)
    if not is_new:
        is_own = item.author_id == account.id
        toast = "You posted this already." if is_own else "Already posted; your vote was added."
        return Redirect(f"/news/item?id={item.id}", toast=toast)
    waits = item.state == "shadow"
    toast = "A spam rule holds it back until a moderator looks." if waits else "Posted."
    return Redirect(f"/news/item?id={item.id}", toast=toast, kind="warning" if waits else "success")


@get("/known", access=Access.MEMBER)
def known(session: DbRead, call: Calling, viewer: Looking, url: FromQuery[str] = "") -> Page:
    """A piece of the form: posts of the address that is being typed."""
    return page(session, call, "_known.html", known=_known(session, viewer, url[:2100]))


@get("/title", access=Access.MEMBER)
async def fetch_title(call: Calling, url: FromQuery[str] = "") -> dict[str, str]:
    """The title that a page gives itself, for the form; empty where there is none."""
    call.platform.limits.hit("news-title", call.member().account_id, titles.RATE)
    return {"title": await titles.fetch(call.platform.outbound, url[:2100])}


routes = [submit_page, submit, known, fetch_title]
