"""Suggested titles and tags, and penalties on tags."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.products.news.conftest import News
from tests.support.platform import Client

from dodeca.commons.accounts.models import Account
from dodeca.commons.moderation.models import ModerationEntry
from dodeca.commons.notifications.models import Notification
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from dodeca.products.news import jobs, ranking
from dodeca.products.news.models import Item
from dodeca.products.news.service import items, listing, moderating, posting, rules, suggesting
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.suggesting import Suggested


def suggest(session: WriteSession, who: Account, post: Item, **what: object) -> bool:
    """Whether the post changed."""
    return suggesting.suggest(session, who, Viewer(who.id), post.id, **what)[1]  # type: ignore[arg-type]


def test_what_two_members_suggest_alike_is_applied_logged_and_told(session: WriteSession, news: News) -> None:
    post = news.post(title="You will not believe this lighthouse", tags=["sea"])
    first, second, third = (news.account() for _ in range(3))

    assert not suggest(session, first, post, title="Ask: How tall is the lighthouse of Pharos?", tags=["maps", "sea"])
    assert not suggest(session, first, post, title="Ask: How tall is the lighthouse of Pharos?")
    assert not suggest(session, second, post, title="Lighthouses")
    assert suggesting.of(session, post.id)[1] == [Suggested("maps sea", 1)]
    assert suggest(session, second, post, title=" Ask:  How tall is the lighthouse of Pharos? ")

    assert (post.title, post.kind) == ("Ask: How tall is the lighthouse of Pharos?", "ask")
    assert suggesting.of(session, post.id) == ([], [Suggested("maps sea", 1)])
    assert suggest(session, third, post, tags=["sea", "MAPS"])
    assert listing.tags_of(session, [post.id]) == {post.id: ["maps", "sea"]}
    assert suggesting.of(session, post.id) == ([], [])
    log = session.scalars(select(ModerationEntry).where(ModerationEntry.action == "suggested")).all()
    assert [entry.moderator_id for entry in log] == [None, None]
    told = session.scalars(select(Notification).where(Notification.account_id == post.author_id)).all()
    assert len([notice for notice in told if "another" in notice.title]) == 2


def test_who_may_not_suggest_and_what_is_none(session: WriteSession, news: News) -> None:
    post, member = news.post(title="A post", tags=["sea"]), news.account()
    author = session.get_one(Account, post.author_id)

    with pytest.raises(Forbidden):
        suggest(session, author, post, title="Mine is better")
    for nothing in ({"title": "A post"}, {"tags": ["sea"]}, {"title": " "}, {}):
        with pytest.raises(Invalid):
            suggest(session, member, post, **nothing)
    with pytest.raises(Invalid):
        suggest(session, member, post, tags=["not a tag"])
    with pytest.raises(NotFound):
        suggesting.suggest(session, member, Viewer(member.id), news.comment(post).id, title="A comment")
    rules.change(session, member.id, {"karma_to_flag": 5})
    with pytest.raises(Forbidden, match="karma"):
        suggest(session, member, post, title="Another")
    rules.change(session, member.id, {"karma_to_flag": 1})
    clock.advance(46 * 86400)
    with pytest.raises(Conflict):
        suggest(session, member, post, title="Another")


def test_an_authors_edit_and_ones_own_withdrawal_end_suggestions(session: WriteSession, news: News) -> None:
    post, member = news.post(title="A post"), news.account()
    suggest(session, member, post, title="Another")
    suggesting.withdraw(session, member.id, post.id)
    assert suggesting.of(session, post.id) == ([], [])
    suggest(session, member, post, title="Another")

    posting.edit(session, session.get_one(Account, post.author_id), post, title="A third")

    assert suggesting.of(session, post.id) == ([], [])


def test_suggesting_by_program_and_in_the_browser(client: Client, news: News) -> None:
    post = news.post(title="A post")
    path = f"/api/news/posts/{post.id}/suggestions"
    first, second = (client.with_token(news.make.token(news.account())) for _ in range(2))

    assert client.post(path, json={"title": "B"}).status_code == 401
    made = first.post(path, json={"title": "A better title"})
    assert (made.status_code, made.json()["applied"], made.json()["post"]["title"]) == (201, False, "A post")
    assert client.get(path).json() == {"titles": [{"value": "A better title", "count": 1}], "tags": []}
    assert second.post(path, json={"title": "A better title"}).json()["post"]["title"] == "A better title"
    assert first.post(path, json={"tags": ["x"]}).status_code == 201
    assert first.delete(path).status_code == 204
    assert client.get(path).json() == {"titles": [], "tags": []}


def test_a_penalty_on_a_tag_ranks_its_posts_lower_and_says_so(session: WriteSession, news: News) -> None:
    post, voter = news.post(tags=["maps"]), news.account()
    news.vote(post)
    before = post.rank

    moderating.act(
        session, news.account(), action="penalise", target_type="tag", target_id="Maps", reason="Too many.", value="0.5"
    )
    jobs.refresh(session)

    assert items.locked(session, post.id).rank == pytest.approx(before / 2, rel=0.01)
    factors = ranking.factors(items.standing(session, post), rules.current(session))
    assert [(factor.name, factor.value, factor.why) for factor in factors] == [("tag", 0.5, "maps: Too many.")]
    assert news.vote(post, voter).rank == pytest.approx(post.rank)
    with pytest.raises(Invalid):
        moderating.act(
            session, news.account(), action="penalise", target_type="tag", target_id="not a tag", reason="No."
        )
