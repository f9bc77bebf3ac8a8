"""Webhooks to a program on loopback: signed in both ways, sent again after a failure, and by hand. The command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook
from tests.products.payments.live.conftest import Hook, Shop
from tests.support import forked
from tests.support.server import ROOT, LiveServer, command, environment

pytestmark = [pytest.mark.clients, pytest.mark.slow]
SECRET = "whsec-of-a-shop"


def listen(client: Any, hook: Hook, *kinds: str) -> dict[str, Any]:
    made: dict[str, Any] = client.webhook.create(
        {"url": hook.url, "secret": SECRET, "events": dict.fromkeys(kinds, True)}
    )
    return made


def test_a_webhook_is_verified_by_the_sdk_and_by_standard_webhooks(client: Any, shop: Shop, hook: Hook) -> None:
    listen(client, hook, "payment.captured", "order.paid", "refund.processed")
    made = shop.paid()

    headers, body = hook.next("order.paid")

    assert client.utility.verify_webhook_signature(body.decode(), headers["x-razorpay-signature"], SECRET)
    assert Webhook(SECRET.encode()).verify(body, headers)["event"] == "order.paid"
    told = json.loads(body)
    assert told["contains"] == ["payment", "order"]
    assert told["payload"]["payment"]["entity"]["id"] == made["razorpay_payment_id"]
    assert told["payload"]["order"]["entity"]["status"] == "paid"
    client.payment.refund(made["razorpay_payment_id"], {"amount": 20_000})
    refund = json.loads(hook.next("refund.processed")[1])["payload"]["refund"]["entity"]
    assert refund["amount"] == 20_000


def test_a_failed_delivery_comes_again_and_by_hand_once_more(
    live: LiveServer, client: Any, shop: Shop, hook: Hook
) -> None:
    listen(client, hook, "payment.captured")
    hook.answers[:] = [500]
    shop.paid()
    first, _body = hook.next("payment.captured")

    again, body = hook.next("payment.captured", seconds=40)

    assert again["x-razorpay-event-id"] == first["x-razorpay-event-id"]
    arguments = ["payments", "replay", "--url", live.url, "--key", shop.key[0], "--secret", shop.key[1]]
    done = run(*arguments, first["x-razorpay-event-id"])
    assert "Sent again" in done.stdout
    assert hook.next("payment.captured")[1] == body


def seen(shop: Shop, last_id: str = "") -> dict[str, str]:
    """The fields of the first event of a merchant's stream: of one that was missed, else of a payment made for it."""
    headers = {"last-event-id": last_id} if last_id else {}
    fields: dict[str, str] = {}
    with httpx.stream("GET", f"{shop.url}/api/payments/events/stream", auth=shop.key, headers=headers, timeout=60) as s:
        assert s.headers["content-type"].startswith("text/event-stream")
        for line in pays_while_nothing_comes(shop, s.iter_lines()) if not last_id else s.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "data" in fields:
                return fields
    raise AssertionError("The stream ended.")


def pays_while_nothing_comes(shop: Shop, lines: Iterator[str]) -> Iterator[str]:
    """The stream's lines; a comment comes every 20 seconds, so that a payment before it listened is not waited for."""
    shop.paid()
    for line in lines:
        if line.startswith(":"):
            shop.paid()
        yield line


def test_events_are_streamed_as_they_happen_and_after_a_break(shop: Shop) -> None:
    first = seen(shop)
    event_id = json.loads(first["data"])["id"]
    known = httpx.get(f"{shop.url}/api/payments/events/{event_id}", auth=shop.key).json()
    assert known["type"] == json.loads(first["data"])["type"] == "payment.authorized"

    missed = seen(shop, first["id"])

    assert json.loads(missed["data"])["type"] == "payment.captured"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.ran(command(*arguments), cwd=ROOT, env=environment(), timeout=100)


def test_events_are_listened_to_and_triggered_from_the_command_line(live: LiveServer, shop: Shop, hook: Hook) -> None:
    where = ["--url", live.url, "--key", shop.key[0], "--secret", shop.key[1]]
    listening = subprocess.Popen(
        command("payments", "listen", *where, "--forward", hook.url, "--webhook-secret", "s", "--count", "3"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert listening.stderr is not None
    assert "Listening" in listening.stderr.readline()
    for _ in range(20):  # the stream opens after the line was written: what came before it is not told
        triggered = run("payments", "trigger", *where, "order.paid")
        assert triggered.returncode == 0, triggered.stderr
        if not hook.got.empty():
            break

    printed = listening.communicate(timeout=60)[0]

    assert triggered.stdout.startswith("evt_")
    assert "forwarded: 200" in printed
    assert hook.next("payment.authorized")[0]["x-razorpay-signature"]
