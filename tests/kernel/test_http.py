"""Requests: who may, what is refused and how, what is repeated, how lists page."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from tests.kernel import probe
from tests.support.platform import Client, Factory, running

from dodeca.kernel import clock
from dodeca.kernel.http import decode_cursor, encode_cursor
from dodeca.kernel.mail import SentMail
from dodeca.kernel.platform import Platform


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    platform.manifests.append(probe.manifest)
    platform.renderer = type(platform.renderer)(
        {m.name: m.folder / "templates" for m in platform.manifests if (m.folder / "templates").is_dir()},
        assets=platform.assets,
    )
    with running(platform) as visitor:
        yield visitor


@pytest.fixture
def member(client: Client, make: Factory) -> Client:
    return client.with_token(make.token(make.account()))


def items(client: Client) -> list[Any]:
    found: list[Any] = client.get("/api/probe/items?limit=100").json()["items"]
    return found


# Who may


def test_a_stranger_is_told_to_sign_in(client: Client) -> None:
    answer = client.get("/api/probe/member")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_person_in_a_browser_is_led_to_the_sign_in_page(client: Client) -> None:
    answer = client.get("/account", headers={"accept": "text/html"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/account")


def test_a_role_opens_its_routes_and_no_others(client: Client, make: Factory) -> None:
    merchant = client.with_token(make.token(make.account(roles_too=["merchant"])))
    moderator = client.with_token(make.token(make.account(roles_too=["moderator"])))
    admin = client.with_token(make.token(make.account(roles_too=["admin"])))

    assert [c.get("/api/probe/merchant").status_code for c in (merchant, moderator, admin)] == [200, 403, 200]


@pytest.mark.parametrize(("scope", "status"), [("probe", 200), ("shortener", 403)])
def test_a_key_opens_only_the_products_of_its_scopes(client: Client, make: Factory, scope: str, status: int) -> None:
    _key, secret = make.key(make.account(), [scope])

    assert client.with_token(secret).get("/api/probe/member").status_code == status


@pytest.mark.parametrize(
    "header", ["Bearer x", "Bearer eyJ.a.b", "Basic !!!", "Basic Og==", "Digest x", "x" * 5000, "Bearer a.b.c"]
)
def test_broken_credentials_are_refused_even_where_anybody_may_call(client: Client, header: str) -> None:
    assert client.get("/api/probe/items", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("cookie", ["dodeca_session=x", "dodeca_session=" + "y" * 43, "dodeca_session=;;;=", "=; ;"])
def test_a_broken_cookie_is_a_strangers(client: Client, cookie: str) -> None:
    assert client.get("/api/probe/items", headers={"Cookie": cookie}).status_code == 200
    assert client.get("/api/probe/member", headers={"Cookie": cookie}).status_code == 401


# Forgery


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Origin": "http://dodeca.local"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://dodeca.local"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
        ({"X-CSRF-Token": "guess"}, 403),
    ],
)
def test_a_form_is_taken_only_from_our_own_pages(client: Client, headers: dict[str, str], status: int) -> None:
    answer = client.post("/probe/form", data={"name": "a"}, headers=headers)

    assert answer.status_code == status
    assert len(items(client)) == (1 if status == 303 else 0)


def test_a_form_with_its_token_is_taken(client: Client) -> None:
    assert client.submit("/probe/form", {"name": "a"}).status_code == 303


def test_the_token_of_another_visitor_is_worth_nothing(client: Client) -> None:
    other = client.stranger()
    client.get("/probe/form")

    answer = client.post("/probe/form", data={"name": "a", "csrf_token": other.get("/probe/form").text[-40:]})

    assert answer.status_code == 403


# Forms


def test_a_refused_form_is_shown_again_with_what_was_typed(client: Client) -> None:
    answer = client.submit("/probe/form", {"name": "<taken>" + "x" * 200, "amount": "7"})

    assert answer.status_code == 400
    assert 'value="7"' in answer.text
    assert "&lt;taken&gt;" in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_a_service_that_refuses_shows_its_reason_at_the_field(client: Client) -> None:
    answer = client.submit("/probe/form", {"name": "taken"})

    assert answer.status_code == 409
    assert 'id="f-name-error"' in answer.text


def test_a_toast_is_shown_once(client: Client) -> None:
    client.submit("/probe/form", {"name": "Ada <b>"})

    assert "Ada &lt;b&gt; is kept." in client.get("/probe/form").text
    assert "is kept." not in client.get("/probe/form").text


# Idempotency


def test_a_repeated_key_gives_the_first_answer_and_does_nothing_more(member: Client) -> None:
    first = member.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": "k"})
    second = member.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": "k"})

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert len(items(member)) == 1


def test_a_key_with_another_request_is_refused(member: Client) -> None:
    member.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": "k"})

    answer = member.post("/api/probe/items", json={"name": "b"}, headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["field"]) == (409, "Idempotency-Key")


def test_a_key_belongs_to_its_caller(client: Client, member: Client, make: Factory) -> None:
    other = client.with_token(make.token(make.account()))

    answers = [
        c.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": "k"}) for c in (member, other)
    ]

    assert answers[0].json()["id"] != answers[1].json()["id"]


def test_a_refused_request_does_not_use_up_its_key(member: Client) -> None:
    refused = member.post("/api/probe/items", json={"name": "taken"}, headers={"Idempotency-Key": "k"})
    mended = member.post("/api/probe/items", json={"name": "free"}, headers={"Idempotency-Key": "k"})

    assert (refused.status_code, mended.status_code) == (409, 201)


def test_a_key_is_forgotten_after_a_day(member: Client) -> None:
    member.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": "k"})
    clock.advance(24 * 3600 - 60)
    replayed = member.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": "k"})
    clock.advance(120)

    answer = member.post("/api/probe/items", json={"name": "b"}, headers={"Idempotency-Key": "k"})

    assert (replayed.headers.get("idempotent-replayed"), answer.status_code) in [("true", 201), (None, 401)]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_an_unusable_key_is_refused(member: Client, key: str) -> None:
    answer = member.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": key})

    assert answer.status_code == 400


def test_of_two_at_once_with_one_key_one_works_and_both_get_its_answer(member: Client) -> None:
    def send(_number: int) -> tuple[int, str]:
        answer = member.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": "k"})
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(send, range(8)))

    assert len(answers) == 1
    assert len(items(member)) == 1


# Lists


def fill(platform: Platform, count: int) -> set[str]:
    """Items whose times are equal in threes."""
    start = clock.now().replace(microsecond=0)
    rows = [
        SentMail(
            id=f"i{n:03}", to="item", subject=str(n), text="0", headers={}, sent_at=start + timedelta(seconds=n // 3)
        )
        for n in range(count)
    ]
    platform.db.write(lambda session: session.add_all(rows))
    return {f"i{n:03}" for n in range(count)}


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_show_every_row_once_although_times_are_equal(client: Client, platform: Platform, limit: int) -> None:
    expected = fill(platform, 10)

    seen, path = [], f"/api/probe/items?limit={limit}"
    while path:
        answer = client.get(path)
        seen += [item["id"] for item in answer.json()["items"]]
        link = answer.headers.get("link", "")
        assert bool(link) == (answer.json()["next_cursor"] is not None)
        path = link[1 : link.index(">")] if link else ""

    assert len(seen) == 10
    assert set(seen) == expected
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1e9"])
def test_a_limit_out_of_bounds_is_refused(client: Client, limit: str) -> None:
    answer = client.get(f"/api/probe/items?limit={limit}")

    assert (answer.status_code, answer.json()["field"]) == (400, "limit")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%00",
        "!!!!",
        "é",
        encode_cursor("a"),
        encode_cursor(1, 2),
        encode_cursor("a", "b"),
        encode_cursor(10**30, "b"),
        encode_cursor("a", "b", "c"),
        "W3sidCI6MX0sMV0",
        "W1tdLHt9XQ",
        "W251bGwsbnVsbF0",
        "A" * 4000,
    ],
)
def test_a_forged_cursor_is_refused(client: Client, platform: Platform, cursor: str) -> None:
    fill(platform, 2)

    answer = client.get("/api/probe/items", params={"cursor": cursor})

    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] == "cursor"


def test_a_cursor_is_read_back_as_it_was_written() -> None:
    values = [clock.now(), "id", 7]

    assert decode_cursor(encode_cursor(*values), 3) == values


# Input


def test_a_problem_has_the_members_of_the_rfc_and_ours(client: Client) -> None:
    answer = client.get("/api/probe/items/none")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such item.",
        "error": "There is no such item.",
        "message": "There is no such item.",
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a", "colour": "red"}, "colour"),
        ({"name": 7}, "name"),
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a", "amount": "7"}, "amount"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_a_wrong_body_is_refused_with_the_name_of_the_field(member: Client, body: Any, field: str) -> None:
    answer = member.post("/api/probe/items", json=body)

    assert answer.status_code == 400
    assert field in answer.json()["message"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"name":"\\ud800"}', b"[1]", b"null", b'{"name":NaN}'])
def test_a_malformed_body_is_refused(member: Client, body: bytes) -> None:
    answer = member.post("/api/probe/items", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400


@pytest.mark.parametrize("amount", [2**63, -(2**63) - 1, 10**40])
def test_a_number_beyond_all_types_is_no_fault_of_ours(client: Client, amount: int) -> None:
    assert client.get(f"/api/probe/numbers/{amount}").status_code in (400, 404)


@pytest.mark.parametrize("path", ["items/%00", "items/a%00b", "items/%ff%fe", "items/%ed%a0%80", "items/" + "x" * 5000])
def test_strange_ids_are_refused_or_not_found(client: Client, path: str) -> None:
    assert client.get(f"/api/probe/{path}").status_code in (400, 404)


def test_text_with_a_nul_is_refused_or_kept(member: Client) -> None:
    answer = member.post("/api/probe/items", json={"name": "a\x00b"})

    assert answer.status_code in (201, 400)


def test_a_body_that_is_too_large_is_refused(member: Client, platform: Platform) -> None:
    answer = member.post("/api/probe/items", json={"name": "x" * (platform.settings.max_body_bytes + 1)})

    assert answer.status_code == 413


def test_a_defect_of_ours_reveals_nothing(client: Client) -> None:
    answer = client.get("/api/probe/boom")

    assert answer.status_code == 500
    assert "42" not in answer.text


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/docs/../../app.py", "/static/%2e%2e/%2e%2e/app.py", "/docs/%2e%2e%2fapp.py"]
)
def test_paths_do_not_climb_out_of_their_folder(client: Client, path: str) -> None:
    assert client.get(path).status_code in (400, 404)


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/a\r\nX-Evil: 1", "/\\evil.example"])
def test_a_form_does_not_lead_elsewhere_nor_write_headers(client: Client, target: str) -> None:
    answer = client.post("/theme", data={"theme": "dark", "next": target})

    assert answer.headers["location"] == "/"
    assert "x-evil" not in answer.headers


def test_pages_carry_a_strict_policy(client: Client) -> None:
    policy = client.get("/probe/form").headers["content-security-policy"]

    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_guessing_credentials_is_limited_like_any_visit(platform: Platform, client: Client) -> None:
    from dodeca.kernel.limits import Rate

    platform._visitor_rate = Rate(5, 60)

    found = [client.get("/api/probe/items", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(8)]

    assert found == [401] * 5 + [429] * 3
