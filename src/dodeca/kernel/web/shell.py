"""What every page knows about the platform around it, and the pieces of the home page.

`kernel.http` makes one `Shell` a request and passes it to each template as `shell`. The pages run under a strict
Content-Security-Policy (`CONTENT_SECURITY_POLICY`): no inline script, style element or `style` attribute anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from markupsafe import Markup, escape

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The policy that the templates, styles and scripts of the shell are written for."""

CSRF_FIELD = "csrf_token"
"""Name of the hidden field that every form of a page carries."""
CSRF_HEADER = "X-CSRF-Token"
"""Name of the header that htmx and the shell's own scripts send, with the value of `<meta name="csrf-token">`."""

Theme = Literal["light", "dark", "system"]
Direction = Literal["ltr", "rtl"]
_THEMES: dict[str, Theme] = {"light": "light", "dark": "dark", "system": "system"}
_DIRECTIONS: dict[str, Direction] = {"ltr": "ltr", "rtl": "rtl"}
Tone = Literal["neutral", "accent", "good", "warn", "bad", "info"]


@dataclass(frozen=True, slots=True)
class ShellProduct:
    """An installed product, as the product switcher shows it. `icon` is a name for the macro `icon`."""

    name: str
    title: str
    href: str
    icon: str
    tagline: str = ""


@dataclass(frozen=True, slots=True)
class ShellAccount:
    """The person who is signed in."""

    name: str
    username: str
    avatar_url: str | None = None
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Toast:
    """A short message about what has just happened, shown once."""

    text: str
    kind: Tone = "neutral"


@dataclass(frozen=True, slots=True)
class ShellLinks:
    """Where the header's and footer's own links lead. Forms are POSTed to `theme` and `sign_out`."""

    home: str = "/"
    sign_in: str = "/login"
    sign_up: str = "/register"
    sign_out: str = "/logout"
    account: str = "/account"
    inbox: str = "/inbox"
    admin: str = "/admin"
    theme: str = "/theme"
    docs: str = "/docs"
    api: str = "/api/openapi.json"


@dataclass(frozen=True, slots=True)
class Shell:
    """What surrounds a page. `path` is the current path with its query, to come back to after signing in."""

    products: Sequence[ShellProduct] = ()
    product: str | None = None
    account: ShellAccount | None = None
    unread: int = 0
    csrf_token: str = ""
    theme: Theme = "system"
    lang: str = "en"
    dir: Direction = "ltr"
    path: str = "/"
    toasts: Sequence[Toast] = ()
    search_action: str = "/search"
    search_query: str = ""
    returning: bool = False
    """The browser has a session that nobody looked up, on an error page: it is offered its account."""
    links: ShellLinks = field(default_factory=ShellLinks)

    def with_look(self, theme: str, direction: str) -> Shell:
        """The same surroundings in another theme and direction; unknown values change nothing."""
        return replace(self, theme=_THEMES.get(theme, self.theme), dir=_DIRECTIONS.get(direction, self.dir))

    @property
    def current(self) -> ShellProduct | None:
        """The product that the page belongs to; None on the platform's own pages."""
        return next((product for product in self.products if product.name == self.product), None)

    @property
    def csrf_field(self) -> Markup:
        """The hidden field that goes into every form with method post."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, escape(self.csrf_token))


@dataclass(frozen=True, slots=True)
class HomeItem:
    """One line of a home card's list, newest or most important first."""

    text: str
    href: str | None = None
    meta: str | Markup = ""


@dataclass(frozen=True, slots=True)
class HomeNumber:
    """One figure of a home card. A number is shown short (12.3k); text is shown as it is."""

    label: str
    value: int | float | str


@dataclass(frozen=True, slots=True)
class HomeCard:
    """A product's card on the platform's home page.

    The living part is any of: `numbers` (at most three), `items` (at most four), `html` (a rendered fragment).
    All of it comes from the database at the time of the request.
    """

    name: str
    title: str
    tagline: str
    href: str
    icon: str
    numbers: Sequence[HomeNumber] = ()
    items: Sequence[HomeItem] = ()
    html: Markup | None = None
