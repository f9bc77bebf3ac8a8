"""A post with its thread, and the pieces that open in it: a reply, what else can be done, why it stands there."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import select

from dodeca.commons.accounts.public import Actor
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, NotFound
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
from dodeca.products.news import flows, ranking
from dodeca.products.news.acting import Looking, viewing
from dodeca.products.news.models import POST_TYPES, Item, RankPlace
from dodeca.products.news.pages.staying import not_too_long
from dodeca.products.news.pages.surroundings import (
    ItemId,
    Line,
    Row,
    Text,
    is_fragment,
    page,
    rows,
    with_query,
    with_roots,
)
from dodeca.products.news.service import (
    answers,
    items,
    listing,
    marks,
    members,
    posting,
    suggesting,
    threads,
    voting,
)
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import current

PLACES = 300
MODERATOR_REASONS = ("Off topic", "Spam", "Unkind", "Already posted", "Misleading title")


class ReplyForm(ClosedRequest):
    """A comment on a post or another comment."""

    parent: ItemId = 0
    content: Text = ""


class EditForm(ClosedRequest):
    """One's own item, changed."""

    id: ItemId = 0
    title: Line | None = None
    content: Text = ""
    tags: Line | None = None


class ItemForm(ClosedRequest):
    """Which item."""

    id: ItemId = 0


class SeenForm(ClosedRequest):
    """A thread, and the last comment in it that was seen."""

    id: ItemId = 0
    until: ItemId = 0


def _number(call: Call, name: str = "id") -> int:
    text = call.request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else 0


class Discussion(NamedTuple):
    """A page of the comments below an item, flat: depth says how far each is moved in."""

    rows: list[Row]
    total: int
    unread: int
    newest: int
    pages: int


def discussion(session: ReadSession, viewer: Viewer, root: Item, top: Item, sort: str, number: int) -> Discussion:
    """The comments below `top` in reading order."""
    nodes = threads.outline(session, viewer, root.id, sort=sort, rules=current(session))
    walked = [node for tree in nodes for node in tree.walk()]
    if top.id != root.id:
        found = next((node for node in walked if node.row.id == top.id), None)
        nodes = found.replies if found is not None else []
        walked = [node for tree in nodes for node in tree.walk()]
    outlines = [node.row for node in walked]
    seen, mine = listing.seen_until(session, viewer, root), viewer.account_id
    unread = {row.id for row in outlines if row.id > seen and row.author_id != mine} if seen is not None else set()
    part = threads.page_of(nodes, number)
    shown = session.get_many(Item, [node.row.id for node, _more in part.shown])
    made = rows(session, viewer, list(shown.values()))
    may_accept = answers.can_accept(viewer.account_id, root)
    first_depth = nodes[0].depth if nodes else 0
    for row, (node, more) in zip(made, part.shown, strict=True):
        row.depth, row.more = node.depth - first_depth, more
        row.unread = node.row.id in unread
        row.is_answer = row.item.id == root.accepted_id
        row.can_be_answer = may_accept and not row.is_own and row.item.state == "live"
    newest = max([row.id for row in outlines], default=root.id)
    total = sum([listing.is_visible(viewer, row) for row in outlines])  # without places of what is not shown
    return Discussion(made, total, len(unread), newest, part.pages)


@get("/item", access=Access.PUBLIC, guards=[not_too_long])
def item_page(
    session: DbRead, call: Calling, viewer: Looking, sort: FromQuery[str] = "best", p: FromQuery[int] = 1
) -> Page | Redirect:
    """A post with its thread, or a comment with what is below it."""
    item = items.find(session, viewer, _number(call))
    if item.merged_into is not None:
        return Redirect(f"/news/item?id={item.merged_into}", status=302)
    if item.type == "pollopt":
        return Redirect(f"/news/item?id={item.root_id}", status=302)
    return show_item(session, call, viewer, item, FormState(), sort=sort, number=p)


def show_item(
    session: ReadSession,
    call: Call,
    viewer: Viewer,
    item: Item,
    state: FormState,
    *,
    sort: str = "best",
    number: int = 1,
) -> Page:
    """The page of an item, with page `number` of its comments and the reply form as it was left."""
    sort = sort if sort in threads.SORTS else "best"
    root = listing.root_of(session, viewer, item)
    thread = discussion(session, viewer, root, item, sort, number)
    goes_on = with_query("/news/item", id=item.id, sort=sort if sort != "best" else None, p=number + 1)
    options = listing.options_of(session, [item.id]).get(item.id, []) if item.type == "poll" else []
    row, *choices = rows(session, viewer, [item, *options])
    row.root = root
    return page(
        session,
        call,
        "item.html",
        tab="",
        row=row,
        root=root,
        thread=thread,
        sort=sort,
        sorts=threads.SORTS,
        next_href=goes_on if 1 <= number < thread.pages else None,
        options=choices,
        discussions=posting.discussions(session, item),
        closed=_closed(session, root),
        form=state.form,
    )


def _closed(session: ReadSession, root: Item) -> str:
    """Why nobody can comment, if so."""
    rules = current(session)
    if root.type == "job":
        return "Jobs are not discussed."
    if root.locked_at is not None:
        return "A moderator locked this discussion."
    if root.state in ("dead", "deleted"):
        return "This discussion is closed."
    if root.created_at < clock.ago(days=rules.comment_days):
        return f"Discussions end after {rules.comment_days} days."
    return ""


@get("/comment", access=Access.PUBLIC)
def one_comment(session: DbRead, call: Calling, viewer: Looking, fresh: FromQuery[bool] = False) -> Page:
    """One comment as it stands in a thread: a piece for scripts."""
    item = items.find_comment(session, viewer, _number(call))
    row = rows(session, viewer, [item])[0]
    row.depth, row.unread = item.depth, fresh
    return page(session, call, "_one_comment.html", row=row)


def show_reply(session: ReadSession, call: Call, state: FormState) -> Page:
    """The reply form as it was left; at a post's own form, the post's page."""
    viewer = viewing(session, call)
    typed = state.values.get("parent", "")
    number = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 17 else _number(call)
    parent = items.find(session, viewer, number)
    if is_fragment(call) or parent.type not in POST_TYPES:
        row = with_roots(session, viewer, rows(session, viewer, [parent]))[0]
        template = "_reply.html" if is_fragment(call) else "reply.html"
        return page(session, call, template, tab="", row=row, form=state.form)
    return show_item(session, call, viewer, parent, state)


@get("/reply", access=Access.MEMBER)
def reply_page(session: DbRead, call: Calling) -> Page:
    """Answer a comment."""
    return show_reply(session, call, FormState())


@post("/comment", access=Access.MEMBER, status=200, form=show_reply)
def reply(session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[ReplyForm]) -> Any:
    """Say something."""
    item = flows.comment(session, call, account, viewer, data.parent, data.content)
    if is_fragment(call):
        row = rows(session, viewer, [item])[0]
        row.depth = item.depth
        return page(session, call, "_one_comment.html", row=row)
    toast = "A spam rule holds it back until a moderator looks." if item.state == "shadow" else ""
    return Redirect(f"/news/item?id={item.root_id}#{item.id}", toast=toast, kind="warning")


def show_edit(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form as it was left, or with what the item says."""
    viewer = viewing(session, call)
    typed = state.values.get("id", "")
    item = items.find(session, viewer, int(typed) if typed.isascii() and typed.isdigit() else _number(call))
    if viewer.account_id is None or item.author_id != viewer.account_id:
        raise NotFound()
    row = rows(session, viewer, [item])[0]
    return page(session, call, "edit.html", tab="", row=row, form=state.form)


@get("/edit", access=Access.MEMBER)
def edit_page(session: DbRead, call: Calling) -> Page:
    """Change or delete one's own."""
    return show_edit(session, call, FormState())


@post("/edit", access=Access.MEMBER, status=200, form=show_edit)
def edit(session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[EditForm]) -> Redirect:
    """Change one's own item."""
    item = items.find(session, viewer, data.id, lock=True)
    tags = [tag for tag in data.tags.replace(",", " ").split() if tag] if data.tags is not None else None
    flows.edit(session, call, account, item, title=data.title, content=data.content, tags=tags)
    return Redirect(f"/news/item?id={item.root_id or item.id}#{item.id}", toast="Saved.")


@post("/delete", access=Access.MEMBER, status=200)
def remove(session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[ItemForm]) -> Redirect:
    """Delete one's own item."""
    item = items.find(session, viewer, data.id, lock=True)
    try:
        with session.begin_nested():
            flows.remove(session, call, account, item)
    except DodecaError as error:
        return Redirect(f"/news/item?id={item.id}", toast=error.message, kind="error")
    href = f"/news/item?id={item.root_id}" if item.type == "comment" else "/news/"
    return Redirect(href, toast="Deleted.")


@get("/more", access=Access.MEMBER)
def more(session: DbRead, call: Calling, account: Actor, viewer: Looking) -> Page:
    """What else can be done with an item: flag with a reason, report, favour, hide; for moderators their acts."""
    seen = Viewer(viewer.account_id, viewer.is_moderator, showdead=True)
    item = items.find(session, seen, _number(call))
    row = with_roots(session, viewer, rows(session, seen, [item]))[0]
    template = "_more.html" if is_fragment(call) else "more.html"
    return page(
        session,
        call,
        template,
        tab="",
        row=row,
        mine=marks.mine(session, account.id, item.id),
        reasons=marks.FLAG_REASONS,
        moderator_reasons=MODERATOR_REASONS,
        suggested=suggesting.of(session, item.id) if item.type in POST_TYPES else ([], []),
    )


@get("/why", access=Access.PUBLIC)
def why(session: DbRead, call: Calling, viewer: Looking) -> Page:
    """Why a post stands where it stands."""
    item = items.find_post(session, viewer, _number(call))
    rules, standing, now = current(session), items.standing(session, item), clock.now()
    places = select(RankPlace).where(RankPlace.item_id == item.id).order_by(RankPlace.at.desc()).limit(PLACES)
    history = list(reversed(session.scalars(places).all()))
    return page(
        session,
        call,
        "_why.html" if is_fragment(call) else "why.html",
        tab="",
        row=rows(session, viewer, [item])[0],
        position=listing.position(session, item),
        counted=listing.PLACES_COUNTED,
        uncounted=voting.uncounted(session, item.id),
        age=ranking.age_hours(standing, now),
        rules=rules,
        base=ranking.base(standing, now, rules),
        factors=ranking.factors(standing, rules),
        rank=ranking.rank(standing, now, rules),
        history=[{"at": f"{place.at:%d %b %H:%M}", "place": place.position} for place in history],
        heights=[-place.position for place in history],
    )


@post("/seen", access=Access.MEMBER, status=200)
def seen(session: DbWrite, call: Calling, account: Actor, viewer: Looking, data: AnyBody[SeenForm]) -> Any:
    """Note that a thread was read up to a comment."""
    root = items.find_post(session, viewer, data.id)
    members.saw(session, account.id, root.id, data.until)
    if is_fragment(call):
        return None
    return Redirect(f"/news/item?id={root.id}", toast="All marked as read.")


routes = [item_page, one_comment, reply_page, reply, edit_page, edit, remove, more, why, seen]
