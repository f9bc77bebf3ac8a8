"""The dashboard: a merchant's settings."""

from __future__ import annotations

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import func

from dodeca.commons.accounts import public as accounts
from dodeca.commons.accounts.public import Actor
from dodeca.commons.notifications.service import choice
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.kernel.money import formatted
from dodeca.products.payments.acting import Till, desk_of
from dodeca.products.payments.models import Webhook
from dodeca.products.payments.pages.common import NoForm
from dodeca.products.payments.service import captures, keys, merchants, settlements
from dodeca.products.payments.service.attempts import EXPIRY

ADDRESS = "/payments/dashboard/settings"
EXAMPLE = (50_000, "INR")
TOLD_OF = (
    ("disputes", "Disputes", "A payer's bank wants money back, and how it was decided."),
    ("settlements", "Settlements", "Money is on its way to your bank account."),
    ("failures", "Failures", "A refund did not arrive."),
)


class BusinessForm(ClosedRequest):
    """What payers see."""

    name: str
    email: str = ""
    contact: str = ""
    website: str = ""


class TakingForm(ClosedRequest):
    """How money is taken."""

    capture: str
    zone: str


class AccountForm(ClosedRequest):
    """Where money goes."""

    holder: str
    account_number: str
    ifsc: str = ""


class ToldForm(ClosedRequest):
    """What to be told of: those that are ticked."""

    disputes: str = ""
    settlements: str = ""
    failures: str = ""


def show_settings(session: ReadSession, call: Call, state: FormState) -> Page:
    """All settings, each part with its own form."""
    desk, account = desk_of(session, call), accounts.acting(session, call)
    merchant, (amount, currency) = desk.merchant, EXAMPLE
    fee, hooks = captures.fee_of(amount, currency), desk.owned(Webhook).with_only_columns(func.count())
    made = accounts.keys_with_scope(session, account, "payments")
    return Page(
        "payments/settings.html",
        merchant=merchant,
        profile=merchants.shown(merchant, desk.mode),
        part=call.request.url.path.removeprefix(ADDRESS).strip("/"),
        zones=[(zone, zone.replace("_", " ")) for zone in sorted(_zones() | {merchant.zone})],
        expiry_days=EXPIRY.days,
        after_days=settlements.AFTER_DAYS,
        waiting=_waiting(session, call),
        fee_percent=f"{captures.FEE_BASIS_POINTS / 100:g} %",
        tax_percent=f"{captures.TAX_PERCENT[currency]} %",
        example=[
            ("A payment of", formatted(amount, currency)),
            ("Fee", formatted(fee.base, currency)),
            ("Tax on the fee", formatted(fee.tax, currency)),
            ("Yours", formatted(amount - fee.total, currency)),
        ],
        kinds=TOLD_OF,
        by_mail=choice(session, account.id, "payments")[0],
        address=account.email,
        keys=[
            {"id": key.id, "mode": keys.mode_of(key.id), "used": key.last_used_at, "made": key.created_at}
            for key in made
        ],
        hooks=session.scalar(hooks) or 0,
        hooks_off=session.scalar(hooks.where(Webhook.disabled_at.is_not(None))) or 0,
        form=state.form,
    )


@cache
def _zones() -> frozenset[str]:
    """All names of time zones: finding them looks at hundreds of files."""
    return frozenset(available_timezones())


def _waiting(session: ReadSession, call: Call) -> list[dict[str, Any]]:
    """By currency what is not paid out yet, and from when on the first of it is."""
    desk = desk_of(session, call)
    due = settlements.next_due(session, desk)
    return [
        {
            "currency": b["currency"],
            "amount": formatted(b["available"] + b["pending"], b["currency"]),
            "due": due.get(b["currency"]),
        }
        for b in settlements.balance(session, desk)
    ]


@get("/dashboard/settings", access=Access.MEMBER)
def settings(session: DbRead, call: Calling, account: Actor) -> Page:
    """A merchant's settings."""
    return show_settings(session, call, FormState())


def _saved(part: str) -> Redirect:
    return Redirect(f"{ADDRESS}#{part}", toast="Saved.")


@post("/dashboard/settings/business", access=Access.MEMBER, status=200, form=show_settings)
def save_business(session: DbWrite, desk: Till, data: AnyBody[BusinessForm]) -> Redirect:
    """Change what payers see."""
    seen = {"name": data.name, "email": data.email, "contact": data.contact, "website": data.website}
    merchants.change(desk.merchant, seen)
    return _saved("business")


@post("/dashboard/settings/taking", access=Access.MEMBER, status=200, form=show_settings)
def save_taking(session: DbWrite, desk: Till, data: AnyBody[TakingForm]) -> Redirect:
    """Change how money is taken."""
    merchants.change(desk.merchant, {"capture": data.capture, "zone": data.zone})
    return _saved("taking")


@post("/dashboard/settings/bank_account", access=Access.MEMBER, status=200, form=show_settings)
def save_account(session: DbWrite, desk: Till, data: AnyBody[AccountForm]) -> Redirect:
    """Change where money goes: an IBAN begins with letters, an account number does not."""
    number = "iban" if data.account_number.strip()[:2].isalpha() else "account_number"
    account = {"name": data.holder, number: data.account_number, "ifsc": data.ifsc}
    merchants.change(desk.merchant, {"bank_account": account})
    return _saved("bank")


@post("/dashboard/settings/bank_account/removal", access=Access.MEMBER, status=200)
def remove_account(session: DbWrite, desk: Till, data: AnyBody[NoForm]) -> Redirect:
    """Forget where money goes."""
    merchants.change(desk.merchant, {"bank_account": None})
    return _saved("bank")


@post("/dashboard/settings/told", access=Access.MEMBER, status=200, form=show_settings)
def save_told(session: DbWrite, desk: Till, data: AnyBody[ToldForm]) -> Redirect:
    """Change what to be told of."""
    merchants.change(desk.merchant, {"told_of": [kind for kind, *_ in TOLD_OF if getattr(data, kind)]})
    return _saved("told")


routes = [settings, save_business, save_taking, save_account, remove_account, save_told]
