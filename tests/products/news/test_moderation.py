"""Flags, vouches, moderators' acts, their log."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError
from tests.products.news.conftest import News

from dodeca.commons.moderation import service as moderation
from dodeca.commons.moderation.models import ModerationEntry
from dodeca.commons.notifications.models import Notification
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from dodeca.products.news.models import Item
from dodeca.products.news.service import items, listing, marks, members, moderating, posting, searching, threads
from dodeca.products.news.service.members import VISITOR, Viewer


def flag(session: WriteSession, news: News, item: Item, times: int) -> None:
    for _ in range(times):
        account = news.account()
        marks.flag(session, account, Viewer(account.id), item.id, "spam")
        marks.flag(session, account, Viewer(account.id), item.id, "spam")


def act(session: WriteSession, news: News, action: str, item: Item, value: str = "") -> ModerationEntry:
    kind = "comment" if item.type == "comment" else "post"
    return moderating.act(
        session,
        news.account(),
        action=action,
        target_type=kind,
        target_id=str(item.id),
        reason="It had to be.",
        value=value,
    )


def test_three_flags_hide_and_two_vouches_revive(session: WriteSession, news: News) -> None:
    post = news.post()
    flag(session, news, post, 3)
    assert post.state == "flagged"
    told = session.scalars(select(Notification).where(Notification.account_id == post.author_id)).all()
    assert "spam × 3" in told[-1].body
    with pytest.raises(NotFound):
        items.find(session, VISITOR, post.id)
    assert items.find(session, Viewer(post.author_id), post.id)
    assert items.find(session, Viewer(showdead=True), post.id)

    for _ in range(2):
        account = news.account()
        marks.vouch(session, account, Viewer(account.id), post.id)

    assert (items.find(session, VISITOR, post.id).state, post.flags) == ("live", 0)


def test_flags_below_a_third_of_the_score_do_not_hide(session: WriteSession, news: News) -> None:
    post = news.post()
    for _ in range(9):
        news.vote(post)
    flag(session, news, post, 3)

    assert post.state == "live"


def test_nobody_vouches_for_the_dead_or_for_themselves(session: WriteSession, news: News) -> None:
    author = news.account()
    post = news.post(author)
    act(session, news, "kill", post)
    account = news.account()
    with pytest.raises(Conflict):
        marks.vouch(session, account, Viewer(account.id), post.id)
    with pytest.raises(Forbidden):
        marks.vouch(session, author, Viewer(author.id), post.id)


def test_killing_a_comment_is_logged_told_and_uncounted(session: WriteSession, news: News) -> None:
    post = news.post()
    comment = news.comment(post)

    entry = act(session, news, "kill", comment)

    assert items.locked(session, post.id).descendants == 0
    assert session.scalars(moderation.log_of("news")).all() == [entry]
    told = session.scalars(select(Notification).where(Notification.account_id == comment.author_id)).one()
    assert "It had to be." in told.body
    assert act(session, news, "unkill", comment)
    assert items.locked(session, post.id).descendants == 1


def test_a_decision_needs_its_reason(session: WriteSession, news: News) -> None:
    with pytest.raises(Invalid):
        moderating.act(
            session, news.account(), action="kill", target_type="post", target_id=str(news.post().id), reason="  "
        )


@pytest.mark.parametrize("change", [update(ModerationEntry).values(reason="x"), delete(ModerationEntry)])
def test_the_log_cannot_be_changed(session: WriteSession, news: News, change: object) -> None:
    act(session, news, "lock", news.post())
    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.execute(change)  # type: ignore[call-overload]


def test_merging_moves_the_comments(session: WriteSession, news: News) -> None:
    kept, merged = news.post(), news.post()
    comment = news.comment(news.comment(merged))

    act(session, news, "merge", merged, value=str(kept.id))

    assert items.locked(session, comment.id).root_id == kept.id
    assert items.locked(session, kept.id).descendants == 2
    assert [post.id for post in listing.posts(session, VISITOR, "new").items] == [kept.id]


def test_a_penalty_and_the_pool_move_the_rank(session: WriteSession, news: News) -> None:
    post = news.post()
    news.vote(post)
    before = post.rank
    act(session, news, "penalise", post, value="0.25")
    assert post.rank == pytest.approx(before * 0.25, rel=0.01)


def test_a_banned_account_cannot_post(session: WriteSession, news: News) -> None:
    author = news.account()
    moderating.act(
        session, news.account(), action="ban", target_type="user", target_id=author.username, reason="Spam, again."
    )
    with pytest.raises(members.Banned, match="Spam, again"):
        news.post(author)


def test_reports_of_others_are_not_seen_and_the_queue_shows_what_waits(session: WriteSession, news: News) -> None:
    post, one, two = news.post(), news.account(), news.account()
    first = moderation.report(
        session, one.id, product="news", target_type="post", target_id=str(post.id), reason="spam"
    )
    again = moderation.report(
        session, one.id, product="news", target_type="post", target_id=str(post.id), reason="spam"
    )

    assert again.id == first.id
    assert session.scalars(moderation.reports_visible_to("news", two.id, moderator=False)).all() == []
    assert [item.id for item in moderating.queue(session)] == [post.id]
    act(session, news, "clear_flags", post)
    assert first.state == "dismissed"
    assert moderating.queue(session) == []


def test_hidden_posts_leave_ones_own_lists_only(session: WriteSession, news: News) -> None:
    post, reader = news.post(), news.account()
    marks.mark(session, reader, Viewer(reader.id), post.id, "hide")

    assert listing.posts(session, Viewer(reader.id), "new").items == []
    assert listing.posts(session, VISITOR, "new").items == [post]


def test_an_answered_comment_that_was_killed_keeps_its_place(session: WriteSession, news: News) -> None:
    post = news.post()
    above = news.comment(post)
    below = news.comment(above)
    act(session, news, "kill", above)

    trees = threads.thread(session, VISITOR, post)

    assert [node.row.id for node in trees[0].walk()] == [above.id, below.id]
    author = news.account()
    assert posting.comment(session, author, Viewer(author.id), below.id, "Still here.")


def test_who_is_banned_or_posts_from_a_banned_site_is_told_why(session: WriteSession, news: News) -> None:
    moderator, author = news.account(), news.account()
    for kind, target in (("site", "spam.example"), ("user", author.username)):
        moderating.act(session, moderator, action="ban", target_type=kind, target_id=target, reason="Only adverts.")
    poster = news.account()

    post = news.post(poster, url="https://www.spam.example/offer")

    assert post.state == "dead"
    for account in (author, poster):
        told = session.scalars(select(Notification).where(Notification.account_id == account.id)).all()
        assert ["Only adverts." in notice.body for notice in told] == [True]
    kills = select(ModerationEntry.target_id).where(ModerationEntry.action == "kill")
    assert session.scalars(kills).all() == [str(post.id)]


def test_what_was_merged_stands_by_itself_again_once_it_is_revived(session: WriteSession, news: News) -> None:
    post, other, gone = news.post(), news.post(), news.post()
    act(session, news, "kill", gone)
    with pytest.raises(Invalid):
        act(session, news, "merge", post, str(gone.id))
    with pytest.raises(NotFound):
        act(session, news, "merge", post, "9" * 5000)
    act(session, news, "merge", post, str(other.id))

    act(session, news, "unkill", post)

    assert (post.state, post.merged_into) == ("live", None)


def test_what_was_killed_takes_no_place_in_a_search(session: WriteSession, news: News) -> None:
    shown, *killed = (news.post(title="Superposition") for _ in range(4))
    comment = news.comment(shown, content="Superposition it is.")
    for item in killed:
        act(session, news, "kill", item)
    for item in (shown, *killed, comment):
        searching.put(session, items.locked(session, item.id))

    found = searching.find(session, VISITOR, "superposition", limit=1)
    of_moderators = searching.find(session, Viewer("someone", is_moderator=True), "superposition")

    assert [[item.id for item in kind] for kind in found] == [[shown.id], [comment.id]]
    assert {item.id for item in of_moderators[0]} == {shown.id, *(item.id for item in killed)}
