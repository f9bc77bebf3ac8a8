"""Customers, tokens, cards, webhooks."""

from __future__ import annotations

from typing import Any

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.payments import acquirers, entities, flows
from dodeca.products.payments.acquirers.protocol import Acquirer
from dodeca.products.payments.acquirers.simulators import CHALLENGED, SCENARIOS
from dodeca.products.payments.compat.razorpay.calls import call
from dodeca.products.payments.compat.razorpay.pay import listed
from dodeca.products.payments.compat.razorpay.requests import Context
from dodeca.products.payments.models import Card, Customer, Token, Webhook
from dodeca.products.payments.service import cards, events, tokens
from dodeca.products.payments.service.inputs import text_of


@call("POST", "/customers", "write")
def create_customer(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make a customer."""
    return entities.customer(tokens.create_customer(session, ctx.desk, ctx.body))


@call("GET", "/customers", "read")
def list_customers(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Customers."""
    return listed(session, ctx, Customer, entities.customer)


@call("GET", "/customers/{}", "read")
def fetch_customer(session: ReadSession, ctx: Context, customer_id: str) -> dict[str, Any]:
    """One customer."""
    return entities.customer(ctx.desk.find(session, Customer, customer_id))


@call("PUT", "/customers/{}", "write")
def edit_customer(session: WriteSession, ctx: Context, customer_id: str) -> dict[str, Any]:
    """Change a customer."""
    row = ctx.desk.lock(session, Customer, customer_id)
    return entities.customer(tokens.edit_customer(session, row, ctx.body))


@call("GET", "/customers/{}/tokens", "read")
def customer_tokens(session: ReadSession, ctx: Context, customer_id: str) -> dict[str, Any]:
    """What a customer can be charged with."""
    customer = ctx.desk.find(session, Customer, customer_id)
    rows = tokens.tokens_of(session, customer)
    return entities.collection([entities.token(token, card, customer) for token, card in rows])


@call("GET", "/customers/{}/tokens/{}", "read")
def fetch_token(session: ReadSession, ctx: Context, customer_id: str, token_id: str) -> dict[str, Any]:
    """One token."""
    token = _token(session, ctx, customer_id, token_id)
    card = session.get(Card, token.card_id) if token.card_id else None
    return entities.token(token, card, session.get(Customer, customer_id))


@call("DELETE", "/customers/{}/tokens/{}", "write")
def delete_token(session: WriteSession, ctx: Context, customer_id: str, token_id: str) -> dict[str, Any]:
    """End a token; the acquirers' references go with it."""
    _cancel(session, _token(session, ctx, customer_id, token_id))
    return {"deleted": True}


@call("PUT", "/customers/{}/tokens/{}/cancel", "write")
def cancel_token(session: WriteSession, ctx: Context, customer_id: str, token_id: str) -> dict[str, Any]:
    """The same."""
    _cancel(session, _token(session, ctx, customer_id, token_id))
    return {"status": "cancellation_initiated"}


@call("POST", "/tokens", "flow")
async def create_token(ctx: Context) -> dict[str, Any]:
    """Keep a customer's card: its number goes to the acquirers' vaults."""
    given = ctx.body.get("card")
    card = given if isinstance(given, dict) else {}
    if str(ctx.body.get("method") or "card") != "card":
        raise Invalid("The method is card.", field="method")
    typed = cards.read_card(
        card.get("number"), card.get("cvv"), card.get("expiry_month"), card.get("expiry_year"), card.get("name")
    )
    customer_id = text_of(ctx.body.get("customer_id"), "customer_id", 40) or ""
    await ctx.platform.db.aread(lambda session: ctx.till(session).find(session, Customer, customer_id))
    vaults = await flows.tokenise_everywhere(ctx.platform, typed, ctx.mode)
    facts = flows.card_facts(ctx.platform.keyring, typed)

    def add(session: WriteSession) -> dict[str, Any]:
        customer = ctx.till(session).find(session, Customer, customer_id)
        token, kept = tokens.add_card(session, ctx.desk, customer, facts, vaults)
        return entities.token(token, kept, customer)

    return await ctx.platform.db.awrite(add)


@call("POST", "/cards/fingerprints", "read")
def card_reference(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """What tells the same card from others, without its number: of a typed card, or of a token."""
    if ctx.body.get("token"):
        token = ctx.desk.find(session, Token, str(ctx.body["token"]))
        card = session.get_one(Card, token.card_id) if token.card_id else None
        network, reference = (card.network if card else None), token.fingerprint
    else:
        digits = cards.digits_of(ctx.body.get("number"))
        network, reference = cards.network(digits), cards.fingerprint(digits, flows.card_key(ctx.platform.keyring))
    return {
        "network": network,
        "payment_account_reference": reference,
        "network_reference_id": None,
        "card_reference_number": reference,
        "provider": "dodeca",
    }


@call("POST", "/tokens/fetch", "read")
def fetch_token_by_id(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """A token by its own id."""
    token = ctx.desk.find(session, Token, str(ctx.body.get("id") or ""))
    card = session.get(Card, token.card_id) if token.card_id else None
    return entities.token(token, card, session.get(Customer, token.customer_id))


@call("POST", "/tokens/delete", "write")
def delete_token_by_id(session: WriteSession, ctx: Context) -> list[Any]:
    """End it."""
    _cancel(session, ctx.desk.find(session, Token, str(ctx.body.get("id") or "")))
    return []


@call("POST", "/tokens/service_provider_tokens/token_transactional_data", "flow")
async def transactional_data(ctx: Context) -> dict[str, Any]:
    """What a kept card is charged with at another gateway, once; from the first vault that holds it."""
    token_id = text_of(ctx.body.get("id"), "id", 40) or ""

    def find(session: ReadSession) -> tuple[Card, Acquirer, str]:
        token = ctx.till(session).find(session, Token, token_id)
        card = session.get(Card, token.card_id) if token.card_id and token.status == "active" else None
        if card is None or not card.vault:
            raise Invalid("This token has no card.", field="id")
        name, reference = min(card.vault.items())
        return card, acquirers.acquirer(session, name), reference

    card, acquirer, reference = await ctx.platform.db.aread(find)
    data = await acquirer.transaction_data(reference)
    return {
        "token_number": data.token_number,
        "cryptogram_value": data.cryptogram,
        "cvv": "",
        "token_expiry_month": card.expiry_month,
        "token_expiry_year": card.expiry_year,
        "card": {**entities.card(card), "expiry_year": card.expiry_year},
    }


def _token(session: ReadSession, ctx: Context, customer_id: str, token_id: str) -> Token:
    token = ctx.desk.find(session, Token, token_id)
    if token.customer_id != customer_id:
        raise NotFound("The id provided does not exist", field="id")
    return token


def _cancel(session: WriteSession, token: Token) -> None:
    token.status = "cancelled"
    card = session.get(Card, token.card_id) if token.card_id else None
    if card is not None:
        card.vault = {}


@call("GET", "/cards/{}", "read")
def fetch_card(session: ReadSession, ctx: Context, card_id: str) -> dict[str, Any]:
    """A card, as far as it is kept."""
    return entities.card(ctx.desk.find(session, Card, card_id))


@call("GET", "/iins/list", "read")
def list_iins(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Whose cards ask for an OTP (`flow` otp): those of the simulators; no others are known, nor business cards."""
    otp = {number[:6] for number, scenario in SCENARIOS.items() if scenario == CHALLENGED}
    found = sorted(otp) if ctx.query.get("flow") == "otp" else []
    return {"count": len(found), "iins": found}


@call("GET", "/iins/{}", "read")
def fetch_iin(session: ReadSession, ctx: Context, number: str) -> dict[str, Any]:
    """What the first six digits of a card's number tell. The issuer is not known: that takes the networks' tables."""
    if not (len(number) == 6 and number.isascii() and number.isdigit()):
        raise Invalid("The IIN has 6 digits.", field="iin")
    network = cards.network(number)
    known = network != "Unknown"
    return {
        "iin": number,
        "entity": "iin",
        "network": network if known else None,
        "type": None,
        "sub_type": None,
        "issuer_code": "",
        "issuer_name": "",
        "international": False,
        "is_tokenized": False,
        "card_iin": None,
        "emi": {"available": False},
        "recurring": {"available": known},
        "authentication_types": [{"type": "3ds"}, {"type": "otp"}] if known else [],
    }


def _own_account(ctx: Context, account_id: str) -> None:
    if account_id != ctx.desk.merchant.id:
        raise NotFound("The id provided does not exist", field="id")


@call("POST", "/webhooks", "write")
def create_webhook(session: WriteSession, ctx: Context) -> dict[str, Any]:
    """Make a webhook."""
    box = events.secret_box(ctx.platform.keyring)
    return entities.webhook(events.set_webhook(session, ctx.desk, box, ctx.body))


@call("GET", "/webhooks", "read")
def list_webhooks(session: ReadSession, ctx: Context) -> dict[str, Any]:
    """Webhooks."""
    return listed(session, ctx, Webhook, entities.webhook)


@call("GET", "/webhooks/{}", "read")
def fetch_webhook(session: ReadSession, ctx: Context, webhook_id: str) -> dict[str, Any]:
    """One webhook."""
    return entities.webhook(ctx.desk.find(session, Webhook, webhook_id))


@call("PUT", "/webhooks/{}", "write")
@call("PATCH", "/webhooks/{}", "write")
def edit_webhook(session: WriteSession, ctx: Context, webhook_id: str) -> dict[str, Any]:
    """Change a webhook."""
    row = ctx.desk.lock(session, Webhook, webhook_id)
    box = events.secret_box(ctx.platform.keyring)
    return entities.webhook(events.set_webhook(session, ctx.desk, box, ctx.body, row))


@call("DELETE", "/webhooks/{}", "write")
def delete_webhook(session: WriteSession, ctx: Context, webhook_id: str) -> list[Any]:
    """Remove a webhook."""
    session.delete(ctx.desk.lock(session, Webhook, webhook_id))
    return []


@call("POST", "/accounts/{}/webhooks", "write")
def create_account_webhook(session: WriteSession, ctx: Context, account_id: str) -> dict[str, Any]:
    """The same below the account."""
    _own_account(ctx, account_id)
    return create_webhook(session, ctx)  # type: ignore[no-any-return]


@call("GET", "/accounts/{}/webhooks", "read")
def list_account_webhooks(session: ReadSession, ctx: Context, account_id: str) -> dict[str, Any]:
    """The same below the account."""
    _own_account(ctx, account_id)
    return list_webhooks(session, ctx)  # type: ignore[no-any-return]


@call("GET", "/accounts/{}/webhooks/{}", "read")
def fetch_account_webhook(session: ReadSession, ctx: Context, account_id: str, webhook_id: str) -> dict[str, Any]:
    """The same below the account."""
    _own_account(ctx, account_id)
    return fetch_webhook(session, ctx, webhook_id)  # type: ignore[no-any-return]


@call("PATCH", "/accounts/{}/webhooks/{}", "write")
def edit_account_webhook(session: WriteSession, ctx: Context, account_id: str, webhook_id: str) -> dict[str, Any]:
    """The same below the account."""
    _own_account(ctx, account_id)
    return edit_webhook(session, ctx, webhook_id)  # type: ignore[no-any-return]


@call("DELETE", "/accounts/{}/webhooks/{}", "write")
def delete_account_webhook(session: WriteSession, ctx: Context, account_id: str, webhook_id: str) -> list[Any]:
    """The same below the account."""
    _own_account(ctx, account_id)
    return delete_webhook(session, ctx, webhook_id)  # type: ignore[no-any-return]
