"""The merchant's dashboard: payments, and one payment with all that happened to it."""

from __future__ import annotations

from urllib.parse import urlencode

from dodeca.commons.accounts.public import Actor
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    page_of,
    post,
)
from dodeca.kernel.money import formatted, parse_decimal
from dodeca.products.payments import flows
from dodeca.products.payments.acting import Till, desk_of, flow_desk
from dodeca.products.payments.models import Attempt, Card, Payment, Refund, RoutingDecision
from dodeca.products.payments.pages.common import TONES, NoForm, payment_line
from dodeca.products.payments.service import attempts, disputes, ledger, refunds, reports
from dodeca.products.payments.service.inputs import amount_of

LONGEST_SEARCH = 254


@get("/dashboard", access=Access.MEMBER)
def dashboard(
    session: DbRead,
    desk: Till,
    account: Actor,
    cursor: FromQuery[str | None] = None,
    status: FromQuery[str | None] = None,
    q: FromQuery[str | None] = None,
) -> Page:
    """A merchant's payments, newest first and those that a search finds, with the figures of thirty days."""
    words = (q or "").strip()[:LONGEST_SEARCH]
    statement = reports.found(session, desk, words) if words else desk.owned(Payment)
    if status in TONES:
        statement = reports.in_status(statement, status)
    page = page_of(session, statement, order=[Payment.created_at, Payment.id], cursor=cursor)
    figures = reports.summary(session, desk, clock.ago(days=30), clock.now())
    totals: dict[str, int] = {}
    for row in figures["by_method"]:
        totals[row["currency"]] = totals.get(row["currency"], 0) + row["volume"]
    tried = sum(row["payments"] for row in figures["by_method"])
    good = sum(row["payments"] * row["success_rate"] for row in figures["by_method"])
    volume = ", ".join(formatted(amount, currency) for currency, amount in totals.items()) or "nothing yet"
    return Page(
        "payments/dashboard.html",
        lines=[payment_line(p) for p in page.items],
        next_cursor=page.next_cursor,
        chosen=status or "",
        words=words,
        query=urlencode({"q": words}) if words else "",
        volume=volume,
        success=f"{good / tried:.0%}" if tried else "none yet",
        tried=tried,
        days=[(row["day"], row["volume"] / 100) for row in figures["by_day"] if row["currency"] == "INR"],
        reasons=figures["reasons"],
        mode=desk.mode,
    )


def show_payment(session: ReadSession, call: Call, state: FormState) -> Page:
    """One payment: what happened, where the money went, why that acquirer."""
    desk = desk_of(session, call)
    payment = desk.find(session, Payment, call.request.path_params["payment_id"])
    decision = session.get(RoutingDecision, payment.id)
    rest, dispute = payment.amount - payment.amount_refunded, disputes.of_payment(session, payment)
    return Page(
        "payments/payment.html",
        payment=payment,
        line=payment_line(payment),
        card=session.get(Card, payment.card_id) if payment.card_id else None,
        attempts=_attempts(session, payment),
        decision=decision,
        candidates=_candidates(payment, decision),
        transfers=[
            {
                "debit": ledger.place_of(t.debit_account_id).code,
                "credit": ledger.place_of(t.credit_account_id).code,
                "amount": formatted(t.amount, t.currency),
                "code": t.code,
                "state": t.state,
            }
            for t in ledger.transfers_of(session, payment.id)
        ],
        refunds=[(r, formatted(r.amount, r.currency)) for r in refunds.refunds_of(session, desk, payment)],
        fee=formatted(payment.fee, payment.currency) if payment.fee is not None else None,
        refunded=formatted(payment.amount_refunded, payment.currency) if payment.amount_refunded else None,
        rest=formatted(rest, payment.currency),
        dispute=dispute,
        can_refund=payment.status == "captured" and rest > 0 and not disputes.keeps_money(dispute),
        form=state.form,
    )


def _attempts(session: ReadSession, payment: Payment) -> list[Attempt]:
    return attempts.attempts_of(session, payment)


def _candidates(payment: Payment, decision: RoutingDecision | None) -> list[tuple[str, str]]:
    """Whom to ask, in order, and why."""
    found = []
    for c in decision.candidates if decision is not None else ():
        fee = formatted(c["fee"], payment.currency)
        found.append((c["acquirer"], f"{c['success_rate']:.0%} success, fee {fee}" if c["eligible"] else c["reason"]))
    return found


class RefundForm(ClosedRequest):
    """An amount in major units; empty for the rest."""

    amount: str = ""


@get("/dashboard/payments/{payment_id:str}", access=Access.MEMBER)
def payment_page(session: DbRead, call: Calling, account: Actor, payment_id: FromPath[str]) -> Page:
    """One payment."""
    return show_payment(session, call, FormState())


@post("/dashboard/payments/{payment_id:str}/capture", access=Access.MEMBER, status=200, form=show_payment)
async def capture_page(call: Calling, payment_id: FromPath[str], data: AnyBody[NoForm]) -> Redirect:
    """Capture."""
    await flows.capture(call.platform, await flow_desk(call), payment_id, None, None)
    return Redirect(f"/payments/dashboard/payments/{payment_id}", toast="Captured.")


@post("/dashboard/payments/{payment_id:str}/refund", access=Access.MEMBER, status=200, form=show_payment)
async def refund_page(call: Calling, payment_id: FromPath[str], data: AnyBody[RefundForm]) -> Redirect:
    """Refund."""
    desk = await flow_desk(call)

    def begin(session: WriteSession) -> Refund:
        currency = desk.find(session, Payment, payment_id).currency
        amount = amount_of(parse_decimal(data.amount, currency), currency, least=1) if data.amount.strip() else None
        return refunds.begin(session, desk, payment_id, amount)

    await flows.refund(call.platform, begin)
    return Redirect(f"/payments/dashboard/payments/{payment_id}", toast="Refund made.")


@post("/dashboard/payments/{payment_id:str}/dispute", access=Access.MEMBER, status=200, form=show_payment)
def accept_dispute(session: DbWrite, desk: Till, payment_id: FromPath[str], data: AnyBody[NoForm]) -> Redirect:
    """Give a disputed payment back."""
    dispute = disputes.of_payment(session, desk.find(session, Payment, payment_id))
    if dispute is None:
        raise NotFound("Nobody disputes this payment.")
    disputes.accept(session, desk, dispute.id)
    return Redirect(f"/payments/dashboard/payments/{payment_id}", toast="The dispute is accepted.")


routes = [dashboard, payment_page, capture_page, refund_page, accept_dispute]
