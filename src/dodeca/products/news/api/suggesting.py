"""Suggested titles and tags for others' posts."""

from __future__ import annotations

import msgspec

from dodeca.commons.accounts.public import Actor
from dodeca.kernel.http import Access, AnyBody, Calling, ClosedRequest, DbRead, DbWrite, FromPath, delete, get, post
from dodeca.products.news import flows
from dodeca.products.news.acting import Looking
from dodeca.products.news.api.posts import Line, Names
from dodeca.products.news.service import items, suggesting
from dodeca.products.news.service.suggesting import Suggested
from dodeca.products.news.views import PostView, post_view


class NewSuggestion(ClosedRequest):
    """Another title, other tags, or both."""

    title: Line | None = None
    tags: Names | None = None


class SuggestionAnswer(msgspec.Struct):
    """Whether enough members agreed, so that the post changed."""

    message: str
    applied: bool
    post: PostView


class SuggestionsView(msgspec.Struct):
    """What waits for others to agree. `value` of tags has spaces between them. No member is named."""

    titles: list[Suggested]
    tags: list[Suggested]


@post("/posts/{post_id:int}/suggestions", access=Access.MEMBER)
def suggest(
    session: DbWrite,
    call: Calling,
    account: Actor,
    viewer: Looking,
    post_id: FromPath[int],
    data: AnyBody[NewSuggestion],
) -> SuggestionAnswer:
    """Suggest a title or tags for another's post."""
    item, applied = flows.suggest(session, call, account, viewer, post_id, title=data.title, tags=data.tags)
    message = "Enough members agree: the post was changed." if applied else "Suggested."
    return SuggestionAnswer(message, applied, post_view(session, viewer, item))


@get("/posts/{post_id:int}/suggestions", access=Access.PUBLIC)
def read_suggestions(session: DbRead, viewer: Looking, post_id: FromPath[int]) -> SuggestionsView:
    """What was suggested for a post, and by how many."""
    item = items.find_post(session, viewer, post_id)
    return SuggestionsView(*suggesting.of(session, item.id))


@delete("/posts/{post_id:int}/suggestions", access=Access.MEMBER)
def withdraw(session: DbWrite, account: Actor, viewer: Looking, post_id: FromPath[int]) -> None:
    """Take back what one suggested."""
    suggesting.withdraw(session, account.id, items.find_post(session, viewer, post_id).id)


routes = [suggest, read_suggestions, withdraw]
