"""The inbox, and the ways out of it."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Iterator

import http_ece
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.kernel import probe
from tests.support.platform import Client, Factory, mails, running, work

from dodeca import app as composition
from dodeca.commons.accounts.models import Account
from dodeca.commons.notifications import Notice, delivery, notify, service
from dodeca.commons.notifications.models import PushSubscription
from dodeca.kernel.db import ReadSession
from dodeca.kernel.jobs import QueuedJob
from dodeca.kernel.outbound import Outbound
from dodeca.kernel.platform import Platform


@pytest.fixture
def client(platform: Platform) -> Iterator[Client]:
    platform.manifests.append(probe.manifest)
    with running(platform) as visitor:
        yield visitor


@pytest.fixture
def ada(make: Factory) -> Account:
    return make.account("ada", email="ada@example.org", email_verified=True)


@pytest.fixture
def inbox(client: Client, make: Factory, ada: Account) -> Client:
    return client.with_token(make.token(ada))


def tell(make: Factory, account: Account, title: str = "Hello", **options: object) -> None:
    notice = Notice(product="probe", kind="note", title=title, **options)  # type: ignore[arg-type]
    make.run(lambda session: notify(session, account.id, notice))


def listed(client: Client) -> list[str]:
    return [row["title"] for row in client.get("/api/notifications/").json()["notifications"]]


def test_what_happened_stands_in_the_inbox_newest_first(inbox: Client, make: Factory, ada: Account) -> None:
    tell(make, ada, "one")
    tell(make, ada, "two")

    assert listed(inbox) == ["two", "one"]
    assert "two" in inbox.get("/inbox").text


def test_nobody_sees_or_opens_anothers(inbox: Client, client: Client, make: Factory, ada: Account) -> None:
    tell(make, ada, "private")
    row = inbox.get("/api/notifications/").json()["notifications"][0]
    stranger = client.with_token(make.token(make.account()))

    marked = stranger.post("/api/notifications/read", json={"ids": [row["id"]]}).json()

    assert listed(stranger) == []
    assert marked == {"marked": 0}
    assert stranger.get(f"/inbox/{row['id']}").status_code == 404
    assert client.get("/api/notifications/").status_code == 401


def test_a_key_of_another_product_reads_nothing(client: Client, make: Factory, ada: Account) -> None:
    tell(make, ada, "private")
    _key, secret = make.key(ada, ["shortener"])

    assert listed(client.with_token(secret)) == []


def test_a_notice_with_a_key_is_told_once(inbox: Client, make: Factory, ada: Account) -> None:
    tell(make, ada, "one", key="k")
    tell(make, ada, "again", key="k")

    assert listed(inbox) == ["one"]


def test_opening_one_marks_it_as_read_and_leads_on(inbox: Client, make: Factory, ada: Account) -> None:
    tell(make, ada, "one", href="/account")
    row = inbox.get("/api/notifications/").json()["notifications"][0]

    answer = inbox.get(f"/inbox/{row['id']}")

    assert answer.headers["location"] == "/account"
    assert inbox.get("/api/notifications/").json()["unread"] == 0


def test_all_are_marked_as_read_together(inbox: Client, make: Factory, ada: Account) -> None:
    tell(make, ada, "one")
    tell(make, ada, "two")

    assert inbox.post("/api/notifications/read", json={}).json() == {"marked": 2}
    assert inbox.get("/api/notifications/?unread=true").json()["notifications"] == []


def test_a_proven_address_gets_mail(make: Factory, ada: Account, platform: Platform) -> None:
    tell(make, ada, "Hello", body="There")

    (mail,) = mails(platform, "ada@example.org")

    assert mail.subject == "Hello"
    assert "There" in mail.text
    assert f"{platform.public_url}/inbox/" in mail.text


def test_no_mail_goes_where_it_is_not_wanted_or_not_proven(
    inbox: Client, make: Factory, ada: Account, platform: Platform
) -> None:
    unproven = make.account(email="bob@example.org")
    mails(platform)
    chosen = inbox.put("/api/notifications/choices/probe", json={"mail": False, "push": True})
    before = len(mails(platform))

    for account in (ada, unproven):
        tell(make, account)

    assert chosen.json() == {"mail": False, "push": True}
    assert len(mails(platform)) == before


def test_choices_are_only_for_what_is_installed(inbox: Client) -> None:
    assert inbox.put("/api/notifications/choices/casino", json={"mail": True, "push": True}).status_code == 404


@pytest.mark.parametrize(
    ("endpoint", "p256dh", "auth"),
    [("http://x.example/p", "A" * 87, "B" * 22), ("https://x.example/p", "short", "B" * 22)],
)
def test_a_subscription_that_cannot_work_is_refused(inbox: Client, endpoint: str, p256dh: str, auth: str) -> None:
    body = {"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}}

    assert inbox.post("/api/notifications/subscriptions", json=body).status_code == 400


class PushService:
    """A push service on loopback that keeps what it is sent, and answers `status`."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = b"0123456789abcdef"
        authority = trustme.CA()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.tls)
        self.trusting = ssl.create_default_context()
        authority.configure_trust(self.trusting)

    def subscription(self, port: int) -> dict[str, object]:
        """What a browser would send."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _text(point), "auth": _text(self.auth)}
        return {"endpoint": f"https://localhost:{port}/push/1", "expirationTime": None, "keys": keys}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.splitlines()[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.append((headers, body))
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def pushed(inbox: Client, make: Factory, ada: Account, platform: Platform, status: int) -> PushService:
    """Subscribe a browser at a push service, tell something, and work the queue."""
    push = PushService(status)

    async def scenario() -> None:
        server = await asyncio.start_server(push.serve, "127.0.0.1", 0, ssl=push.tls)
        port = server.sockets[0].getsockname()[1]
        service_body = push.subscription(port)
        made = await asyncio.to_thread(inbox.post, "/api/notifications/subscriptions", json=service_body)
        assert made.status_code == 201, made.text
        platform.outbound = Outbound(allow_private=True, ssl_context=push.trusting)
        await asyncio.to_thread(tell, make, ada, "Goal", body="1:0")
        await composition.runner(platform).run_due()
        await platform.outbound.close()
        server.close()

    asyncio.run(scenario())
    return push


def subscriptions(platform: Platform) -> int:
    def unit(session: ReadSession) -> int:
        return session.query(PushSubscription).count()

    return platform.db.read(unit)


def test_a_browser_is_pushed_a_message_that_only_it_can_read(
    inbox: Client, make: Factory, ada: Account, platform: Platform
) -> None:
    push = pushed(inbox, make, ada, platform, 201)

    ((headers, body),) = push.received
    plain = http_ece.decrypt(body, private_key=push.key, auth_secret=push.auth, version="aes128gcm")
    assert json.loads(plain)["title"] == "Goal"
    assert headers["content-encoding"] == "aes128gcm"
    assert headers["ttl"] == "86400"


def test_a_push_is_signed_with_the_key_that_browsers_subscribed_with(
    inbox: Client, make: Factory, ada: Account, platform: Platform
) -> None:
    push = pushed(inbox, make, ada, platform, 201)

    token, key = (
        part.split("=", 1)[1] for part in push.received[0][0]["authorization"].removeprefix("vapid ").split(", ")
    )
    claims = jwt.decode(
        token,
        delivery.vapid_key(platform.keyring).public_key(),
        algorithms=["ES256"],
        options={"verify_aud": False},
    )
    assert key == inbox.get("/api/notifications/push-key").json()["public_key"]
    assert claims["aud"].startswith("https://localhost:")
    assert claims["sub"].startswith("mailto:")


def test_a_browser_that_is_gone_is_forgotten(inbox: Client, make: Factory, ada: Account, platform: Platform) -> None:
    push = pushed(inbox, make, ada, platform, 410)

    assert len(push.received) == 1
    assert subscriptions(platform) == 0


def test_a_push_service_that_fails_is_asked_again_later(
    inbox: Client, make: Factory, ada: Account, platform: Platform
) -> None:
    pushed(inbox, make, ada, platform, 503)

    jobs = platform.db.read(
        lambda s: [(j.name, j.attempts) for j in s.query(QueuedJob).all() if j.name == "notifications.push"]
    )
    assert jobs == [("notifications.push", 1)]
    assert subscriptions(platform) == 1


def test_nobody_unsubscribes_anothers_browser(
    inbox: Client, client: Client, make: Factory, ada: Account, platform: Platform
) -> None:
    body = PushService(201).subscription(1)
    inbox.post("/api/notifications/subscriptions", json=body)
    stranger = client.with_token(make.token(make.account()))

    refused = stranger.request("DELETE", "/api/notifications/subscriptions", json={"endpoint": body["endpoint"]})
    done = inbox.request("DELETE", "/api/notifications/subscriptions", json={"endpoint": body["endpoint"]})

    assert (refused.status_code, done.status_code) == (404, 204)


def test_long_texts_are_cut_and_nothing_fails(inbox: Client, make: Factory, ada: Account, platform: Platform) -> None:
    tell(make, ada, "x" * 5000, body="y" * 50_000)
    work(platform)

    assert len(listed(inbox)[0]) == service.LONGEST_TITLE
