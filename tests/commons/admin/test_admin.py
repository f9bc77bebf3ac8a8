"""The administration: who may, what is shown, what is done."""

from __future__ import annotations

import os
import re
from datetime import date, timedelta

import pytest
from tests.support.platform import Client, Factory, work

from dodeca.commons.accounts.models import Account
from dodeca.kernel import clock, ids
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import QueuedJob
from dodeca.kernel.mail import SentMail
from dodeca.kernel.platform import Platform

PAGES = ["", "/accounts", "/mail", "/jobs", "/audit", "/settings", "/health", "/reports"]


@pytest.fixture
def admin(make: Factory) -> Account:
    return make.account("ada", roles_too=["admin"])


@pytest.fixture
def staff(client: Client, make: Factory, admin: Account) -> Client:
    """An administrator's program or browser."""
    return client.with_token(make.token(admin))


def dead_job(platform: Platform, name: str = "notifications.push", payload: bytes = b"{}") -> str:
    row = QueuedJob(
        id=ids.new_id(),
        name=name,
        key=None,
        payload=payload,
        state="dead",
        run_at=clock.now(),
        attempts=6,
        last_error="PushRefused: The push service answered 500.",
        created_at=clock.now(),
    )
    job_id = row.id
    platform.db.write(lambda session: session.add(row))
    return job_id


def state_of(platform: Platform, job_id: str) -> str | None:
    def unit(session: WriteSession) -> str | None:
        row = session.get(QueuedJob, job_id)
        return row.state if row is not None else None

    return platform.db.write(unit)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_an_admin(staff: Client, page: str) -> None:
    answer = staff.get(f"/admin{page}", headers={"accept": "text/html"})

    assert answer.status_code == 200, answer.text
    assert 'aria-current="page"' in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_members_and_strangers_see_no_page(client: Client, make: Factory, page: str) -> None:
    member = client.with_token(make.token(make.account(roles_too=["moderator", "merchant"])))

    assert member.get(f"/admin{page}").status_code == 403
    assert client.get(f"/admin{page}").status_code == 401


def test_a_key_for_one_product_does_not_run_the_platform(client: Client, make: Factory, admin: Account) -> None:
    _key, secret = make.key(admin, ["shortener"])

    assert client.with_token(secret).get("/api/admin/accounts").status_code == 403


def test_a_key_that_may_only_read_changes_nothing(client: Client, make: Factory, admin: Account) -> None:
    other = make.account()
    _key, secret = make.key(admin, permissions="read")
    program = client.with_token(secret)

    assert program.get("/api/admin/accounts").status_code == 200
    assert program.put(f"/api/admin/accounts/{other.id}/roles/moderator").status_code == 403


def test_accounts_are_found_by_part_of_their_name(staff: Client, make: Factory) -> None:
    make.account("grace", name="Grace Hopper")
    make.account("percent", name="100%_sure")

    def found(words: str) -> list[str]:
        return [row["username"] for row in staff.get("/api/admin/accounts", params={"q": words}).json()["accounts"]]

    assert found("hopp") == ["grace"]
    assert found("%_") == ["percent"]
    assert "grace" in staff.get("/admin/accounts?q=HOPP").text


def test_accounts_page_by_cursor(staff: Client, make: Factory) -> None:
    names = {make.account().username for _ in range(5)} | {"ada"}

    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        body = staff.get("/api/admin/accounts", params=params).json()
        seen += [row["username"] for row in body["accounts"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break

    assert sorted(seen) == sorted(names)


def test_a_role_is_granted_and_revoked_and_both_are_in_the_audit_log(staff: Client, make: Factory) -> None:
    person = make.account("grace")

    granted = staff.put(f"/api/admin/accounts/{person.id}/roles/moderator").json()
    revoked = staff.delete(f"/api/admin/accounts/{person.id}/roles/moderator")

    assert granted["roles"] == ["member", "moderator"]
    assert revoked.status_code == 204
    log = staff.get("/api/admin/audit", params={"account": "grace"}).json()["entries"]
    assert [(e["action"], e["actor"]) for e in log[:2]] == [("role.revoked", "ada"), ("role.granted", "ada")]


def test_the_last_admin_keeps_the_role_and_the_page_says_why(staff: Client, admin: Account) -> None:
    api = staff.delete(f"/api/admin/accounts/{admin.id}/roles/admin")
    page = staff.post(f"/admin/accounts/{admin.id}/roles/admin/revocation")

    assert api.status_code == page.status_code == 409
    assert "last admin" in api.json()["message"]
    assert "last admin" in page.text
    assert "<main" in page.text


def test_an_unknown_role_is_refused_with_its_name(staff: Client, make: Factory) -> None:
    answer = staff.put(f"/api/admin/accounts/{make.account().id}/roles/emperor")

    assert answer.status_code == 400
    assert answer.json()["field"] == "role"


def test_a_suspended_account_acts_no_more_until_it_is_reinstated(client: Client, staff: Client, make: Factory) -> None:
    person = make.account("grace")
    token = make.token(person)
    before = client.with_token(token).get("/api/accounts/me").status_code

    staff.put(f"/api/admin/accounts/{person.id}/suspension")
    during = client.with_token(token).get("/api/accounts/me").status_code
    ended = staff.delete(f"/api/admin/accounts/{person.id}/suspension").status_code
    after = client.with_token(make.token(person)).get("/api/accounts/me").status_code

    assert (before, during, ended, after) == (200, 401, 204, 200)


def test_nobody_suspends_themselves(staff: Client, make: Factory, admin: Account) -> None:
    make.account("second", roles_too=["admin"])

    assert staff.put(f"/api/admin/accounts/{admin.id}/suspension").status_code == 409


def test_an_account_is_signed_out_everywhere(client: Client, staff: Client, make: Factory) -> None:
    person = make.account()
    token = make.token(person)

    answer = staff.delete(f"/api/admin/accounts/{person.id}/sessions")

    assert answer.status_code == 204
    assert client.with_token(token).get("/api/accounts/me").status_code == 401


def test_the_forms_work_without_javascript(client: Client, make: Factory, admin: Account, platform: Platform) -> None:
    person = make.account("grace")
    browser = signed_in(client, platform, admin)

    answer = browser.submit(f"/admin/accounts/{person.id}/roles", {"role": "merchant"}, f"/admin/accounts/{person.id}")

    assert answer.status_code == 303
    assert "merchant" in browser.get(f"/admin/accounts/{person.id}").text


def signed_in(client: Client, platform: Platform, account: Account) -> Client:
    """A browser with the account's session cookie."""
    from dodeca.commons.accounts.service import sessions
    from dodeca.commons.accounts.service.origin import NOWHERE
    from dodeca.commons.accounts.vault import vault_of

    vault = vault_of(platform)
    cookie = platform.db.write(lambda s: sessions.start_browser(s, account, vault, NOWHERE, days=1))
    browser = client.stranger()
    browser.http.cookies.set("dodeca_session", cookie)
    return browser


def test_a_form_without_its_token_does_nothing(
    client: Client, platform: Platform, make: Factory, admin: Account
) -> None:
    person = make.account()
    browser = signed_in(client, platform, admin)

    answer = browser.post(f"/admin/accounts/{person.id}/suspension")

    assert answer.status_code == 403


def test_a_dead_job_runs_again(staff: Client, platform: Platform) -> None:
    job_id = dead_job(platform)

    answer = staff.post(f"/api/admin/jobs/{job_id}/retry")
    again = staff.post(f"/api/admin/jobs/{job_id}/retry")

    assert answer.json()["state"] == "queued"
    assert answer.json()["attempts"] == 0
    assert again.status_code == 409
    assert state_of(platform, job_id) == "queued"


def test_dead_jobs_of_one_kind_run_again_together(staff: Client, platform: Platform) -> None:
    pushes = [dead_job(platform) for _ in range(3)]
    other = dead_job(platform, "platform.deliver_mail")

    answer = staff.post("/api/admin/jobs/retry", json={"name": "notifications.push"})

    assert answer.json() == {"retried": 3}
    assert {state_of(platform, job_id) for job_id in pushes} == {"queued"}
    assert state_of(platform, other) == "dead"


def test_a_dead_job_is_discarded_but_not_one_that_waits(staff: Client, platform: Platform) -> None:
    job_id = dead_job(platform)
    staff.post(f"/api/admin/jobs/{job_id}/retry")

    waiting = staff.delete(f"/api/admin/jobs/{job_id}")
    dead = staff.delete(f"/api/admin/jobs/{dead_job(platform)}")

    assert (waiting.status_code, dead.status_code) == (409, 204)


def test_the_payload_of_a_mail_job_does_not_open_an_account(staff: Client, platform: Platform) -> None:
    secret = "https://example.org/reset?token=abc"
    job_id = dead_job(platform, "platform.deliver_mail", f'{{"to":"a@example.org","text":"{secret}"}}'.encode())

    page = staff.get(f"/admin/jobs/{job_id}")
    api = staff.get(f"/api/admin/jobs/{job_id}")

    assert "a@example.org" in page.text
    assert api.json()["payload"]["to"] == "a@example.org"
    assert secret not in page.text + api.text


def test_jobs_are_listed_by_state(staff: Client, platform: Platform) -> None:
    job_id = dead_job(platform)

    body = staff.get("/api/admin/jobs", params={"state": "dead"}).json()

    assert [row["job_id"] for row in body["jobs"]] == [job_id]
    assert body["queue"]["dead"] == 1
    assert staff.get("/api/admin/jobs", params={"state": "dreaming"}).json()["field"] == "state"
    assert job_id in staff.get("/admin/jobs?state=dead").text


@pytest.fixture
def mail_id(platform: Platform) -> str:
    row = SentMail(
        id="m1",
        to="Alice@example.org",
        subject="Hello <b>there</b>",
        text="Hi <script>alert(1)</script>",
        html="<h1>Hi</h1><script>alert(1)</script>",
        headers={"From": "Dodeca"},
        sent_at=clock.now() - timedelta(minutes=1),
    )
    platform.db.write(lambda session: session.add(row))
    return "m1"


def test_mail_is_shown_escaped(staff: Client, mail_id: str) -> None:
    page = staff.get(f"/admin/mail/{mail_id}").text

    assert "&lt;script&gt;alert(1)" in page
    assert "<b>there</b>" not in page
    assert re.search(r"<iframe [^>]*sandbox[ >]", page)


def test_the_html_of_a_mail_can_do_nothing(staff: Client, mail_id: str) -> None:
    answer = staff.get(f"/admin/mail/{mail_id}/html")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy.split("; ")
    assert "script-src" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_mail_is_found_by_its_recipient(staff: Client, mail_id: str) -> None:
    assert f"/admin/mail/{mail_id}" in staff.get("/admin/mail?to=alice@").text
    assert f"/admin/mail/{mail_id}" not in staff.get("/admin/mail?to=bob").text


def test_settings_show_where_they_come_from_and_no_secret(staff: Client, platform: Platform) -> None:
    rows = {row["name"]: row for row in staff.get("/api/admin/settings").json()["settings"]}

    assert (rows["workers_inline"]["value"], rows["workers_inline"]["source"]) == ("0", "command line")
    assert rows["mail_from"]["source"] == "default"
    assert rows["database_url"]["value"] == "set, not shown"
    assert str(platform.settings.database_url) not in staff.get("/admin/settings").text


def test_health_is_what_doctor_finds(staff: Client) -> None:
    body = staff.get("/api/admin/health").json()

    names = {check["name"] for check in body["checks"]}
    assert {"settings", "schema", "disk", "clocks"} <= names
    assert body["disk"]["total"] > body["disk"]["free"] > 0
    assert body["versions"]["Python"].startswith("3.")


def test_the_sweep_of_the_media_store_is_seen(staff: Client, platform: Platform) -> None:
    key = platform.media.save_bytes(b"nothing names this").key
    path = platform.media.local_path(key)
    assert path is not None
    os.utime(path, (0, 0))
    assert "Not swept yet" in staff.get("/admin/health").text

    staff.submit("/admin/health/sweep", {}, page="/admin/health")
    work(platform)

    page = staff.get("/admin/health").text
    ((day, aside),) = platform.media.aside()
    assert aside == key
    assert "Not swept yet" not in page
    assert "1 (18 bytes)" in page.replace("\xa0", " ")
    assert (date.fromisoformat(day) + timedelta(days=30)).isoformat() in page


def test_the_audit_log_pages_and_filters(staff: Client, make: Factory) -> None:
    for _ in range(3):
        make.account()

    first = staff.get("/api/admin/audit", params={"action": "account.registered", "limit": 2}).json()
    second = staff.get(
        "/api/admin/audit", params={"action": "account.registered", "limit": 2, "cursor": first["next_cursor"]}
    ).json()

    entries = first["entries"] + second["entries"]
    assert len({entry["entry_id"] for entry in entries}) == 4
    assert {entry["action"] for entry in entries} == {"account.registered"}


def test_the_audit_log_of_nobody_is_told_plainly(staff: Client) -> None:
    assert staff.get("/api/admin/audit", params={"account": "nobody"}).status_code == 404
    page = staff.get("/admin/audit?account=nobody")
    assert page.status_code == 200
    assert "There is no account nobody" in page.text


@pytest.mark.parametrize("path", ["accounts/none", "jobs/none"])
def test_what_is_not_there_is_not_found(staff: Client, path: str) -> None:
    assert staff.get(f"/api/admin/{path}").status_code == 404
    assert staff.get(f"/admin/{path}").status_code == 404
