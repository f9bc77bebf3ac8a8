"""`dodeca payments`: a merchant's events on one's own machine, and the books' audit."""

from __future__ import annotations

import hashlib
import hmac
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec

from dodeca.cli.main import config_of, data_option

CARDS = {"good": "4242424242424242", "declined": "4000000000000002"}
FORWARD_SECONDS = 5.0


class Gateway:
    """A running gateway, as the holder of a key sees it."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self.client = httpx.Client(base_url=url.rstrip("/"), auth=(key, secret), timeout=30)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call; gives its answer. Raises ClickException with the gateway's own words."""
        try:
            answer = self.client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise click.ClickException(f"The gateway does not answer: {error}") from error
        if answer.status_code >= 400:
            raise click.ClickException(_words(answer))
        return answer.json()

    def events(self) -> Iterator[Mapping[str, Any]]:
        """What happens from now on, as it happens."""
        with self.client.stream("GET", "/api/payments/events/stream", timeout=None) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise click.ClickException(_words(answer))
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    told = msgspec.json.decode(line[5:].strip() or "{}")
                    if isinstance(told, dict) and "id" in told:
                        yield told


def _words(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return f"The gateway answered {answer.status_code}."
    error = said.get("error")
    return str(error["description"] if isinstance(error, dict) else error)


def gateway_options(command: Callable[..., None]) -> Callable[..., None]:
    """--url, --key and --secret."""
    for option in (
        click.option("--secret", envvar="DODECA_PAYMENTS_SECRET", required=True, help="The key's secret."),
        click.option("--key", envvar="DODECA_PAYMENTS_KEY", required=True, help="The key's id, rzp_test_…"),
        click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the gateway runs."),
    ):
        command = option(command)
    return command


@click.group()
def payments() -> None:
    """Events of a merchant on this machine, and the audit of the books."""


@payments.command()
@gateway_options
@click.option("--forward", help="Address that each event is posted to, signed as a webhook.")
@click.option("--webhook-secret", default="", help="What the forwarded bodies are signed with.")
@click.option("--count", type=int, help="End after so many events.")
def listen(url: str, key: str, secret: str, forward: str | None, webhook_secret: str, count: int | None) -> None:
    """Print events as they happen, and forward them to a program under development."""
    gateway = Gateway(url, key, secret)
    click.echo(f"Listening at {url}. End with Ctrl-C.", err=True)
    for number, told in enumerate(gateway.events(), 1):
        note = ""
        if forward:
            event = gateway.ask("GET", f"/api/payments/events/{told['id']}")
            note = _forward(forward, webhook_secret, event)
        click.echo(f"{told['type']:<28}{told['id']}{note}")
        if count is not None and number >= count:
            return


def _forward(address: str, secret: str, event: Mapping[str, Any]) -> str:
    body = msgspec.json.encode(event["body"])
    headers = {"content-type": "application/json", "x-razorpay-event-id": event["id"]}
    if secret:
        headers["x-razorpay-signature"] = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    try:
        status = httpx.post(address, content=body, headers=headers, timeout=FORWARD_SECONDS).status_code
    except httpx.HTTPError as error:
        return f"  not forwarded: {error}"
    return f"  forwarded: {status}"


def _pay(gateway: Gateway, card: str, capture: int = 1) -> str | None:
    """Pay a new order with a test card; gives the payment's id, None where it was declined."""
    order = gateway.ask(
        "POST", "/payments/v1/orders", {"amount": 50_000, "currency": "INR", "payment_capture": capture}
    )
    details = {"number": CARDS[card], "name": "Test", "expiry_month": "12", "expiry_year": "2040", "cvv": "123"}
    body = {"amount": 50_000, "currency": "INR", "order_id": order["id"], "method": "card", "card": details}
    try:
        made = gateway.ask("POST", "/payments/v1/payments/create/json", {**body, "email": "test@example.org"})
    except click.ClickException:
        if card == "declined":
            return None
        raise
    return str(made["razorpay_payment_id"])


def _refund(gateway: Gateway) -> None:
    gateway.ask("POST", f"/payments/v1/payments/{_pay(gateway, 'good')}/refund", {})


def _pay_link(gateway: Gateway) -> None:
    link = gateway.ask("POST", "/payments/v1/payment_links", {"amount": 50_000, "currency": "INR", "customer": {}})
    details = {"number": CARDS["good"], "name": "Test", "expiry_month": "12", "expiry_year": "2040", "cvv": "123"}
    body = {"amount": 50_000, "currency": "INR", "order_id": link["order_id"], "method": "card", "card": details}
    gateway.ask("POST", "/payments/v1/payments/create/json", {**body, "email": "test@example.org"})


def _settle(gateway: Gateway) -> None:
    _pay(gateway, "good")
    gateway.ask("POST", "/payments/v1/settlements/ondemand", {"amount": 100, "settle_full_balance": 1})


TRIGGERS: Mapping[str, Callable[[Gateway], object]] = {
    "payment.authorized": lambda gateway: _pay(gateway, "good", 0),
    "payment.captured": lambda gateway: _pay(gateway, "good"),
    "order.paid": lambda gateway: _pay(gateway, "good"),
    "payment.failed": lambda gateway: _pay(gateway, "declined"),
    "refund.processed": _refund,
    "payment_link.paid": _pay_link,
    "settlement.processed": _settle,
}
"""What really has to happen for an event: nothing is made up."""


@payments.command()
@gateway_options
@click.argument("event", type=click.Choice(sorted(TRIGGERS)))
def trigger(url: str, key: str, secret: str, event: str) -> None:
    """Make EVENT happen, with test money."""
    gateway = Gateway(url, key, secret)
    TRIGGERS[event](gateway)
    latest = gateway.ask("GET", f"/api/payments/events?type={event}&limit=1")["events"]
    if not latest:
        raise click.ClickException("The event has not happened yet. Look at the event log.")
    click.echo(latest[0]["id"])


@payments.command()
@gateway_options
@click.argument("event_id")
def replay(url: str, key: str, secret: str, event_id: str) -> None:
    """Send the event EVENT_ID again to all webhooks that want it."""
    found = Gateway(url, key, secret).ask("POST", f"/api/payments/events/{event_id}/replay")
    click.echo(f"Sent again to {found['deliveries']} webhooks.")


@payments.command()
@data_option
def audit(data: Path | None) -> None:
    """Recompute all books from their transfers. Exit code 1 when anything does not add up."""
    from sqlalchemy import func, select

    from dodeca import app
    from dodeca.products.payments import invariants
    from dodeca.products.payments.models import Transfer

    platform = app.compose(config_of(data, workers_inline=False))
    try:
        violations = platform.db.read(invariants.audit)
        count = platform.db.read(lambda session: session.scalar(select(func.count()).select_from(Transfer)) or 0)
    finally:
        platform.close()
    for name, rows in violations.items():
        click.echo(f"{name}: {', '.join(rows[:20])}")
    click.echo(f"{count:,} transfers, {'all right' if not violations else 'the books are wrong'}.")
    sys.exit(1 if violations else 0)
