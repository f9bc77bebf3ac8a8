"""Demo data: links of the demo accounts with clicks, made through the service and the journal like real ones."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from dodeca.commons.accounts.public import account_by_name
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.http import Principal
from dodeca.products.shortener.journal import Click, Recorded
from dodeca.products.shortener.service import Shortener, creating, domains, groups, of, wishes
from dodeca.products.shortener.service.creating import Made

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

PEOPLE = ("alice", "bob")
DAYS = 28
_SEED = 20260801

_LINKS: tuple[tuple[dict[str, object], int], ...] = (
    ({"long_url": "https://www.python.org/downloads/", "alias": "get-python", "title": "Download Python",
      "tags": ["tools", "python"], "folder": "Handouts"}, 160),
    ({"long_url": "https://www.openstreetmap.org/#map=15/52.5163/13.3777", "alias": "meet-here",
      "title": "Where we meet", "tags": ["club"], "forward_query": True}, 90),
    ({"long_url": "https://en.wikipedia.org/wiki/URL_shortening", "title": "What a short link is",
      "tags": ["reading"]}, 70),
    ({"long_url": "https://www.gutenberg.org/ebooks/1342", "alias": "book-club",
      "title": "This month: Pride and Prejudice",
      "tags": ["club", "reading"], "utm": {"source": "club", "medium": "poster", "campaign": "reading"}}, 120),
    ({"long_url": "https://docs.sqlalchemy.org/en/21/", "title": "SQLAlchemy handbook", "tags": ["python"],
      "folder": "Handouts"}, 40),
    ({"long_url": "https://www.mozilla.org/firefox/new/", "alias": "our-browser", "title": "One link for every device",
      "tags": ["tools"], "rules": [
          {"long_url": "https://play.google.com/store/apps/details?id=org.mozilla.firefox",
           "conditions": [{"type": "device", "match_value": "android"}]},
          {"long_url": "https://apps.apple.com/app/firefox-private-safe-browser/id989804926",
           "conditions": [{"type": "device", "match_value": "ios"}]}]}, 110),
    ({"long_url": "https://www.w3.org/WAI/fundamentals/", "style": "readable", "title": "Accessibility for everybody",
      "tags": ["reading"]}, 30),
    ({"long_url": "https://www.rfc-editor.org/rfc/rfc9110", "title": "HTTP semantics", "archived": True}, 12),
    ({"long_url": "https://example.org/voucher/one-of-five", "alias": "first-five", "title": "For the first five",
      "max_visits": 5}, 0),
)  # fmt: skip

_AGENTS = (
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Safari/537.36", 34),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
     "Mobile/15E148 Safari/604.1", 26),
    ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Mobile "
     "Safari/537.36", 22),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
     "Safari/605.1.15", 9),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", 6),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 3),
)  # fmt: skip
_REFERRERS = (("", 45), ("https://www.google.com/", 20), ("https://news.ycombinator.com/", 8),
              ("https://mastodon.social/", 9), ("https://www.reddit.com/", 10), ("https://t.co/", 8))  # fmt: skip
_LANGUAGES = (("en-GB,en;q=0.8", 40), ("de-DE,de;q=0.9", 25), ("fr-FR,fr;q=0.9", 12), ("es-ES,es;q=0.9", 12),
              ("ja-JP,ja;q=0.9", 6), ("pt-BR,pt;q=0.9", 5))  # fmt: skip
_NETWORKS = ("81.2.69.", "91.10.12.", "8.8.8.", "201.17.3.", "133.11.5.", "80.12.40.", "212.85.150.", "49.36.20.")


def fill(platform: Platform) -> None:
    """Make the links of the demo accounts, and four weeks of clicks on them."""
    shortener = of(platform)
    generator = random.Random(_SEED)  # noqa: S311 - repeatable demo data
    for name in PEOPLE:
        account = platform.db.read(lambda session, name=name: account_by_name(session, name))  # type: ignore[misc]
        if account is None:
            continue
        actor = Principal(account_id=account.id, username=account.username)
        for number, (fields, clicks) in enumerate(_LINKS):
            if name != PEOPLE[0] and number % 3:
                continue
            made = _make(shortener, actor, dict(fields), name)
            _click(shortener, generator, made, clicks if name == PEOPLE[0] else clicks // 4)
        if name == PEOPLE[0]:
            _share(shortener, actor)
    shortener.folder.fold()
    shortener.close()


def _make(shortener: Shortener, actor: Principal, fields: dict[str, object], name: str) -> Made:
    if name != PEOPLE[0] and "alias" in fields:
        fields["alias"] = f"{name}-{fields['alias']}"
    wish = msgspec.convert(fields, wishes.NewLink)
    with shortener.codes.reserved(1, readable=1) as codes:
        return shortener.db.write(lambda session: creating.create(session, shortener, actor, wish, codes))


def _share(shortener: Shortener, actor: Principal) -> None:
    """A group of both, and a domain that waits to be verified."""

    def unit(session: WriteSession) -> None:
        group = groups.add(session, actor, "Book club")
        session.flush()
        groups.set_member(session, actor, group.id, PEOPLE[1], "editor")
        domains.add(session, shortener, actor, "go.example.org", home_url="https://example.org/")

    shortener.db.write(unit)


def _click(shortener: Shortener, generator: random.Random, made: Made, clicks: int) -> None:
    """Clicks by day and evening, fewer long ago, some of them scans, previews and bots."""
    now = clock.now()
    for _ in range(clicks):
        days = min(DAYS, generator.expovariate(1 / 9))
        at = now - timedelta(days=days, seconds=generator.uniform(0, 3600))
        if at.hour < 6 and generator.random() < 0.8:
            at -= timedelta(hours=8)
        shortener.journal.append(
            Click(
                made.link.id,
                int(at.timestamp() * 1000),
                int(Recorded.VISIT if generator.random() < 0.97 else Recorded.HEAD),
                generator.choice(_NETWORKS) + str(generator.randint(1, 120)),
                _one_of(generator, _AGENTS),
                _one_of(generator, _REFERRERS),
                _one_of(generator, _LANGUAGES),
                "qr" if generator.random() < 0.12 else "",
            )
        )
    for _ in range(clicks * 3):
        at = now - timedelta(days=generator.uniform(0, DAYS))
        shortener.journal.append(Click(made.link.id, int(at.timestamp() * 1000), int(Recorded.IMPRESSION), ""))


def _one_of(generator: random.Random, choices: tuple[tuple[str, int], ...]) -> str:
    return generator.choices([text for text, _ in choices], [weight for _, weight in choices])[0]
