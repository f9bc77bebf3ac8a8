"""QR codes: their picture, and the simulated UPI app that a scan leads to."""

from __future__ import annotations

import io

import segno
from litestar import Response

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    FormState,
    FromPath,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.kernel.money import formatted, parse_decimal
from dodeca.products.payments import flows, links
from dodeca.products.payments.models import Merchant, Order, PaymentLink, QrCode
from dodeca.products.payments.service import payment_links, receivers
from dodeca.products.payments.service.desk import desk_by_id
from dodeca.products.payments.service.paying import PayRequest

PIXELS_A_MODULE = 8


def picture(address: str) -> Response[bytes]:
    """A QR code of an address as PNG."""
    out = io.BytesIO()
    segno.make(address, error="m").save(out, kind="png", scale=PIXELS_A_MODULE, border=4)
    return Response(out.getvalue(), media_type="image/png", headers={"Cache-Control": "public, max-age=86400"})


def show(session: ReadSession, call: Call, state: FormState) -> Page:
    """The simulated UPI app of whoever scanned a code."""
    row = receivers.qr_by_code(session, call.request.path_params["code"])
    return Page(
        "payments/qr.html",
        shop=session.get_one(Merchant, row.merchant_id).name,
        code=row,
        total=formatted(row.payment_amount, "INR") if row.payment_amount else None,
        form=state.form,
        action=call.request.scope["path"],
    )


class AppForm(ClosedRequest):
    """What somebody types in the app: an amount where the code has none."""

    amount: str = ""


@get("/q/{code:str}", access=Access.PUBLIC)
def app(session: DbRead, call: Calling, code: FromPath[str]) -> Page:
    """Where a scan leads."""
    return show(session, call, FormState())


@post("/q/{code:str}", access=Access.PUBLIC, status=200, form=show)
async def pay(call: Calling, code: FromPath[str], data: AnyBody[AppForm]) -> Redirect:
    """Pay with the app."""

    def start(session: WriteSession) -> tuple[Order, QrCode]:
        row = receivers.qr_by_code(session, code)
        typed = parse_decimal(data.amount, "INR") if data.amount.strip() else None
        return receivers.qr_order(session, row, typed), row

    order, row = await call.platform.db.awrite(start)
    desk = await call.platform.db.aread(lambda session: desk_by_id(session, row.merchant_id, row.mode))
    me = call.principal.account_id if call.principal is not None else None
    request = PayRequest(
        amount=order.amount,
        currency="INR",
        method="upi",
        vpa="success@razorpay",
        order_id=order.id,
        payer_account_id=me,
        ip=call.address,
    )
    payment_id = await flows.pay(call.platform, desk, request)
    return Redirect(f"/payments/authenticate/{payment_id}/{links.proof(call.platform, payment_id)}")


@get("/q/{code:str}/image.png", access=Access.PUBLIC)
def image(session: DbRead, call: Calling, code: FromPath[str]) -> Response[bytes]:
    """The picture of a QR code."""
    row = receivers.qr_by_code(session, code)
    return picture(call.platform.url(f"/payments/q/{row.code}"))


@get("/l/{code:str}/image.png", access=Access.PUBLIC)
def link_image(session: DbRead, call: Calling, code: FromPath[str]) -> Response[bytes]:
    """The picture of a payment link's QR code."""
    row: PaymentLink = payment_links.by_code(session, code)
    return picture(call.platform.url(f"/payments/l/{row.code}"))


routes = [app, pay, image, link_image]
