"""Links that programs make: the lane answers and does what the route does."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import func, select
from tests.support.lanes import Sent, posted
from tests.support.platform import Client, Factory

from dodeca.commons.accounts.models import Account
from dodeca.kernel.platform import Platform
from dodeca.products.shortener.lane import make_lane
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import Shortener

PATH = "/api/shortener/links"
OWN = ("id", "short_url", "short_code", "created_at", "updated_at", "manage_token")
"""In which two links always differ."""
WISHES: tuple[dict[str, Any], ...] = (
    {"long_url": "https://example.com/plain"},
    {"long_url": "https://example.com/much", "title": "T", "tags": ["a", "b"], "redirect_status": 308, "max_visits": 3},
    {"long_url": "https://example.com/secret", "password": "hidden away"},
    {"long_url": "https://example.com/once", "reuse": True},
    {"long_url": "https://example.com/folder", "folder": "Work", "style": "readable"},
    {"long_url": "http://127.0.0.1/"},
    {"long_url": "javascript:alert(1)"},
    {"long_url": ""},
    {"long_url": 5},
    {"long_url": "https://example.com/", "redirect_status": 200},
    {"long_url": "https://example.com/", "surprise": 1},
    {},
)
BROKEN = (b"{", b"[]", b"", b"null", b'{"long_url": "\xff"}', b"[" * 5000)


def through_lane(platform: Platform, body: bytes, token: str, **headers: str) -> Sent | None:
    """What the lane answers; None where it leaves the request to the routes."""
    host = headers.pop("host", min(platform.own_hosts))
    return posted(make_lane(platform), PATH, body, host=host, token=token, headers=headers)


def test_links_are_made_and_refused_as_by_the_route(
    member: Client, make: Factory, alice: Account, shortener: Shortener, platform: Platform
) -> None:
    token, statuses = make.token(alice), set()
    for wish in WISHES:
        theirs = member.post(PATH, json=wish)
        ours = through_lane(platform, json.dumps(wish).encode(), token)

        assert ours is not None
        answers = [json.loads(ours.body), theirs.json()]
        if ours.status == 201:
            answers = [{k: v for k, v in answer.items() if k not in OWN} for answer in answers]
        assert (wish, ours.status, answers[0]) == (wish, theirs.status_code, answers[1])
        assert ours.headers["content-type"] == theirs.headers["content-type"]
        statuses.add(ours.status)
    assert statuses == {201, 400}


def test_broken_bodies_are_refused_in_the_words_of_the_route(
    member: Client, make: Factory, alice: Account, shortener: Shortener, platform: Platform
) -> None:
    for body in BROKEN:
        theirs = member.post(PATH, content=body, headers={"Content-Type": "application/json"})
        ours = through_lane(platform, body, make.token(alice))

        assert ours is not None
        assert (body[:9], ours.status, json.loads(ours.body)) == (body[:9], theirs.status_code, theirs.json())


def test_what_the_lane_makes_redirects(
    visitor: Client, make: Factory, alice: Account, shortener: Shortener, platform: Platform
) -> None:
    made = through_lane(platform, b'{"long_url": "https://example.com/to"}', make.token(alice))

    assert made is not None
    code = json.loads(made.body)["short_code"]
    assert visitor.get(f"/s/{code}").headers["location"] == "https://example.com/to"


def test_what_is_out_of_the_ordinary_is_left_to_the_route(
    make: Factory, alice: Account, shortener: Shortener, platform: Platform
) -> None:
    token, body = make.token(alice), b'{"long_url": "https://example.com/left"}'

    assert through_lane(platform, body, "no token of ours") is None
    assert through_lane(platform, body, token, host="links.example") is None
    assert through_lane(platform, body, token, **{"content-type": "application/x-www-form-urlencoded"}) is None
    assert through_lane(platform, body, token, **{"content-length": "20000"}) is None
    assert through_lane(platform, body, token, **{"x-api-key": "key"}) is None
    assert platform.db.read(lambda session: session.scalar(select(func.count()).select_from(Link))) == 0
