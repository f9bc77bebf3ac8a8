"""The inbox for people."""

from __future__ import annotations

from litestar import Response

from dodeca.commons.notifications import service
from dodeca.commons.notifications.models import Notification
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    page_of,
    post,
)


class ChoiceForm(ClosedRequest):
    """Checkboxes: absent means no."""

    product: str
    mail: str = ""
    push: str = ""


@get("/inbox", access=Access.MEMBER, name="inbox")
def inbox(session: DbRead, call: Calling, cursor: FromQuery[str | None] = None) -> Page:
    """What happened, newest first."""
    statement = service.visible_to(call.member())
    page = page_of(session, statement, order=[Notification.created_at, Notification.id], cursor=cursor)
    titles = {product.name: product.title for product in call.platform.shell_products}
    return Page("notifications/inbox.html", notifications=page.items, titles=titles, next_cursor=page.next_cursor)


@get("/inbox/{notification_id:str}", access=Access.MEMBER)
def follow(session: DbWrite, call: Calling, notification_id: FromPath[str]) -> Redirect:
    """Mark as read and go where it leads."""
    row = service.open_notification(session, call.member(), notification_id)
    return Redirect(row.href, status=302)


@post("/inbox/read", access=Access.MEMBER)
def mark_all_read(session: DbWrite, call: Calling) -> Redirect:
    """Mark everything as read."""
    service.mark_read(session, call.member(), None)
    return Redirect("/inbox", toast="All caught up.")


@get("/inbox/choices", access=Access.MEMBER)
def choices(session: DbRead, call: Calling) -> Page:
    """Mail and push, product by product."""
    me = call.member().account_id
    rows = [(product, *service.choice(session, me, product.name)) for product in call.platform.shell_products]
    return Page("notifications/choices.html", rows=rows)


@post("/inbox/choices", access=Access.MEMBER)
def choose(session: DbWrite, call: Calling, data: AnyBody[ChoiceForm]) -> Redirect:
    """Remember a product's choice."""
    call.platform.require_product(data.product)
    service.choose(session, call.member().account_id, data.product, mail=data.mail == "yes", push=data.push == "yes")
    return Redirect("/inbox/choices", toast="Saved.")


@get("/push-worker.js", access=Access.PUBLIC)
async def push_worker(call: Calling) -> Response[bytes]:
    """The service worker that shows pushes: at the root, because its scope is the folder it comes from."""
    asset = call.platform.assets.asset("notifications/push-worker.js")
    headers = {"Cache-Control": "no-cache", "Content-Type": "text/javascript; charset=utf-8"}
    return Response(asset.body, headers=headers)


routes = [inbox, follow, mark_all_read, choices, choose, push_worker]
