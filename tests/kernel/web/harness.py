"""An application that shows the shell's pages with example surroundings, for the browser tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from litestar import Litestar, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import ServerSentEvent, ServerSentEventMessage

from dodeca.kernel.web import design
from dodeca.kernel.web.assets import Assets, static_handler
from dodeca.kernel.web.forms import Form, FormErrors, shown_again
from dodeca.kernel.web.shell import (
    CONTENT_SECURITY_POLICY,
    Direction,
    HomeCard,
    HomeItem,
    HomeNumber,
    Shell,
    ShellAccount,
    ShellProduct,
    Theme,
    Toast,
)
from dodeca.kernel.web.templates import Renderer

WEB = Path(design.__file__).parent
HERE = Path(__file__).parent
PRODUCTS = [
    ShellProduct("shortener", "Links", "/shortener", "link", "Short links that count"),
    ShellProduct("stays", "Stays", "/stays", "bed-double", "Hotels and homes"),
    ShellProduct("payments", "Payments", "/payments", "credit-card", "Money in and out"),
    ShellProduct("music", "Music", "/music", "music", "Songs and radio"),
    ShellProduct("cricket", "Cricket", "/cricket", "trophy", "Live from the ground"),
    ShellProduct("market", "Market", "/market", "store", "Shops under one roof"),
    ShellProduct("letters", "Letters", "/letters", "mail", "Newsletters people read"),
    ShellProduct("messenger", "Messenger", "/messenger", "message-circle", "Private conversations"),
    ShellProduct("news", "News", "/news", "newspaper", "Links worth discussing"),
    ShellProduct("timeline", "Timeline", "/timeline", "history", "Your life in order"),
    ShellProduct("poker", "Poker", "/poker", "spade", "Tables for friends"),
    ShellProduct("lockers", "Lockers", "/lockers", "package", "Parcels day and night"),
]
CARDS = [
    HomeCard(
        product.name,
        product.title,
        product.tagline,
        product.href,
        product.icon,
        numbers=[HomeNumber("Today", 1204 * (index + 1)), HomeNumber("In all", 48_213 * (index + 1))],
        items=[
            HomeItem("The newest thing that happened here", f"{product.href}/1", "2 min"),
            HomeItem("Another one, a little older and with a longer title", f"{product.href}/2", "1 h"),
        ],
    )
    for index, product in enumerate(PRODUCTS)
]

assets = Assets({"shell": WEB / "static", "sample": HERE / "static"})
renderer = Renderer({"sample": HERE / "templates"}, assets=assets)
AnyRequest = Request[Any, Any, Any]


def shell_for(request: AnyRequest) -> Shell:
    """A Shell as the query asks: theme, dir, product, anonymous, toast."""
    query = request.query_params
    account = ShellAccount("Ada Lovelace", "ada", is_admin=True)
    theme = query.get("theme") or request.cookies.get("theme") or "system"
    return Shell(
        products=PRODUCTS,
        product=query.get("product"),
        account=None if "anonymous" in query else account,
        unread=0 if "anonymous" in query else 3,
        csrf_token="token-of-the-session",
        theme=cast(Theme, theme),
        dir=cast(Direction, query.get("dir", "ltr")),
        lang="ar" if query.get("dir") == "rtl" else "en",
        path=str(request.url.path),
        toasts=[Toast("The link was saved.", "good")] if "toast" in query else [],
    )


def page(request: AnyRequest, template: str, **context: object) -> Response[str]:
    """A page with the headers that the platform sends."""
    body = renderer.render(template, {"shell": shell_for(request), "request": request, **context})
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return Response(body, headers=headers, media_type="text/html")


@get("/_design", sync_to_thread=False)
def design_page(request: AnyRequest) -> Response[str]:
    return page(request, "design.html", **design.context())


@get("/", sync_to_thread=False)
def home_page(request: AnyRequest) -> Response[str]:
    return page(request, "home.html", cards=CARDS)


@get("/error/{status:int}", sync_to_thread=False)
def error_page(request: AnyRequest, status: int) -> Response[str]:
    return page(request, "error.html", status=status, reference="01JABCDEF")


@get("/sample", sync_to_thread=False)
def sample_page(request: AnyRequest) -> Response[str]:
    return page(request, "sample/page.html", form=Form())


@get("/bare", sync_to_thread=False)
def bare_page(request: AnyRequest) -> Response[str]:
    return page(request, "sample/bare.html")


@post("/sample", status_code=200)
async def sample_form(request: AnyRequest) -> Response[str]:
    form = Form.of(await request.form())
    problem = FormErrors({"address": "This is not a web address."})
    answer = shown_again(renderer, "sample/page.html", {"shell": shell_for(request)}, form, problem)
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return answer


@post("/theme", status_code=204)
async def theme(request: AnyRequest) -> Response[None]:
    chosen = str((await request.form())["theme"])
    answer: Response[None] = Response(None, status_code=204)
    answer.set_cookie("theme", chosen)
    return answer


@get("/live")
async def live() -> ServerSentEvent:
    async def events() -> Any:
        yield ServerSentEventMessage(event="text", data='{"clicks": "1,205"}')
        yield ServerSentEventMessage(
            event="html", data='{"target": "list", "html": "<li>new</li>", "swap": "beforeend"}'
        )
        yield ServerSentEventMessage(event="toast", data='{"text": "Somebody clicked", "kind": "info"}')

    return ServerSentEvent(events())


handlers: list[HTTPRouteHandler] = [static_handler(assets), design_page, home_page, error_page, bare_page]
handlers += [sample_page, sample_form, theme, live]
app = Litestar(handlers, openapi_config=None)
