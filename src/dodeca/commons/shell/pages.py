"""Pages that belong to no product."""

from __future__ import annotations

from typing import Any

from litestar import Response

from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.kernel.platform import THEME_COOKIE
from dodeca.kernel.web.design import context as design_examples
from dodeca.kernel.web.shell import HomeCard

RESULTS_A_PRODUCT = 8
ITEMS_A_CARD = 4


class ThemeChoice(ClosedRequest):
    """The theme form. `next` is the page to come back to."""

    theme: str = "system"
    next: str = "/"


@get("/", access=Access.PUBLIC, name="home")
def home(session: DbRead, call: Calling) -> Page:
    """The installed products, each with something that is going on there."""
    return Page("home.html", cards=_cards(session, call))


def _cards(session: DbRead, call: Call) -> list[HomeCard]:
    cards = []
    for manifest in call.platform.manifests:
        if not manifest.tagline:
            continue
        living: dict[str, Any] = dict(manifest.home(session, call.platform)) if manifest.home else {}
        if manifest.mine and call.principal is not None:
            living["items"] = manifest.mine(session, call, ITEMS_A_CARD) or living.get("items", ())
        cards.append(
            HomeCard(
                name=manifest.name,
                title=manifest.title,
                tagline=manifest.tagline,
                href=f"/{manifest.name}/",
                icon=manifest.icon,
                **living,
            )
        )
    return cards


@get("/search", access=Access.PUBLIC)
def search(session: DbRead, call: Calling, q: FromQuery[str] = "") -> Page:
    """What the caller may see in all products for the words of `q`."""
    text = q.strip()[:200]
    groups = []
    if text:
        for manifest in call.platform.manifests:
            if manifest.search is not None:
                found = manifest.search(session, call, text, RESULTS_A_PRODUCT)
                results = [{"title": item.text, "href": item.href, "meta": item.meta} for item in found]
                if results:
                    groups.append((manifest, results))
    return Page("shell/search.html", q=text, groups=groups)


@post("/theme", access=Access.PUBLIC, status=200)
def choose_theme(call: Calling, data: AnyBody[ThemeChoice]) -> Redirect:
    """Remember light, dark or system in a cookie."""
    theme = data.theme if data.theme in ("light", "dark") else "system"
    cookie = call.platform.cookie(THEME_COOKIE, theme, max_age=365 * 86400, httponly=False)
    return Redirect(local_path(data.next), cookies=[cookie])


@get("/_design", access=Access.PUBLIC)
def design(theme: FromQuery[str] = "", dir: FromQuery[str] = "ltr") -> Page:
    """Every component of the design system."""
    examples: dict[str, Any] = design_examples()
    changes: dict[str, str] = {"dir": "rtl" if dir == "rtl" else "ltr"}
    if theme in ("light", "dark"):
        changes["theme"] = theme
    return Page("design.html", shell=changes, **examples)


@get("/favicon.ico", access=Access.PUBLIC)
def favicon() -> Response[bytes]:
    """Browsers ask for it by themselves; the pages name an SVG."""
    return Response(b"", status_code=204, headers={"Cache-Control": "public, max-age=86400"})


def local_path(path: str, otherwise: str = "/") -> str:
    """`path` if it stays on this host, so that a link cannot send people elsewhere after a form."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe else otherwise


routes = [home, search, choose_theme, design, favicon]
