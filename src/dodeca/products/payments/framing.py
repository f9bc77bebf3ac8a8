"""Which pages may be shown inside a shop's: the checkout's alone."""

from __future__ import annotations

from dodeca.kernel.http import Call
from dodeca.kernel.http.security import PAGE_HEADERS


def framed(extra_form_action: str = "") -> dict[str, str]:
    """Headers of the checkout: it may be framed by shops, and may send the payer's browser back to one.

    `*` means addresses of the network only: whoever tries the script in a file of their own has a page of `file:`."""
    policy = PAGE_HEADERS["Content-Security-Policy"].replace("frame-ancestors 'none'", "frame-ancestors * file:")
    if extra_form_action:
        policy = policy.replace("form-action 'self'", f"form-action 'self' {extra_form_action}")
    return {"Content-Security-Policy": policy, "X-Frame-Options": "ALLOWALL", "Referrer-Policy": "origin"}


def is_framed(call: Call) -> bool:
    """Whether the browser asks for the page to show it inside another, as far as it says so (Fetch Metadata)."""
    return call.request.headers.get("sec-fetch-dest") in ("iframe", "frame")
