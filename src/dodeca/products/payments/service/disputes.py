"""Disputes: a payer's bank wants the money back, the merchant accepts or shows why not, the acquirer decides.

The words are Razorpay's: https://razorpay.com/docs/api/disputes/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import bindparam, or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import Finding, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.kernel.money import formatted
from dodeca.products.payments import acquirers, entities, ids, outside
from dodeca.products.payments.acquirers.protocol import Acquirer
from dodeca.products.payments.models import Dispute, Document, Payment
from dodeca.products.payments.models.disputes import PROOFS
from dodeca.products.payments.service import events, ledger, merchants, splits, states
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.inputs import amount_of, text_of
from dodeca.products.payments.service.ledger import Entry, Place
from dodeca.products.payments.service.steps import Work, earned_by

RESPOND_DAYS = 7
REVIEW_SECONDS = 10
"""After so long the acquirer is asked how it has decided, and again each time that the job runs."""
REASON = "goods_or_services_not_received_or_partially_received"
MOST_DOCUMENTS = 50
LONGEST_SUMMARY = 1000
Outcome = Literal["won", "lost"]


def begin(session: WriteSession, work: Work) -> Dispute:
    """A bank disputes a payment that was just captured: its money is reserved until that is decided."""
    payment = work.payment
    dispute_id = ids.new("disp")
    owed = Place(payment.acquirer or "", "receivable", payment.currency, payment.mode)
    entry = Entry(earned_by(work), owed, payment.amount, "dispute")
    dispute = session.fresh(
        Dispute,
        id=dispute_id,
        merchant_id=payment.merchant_id,
        mode=payment.mode,
        payment_id=payment.id,
        amount=payment.amount,
        currency=payment.currency,
        reason_code=REASON,
        hold_id=ledger.hold(session, f"dispute:{dispute_id}", entry, payment_id=payment.id),
        respond_by=clock.ahead(days=RESPOND_DAYS),
    )
    payment.unsettled_since = None
    session.store(payment, dispute)
    _tell(session, work.desk, dispute, payment, "created")
    return dispute


def accept(session: WriteSession, desk: Desk, dispute_id: str) -> Dispute:
    """The merchant gives the money back. Raises NotFound, Conflict."""
    dispute = desk.lock(session, Dispute, dispute_id)
    if dispute.status != "open":
        raise Conflict(f"This dispute is {dispute.status.replace('_', ' ')}, so it cannot be accepted.")
    _decide(session, desk, dispute, "lost")
    return dispute


def contest(session: WriteSession, desk: Desk, dispute_id: str, values: Mapping[str, Any]) -> Dispute:
    """Write the answer down (`action` draft), or hand it in (submit). Raises Invalid, NotFound, Conflict."""
    dispute = desk.lock(session, Dispute, dispute_id)
    if dispute.status != "open":
        raise Conflict(f"This dispute is {dispute.status.replace('_', ' ')}, so it cannot be contested.")
    action = text_of(values.get("action"), "action", 10) or "draft"
    if action not in ("draft", "submit"):
        raise Invalid("The action is draft or submit.", field="action")
    dispute.evidence = {**dispute.evidence, **_evidence(session, desk, dispute, values)}
    if action == "submit":
        if not dispute.evidence.get("summary") and not documents_of(dispute):
            raise Invalid("Say why not, or give documents, before you submit.", field="summary")
        states.move("dispute", dispute, "under_review")
        dispute.submitted_at = clock.now()
        outside.decide_dispute_later(session, dispute.id, clock.ahead(seconds=REVIEW_SECONDS))
        session.store(dispute)
        _tell(session, desk, dispute, session.get_one(Payment, dispute.payment_id), "under_review")
    else:
        session.store(dispute)
    return dispute


def _evidence(session: ReadSession, desk: Desk, dispute: Dispute, values: Mapping[str, Any]) -> dict[str, Any]:
    """What of the answer is given. Raises Invalid, NotFound for a document that is not the merchant's."""
    found: dict[str, Any] = {}
    if values.get("amount") is not None:
        amount = amount_of(values["amount"], dispute.currency, least=1)
        if amount > dispute.amount:
            raise Invalid("The contested amount exceeds the disputed one.", field="amount")
        found["amount"] = amount
    if "summary" in values:
        found["summary"] = text_of(values["summary"], "summary", LONGEST_SUMMARY)
    for name in PROOFS:
        if name in values:
            found[name] = _documents(session, desk, values[name], name)
    if "others" in values:
        given = values["others"]
        if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
            raise Invalid("The others are a list of type and document_ids.", field="others")
        found["others"] = [
            {
                "type": text_of(one.get("type"), "others", 100),
                "document_ids": _documents(session, desk, one.get("document_ids"), "others"),
            }
            for one in given[:MOST_DOCUMENTS]
        ]
    return found


def _documents(session: ReadSession, desk: Desk, raw: object, field: str) -> list[str]:
    if raw is None:
        return []
    if not isinstance(raw, list) or len(raw) > MOST_DOCUMENTS:
        raise Invalid(f"The {field} is a list of at most {MOST_DOCUMENTS} documents.", field=field)
    return [desk.find(session, Document, str(one)).id for one in raw]


def documents_of(dispute: Dispute) -> list[str]:
    """The documents of an answer, whatever they prove."""
    evidence = dispute.evidence
    found = [one for name in PROOFS for one in evidence.get(name) or ()]
    return found + [one for other in evidence.get("others") or () for one in other["document_ids"]]


_of_payment = Finding(Dispute, Dispute.payment_id == bindparam("payment_id"))


def of_payment(session: ReadSession, payment: Payment) -> Dispute | None:
    """The dispute of a payment, if there is one."""
    return _of_payment.first(session, payment_id=payment.id)


def keeps_money(dispute: Dispute | None) -> bool:
    """Whether the payment's money is with its payer's bank, or may go there."""
    return dispute is not None and dispute.status != "won"


# Deciding


def overdue(session: ReadSession, limit: int = 100) -> list[str]:
    """Disputes that nobody answered in time, or whose decision was to be asked for and was not."""
    now, reviewed = clock.now(), clock.ago(seconds=2 * REVIEW_SECONDS)
    late = or_(Dispute.submitted_at.is_(None) & (Dispute.respond_by <= now), Dispute.submitted_at <= reviewed)
    return list(session.scalars(select(Dispute.id).where(Dispute.decided_at.is_(None), late).limit(limit)))


def to_decide(session: ReadSession, dispute_id: str) -> tuple[Acquirer, str, int] | None:
    """The acquirer that decides, its reference of the payment, and how many documents speak against the dispute; None
    where it is decided, or nobody answered yet."""
    dispute = session.get(Dispute, dispute_id)
    if dispute is None or dispute.status != "under_review":
        return None
    payment = session.get_one(Payment, dispute.payment_id)
    found = acquirers.acquirer(session, payment.acquirer or "")
    return found, payment.acquirer_reference or "", len(documents_of(dispute))


def decide(session: WriteSession, dispute_id: str, outcome: Outcome | None) -> None:
    """What the acquirer decided; None where it was not asked, as nobody answered in time. Repeating changes nothing."""
    dispute = session.get_locked(Dispute, dispute_id)
    if dispute is None or dispute.decided_at is not None:
        return
    if outcome is None and (dispute.status != "open" or dispute.respond_by > clock.now()):
        return
    _decide(session, desk_by_id(session, dispute.merchant_id, dispute.mode), dispute, outcome or "lost")


def _decide(session: WriteSession, desk: Desk, dispute: Dispute, outcome: Outcome) -> None:
    states.move("dispute", dispute, outcome)
    dispute.decided_at = clock.now()
    payment = session.get_locked(Payment, dispute.payment_id)
    if payment is None:
        raise LookupError("A dispute is of a payment.")
    if outcome == "lost":
        ledger.post_pending(session, f"disputed:{dispute.id}", dispute.hold_id)
        splits.lose(session, payment, dispute)
    else:
        ledger.void(session, f"undisputed:{dispute.id}", dispute.hold_id)
    if payment.settlement_id is None:
        payment.unsettled_since = payment.captured_at
    session.store(dispute, payment)
    _tell(session, desk, dispute, payment, outcome)


def _tell(session: WriteSession, desk: Desk, dispute: Dispute, payment: Payment, what: str) -> None:
    told = {"payment": entities.payment(payment), "dispute": entities.dispute(dispute)}
    events.emit(session, desk, f"payment.dispute.{what}", told)
    if what in _SAID:
        amount = formatted(dispute.amount, dispute.currency)
        text = f"{_SAID[what]} Payment {payment.id}, to be answered until {dispute.respond_by:%d %B %Y}."
        href = f"/payments/dashboard/payments/{payment.id}"
        title = f"Dispute {what}: {amount}"
        merchants.tell(session, desk.merchant, "disputes", title, text, href=href, key=f"{dispute.id}:{what}")


_SAID = {
    "created": "The payer's bank wants the money back.",
    "won": "The money stays with you.",
    "lost": "The money went back to the payer's bank.",
}
