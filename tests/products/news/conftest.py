"""Fixtures of news: people and items through the service, and invariants that hold when a test is over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.platform import Factory

from dodeca.commons.accounts.models import Account
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.products.news.invariants import invariants
from dodeca.products.news.models import Item
from dodeca.products.news.service import members, posting, voting
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.vote_rows import VotedItem

_numbers = itertools.count(1)


class News:
    """Makes accounts, posts, comments and votes; commits unless the test holds a session."""

    def __init__(self, make: Factory) -> None:
        self.make = make
        self.platform: Platform = make.platform
        self.run = make.run

    def account(self, karma: int = 1, **options: Any) -> Account:
        """An account of that karma."""
        account = self.make.account(**options)

        def unit(session: WriteSession) -> None:
            row = members.member(session, account.id)
            row.karma = row.karma_base = karma

        self.run(unit)
        return account

    def post(self, author: Account | None = None, **parts: Any) -> Item:
        """A post; a link to a page of its own unless something else is said."""
        number = next(_numbers)
        author = author or self.account()
        if "url" not in parts and "content" not in parts:
            parts["url"] = f"https://example.com/{number}"
        submission = posting.Submission(title=parts.pop("title", f"Post {number}"), **parts)
        return self.run(lambda session: posting.submit(session, author, submission))[0]

    def comment(self, on: Item, author: Account | None = None, content: str = "") -> Item:
        """A comment."""
        author = author or self.account()
        text = content or f"What I think, number {next(_numbers)}."
        return self.run(lambda session: posting.comment(session, author, Viewer(author.id), on.id, text))

    def deepen(self, session: WriteSession, post: Item, levels: int) -> None:
        """Replies to replies, each saying its level, in one statement. What is made afterwards may take their ids."""
        rows = [
            Item(
                id=post.id + level + 1,
                type="comment",
                kind="comment",
                author_id=post.author_id,
                parent_id=post.id + level,
                root_id=post.id,
                depth=level,
                content=f"Level {level}",
                html=f"Level {level}",
            )
            for level in range(levels)
        ]
        session.add_all(rows)
        session.get_one(Item, post.id).descendants = levels
        session.flush()

    def vote(
        self, item: Item, voter: Account | None = None, direction: int = 1, address: str | None = None
    ) -> VotedItem:
        """A vote."""
        voter = voter or self.account()
        return self.run(lambda session: voting.vote(session, voter.id, item.id, direction, address_hash=address))

    def item(self, item_id: int) -> Item:
        """The item as it is now."""
        return self.run(lambda session: session.get_one(Item, item_id, populate_existing=True))

    def broken(self) -> dict[str, list[object]]:
        """Which invariants do not hold."""

        def unit(session: WriteSession) -> dict[str, list[object]]:
            session.flush()
            return {name: list(rows) for name, check in invariants.items() if (rows := check(session))}

        return self.run(unit)


@pytest.fixture
def news(make: Factory) -> Iterator[News]:
    """The factory; the invariants are checked at the end."""
    made = News(make)
    yield made
    assert made.broken() == {}
