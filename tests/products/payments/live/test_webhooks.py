"""Webhooks to a program on loopback: signed in both ways, sent again after a failure, and by hand. The command line."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook
from tests.products.payments.live.conftest import Hook, Shop
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
    done = run(live, *arguments, first["x-razorpay-event-id"])
    assert "Sent again" in done.stdout
    assert hook.next("payment.captured")[1] == body


def run(live: LiveServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=live.data.parent,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timedelta(seconds=100).total_seconds(),
        check=False,
    )


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
        triggered = run(live, "payments", "trigger", *where, "order.paid")
        assert triggered.returncode == 0, triggered.stderr
        if not hook.got.empty():
            break

    printed = listening.communicate(timeout=60)[0]

    assert triggered.stdout.startswith("evt_")
    assert "forwarded: 200" in printed
    assert hook.next("payment.authorized")[0]["x-razorpay-signature"]
