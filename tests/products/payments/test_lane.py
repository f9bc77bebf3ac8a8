"""The raw lane of Razorpay's API: what it answers is what the routes answer."""

from __future__ import annotations

import asyncio
import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.platform import Client, Factory

from dodeca.products.payments.compat.razorpay.lane import LONGEST_BODY, RazorpayLane

CHANGING = ("id", "created_at")


class Sent:
    """The server's side of a request: gives its body, and keeps what is sent."""

    def __init__(self, body: bytes) -> None:
        self.asked = body
        self.status, self.body = 0, b""
        self.headers: dict[str, str] = {}

    async def __call__(self) -> bytes:
        """The request's body."""
        return self.asked

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""
        self.status, self.headers, self.body = status, dict(headers), body


class Door:
    """One merchant's program, which comes by the lane or by the routes."""

    def __init__(self, client: Client, make: Factory) -> None:
        self.client = client
        key, secret = make.key(make.account(), ["payments"])
        self.key = {"authorization": "Basic " + base64.b64encode(f"{key.id}:{secret}".encode()).decode()}

    def by_lane(self, method: str, path: str, body: bytes = b"", **headers: str) -> Sent | None:
        """What the lane answers; None where it leaves the request to the routes."""
        path, _, query = path.partition("?")
        given = {"host": "dodeca.local", "content-length": str(len(body)), **headers}
        scope = SimpleNamespace(
            method=method, path=path, query_string=query, headers=given, client="127.0.0.1:4000", authority=None
        )
        sent = Sent(body)

        async def ask() -> bool:
            answer = RazorpayLane(self.client.platform).handle(scope, sent)
            return answer if isinstance(answer, bool) else await answer

        return sent if asyncio.run(ask()) else None

    def by_route(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        """What the routes answer."""
        return self.client.http.request(method, path, content=body, headers=headers)


@pytest.fixture
def door(client: Client, make: Factory) -> Door:
    return Door(client, make)


def without_ids(body: bytes) -> Any:
    """An answer without what differs each time."""
    found = json.loads(body)
    return {name: value for name, value in found.items() if name not in CHANGING}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/payments/v1/orders", b'{"amount": 50000, "currency": "INR", "receipt": "r-1"}'),
        ("POST", "/payments/v1/orders/", b'{"amount": 10.5}'),
        ("POST", "/payments/v1/orders", b'{"amount": '),
        ("GET", "/payments/v1/orders?count=3&expand[]=payments", b""),
        ("GET", "/payments/v1/payments/pay_00000000000000", b""),
        ("GET", "/payments/v2/nowhere/at/all", b""),
        ("DELETE", "/payments/v1/orders", b""),
    ],
)
def test_the_lane_answers_what_the_routes_answer(door: Door, method: str, path: str, body: bytes) -> None:
    kind = {"content-type": "application/json"}
    route = door.by_route(method, path, body, **door.key, **kind)

    lane = door.by_lane(method, path, body, **door.key, **kind)

    assert lane is not None
    assert (lane.status, without_ids(lane.body)) == (route.status_code, without_ids(route.content))
    for name in ("content-type", "cache-control", "x-content-type-options"):
        assert lane.headers[name] == route.headers[name]


def test_a_stranger_is_asked_for_a_key_by_both(door: Door) -> None:
    wrong = {"authorization": "Basic " + base64.b64encode(b"rzp_test_0000000000000:wrong").decode()}
    for headers in ({}, wrong):
        route = door.by_route("GET", "/payments/v1/orders", b"", **headers)
        lane = door.by_lane("GET", "/payments/v1/orders", b"", **headers)

        assert lane is not None
        assert (lane.status, json.loads(lane.body)) == (route.status_code, route.json())
        assert lane.status == 401
        assert lane.headers["www-authenticate"] == route.headers["www-authenticate"]


def test_what_is_out_of_the_ordinary_is_left_to_the_routes(door: Door) -> None:
    long = b" " * (LONGEST_BODY + 1)

    assert door.by_lane("POST", "/payments/v1/orders", long, **door.key) is None
    assert door.by_lane("GET", "/payments/v1/checkout.js") is None
    assert door.by_lane("POST", "/payments/v1/checkout/embedded") is None
    assert door.by_lane("OPTIONS", "/payments/v1/orders") is None
    assert door.by_lane("GET", "/payments/v1/orders/%6F") is None
    assert door.by_lane("GET", "/payments/dashboard") is None
    assert door.by_lane("GET", "/payments/v1/orders", b"", host="links.example", **door.key) is None


def test_a_body_that_is_cut_short_is_not_taken_for_the_whole(door: Door) -> None:
    body = b'{"amount": 50000, "currency": "INR"}'
    cut = {"content-length": str(len(body) + 4), **door.key}

    lane = door.by_lane("POST", "/payments/v1/orders", body, **cut)

    assert lane is not None
    assert lane.status == 400
    assert json.loads(lane.body)["error"]["code"] == "BAD_REQUEST_ERROR"


def test_a_body_that_is_too_large_is_refused_in_razorpays_shape(door: Door) -> None:
    size = door.client.platform.settings.max_body_bytes + 1

    answer = door.by_route("POST", "/payments/v1/orders", b" " * size, **door.key)

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "BAD_REQUEST_ERROR"


@pytest.mark.parametrize("path", ["orders", "payments", "refunds", "settlements", "payment_links"])
@pytest.mark.parametrize(
    ("count", "text"), [("101", "The count may not be greater than 100."), ("0", "The count must be at least 1.")]
)
def test_a_list_longer_than_razorpay_gives_is_refused_in_its_words(
    door: Door, path: str, count: str, text: str
) -> None:
    lane = door.by_lane("GET", f"/payments/v1/{path}?count={count}", b"", **door.key)

    assert lane is not None
    assert (lane.status, json.loads(lane.body)) == (
        400,
        {
            "error": {
                "code": "BAD_REQUEST_ERROR",
                "description": text,
                "field": "count",
                "source": "business",
                "step": "payment_initiation",
                "reason": "input_validation_failed",
                "metadata": {},
            }
        },
    )


@pytest.mark.parametrize(("path", "most"), [("orders?", 100), ("settlements/recon/combined?year=2026&month=1&", 1000)])
def test_the_longest_list_is_given_and_one_more_is_not(door: Door, path: str, most: int) -> None:
    longest = door.by_lane("GET", f"/payments/v1/{path}count={most}", b"", **door.key)
    more = door.by_lane("GET", f"/payments/v1/{path}count={most + 1}", b"", **door.key)

    assert longest is not None
    assert more is not None
    assert (longest.status, more.status) == (200, 400)
