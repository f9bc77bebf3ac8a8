"""Demo data: a week of posts, votes and talk of ten members, made through the service like real ones."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from dodeca.commons import following
from dodeca.commons.accounts.public import Account, account_by_name, create_without_login
from dodeca.commons.discussion.text import cleaned
from dodeca.commons.moderation import service as moderation
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.products.news import jobs
from dodeca.products.news.models import Item
from dodeca.products.news.service import items, marks, members, moderating, posting, searching, voting
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import PRODUCT

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

_SEED = 20260915
MEMBERS = ("marta", "jonas", "wei", "priya", "tomasz", "noor", "elif", "sam_k", "ines", "kofi")

# Title, link, hours ago, how many of the members like it, tags.
_LINKS: tuple[tuple[str, str, float, float, tuple[str, ...]], ...] = (
    ("How SQLite tests itself", "https://www.sqlite.org/testing.html", 2, 0.9, ("databases", "testing")),
    ("HTTP caching, as the standard says it", "https://www.rfc-editor.org/rfc/rfc9111", 4, 0.7, ("web",)),
    ("The Antikythera mechanism", "https://en.wikipedia.org/wiki/Antikythera_mechanism", 5, 0.95, ("history",)),
    ("PEP 703: making the GIL optional", "https://peps.python.org/pep-0703/", 7, 0.85, ("python",)),
    ("A map of every lighthouse", "https://www.openstreetmap.org/wiki/Tag:man_made=lighthouse", 8, 0.6, ("maps",)),
    ("What a pull quote is for", "https://www.w3.org/TR/html52/grouping-content.html", 9, 0.25, ("web",)),
    ("PostgreSQL: how MVCC works", "https://www.postgresql.org/docs/current/mvcc-intro.html", 11, 0.75, ("databases",)),
    ("The halting problem, explained with a mirror", "https://plato.stanford.edu/entries/turing-machine/", 13, 0.5, ()),
    ("Free books: the most read this month", "https://www.gutenberg.org/browse/scores/top", 16, 0.55, ("books",)),
    ("Earth at night, in colour", "https://earthobservatory.nasa.gov/features/NightLights", 18, 0.8, ("space",)),
    ("Why bridges hum", "https://en.wikipedia.org/wiki/Aeroelasticity", 21, 0.45, ("engineering",)),
    ("Reading a whole codebase in a weekend", "https://git-scm.com/docs/git-log", 24, 0.65, ("programming",)),
    ("Voyager: where is it now?", "https://science.nasa.gov/mission/voyager/where-are-they-now/", 27, 0.9, ("space",)),
    ("CSS cascade layers", "https://developer.mozilla.org/en-US/docs/Web/CSS/@layer", 30, 0.4, ("web", "css")),
    ("The quiet art of error messages", "https://www.w3.org/WAI/tutorials/forms/notifications/", 34, 0.6, ("design",)),
    ("Unicode: the text segmentation rules", "https://www.unicode.org/reports/tr29/", 38, 0.35, ("programming",)),
    ("Sourdough is a controlled failure", "https://en.wikipedia.org/wiki/Sourdough", 44, 0.7, ("food",)),
    ("Time zones are political", "https://www.iana.org/time-zones", 52, 0.75, ("history", "programming")),
    ("Rust: fearless concurrency", "https://doc.rust-lang.org/book/ch16-00-concurrency.html", 60, 0.5, ("rust",)),
    ("The longest running experiment", "https://en.wikipedia.org/wiki/Pitch_drop_experiment", 70, 0.85, ("science",)),
    ("A century of weather, in one file", "https://www.ncei.noaa.gov/products", 84, 0.3, ("science", "data")),
    ("Birdsong as a password", "https://www.xeno-canto.org/explore", 96, 0.55, ("science",)),
    ("Regular expressions from the ground up", "https://docs.python.org/3/howto/regex.html", 110, 0.45, ("python",)),
    ("Old maps, laid over new ones", "https://maps.nls.uk/geo/explore/", 130, 0.6, ("maps", "history")),
)  # fmt: skip
_TEXTS: tuple[tuple[str, str, float, float], ...] = (
    (
        "Ask HN: What do you back up, and have you ever restored it?",
        "I found out last week that my backups had been empty since spring. *Everything* reported success.\n\n"
        "What do you keep, where, and when did you last try to get it back?",
        6,
        0.8,
    ),
    (
        "Show HN: I made a reading list that forgets",
        "Links disappear after thirty days unless I open them. I read more since.\n\nThe whole thing is small:\n\n"
        "  for link in links:\n      if link.age > 30 and not link.opened:\n          link.forget()",
        12,
        0.65,
    ),
    ("Ask HN: Which book changed how you work?", "Not what you think, but what you *do* each day.", 40, 0.7),
    ("Show HN: A terminal clock for people who work across time zones", "Written over two rainy days.", 66, 0.4),
)
_SAYINGS = (
    "I tried this at work for a month. The surprise was not the speed, it was that people stopped being afraid of it.",
    "The second half is better than the first. Skip to the part about measurements if you are short of time.",
    "Does anybody know how this compares with what was done in the eighties? It sounds very familiar.",
    "A small correction: that is true of the default settings only.\n\nSee https://www.rfc-editor.org/rfc/rfc9110 for "
    "the exact words.",
    "This is *exactly* the kind of thing I come here for. Thank you.",
    "I disagree. The numbers are right, but the question is not the one that matters in practice.",
    "Both of you are right: it depends on how often you write and how often you read.",
    "My grandfather repaired these. He used to say that the tool tells you when you are wrong.",
    "For those who cannot open the link, it says roughly this: measure first, then change one thing.",
    "How did you find out? I would not even have looked there.",
)


def fill(platform: Platform) -> None:
    """Posts, comments, votes, a poll, and something for the moderators to decide."""
    generator = random.Random(_SEED)  # noqa: S311 - repeatable demo data
    people = platform.db.write(_people)
    made: list[int] = []
    for index, (title, url, hours, liked, tags) in enumerate(_LINKS):
        author = people[(index * 5 + 1) % len(people)]
        submission = posting.Submission(title, url, "", tags)
        made.append(_post(platform, generator, people, author, submission, hours, liked))
    for index, (title, text, hours, liked) in enumerate(_TEXTS):
        author = people[(index * 3 + 2) % len(people)]
        made.append(_post(platform, generator, people, author, posting.Submission(title, None, text), hours, liked))
    poll = posting.Submission(
        "Poll: Where do you read this?", None, "", (), ("On a phone", "At a desk", "On paper, later", "In a reader")
    )
    made.append(_post(platform, generator, people, people[4], poll, 20, 0.7))
    platform.db.write(lambda session: _trouble(session, people, made))
    platform.db.write(_index)
    platform.db.write(jobs.refresh)


def _people(session: WriteSession) -> list[Account]:
    found = [account for name in ("alice", "bob") if (account := account_by_name(session, name)) is not None]
    for name in MEMBERS:
        account = create_without_login(session, name)
        account.created_at = clock.ago(days=30 + len(found) * 40)
        members.member(session, account.id).joined_at = account.created_at
        found.append(account)
    session.flush()
    return found


def _post(
    platform: Platform,
    generator: random.Random,
    people: list[Account],
    author: Account,
    submission: posting.Submission,
    hours: float,
    liked: float,
) -> int:
    """A post as it looks some hours later: voted on and talked about."""

    def unit(session: WriteSession) -> int:
        item, _new = posting.submit(session, author, submission)
        fans = [who for who in people if who.id != author.id and generator.random() < liked]
        for fan in fans:
            voting.vote(session, fan.id, item.id, 1)
        _talk(session, generator, people, item, round(liked * 7 * generator.random() + liked * 2))
        for option in session.query(Item).filter(Item.parent_id == item.id, Item.type == "pollopt"):
            for fan in generator.sample(people, generator.randint(1, 6)):
                voting.vote(session, fan.id, option.id, 1)
        session.flush()
        _move_back(session, item, hours, generator)
        return item.id

    return platform.db.write(unit)


def _talk(session: WriteSession, generator: random.Random, people: list[Account], post: Item, count: int) -> None:
    said: list[Item] = []
    for _ in range(count):
        above = generator.choice([post, *said]) if said else post
        author = generator.choice(people)
        text = generator.choice(_SAYINGS)
        if any(other.content == text for other in said) or _has_said(session, author, text):
            continue
        comment = posting.comment(session, author, Viewer(author.id), above.id, text)
        said.append(comment)
        for fan in people:
            if fan.id != author.id and generator.random() < 0.1:
                voting.vote(session, fan.id, comment.id, 1)


def _has_said(session: WriteSession, author: Account, text: str) -> bool:
    """Nobody repeats themselves here: the spam rules would hold it back."""
    same = session.query(Item.id).filter(Item.author_id == author.id, Item.content == cleaned(text))
    return same.first() is not None


def _move_back(session: WriteSession, item: Item, hours: float, generator: random.Random) -> None:
    """Let a post and what was said about it have happened some hours ago, in the order in which it was said."""
    begun = clock.ago(hours=hours)
    item.created_at = item.updated_at = item.active_at = begun
    at = begun
    said = session.query(Item).filter(Item.root_id == item.id, Item.type == "comment").order_by(Item.id).all()
    for comment in said:
        at += timedelta(hours=hours * generator.uniform(0.03, 0.12))
        comment.created_at = comment.updated_at = comment.active_at = min(at, clock.now())
        item.active_at = comment.created_at
    item.voted_at = max(item.active_at, clock.ago(hours=hours / 2))
    items.rerank(session, item)


def _trouble(session: WriteSession, people: list[Account], made: list[int]) -> None:
    """Follows, favourites, something flagged and something reported, and one decision in the log."""
    alice, bob, *others = people
    for who in others[:3]:
        following.follow(session, alice.id, product=PRODUCT, target_type="user", target_id=who.id)
    following.follow(session, alice.id, product=PRODUCT, target_type="tag", target_id="python")
    for number in made[2:6]:
        marks.mark(session, alice, Viewer(alice.id), number, "favorite")
    spam, _new = posting.submit(
        session, others[-1], posting.Submission("Cheap watches, today only", "https://watches.example.org/today")
    )
    for who, reason in ((bob, "spam"), (others[0], "spam"), (others[1], "off_topic")):
        marks.flag(session, who, Viewer(who.id), spam.id, reason)
    moderation.report(
        session,
        bob.id,
        product=PRODUCT,
        target_type="post",
        target_id=str(made[5]),
        reason="Misleading title",
        text="The page is about something else.",
    )
    admin = account_by_name(session, "admin")
    if admin is not None:
        moderating.act(
            session,
            admin,
            action="pool",
            target_type="post",
            target_id=str(made[20]),
            reason="Good, and nobody saw it.",
        )
    profile = {"about": "I read more than I write. Mostly databases, sometimes bread."}
    members.change_profile(session, alice.id, profile)


def _index(session: WriteSession) -> None:
    for item in session.query(Item).order_by(Item.id):
        searching.put(session, item)
