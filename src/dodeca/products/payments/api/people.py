"""Users, their transactions and what they pay with."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import select

from dodeca.commons.accounts import public as accounts
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.errors import Invalid, NotFound, Unauthenticated
from dodeca.kernel.http import (
    Access,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    delete,
    get,
    page_of,
    patch,
    post,
)
from dodeca.products.payments import flows, links
from dodeca.products.payments.acting import own_account
from dodeca.products.payments.models import Order, PaymentMethod
from dodeca.products.payments.service import cards, methods, orders
from dodeca.products.payments.service.desk import Desk, ensure_merchant, platform_desk
from dodeca.products.payments.service.inputs import amount_of, looks_like_card
from dodeca.products.payments.service.orders import OrderRequest

Text = Annotated[str, msgspec.Meta(max_length=254)]


class Registration(ClosedRequest):
    """A new account."""

    username: Text
    password: Annotated[str, msgspec.Meta(max_length=1000)]
    email: Text | None = None
    user_id: Text | None = None


class Login(ClosedRequest):
    """Username or mail address, and password."""

    password: Annotated[str, msgspec.Meta(max_length=1000)]
    username: Text | None = None
    email: Text | None = None
    otp: Text | None = None


class NewTransaction(ClosedRequest):
    """Money to be paid: to `payee` (a username), else into one's own purse."""

    amount: float | int
    currency: Text
    payee: Text | None = None
    payment_method_id: Text | None = None


class NewMethod(ClosedRequest):
    """A card, or another method. A masked number is kept as a note only."""

    method_type: Text
    card_number: Annotated[str, msgspec.Meta(max_length=30)] | None = None
    expiry_date: Annotated[str, msgspec.Meta(max_length=7)] | None = None
    cvv: Annotated[str, msgspec.Meta(max_length=4)] | None = None
    name: Text | None = None
    vpa: Text | None = None
    user_id: Text | None = None


class MethodChange(ClosedRequest):
    """Use this one first; or a card's new date of expiry, MM/YY."""

    is_default: bool | None = None
    expiry_date: Annotated[str, msgspec.Meta(max_length=7)] | None = None


@post("/users", access=Access.PUBLIC, status=200)
async def register(call: Calling, data: JSONBody[Registration]) -> dict[str, Any]:
    """Make an account."""
    signed = await accounts.register(
        call.platform, accounts.Origin.of(call), username=data.username, password=data.password, email=data.email
    )
    return {"message": "User registered successfully", "user_id": signed.account.id, "token": signed.token}


@post("/login", access=Access.PUBLIC, status=200)
async def login(call: Calling, data: JSONBody[Login]) -> dict[str, Any]:
    """Sign in."""
    name = data.username or data.email
    if not name:
        raise Invalid("Give a username or an email.", field="username")
    try:
        signed = await accounts.login(
            call.platform, accounts.Origin.of(call), login=name, password=data.password, otp=data.otp
        )
    except accounts.WrongCredentials as error:
        raise Unauthenticated("Authentication failed") from error
    return {"message": "Authentication successful", "token": signed.token, "user_id": signed.account.id}


@get("/users/{user_id:str}", access=Access.MEMBER)
def user(session: DbRead, call: Calling, user_id: FromPath[str]) -> dict[str, Any]:
    """One's own account."""
    account = own_account(session, call, user_id)
    return {"user_id": account.id, "username": account.username, "email": account.email}


def _shown(order: Order) -> dict[str, Any]:
    return {
        "transaction_id": order.id,
        "user_id": order.payer_account_id,
        "amount": order.amount,
        "currency": order.currency,
        "timestamp": rfc3339(order.created_at),
        "status": order.status,
    }


@post("/users/{user_id:str}/transactions", access=Access.MEMBER, status=200)
async def create_transaction(call: Calling, user_id: FromPath[str], data: JSONBody[NewTransaction]) -> dict[str, Any]:
    """Start paying somebody, or into one's own purse; a saved method pays at once, else the checkout does."""
    amount = amount_of(data.amount, data.currency)

    def start(session: DbWrite) -> tuple[str, str]:
        account = own_account(session, call, user_id)
        payee_account = None
        if data.payee is None:
            desk, payee_account = platform_desk(session, "test"), account.id
        else:
            payee = accounts.account_by_name(session, data.payee)
            if payee is None or payee.id == account.id:
                raise NotFound("There is no such payee.", field="payee")
            desk = Desk(ensure_merchant(session, payee.id, payee.name), "test")
        if data.payment_method_id is not None:
            methods.chargeable(session, account.id, data.payment_method_id)
        request = OrderRequest(
            amount=amount,
            currency=data.currency,
            capture="automatic",
            payer_account_id=account.id,
            payee_account_id=payee_account,
        )
        return orders.create(session, desk, request).id, account.id

    order_id, account_id = await call.platform.db.awrite(start)
    if data.payment_method_id is not None:
        await flows.charge(call.platform, order_id, account_id, data.payment_method_id)
    status = await call.platform.db.aread(lambda session: session.get_one(Order, order_id).status)
    return {
        "message": "Transaction created successfully",
        "transaction_id": order_id,
        "status": status,
        "checkout_url": links.checkout(call.platform, order_id),
    }


@get("/users/{user_id:str}/transactions", access=Access.MEMBER)
def transactions(
    session: DbRead,
    call: Calling,
    user_id: FromPath[str],
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> list[dict[str, Any]]:
    """What somebody paid or was to pay, newest first."""
    account = own_account(session, call, user_id)
    mine = select(Order).where(Order.payer_account_id == account.id)
    page = page_of(session, mine, order=[Order.created_at, Order.id], limit=limit, cursor=cursor)
    return [_shown(order) for order in page.items]


@get("/users/{user_id:str}/transactions/{transaction_id:str}", access=Access.MEMBER)
def transaction(
    session: DbRead, call: Calling, user_id: FromPath[str], transaction_id: FromPath[str]
) -> dict[str, Any]:
    """One of them."""
    account = own_account(session, call, user_id)
    order = session.get(Order, transaction_id)
    if order is None or order.payer_account_id != account.id:
        raise NotFound("Transaction not found")
    return _shown(order)


def _method(row: PaymentMethod) -> dict[str, Any]:
    return {
        "payment_method_id": row.id,
        "user_id": row.account_id,
        "method_type": row.method_type,
        "card_number": row.masked or None,
        "expiry_date": row.expiry,
        "network": row.network,
        "vpa": row.vpa,
        "chargeable": row.chargeable,
        "is_default": row.is_default,
    }


@post("/users/{user_id:str}/payment_methods", access=Access.MEMBER)
async def add_method(call: Calling, user_id: FromPath[str], data: JSONBody[NewMethod]) -> dict[str, Any]:
    """Keep a method. A full card number goes to the acquirers' vaults; four digits of it stay here."""
    account_id = await call.platform.db.aread(lambda session: own_account(session, call, user_id).id)
    number = (data.card_number or "").replace(" ", "").replace("-", "")
    if data.card_number is not None and number.isdigit() and looks_like_card(number):
        month, year = methods.expiry_of(data.expiry_date)
        card = cards.read_card(number, data.cvv or "000", month, year, data.name)
        vault = await flows.tokenise_everywhere(call.platform, card, "test")
        facts = flows.card_facts(call.platform.keyring, card)
        return await call.platform.db.awrite(
            lambda s: _method(methods.save(s, account_id, data.method_type, facts=facts, vault=vault))
        )
    if number and (number.isdigit() or not number[-4:].isdigit()):
        raise Invalid("The card number is not valid.", field="card_number")
    masked = f"**** **** **** {number[-4:]}" if number else ""
    return await call.platform.db.awrite(
        lambda s: _method(
            methods.save(s, account_id, data.method_type, masked=masked, expiry=data.expiry_date, vpa=data.vpa)
        )
    )


@get("/users/{user_id:str}/payment_methods", access=Access.MEMBER)
def list_methods(session: DbRead, call: Calling, user_id: FromPath[str]) -> list[dict[str, Any]]:
    """What somebody pays with."""
    account = own_account(session, call, user_id)
    return [_method(row) for row in methods.methods_of(session, account.id)]


@patch("/users/{user_id:str}/payment_methods/{method_id:str}", access=Access.MEMBER)
def change_method(
    session: DbWrite, call: Calling, user_id: FromPath[str], method_id: FromPath[str], data: JSONBody[MethodChange]
) -> dict[str, Any]:
    """Make a method the first, or renew a card's date."""
    row = methods.method(session, own_account(session, call, user_id).id, method_id)
    if data.expiry_date is not None:
        methods.renew(session, row, data.expiry_date)
    if data.is_default:
        methods.make_default(session, row)
    return _method(row)


@delete("/users/{user_id:str}/payment_methods/{method_id:str}", access=Access.MEMBER)
def remove_method(session: DbWrite, call: Calling, user_id: FromPath[str], method_id: FromPath[str]) -> None:
    """Forget a method."""
    methods.remove(session, methods.method(session, own_account(session, call, user_id).id, method_id))


routes = [
    register,
    login,
    user,
    create_transaction,
    transactions,
    transaction,
    add_method,
    list_methods,
    change_method,
    remove_method,
]
