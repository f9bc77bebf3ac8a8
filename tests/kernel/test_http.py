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
    return client.with_token(make.token(make.account(), days=10))


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


def test_a_key_opens_only_the_products_of_its_scopes(client: Client, make: Factory) -> None:
    secrets = [make.key(make.account(), [scope])[1] for scope in ("probe", "shortener")]

    assert [client.with_token(secret).get("/api/probe/member").status_code for secret in secrets] == [200, 403]


def test_broken_credentials_are_refused_even_where_anybody_may_call(client: Client) -> None:
    broken = ["Bearer x", "Bearer eyJ.a.b", "Basic !!!", "Basic Og==", "Digest x", "x" * 5000, "Bearer a.b.c"]

    answers = [client.get("/api/probe/items", headers={"Authorization": header}).status_code for header in broken]

    assert answers == [401] * len(broken)


def test_a_broken_cookie_is_a_strangers(client: Client) -> None:
    broken = ["dodeca_session=x", "dodeca_session=" + "y" * 43, "dodeca_session=;;;=", "=; ;"]

    public = [client.get("/api/probe/items", headers={"Cookie": cookie}).status_code for cookie in broken]
    members = [client.get("/api/probe/member", headers={"Cookie": cookie}).status_code for cookie in broken]

    assert (public, members) == ([200] * 4, [401] * 4)


# Forgery


def test_a_form_is_taken_only_from_our_own_pages(client: Client) -> None:
    expected: list[tuple[dict[str, str], int]] = [
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
    ]

    answers = [client.post("/probe/form", data={"name": "a"}, headers=headers) for headers, _status in expected]

    assert [answer.status_code for answer in answers] == [status for _headers, status in expected]
    assert len(items(client)) == 3


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

    assert (replayed.headers.get("idempotent-replayed"), answer.status_code) == ("true", 201)


def test_an_unusable_key_is_refused(member: Client) -> None:
    answers = [
        member.post("/api/probe/items", json={"name": "a"}, headers={"Idempotency-Key": key}).status_code
        for key in ("", "x" * 256, "a\tb")
    ]

    assert answers == [400] * 3
    assert items(member) == []


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


def test_pages_show_every_row_once_although_times_are_equal(client: Client, platform: Platform) -> None:
    expected = fill(platform, 10)

    for limit in (1, 2, 5, 100):
        seen, path = [], f"/api/probe/items?limit={limit}"
        while path:
            answer = client.get(path)
            seen += [item["id"] for item in answer.json()["items"]]
            link = answer.headers.get("link", "")
            assert bool(link) == (answer.json()["next_cursor"] is not None)
            path = link[1 : link.index(">")] if link else ""
        assert seen == sorted(expected, reverse=True), limit


def test_a_limit_out_of_bounds_is_refused(client: Client) -> None:
    for limit in ("0", "101", "-1", "x", "1e9"):
        answer = client.get(f"/api/probe/items?limit={limit}")

        assert (answer.status_code, answer.json()["field"]) == (400, "limit"), limit


FORGED_CURSORS = [
    "x",
    "%00",
    "!!!!",
    "é",
    encode_cursor("a"),
    encode_cursor(1, 2),
    encode_cursor("a", "b"),
    encode_cursor(10**30, "b"),
    encode_cursor("a", "b", "c"),
    encode_cursor(clock.now(), "a\0b"),
    "W3sidCI6MX0sMV0",  # [{"t":1},1]
    "W1tdLHt9XQ",  # [[],{}]
    "W251bGwsbnVsbF0",  # [null,null]
    "A" * 4000,
]


def test_a_forged_cursor_is_refused(client: Client, platform: Platform) -> None:
    fill(platform, 2)

    for cursor in FORGED_CURSORS:
        answer = client.get("/api/probe/items", params={"cursor": cursor})

        assert answer.status_code == 400, cursor
        assert answer.json()["field"] == "cursor"


def test_a_cursor_is_read_back_as_it_was_written() -> None:
    now = clock.now()

    assert decode_cursor(encode_cursor(now, "id", 7), 3) == [now, "id", 7]


# Input


def test_the_document_says_what_a_body_holds_and_in_which_formats(client: Client) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]

    bodies = [paths[path]["post"]["requestBody"] for path in ("/api/probe/items", "/api/accounts/login")]

    assert [sorted(body["content"]) for body in bodies] == [
        ["application/json"],
        ["application/json", "application/x-www-form-urlencoded"],
    ]
    assert bodies[0]["content"]["application/json"]["schema"]["properties"]["amount"]["type"] == "integer"


def test_a_number_is_a_number_in_json_and_digits_in_a_form_or_a_query(client: Client, member: Client) -> None:
    quoted = [
        member.post("/api/probe/items", json={"name": "a", "amount": amount}) for amount in ("7", "", True, 7.5, None)
    ]
    plain = member.post("/api/probe/items", json={"name": "a", "amount": 7})
    form = client.submit("/probe/form", {"name": "Ada", "amount": "7"})
    listed = client.get("/api/probe/items?limit=7")

    assert {(answer.status_code, answer.json()["field"]) for answer in quoted} == {(400, "amount")}
    assert (plain.status_code, form.status_code, listed.status_code) == (201, 303, 200)
    assert [item["amount"] for item in listed.json()["items"]] == [7, 7]


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


def test_a_wrong_body_is_refused_with_the_name_of_the_field(member: Client) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": "a", "colour": "red"}, "colour"),
        ({"name": 7}, "name"),
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a", "amount": "seven"}, "amount"),
        ({"name": "a", "amount": [7]}, "amount"),
        ({"name": "a", "amount": None}, "amount"),
        ({"name": "x" * 101}, "name"),
    ]

    for body, field in wrong:
        answer = member.post("/api/probe/items", json=body)

        assert answer.status_code == 400, body
        assert field in answer.json()["message"]
    assert items(member) == []


def test_a_malformed_body_is_refused(member: Client) -> None:
    for body in (b"{", b"\xff", b'{"name":"\\ud800"}', b"[1]", b"null", b'{"name":NaN}', b"[" * 20_000):
        answer = member.post("/api/probe/items", content=body, headers={"Content-Type": "application/json"})

        assert answer.status_code == 400, body[:20]


def test_numbers_and_ids_beyond_all_types_are_no_fault_of_ours(client: Client) -> None:
    numbers = [f"numbers/{amount}" for amount in (2**63, -(2**63) - 1, 10**40)]
    ids = ["items/%00", "items/a%00b", "items/%ff%fe", "items/%ed%a0%80", "items/" + "x" * 5000]

    answers = {path[:20]: client.get(f"/api/probe/{path}").status_code for path in numbers + ids}

    assert [path for path, status in answers.items() if status not in (400, 404)] == []


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


def test_paths_do_not_climb_out_of_their_folder(client: Client) -> None:
    climbing = ["/static/../app.py", "/docs/../../app.py", "/static/%2e%2e/%2e%2e/app.py", "/docs/%2e%2e%2fapp.py"]

    assert [path for path in climbing if client.get(path).status_code not in (400, 404)] == []


def test_a_form_does_not_lead_elsewhere_nor_write_headers(client: Client) -> None:
    for target in ("//evil.example", "https://evil.example", "/a\r\nX-Evil: 1", "/\\evil.example"):
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
