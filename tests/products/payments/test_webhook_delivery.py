"""Webhooks in this process: signed, sent again after failures, turned off after a day, sent again by hand."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as StandardWebhook
from tests.products.payments.gateway import Shop
from tests.products.payments.test_gateway import _no_exploration, configure, prepared_url, settings, shop

from dodeca.kernel import clock
from dodeca.products.payments import acquirers, entities
from dodeca.products.payments.models import Delivery, PaymentEvent, Webhook
from dodeca.products.payments.service import downtimes, events

__all__ = ["_no_exploration", "prepared_url", "settings", "shop"]


class Receiver:
    """A web server of a merchant's that answers what it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


def hook(shop: Shop, url: str) -> str:
    box = events.secret_box(shop.platform.keyring)
    values = {"url": url, "events": ["payment.captured"], "secret": "whisper", "alert_email": "a@example.org"}
    return shop.platform.db.write(lambda s: events.set_webhook(s, shop.desk, box, values).id)


def test_a_webhook_is_signed_in_both_ways(shop: Shop, receiver: Receiver) -> None:
    hook(shop, receiver.url)

    shop.capture(shop.pay())
    shop.work()

    ((headers, body),) = receiver.got
    assert headers["x-razorpay-signature"] == hmac.new(b"whisper", body, hashlib.sha256).hexdigest()
    assert StandardWebhook(b"whisper").verify(body.decode(), headers)["event"] == "payment.captured"


def test_a_method_that_no_acquirer_takes_is_a_downtime_until_it_works_again(shop: Shop) -> None:
    box = events.secret_box(shop.platform.keyring)
    kinds = ["payment.downtime.started", "payment.downtime.resolved"]
    values = {"url": "http://127.0.0.1:9/hook", "events": kinds}
    shop.platform.db.write(lambda s: events.set_webhook(s, shop.desk, box, values).id)

    def told() -> list[tuple[str, dict[str, Any]]]:
        mine = shop.desk.owned(PaymentEvent).where(PaymentEvent.type.in_(kinds))
        rows = shop.platform.db.read(lambda s: list(s.scalars(mine.order_by(PaymentEvent.created_at))))
        return [(row.type, row.body["payload"]["payment.downtime"]["entity"]) for row in rows]

    for name in acquirers.SIMULATORS:
        configure(shop, name, outage=True)
    for _ in range(2):
        assert shop.pay().status == "failed"
    shop.work()
    ((kind, entity),) = told()
    assert (kind, entity["method"], entity["status"], entity["end"]) == (kinds[0], "card", "started", None)

    for name in acquirers.SIMULATORS:
        configure(shop, name, outage=False)
    clock.advance(60)
    assert shop.pay(method="upi", vpa="success@razorpay").status == "created"
    shop.work()
    assert len(told()) == 1  # by UPI it worked all the time
    shop.pay()
    clock.advance(60)
    shop.work()
    assert [(kind, entity["status"]) for kind, entity in told()][1:] == [(kinds[1], "resolved")]
    (listed,) = shop.platform.db.read(lambda s: list(downtimes.listed(s, "test")))
    assert entities.downtime(listed)["end"] is not None
    assert shop.platform.db.read(lambda s: list(downtimes.listed(s, "live"))) == []


def test_a_webhook_that_fails_is_tried_again_and_then_turned_off(shop: Shop, receiver: Receiver) -> None:
    receiver.status = 500
    hook_id = hook(shop, receiver.url)
    shop.capture(shop.pay())

    for seconds in (1, *events.RETRY_SECONDS):
        clock.advance(seconds + 1)
        shop.work()

    assert len(receiver.got) == 10
    (row,) = shop.platform.db.read(lambda s: list(s.scalars(select(Delivery))))
    assert row.state == "given_up"
    found = shop.platform.db.read(lambda s: s.get_one(Webhook, hook_id))
    assert found.disabled_at is not None


def test_an_event_can_be_sent_again(shop: Shop, receiver: Receiver) -> None:
    hook(shop, receiver.url)
    shop.capture(shop.pay())
    shop.work()
    event = shop.platform.db.read(
        lambda s: s.scalars(select(PaymentEvent).where(PaymentEvent.type == "payment.captured")).one()
    )

    clock.advance(1)
    assert shop.platform.db.write(lambda s: events.replay(s, shop.desk, event.id)) == 1
    shop.work()

    assert [h["x-razorpay-event-id"] for h, _b in receiver.got] == [event.id] * 2
