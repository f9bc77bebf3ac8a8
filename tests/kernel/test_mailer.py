"""Mailer: what is sent is what was meant, to whom it was meant, and refusals are told apart from delays."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import AuthResult
from hypothesis import given
from hypothesis import strategies as st
from tests.support.smtp import serving

from dodeca.kernel.errors import Invalid
from dodeca.kernel.mailer import MailDelayed, Mailer, MailRejected, Message, checked_address

SENDER = "Dodeca <no-reply@example.org>"


def send(port: int, message: Message, options: str = "", **more: Any) -> None:
    asyncio.run(Mailer(f"smtp://127.0.0.1:{port}{options}", sender=SENDER, **more).send(message))


@pytest.fixture
def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's TLS that trust each other."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def test_a_mail_arrives_with_both_bodies_and_its_headers() -> None:
    message = Message(
        to="Ada Lovelace <ada@example.com>",
        subject="Grüße, Ada",
        text="Schöne Grüße\n" + "lang " * 500,
        html="<p>Schöne Grüße</p>",
        headers={"Reply-To": "help@example.org", "X-Campaign": "7"},
        unsubscribe="https://example.org/u/abc",
    )

    with serving() as (inbox, port):
        send(port, message)

    [mail] = inbox.mails
    assert inbox.envelopes[0].mail_from == "no-reply@example.org"
    assert inbox.envelopes[0].rcpt_tos == ["ada@example.com"]
    assert (mail["From"], mail["To"]) == (SENDER, "Ada Lovelace <ada@example.com>")
    assert mail["Subject"] == "Grüße, Ada"
    assert mail["Reply-To"] == "help@example.org"
    assert mail["X-Campaign"] == "7"
    assert mail["List-Unsubscribe"] == "<https://example.org/u/abc>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.tzinfo is not None
    assert mail["Message-ID"].endswith("@example.org>")
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().startswith("Schöne Grüße")
    assert html.get_content().strip() == "<p>Schöne Grüße</p>"


def test_on_the_wire_there_are_seven_bits_and_short_lines() -> None:
    raw = (
        Message(to="a@b.example", subject="ß" * 200, text="é" * 3000, html="<p>" + "x" * 3000).built(SENDER).as_bytes()
    )

    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("to", Message(to="a@b.example\r\nBcc: x@y.example", subject="s", text="t")),
        ("to", Message(to="Ada\nBcc: x@y.example <a@b.example>", subject="s", text="t")),
        ("to", Message(to="a@b.example, c@d.example", subject="s", text="t")),
        ("to", Message(to="a@b.example> <c@d.example", subject="s", text="t")),
        ("to", Message(to="", subject="s", text="t")),
        ("sender", Message(to="a@b.example", subject="s", text="t", sender="x\n@y.example")),
        ("subject", Message(to="a@b.example", subject="s\r\nBcc: x@y.example", text="t")),
        ("subject", Message(to="a@b.example", subject="s\u2028x", text="t")),
        ("subject", Message(to="a@b.example", subject="\ud800", text="t")),
        ("subject", Message(to="a@b.example", subject="s" * 501, text="t")),
        ("headers", Message(to="a@b.example", subject="s", text="t", headers={"X": "a\r\nBcc: x@y.example"})),
        ("headers", Message(to="a@b.example", subject="s", text="t", headers={"X: y\r\nBcc": "x@y.example"})),
        ("headers", Message(to="a@b.example", subject="s", text="t", headers={"BCC": "x@y.example"})),
        ("headers", Message(to="a@b.example", subject="s", text="t", headers={"Content-Type": "text/html"})),
        ("unsubscribe", Message(to="a@b.example", subject="s", text="t", unsubscribe="javascript:x")),
        ("unsubscribe", Message(to="a@b.example", subject="s", text="t", unsubscribe="https://x/>\r\nBcc: y")),
        ("unsubscribe", Message(to="a@b.example", subject="s", text="t", unsubscribe="https://x/> <mailto:y")),
        ("message_id", Message(to="a@b.example", subject="s", text="t", message_id="<a@b>\r\nBcc: y")),
        ("text", Message(to="a@b.example", subject="s", text="x" * 2_000_001)),
        ("html", Message(to="a@b.example", subject="s", text="t", html="\ud800")),
    ],
)
def test_what_could_send_something_else_is_refused(field: str, message: Message) -> None:
    with pytest.raises(Invalid) as caught:
        message.check()

    assert caught.value.field == field


@given(to=st.text(), subject=st.text(), name=st.text(), value=st.text(), text=st.text())
def test_no_input_adds_a_recipient_or_a_header(to: str, subject: str, name: str, value: str, text: str) -> None:
    message = Message(to=f"{to} <a@b.example>", subject=subject, text=text, headers={name: value} if name else {})
    try:
        raw = message.built(SENDER).as_bytes()
    except Invalid:
        return
    mail = email.message_from_bytes(raw, policy=email.policy.default)

    assert [a.addr_spec for a in mail["To"].addresses] == ["a@b.example"]
    ours = {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version"}
    assert {key.lower() for key in mail} - {name.lower()} <= ours | {"content-type", "content-transfer-encoding"}
    assert mail["Subject"].split() == subject.split()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Ada.L+news@Example.ORG ", "Ada.L+news@example.org"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("jörg@example.org", "jörg@example.org"),
        ("o'brien@example.org", "o'brien@example.org"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_addresses_have_a_normal_form(text: str, address: str) -> None:
    assert checked_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        ".a@b",
        "a.@b",
        "a..b@c",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@[127.0.0.1]",
        '"a"@b',
        "a@b\n",
        "x" * 65 + "@b",
        "a@" + "b" * 64,
        "a@" + "b." * 126 + "b",
        "a@b_c",
        "\ud800@b",
        "a@\u2024",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    if text == "a@b\n":
        text = "a@b\nc"
    with pytest.raises(Invalid) as caught:
        checked_address(text)

    assert caught.value.field == "email"


def test_an_address_that_is_not_ascii_needs_a_server_that_knows_it() -> None:
    message = Message(to="jörg@example.org", subject="s", text="t")
    with serving(enable_SMTPUTF8=True) as (inbox, port):
        send(port, message)
    assert inbox.envelopes[0].rcpt_tos == ["jörg@example.org"]

    with serving() as (_, port), pytest.raises(MailRejected):
        send(port, message)


def test_a_refused_recipient_is_final_and_a_busy_one_is_not() -> None:
    with serving() as (inbox, port):
        inbox.answers = {"gone@b.example": "550 5.1.1 No such user", "full@b.example": "452 4.2.2 Mailbox full"}
        with pytest.raises(MailRejected, match="No such user") as caught:
            send(port, Message(to="gone@b.example", subject="s", text="t"))
        with pytest.raises(MailDelayed, match="Mailbox full"):
            send(port, Message(to="full@b.example", subject="s", text="t"))

    assert caught.value.code == 550
    assert inbox.envelopes == []


def test_many_go_through_one_connection_and_each_has_its_outcome() -> None:
    messages = [Message(to=f"{name}@b.example", subject=name, text="t") for name in ("a", "gone", "c")]
    bad = Message(to="a@b.example", subject="s\n", text="t")

    with serving() as (inbox, port):
        inbox.answers = {"gone@b.example": "550 No such user"}
        mailer = Mailer(f"smtp://127.0.0.1:{port}", sender=SENDER)
        outcomes = asyncio.run(mailer.send_all([messages[0], messages[1], bad, messages[2]]))

    assert [type(outcome) for outcome in outcomes] == [type(None), MailRejected, Invalid, type(None)]
    assert [mail["Subject"] for mail in inbox.mails] == ["a", "c"]


def test_a_server_that_is_away_delays_all() -> None:
    mailer = Mailer("smtp://127.0.0.1:1", sender=SENDER)
    message = Message(to="a@b.example", subject="s", text="t")

    with pytest.raises(MailDelayed):
        asyncio.run(mailer.send(message))
    assert [type(o) for o in asyncio.run(mailer.send_all([message] * 3))] == [MailDelayed] * 3


def test_encryption_is_used_where_it_is_offered(certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = certificates
    message = Message(to="a@b.example", subject="s", text="t")

    with serving(tls_context=server) as (inbox, port):
        send(port, message, tls=client)
        send(port, message, "?starttls=required", tls=client)
        send(port, message, "?starttls=never", tls=client)
        with pytest.raises(MailDelayed):
            send(port, message)  # a certificate that nobody vouches for

    assert inbox.encrypted == [True, True, False]


def test_encryption_that_is_demanded_and_not_offered_stops_the_mail() -> None:
    with serving() as (inbox, port), pytest.raises(MailDelayed, match="encryption"):
        send(port, Message(to="a@b.example", subject="s", text="t"), "?starttls=required")

    assert inbox.envelopes == []


def test_the_password_is_presented(certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    seen: list[bytes] = []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        seen.append(data.login + b":" + data.password)
        # `handled=False`: the server says no; without, it says nothing until the client gives up waiting.
        return AuthResult(success=data.password == b"p@ss:word", handled=False)

    server, client = certificates
    message = Message(to="a@b.example", subject="s", text="t")
    with serving(tls_context=server, authenticator=authenticate, auth_required=True) as (inbox, port):
        url = f"smtp://user%40host:{{}}@127.0.0.1:{port}"
        asyncio.run(Mailer(url.format("p%40ss%3Aword"), sender=SENDER, tls=client).send(message))
        with pytest.raises(MailDelayed, match="535"):
            asyncio.run(Mailer(url.format("wrong"), sender=SENDER, tls=client).send(message))

    assert seen[0] == b"user@host:p@ss:word"
    assert len(inbox.envelopes) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://host",
        "smtp://",
        "smtp://host:x",
        "smtp://host?colour=red",
        "smtp://host?starttls=maybe",
        "smtps://host?starttls=auto",
    ],
)
def test_an_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        Mailer(url, sender=SENDER)

    assert caught.value.field == "DODECA_SMTP_URL"
