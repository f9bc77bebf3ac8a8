"""Tables of news: items in one tree, what people did with them, and what the site remembers.

Posts, comments and the options of polls are rows of one table with one sequence of ids, as programs for Hacker News
expect. Text from people is kept as typed (`content`) and ready to show (`html`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model

POST_TYPES = ("story", "poll", "job")
STATES = ("live", "flagged", "dead", "shadow", "delayed", "deleted", "pending")


def _partial(name: str, where: str, *columns: str) -> Index:
    """An index over the rows that `where` chooses."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Item(Model):
    """A post, a comment or an option of a poll.

    A post is its own root; a comment has a parent and shares its root; an option belongs to a poll (checks).
    `score` = `score_base` + the sum of its votes' directions, `counted` = the same over the votes that count for rank;
    `score_base` is 1, the author's own point (0 for an option), or what an import brought. `descendants` counts the
    live comments below a post; `imported_descendants` is what a file said, shown while none is held.
    `kind` refines `type`: ask and show are stories. Deleting keeps the row without its text. `accepted_id` is the
    comment that the author of an Ask post accepted as the answer, `uncounted_seen` how many votes that do not count
    a moderator has looked at."""

    __tablename__ = "news_items"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    type: Mapped[str]
    kind: Mapped[str]
    author_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("news_items.id"))
    root_id: Mapped[int | None]
    title: Mapped[str] = mapped_column(default="")
    url: Mapped[str | None]
    url_key: Mapped[str | None]
    site: Mapped[str | None]
    content: Mapped[str] = mapped_column(default="")
    html: Mapped[str] = mapped_column(default="")
    score: Mapped[int] = mapped_column(default=1)
    score_base: Mapped[int] = mapped_column(default=1)
    counted: Mapped[int] = mapped_column(default=1)
    flags: Mapped[int] = mapped_column(default=0)
    vouches: Mapped[int] = mapped_column(default=0)
    descendants: Mapped[int] = mapped_column(default=0)
    imported_descendants: Mapped[int] = mapped_column(default=0)
    depth: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(default="live")
    reason: Mapped[str | None]
    penalty: Mapped[float] = mapped_column(default=1.0)
    penalty_reason: Mapped[str | None]
    rank: Mapped[float] = mapped_column(default=0.0)
    heat: Mapped[float] = mapped_column(default=0.0)
    active_at: Mapped[datetime] = mapped_column(default=clock.now)
    voted_at: Mapped[datetime] = mapped_column(default=clock.now)
    live_at: Mapped[datetime | None]
    locked_at: Mapped[datetime | None]
    pooled_at: Mapped[datetime | None]
    merged_into: Mapped[int | None]
    accepted_id: Mapped[int | None]
    uncounted_seen: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    updated_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("type IN ('story', 'comment', 'poll', 'pollopt', 'job')", name="type"),
        CheckConstraint("kind IN ('story', 'ask', 'show', 'comment', 'poll', 'pollopt', 'job')", name="kind"),
        CheckConstraint(
            "state IN ('live', 'flagged', 'dead', 'shadow', 'delayed', 'deleted', 'pending')", name="state"
        ),
        CheckConstraint("(type IN ('comment', 'pollopt')) = (parent_id IS NOT NULL)", name="parent"),
        CheckConstraint("penalty > 0 AND penalty <= 10", name="penalty"),
        # Lists read posts, comments or what waits in an order: partial indexes, so that each holds only its rows.
        _partial("ix_news_posts_rank", "parent_id IS NULL", "rank", "id"),
        _partial("ix_news_posts_heat", "parent_id IS NULL", "heat", "id"),
        _partial("ix_news_posts_active", "parent_id IS NULL", "active_at", "id"),
        _partial("ix_news_posts_created", "parent_id IS NULL", "created_at", "id"),
        _partial("ix_news_posts_kind", "parent_id IS NULL AND kind <> 'story'", "kind", "rank", "id"),
        _partial("ix_news_posts_score", "parent_id IS NULL", "score", "id"),
        _partial("ix_news_posts_site", "parent_id IS NULL", "site", "created_at", "id"),
        _partial("ix_news_posts_url_key", "parent_id IS NULL", "url_key"),
        _partial("ix_news_posts_title", "parent_id IS NULL", "title"),
        _partial("ix_news_posts_voted", "parent_id IS NULL", "voted_at"),
        _partial("ix_news_posts_pooled", "pooled_at IS NOT NULL", "pooled_at", "id"),
        _partial("ix_news_comments_created", "type = 'comment'", "created_at", "id"),
        _partial("ix_news_comments_heat", "type = 'comment'", "heat", "id"),
        _partial("ix_news_items_waiting", "state <> 'live'", "state", "live_at"),
        _partial("ix_news_items_unseen", "state <> 'live' AND state <> 'deleted'", "author_id"),
        _partial("ix_news_items_flagged", "flags > 0", "flags"),
        Index("ix_news_items_root", "root_id", "id"),
        # Of those alone that have one: SQLite would otherwise find all posts by it, and sort them for each list.
        _partial("ix_news_items_parent", "parent_id IS NOT NULL", "parent_id"),
        Index("ix_news_items_author", "author_id", "created_at"),
        Index("ix_news_items_updated", "updated_at"),
    )


class UrlClaim(Model):
    """The post that holds a canonical URL until `until` (30 days): one open post a URL (primary key).

    Taking it over when its time is past, or when its post is gone, happens in the statement that claims it."""

    __tablename__ = "news_url_claims"

    url_key: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"))
    until: Mapped[datetime]


class Vote(Model):
    """One person's vote on one item (primary key): up (1) or down (-1), never on one's own item.

    `counted` says whether it moves the rank; `address_hash` is a keyed hash of a public address. Committed together
    with the item's score and the author's karma."""

    __tablename__ = "news_votes"

    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    author_id: Mapped[str | None]
    direction: Mapped[int]
    counted: Mapped[bool] = mapped_column(default=True)
    suspicion: Mapped[str | None]
    address_hash: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("direction IN (1, -1)", name="direction"),
        CheckConstraint("author_id IS NULL OR author_id <> user_id", name="not_own"),
        CheckConstraint("counted = (suspicion IS NULL)", name="suspicion"),
        Index("ix_news_votes_user", "user_id", "created_at"),
        _partial("ix_news_votes_down", "direction = -1", "user_id", "created_at"),
        _partial("ix_news_votes_address", "address_hash IS NOT NULL", "item_id", "address_hash"),
    )


class Flag(Model):
    """One person's flag on one item (primary key), with a reason. The item's `flags` counts them."""

    __tablename__ = "news_flags"

    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (CheckConstraint("reason IN ('off_topic', 'already_posted', 'spam', 'unkind')", name="reason"),)


class Vouch(Model):
    """One person's word for a flagged item (primary key). The item's `vouches` counts them."""

    __tablename__ = "news_vouches"

    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Favorite(Model):
    """An item on one person's public list of favourites (primary key)."""

    __tablename__ = "news_favorites"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Hide(Model):
    """An item that one person does not want to see in lists (primary key). Nobody else sees it."""

    __tablename__ = "news_hides"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Member(Model):
    """What news knows of an account: karma and choices (one row, primary key).

    `karma` = `karma_base` (1, or what an import brought) + the sum of others' votes on the account's items."""

    __tablename__ = "news_members"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    karma: Mapped[int] = mapped_column(default=1)
    karma_base: Mapped[int] = mapped_column(default=1)
    about: Mapped[str] = mapped_column(default="")
    showdead: Mapped[bool] = mapped_column(default=False)
    noprocrast: Mapped[bool] = mapped_column(default=False)
    maxvisit: Mapped[int] = mapped_column(default=20)
    minaway: Mapped[int] = mapped_column(default=180)
    visit_began_at: Mapped[datetime | None]
    visit_seen_at: Mapped[datetime | None]
    delay: Mapped[int] = mapped_column(default=0)
    topcolor: Mapped[str] = mapped_column(default="")
    public_votes: Mapped[bool] = mapped_column(default=False)
    banned_reason: Mapped[str | None]
    joined_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("delay BETWEEN 0 AND 10", name="delay"),
        Index("ix_news_members_karma", "karma"),
        Index("ix_news_members_joined", "joined_at"),
    )


class Revision(Model):
    """What an item said before an edit or a deletion. Rows are only added."""

    __tablename__ = "news_revisions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), index=True)
    editor_id: Mapped[str]
    title: Mapped[str]
    content: Mapped[str]
    url: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class ItemTag(Model):
    """A tag of a post (primary key): lower-case letters, digits and hyphens, at most five a post."""

    __tablename__ = "news_item_tags"

    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (Index("ix_news_item_tags_tag", "tag", "item_id"),)


class Tag(Model):
    """What moderators decided about a tag (primary key): a penalty on the rank of the posts that have it."""

    __tablename__ = "news_tags"

    tag: Mapped[str] = mapped_column(primary_key=True)
    penalty: Mapped[float] = mapped_column(default=1.0)
    reason: Mapped[str] = mapped_column(default="")

    __table_args__ = (CheckConstraint("penalty > 0 AND penalty <= 10", name="penalty"),)


class Suggestion(Model):
    """A better title, or better tags (with spaces between, in order), for somebody else's post: one of a member for a
    post (primary key). Enough equal ones are applied and removed; who made them is told to nobody."""

    __tablename__ = "news_suggestions"

    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    title: Mapped[str | None]
    tags: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("title IS NOT NULL OR tags IS NOT NULL", name="not_empty"),
        Index("ix_news_suggestions_user", "user_id"),
    )


class TagFilter(Model):
    """A tag that one person does not want to see in lists (primary key). Nobody else sees it."""

    __tablename__ = "news_tag_filters"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)


class Site(Model):
    """What moderators decided about a site (primary key): a penalty on its rank, or a ban."""

    __tablename__ = "news_sites"

    site: Mapped[str] = mapped_column(primary_key=True)
    penalty: Mapped[float] = mapped_column(default=1.0)
    banned: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str] = mapped_column(default="")


class Visit(Model):
    """Up to which comment a member has seen a thread (one row a member and post): later ones are marked unread."""

    __tablename__ = "news_visits"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    root_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    seen_until: Mapped[int]


class Invitation(Model):
    """A code (primary key) with which one member let one other in: an account uses one at most (unique)."""

    __tablename__ = "news_invitations"

    code: Mapped[str] = mapped_column(primary_key=True)
    inviter_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    used_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"), unique=True)
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        CheckConstraint("(used_by IS NULL) = (used_at IS NULL)", name="used"),
        CheckConstraint("used_by IS NULL OR used_by <> inviter_id", name="not_own"),
    )


class ShelfEntry(Model):
    """Something that a member brought along from elsewhere (primary key): a private shelf, never points or public.

    `kind` is `item` (what the member wrote there) or `favorite`; `ref` is its id there or its address."""

    __tablename__ = "news_shelf"

    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(default="")
    url: Mapped[str | None]
    html: Mapped[str] = mapped_column(default="")
    written_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (CheckConstraint("kind IN ('item', 'favorite')", name="kind"),)


class RankPlace(Model):
    """Where a post stood on the front page at a moment (at most one row a post and five minutes, primary key)."""

    __tablename__ = "news_rank_history"

    item_id: Mapped[int] = mapped_column(ForeignKey("news_items.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    position: Mapped[int]
    rank: Mapped[float]

    __table_args__ = (Index("ix_news_rank_history_at", "at"),)


class SiteSettings(Model):
    """The site's thresholds and limits as an admin set them: one row, id 1 (check); what it lacks is the preset's."""

    __tablename__ = "news_settings"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    values: Mapped[dict[str, Any]]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
