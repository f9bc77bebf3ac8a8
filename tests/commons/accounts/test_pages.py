"""The pages, as a browser without JavaScript uses them."""

from __future__ import annotations

import io
import re
from html import unescape

import pyotp
import pytest
from PIL import Image
from tests.support.platform import PASSWORD, Client, Factory, mails, token_in, work

from dodeca.commons.accounts.pages.browser import local_path
from dodeca.kernel import clock
from dodeca.kernel.platform import Platform

NEW = "another fine password"


def signed_in(client: Client, name: str = "alice") -> Client:
    answer = client.submit("/login", {"username": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return client


def heading(text: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", text, re.S)
    return unescape(found[1]).strip() if found else ""


def png(size: int = 20) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size), "teal").save(out, "PNG")
    return out.getvalue()


def test_signing_up_on_the_page_opens_the_account(client: Client) -> None:
    answer = client.submit("/register?next=/account", {"username": "alice", "password": PASSWORD, "next": "/account"})

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/account"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = client.get("/account").text
    assert "@alice" in page
    assert "Welcome, alice." in page


def test_a_refused_form_keeps_what_was_typed_but_no_password(client: Client, make: Factory) -> None:
    make.account("alice")
    typed = {"username": "alice", "name": "Al <i>", "email": "a@x.org", "password": PASSWORD, "next": "/account"}

    answer = client.submit("/register", typed)

    assert answer.status_code == 409
    assert "Username already exists." in answer.text
    assert 'value="Al &lt;i&gt;"' in answer.text
    assert 'value="a@x.org"' in answer.text
    assert PASSWORD not in answer.text
    assert 'name="next" value="/account"' in answer.text


@pytest.mark.parametrize("missing", ["username", "password"])
def test_an_empty_field_is_named(client: Client, missing: str) -> None:
    answer = client.submit("/login", {"username": "alice", "password": PASSWORD, missing: ""})

    assert answer.status_code == 400
    assert f'id="f-{missing}-error"' in answer.text
    assert "Fill this in." in answer.text


def test_a_wrong_password_is_said_above_the_form(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)

    answer = client.submit("/login", {"username": "alice", "password": "wrong one"})

    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text
    assert 'value="alice"' in answer.text


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/shortener/links?a=b", "/shortener/links?a=b"),
        ("", "/"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\..\\b", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("/" + "x" * 3000, "/"),
    ],
)
def test_signing_in_never_leads_off_the_site(wanted: str, reached: str) -> None:
    assert local_path(wanted) == reached


def test_the_next_page_survives_the_sign_in(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    page = client.get("/login?next=/account/keys").text
    assert 'name="next" value="/account/keys"' in page

    answer = client.submit("/login", {"username": "alice", "password": PASSWORD, "next": "//evil.example"})

    assert answer.headers["Location"] == "/"


def test_a_form_from_elsewhere_is_refused(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)

    foreign = client.post("/account", data={"name": "Mallory"}, headers={"Sec-Fetch-Site": "cross-site"})
    without_token = client.post("/account", data={"name": "Mallory"})

    assert (foreign.status_code, without_token.status_code) == (403, 403)
    login = client.stranger().post("/login", data={"username": "alice", "password": PASSWORD})
    assert login.status_code == 403


def test_signing_in_again_ends_the_browsers_earlier_session(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)
    first = client.http.cookies["dodeca_session"]

    client.post("/login", data={"username": "alice", "password": PASSWORD}, headers={"Sec-Fetch-Site": "same-origin"})

    assert client.http.cookies["dodeca_session"] != first
    old = client.stranger()
    assert old.get("/account", headers={"Cookie": f"dodeca_session={first}"}).status_code == 401


def test_signing_out_ends_the_session_and_the_cookie(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)
    cookie = client.http.cookies["dodeca_session"]

    answer = client.submit("/logout", {}, page="/account")

    assert answer.status_code == 303
    assert "dodeca_session" not in client.http.cookies
    assert client.get("/account").status_code == 401
    assert client.stranger().get("/account", headers={"Cookie": f"dodeca_session={cookie}"}).status_code == 401


def test_a_visitor_is_asked_to_sign_in_and_comes_back(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)

    sent = client.get("/account/keys", headers={"Accept": "text/html"})
    form = client.get(sent.headers["location"])
    wanted = dict(re.findall(r'<input type="hidden" name="(next)" value="([^"]*)"', form.text))
    back = client.submit("/login", {"username": "alice", "password": PASSWORD, **wanted})

    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/account/keys")
    assert (back.status_code, back.headers["location"]) == (303, "/account/keys")


def test_the_second_step_asks_for_the_code(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)
    client.submit("/account/totp", {}, page="/account/security")
    page = client.get("/account/totp").text
    secret = re.search(r"<code[^>]*>([A-Z2-7 ]{30,})</code>", page)
    assert secret is not None
    assert 'src="data:image/svg+xml' in page
    app = pyotp.TOTP(secret[1].replace(" ", ""))
    wrong = client.submit("/account/totp/confirmation", {"otp": "000000"}, page="/account/totp")
    assert wrong.status_code == 401
    codes = client.submit("/account/totp/confirmation", {"otp": app.at(int(clock.timestamp()))}, page="/account/totp")
    assert heading(codes.text) == "Your recovery codes"
    assert len(re.findall(r"\b[a-z2-9]{5}-[a-z2-9]{5}\b", re.search(r"<pre.*?</pre>", codes.text, re.S)[0])) == 10  # type: ignore[index]
    visitor = client.stranger()
    clock.advance(60)

    step = visitor.submit("/login", {"username": "alice", "password": PASSWORD, "next": "/account"})

    assert step.status_code == 200
    assert heading(step.text) == "One more step"
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', step.text))
    refused = visitor.post("/login/code", data={**hidden, "otp": "000000"})
    assert refused.status_code == 401
    assert "This code is wrong" in refused.text
    done = visitor.post("/login/code", data={**hidden, "otp": app.at(int(clock.timestamp()))})
    assert done.status_code == 303
    assert done.headers["Location"] == "/account"
    assert visitor.get("/account").status_code == 200


def test_a_second_step_that_takes_too_long_starts_again(client: Client) -> None:
    answer = client.submit("/login/code", {"ticket": "x", "otp": "123456"}, page="/login")

    assert answer.status_code == 400
    assert "This took too long. Sign in again." in answer.text


def test_a_password_is_changed_and_the_cookie_renewed(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)
    before = client.http.cookies["dodeca_session"]

    answer = client.submit("/account/password", {"current_password": PASSWORD, "new_password": NEW})

    assert answer.status_code == 303
    assert client.http.cookies["dodeca_session"] != before
    assert client.get("/account").status_code == 200
    stolen = client.stranger().get("/account", headers={"Cookie": f"dodeca_session={before}"})
    assert stolen.status_code == 401


def test_a_forgotten_password_is_reset_by_mail(platform: Platform, client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD, email="alice@x.org", email_verified=True)
    sent = client.submit("/reset", {"email": "alice@x.org"})
    assert heading(sent.text) == "Look into your mailbox"
    token = token_in(mails(platform, "alice@x.org")[0])
    page = f"/reset/confirm?token={token}"
    assert "New password for alice" in client.get(page).text
    weak = client.submit("/reset/confirm", {"token": token, "password": "short"}, page=page)
    assert weak.status_code == 400

    answer = client.submit("/reset/confirm", {"token": token, "password": NEW}, page=page)

    assert answer.status_code == 303
    assert client.get("/account").status_code == 200
    assert "used already" in client.stranger().get(page).text


def test_an_address_is_confirmed_by_a_button(platform: Platform, client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD, email="alice@x.org")
    signed_in(client)
    assert "Confirm alice@x.org" in client.get("/account").text
    token = token_in(mails(platform, "alice@x.org")[0])

    answer = client.submit("/verify", {"token": token}, page=f"/verify?token={token}")

    assert heading(answer.text) == "Confirmed"
    assert "Confirm alice@x.org" not in client.get("/account").text
    nonsense = client.submit("/verify", {"token": "x"}, page="/verify?token=x")
    assert nonsense.status_code == 400
    assert "This link is not valid." in nonsense.text


def test_name_and_address_are_changed(platform: Platform, client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    make.account("bob", email="bob@x.org")
    signed_in(client)

    answer = client.submit("/account", {"name": "Ada", "email": "ada@x.org"})

    assert answer.status_code == 303
    page = client.get("/account").text
    assert 'value="Ada"' in page
    assert 'value="ada@x.org"' in page
    taken = client.submit("/account", {"name": "Ada", "email": "bob@x.org"})
    assert taken.status_code == 409
    assert 'value="bob@x.org"' in taken.text


def test_a_picture_is_set_shown_and_removed(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)
    token = re.search(r'name="csrf_token" value="([^"]*)"', client.get("/account").text)
    assert token is not None
    form = {"csrf_token": token[1]}

    answer = client.post("/account/avatar", data=form, files={"avatar": ("me.png", png(), "image/png")})

    assert answer.status_code == 303, answer.text
    url = re.search(r'src="(/avatars/[^"]+)"', client.get("/account").text)
    assert url is not None
    picture = client.stranger().get(url[1])
    assert picture.status_code == 200
    assert picture.headers["Content-Type"] == "image/webp"
    assert Image.open(io.BytesIO(picture.content)).size == (192, 192)
    assert client.get(url[1].replace(".webp", "x.webp")).status_code == 404
    client.submit("/account/avatar/removal", {}, page="/account")
    assert client.get(url[1]).status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415), (b"GIF89a", 415), (png()[:60], 400)],
)
def test_what_is_no_picture_is_refused(client: Client, make: Factory, content: bytes, status: int) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)
    token = re.search(r'name="csrf_token" value="([^"]*)"', client.get("/account").text)
    assert token is not None

    answer = client.post("/account/avatar", data={"csrf_token": token[1]}, files={"avatar": ("me.png", content)})

    assert answer.status_code == status
    assert 'id="f-avatar-error"' in answer.text or "alert" in answer.text


def test_sessions_are_listed_and_ended(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other = signed_in(client.stranger().with_headers({"User-Agent": agent}))
    signed_in(client)

    page = client.get("/account/sessions").text

    assert "Firefox on Linux" in page
    client.submit("/account/sessions/others/end", {}, page="/account/sessions")
    assert other.get("/account").status_code == 401
    assert client.get("/account").status_code == 200


def test_a_key_is_shown_once_and_revoked(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)

    made = client.submit("/account/keys", {"name": "Script", "scopes": ["accounts"], "days": "30"})

    assert made.status_code == 200
    secret = re.search(r"dks_\w{40}", made.text)
    assert secret is not None
    again = client.get("/account/keys").text
    assert secret[0] not in again
    assert "Script" in again
    program = client.stranger().with_headers({"X-Api-Key": secret[0]})
    assert program.get("/api/accounts/me").status_code == 200
    path = re.search(r'action="(/account/keys/[^"]+/revocation)"', again)
    assert path is not None
    client.submit(path[1], {}, page="/account/keys")
    assert program.get("/api/accounts/me").status_code == 401


def test_a_refused_key_keeps_what_was_ticked(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)

    refused = client.submit("/account/keys", {"name": "", "scopes": ["accounts"], "days": "x"})

    assert refused.status_code == 400
    assert re.search(r'value="accounts"\s+checked', refused.text)


def test_the_account_is_deleted_from_the_page_and_kept_by_signing_in(
    platform: Platform, client: Client, make: Factory
) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)
    unsure = client.submit("/account/delete", {"username": "bob", "current_password": PASSWORD})
    assert unsure.status_code == 409
    wrong = client.submit("/account/delete", {"username": "alice", "current_password": "wrong one"})
    assert wrong.status_code == 403
    assert "This is not your present password." in wrong.text

    answer = client.submit("/account/delete", {"username": "Alice", "current_password": PASSWORD})

    assert answer.status_code == 303
    assert client.get("/account").status_code == 401
    step = client.submit("/login", {"username": "alice", "password": PASSWORD})
    assert heading(step.text) == "Keep your account?"
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', step.text))
    assert client.post("/login/code", data=hidden).status_code == 303
    assert client.get("/account").status_code == 200
    clock.advance(20 * 86_400)
    work(platform)
    assert client.stranger().submit("/login", {"username": "alice", "password": PASSWORD}).status_code == 303


def test_the_history_is_shown(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)

    assert "Signed in" in client.get("/account/history").text


def test_the_data_is_downloaded(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    signed_in(client)

    assert client.get("/account/export").status_code == 200
    assert client.get("/account/export.zip").headers["Content-Type"] == "application/zip"


def test_pages_of_signing_in_are_kept_by_nobody_and_framed_by_nobody(client: Client) -> None:
    answer = client.get("/login")

    assert "no-store" in answer.headers["Cache-Control"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "style=" not in answer.text
    assert "<script>" not in answer.text
