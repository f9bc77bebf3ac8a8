"""For those who build with it: keys, snippets, and the script of the checkout."""

from __future__ import annotations

from litestar import Response

from dodeca.commons.accounts.public import Actor
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, AnyBody, Call, Calling, DbRead, DbWrite, FormState, Page, Redirect, get, post
from dodeca.products.payments.acting import Till, desk_of
from dodeca.products.payments.pages.common import NoForm
from dodeca.products.payments.service import keys, orders
from dodeca.products.payments.service.orders import OrderRequest

TRIED_AMOUNT = 50_000
TEST_CARDS = (
    ("4242 4242 4242 4242", "authorised at once"),
    ("4111 1111 1111 1111", "asks for 3-D Secure: an OTP of 4 to 10 digits passes"),
    ("4000 0000 0000 0002", "declined"),
    ("4000 0000 0000 9995", "declined: insufficient funds"),
    ("4000 0000 0000 5126", "its refunds fail"),
    ("4000 0000 0000 0259", "disputed after its capture"),
)


def show_developers(session: ReadSession, call: Call, state: FormState, made: tuple[str, str] | None = None) -> Page:
    """Keys, a snippet for a website, and where the API is."""
    desk = desk_of(session, call)
    key = keys.signing_key(session, desk.merchant, "test") if desk.merchant.id != "acc_none" else None
    return Page(
        "payments/developers.html",
        made=made,
        key_id=made[0] if made else key.id if key else None,
        cards=TEST_CARDS,
        base=call.platform.url("/payments"),
        form=state.form,
        merchant=desk.merchant,
    )


@get("/dashboard/developers", access=Access.MEMBER)
def developers(session: DbRead, call: Calling, account: Actor) -> Page:
    """For those who build with it."""
    return show_developers(session, call, FormState())


def _form_developers(session: ReadSession, call: Call, state: FormState) -> Page:
    return show_developers(session, call, state)


@post("/dashboard/developers/keys", access=Access.MEMBER, status=200, form=_form_developers)
def make_key(session: DbWrite, call: Calling, account: Actor, data: AnyBody[NoForm]) -> Page:
    """Make a test key; its secret is shown this once."""
    if call.member().via == "key":
        raise Invalid("A key cannot make keys.")
    desk_of(session, call)
    key, secret = keys.make(session, call.platform, account, "test")
    return show_developers(session, call, FormState(), (key.id, secret))


@post("/dashboard/developers/orders", access=Access.MEMBER, status=200, form=_form_developers)
def try_checkout(session: DbWrite, desk: Till, account: Actor, data: AnyBody[NoForm]) -> Redirect:
    """Make a test order and go on to its checkout, as a payer would."""
    request = OrderRequest(
        TRIED_AMOUNT, "INR", description="Test order", capture="automatic", return_url="/payments/dashboard"
    )
    return Redirect(f"/payments/checkout/{orders.create(session, desk, request).id}")


@get("/v1/checkout.js", access=Access.PUBLIC)
async def checkout_js(call: Calling) -> Response[bytes]:
    """The script that shops include: it opens the checkout over their page."""
    asset = call.platform.assets.asset("payments/checkout.js")
    headers = {"Cache-Control": "public, max-age=300", "Content-Type": "text/javascript; charset=utf-8"}
    return Response(asset.body, headers=headers)


routes = [developers, make_key, try_checkout, checkout_js]
