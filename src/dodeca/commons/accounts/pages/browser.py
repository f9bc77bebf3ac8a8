"""What the pages of signing in share: the cookie, the second step, and where to go then."""

from __future__ import annotations

from litestar.datastructures import Cookie

from dodeca.commons.accounts import flows
from dodeca.commons.accounts.authentication import AccountAuthenticator
from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service import sessions
from dodeca.commons.accounts.service.origin import Origin
from dodeca.kernel.db import WriteSession
from dodeca.kernel.http import Call, Page, Redirect
from dodeca.kernel.platform import SESSION_COOKIE

COOKIE_SECONDS = 400 * 86_400
"""The longest that browsers keep a cookie. What ends a session is its row, whose time moves with use."""


def auth(call: Call) -> AccountAuthenticator:
    """The platform's authenticator."""
    return flows.authenticator_of(call.platform)


def session_cookie(call: Call, token: str) -> Cookie:
    """The cookie of a signed-in browser; an empty token removes it."""
    return call.platform.cookie(SESSION_COOKIE, token, max_age=COOKIE_SECONDS if token else 0)


def local_path(path: str, otherwise: str = "/") -> str:
    """`path` if it stays on this host: a link to the sign-in page must not lead elsewhere afterwards."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and len(path) <= 2000
    # Browsers read a backslash as a slash and drop tabs and line ends, which `isprintable` refuses.
    return path if safe and "\\" not in path else otherwise


async def next_step(call: Call, proven: flows.Proven, next_path: str) -> Page | Redirect:
    """After the first factor: ask for a code or whether to keep the account, or sign the browser in."""
    if proven.needs_code or proven.deletion_due_at is not None:
        return second_step(call, proven, next_path)
    signed_in = await flows.finish(call.platform, Origin.of(call), proven, browser=True, also=ending(call))
    return enter(call, signed_in, next_path)


def second_step(call: Call, proven: flows.Proven, next_path: str) -> Page:
    """The page that asks for the code, and whether to keep an account that is to be deleted."""
    from dodeca.kernel.http import FormState

    return Page(
        "accounts/second_step.html",
        form=FormState().form,
        ticket=proven.ticket(auth(call)),
        needs_code=proven.needs_code,
        due=proven.deletion_due_at,
        next=next_path,
    )


def enter(call: Call, signed_in: flows.SignedIn, next_path: str, toast: str = "") -> Redirect:
    """Go on as the person who has signed in."""
    return Redirect(local_path(next_path), toast=toast, cookies=[session_cookie(call, signed_in.token)])


def ending(call: Call) -> flows.Also:
    """Ends the session that the browser had before, in the unit of work that begins the new one."""
    before = call.principal

    def end(session: WriteSession, account: Account) -> None:
        if before is not None and before.via == "session":
            sessions.drop(session, before.account_id, before.credential)

    return end
