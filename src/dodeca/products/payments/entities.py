"""Entities as Razorpay's clients and webhooks know them: every member is there, null where it is unset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from dodeca.kernel.db import values_of
from dodeca.products.payments.banks import bank_name
from dodeca.products.payments.models import (
    BankAccount,
    Card,
    Customer,
    Dispute,
    Document,
    Downtime,
    Order,
    Payment,
    Refund,
    Settlement,
    Split,
    Token,
    Webhook,
)
from dodeca.products.payments.models.disputes import PROOFS


def unix(moment: datetime | None) -> int | None:
    """Seconds since the epoch."""
    return None if moment is None else int(moment.timestamp())


def notes(values: Mapping[str, Any]) -> Any:
    """Razorpay writes no notes as a list."""
    return dict(values) or []


def collection(items: Sequence[Any]) -> dict[str, Any]:
    """A list."""
    return {"entity": "collection", "count": len(items), "items": list(items)}


class Shape:
    """How rows of one kind look: the columns that are shown as they are, those that are moments, and the members that
    Razorpay's clients expect and that say the same of all rows here."""

    def __init__(self, entity: str, columns: str, *, moments: str = "created_at", notes: bool = False, **fixed: Any):
        self._entity = entity
        self._columns = ("id", *columns.split())
        self._shown = itemgetter(*self._columns)
        self._moments = tuple(moments.split())
        self._notes = notes
        self._fixed = fixed

    def of(self, row: Any, **more: Any) -> dict[str, Any]:
        """A row; `more` is what its columns alone do not say."""
        values = values_of(row)
        found = {"id": values["id"], "entity": self._entity, **self._fixed}
        try:
            found.update(zip(self._columns, self._shown(values), strict=True))
        except KeyError:  # one that was never set has no value yet
            found |= {name: values.get(name) for name in self._columns}
        for name in self._moments:
            found[name] = unix(values[name]) if name in values else None
        if self._notes:
            found["notes"] = dict(values["notes"]) if values.get("notes") else []
        return {**found, **more}


_ORDER = Shape(
    "order",
    "amount amount_paid currency receipt status attempts partial_payment first_payment_min_amount description",
    notes=True,
    offer_id=None,
    token=None,
)
_CARD = Shape(
    "card",
    "name last4 network type",
    moments="",
    issuer=None,
    international=False,
    emi=False,
    sub_type="customer",
    token_iin=None,
    cvv=None,
    cobranding_partner=None,
)
_PAYMENT = Shape(
    "payment",
    "amount currency status order_id invoice_id subscription_id method amount_refunded description card_id bank wallet "
    "vpa customer_id token_id fee tax",
    notes=True,
    international=False,
)
_REFUND = Shape(
    "refund", "amount currency payment_id receipt status", notes=True, batch_id=None, speed_processed="normal"
)
_DISPUTE = Shape("dispute", "payment_id amount currency reason_code status phase", moments="respond_by created_at")
_DOWNTIME = Shape("payment.downtime", "method", moments="updated_at", scheduled=False, severity="high")
_DOCUMENT = Shape("document", "purpose name mime_type size")
_BANK_ACCOUNT = Shape("bank_account", "ifsc name account_number", moments="", notes=True)
_FUND_ACCOUNT = Shape("fund_account", "customer_id", account_type="bank_account", batch_id=None, active=True)
_CUSTOMER = Shape("customer", "name gstin", notes=True)
_TOKEN = Shape(
    "token",
    "method customer_id",
    moments="used_at created_at",
    bank=None,
    wallet=None,
    recurring=True,
    auth_type=None,
    mrn=None,
    expired_at=None,
    dcc_enabled=False,
    source=None,
    billing_address=None,
    compliant_with_tokenisation_guidelines=True,
)
_SETTLEMENT = Shape(
    "settlement", "amount currency status fees tax utr", moments="processed_at created_at", reversed_at=None
)
_TRANSFER = Shape(
    "transfer",
    "amount currency",
    status="processed",
    fees=0,
    tax=None,
    recipient_settlement=None,
    linked_account_notes=[],
    error=dict.fromkeys(("code", "description", "reason", "field", "step", "id", "source", "metadata")),
)
_WEBHOOK = Shape(
    "webhook",
    "url alert_email",
    moments="disabled_at created_at updated_at",
    owner_type="merchant",
    secret=None,
    service=False,
    created_by_email=None,
)


def order(row: Order) -> dict[str, Any]:
    """Orders.RazorpayOrder"""
    return _ORDER.of(row, amount_due=row.amount - row.amount_paid)


def card(row: Card) -> dict[str, Any]:
    """Payments.RazorpayCard, without what is never kept."""
    return _CARD.of(
        row,
        number=f"**** **** **** {row.last4}",
        expiry_month=f"{row.expiry_month:02}",
        expiry_year=str(row.expiry_year),
        flows={"otp": True, "recurring": True},
    )


def payment(row: Payment, its_card: Card | None = None) -> dict[str, Any]:
    """Payments.RazorpayPayment"""
    known = values_of(row).get
    back = known("amount_refunded")
    error = known("error") or {}
    found = _PAYMENT.of(
        row,
        refund_status="full" if back == known("amount") else "partial" if back else None,
        captured=known("captured_at") is not None,
        email=known("email") or None,
        contact=known("contact") or None,
        error_code=error.get("code"),
        error_description=error.get("description"),
        error_source=error.get("source"),
        error_step=error.get("step"),
        error_reason=error.get("reason"),
        acquirer_data=_acquirer_data(known("method"), known("acquirer_reference")),
        offers=collection([]),
    )
    if its_card is not None:
        found["card"] = card(its_card)
    return found


def _acquirer_data(method: str | None, reference: str | None) -> dict[str, Any]:
    name = {"card": "auth_code", "netbanking": "bank_transaction_id", "upi": "rrn"}.get(method or "", "transaction_id")
    return {name: _last_part(reference)}


def _last_part(reference: str | None) -> str | None:
    return (reference or "").rsplit(":", 1)[-1] or None


def refund(row: Refund) -> dict[str, Any]:
    """Refunds.RazorpayRefund"""
    return _REFUND.of(row, acquirer_data={"arn": _last_part(row.acquirer_reference)}, speed_requested=row.speed)


def dispute(row: Dispute) -> dict[str, Any]:
    """Disputes.RazorpayDispute"""
    said = row.evidence
    evidence = {
        "amount": said.get("amount", row.amount),
        "summary": said.get("summary"),
        **{name: said.get(name) or None for name in PROOFS},
        "others": said.get("others") or None,
        "submitted_at": unix(row.submitted_at),
    }
    return _DISPUTE.of(row, amount_deducted=row.amount if row.status == "lost" else 0, evidence=evidence)


def downtime(row: Downtime) -> dict[str, Any]:
    """Payments.RazorpayPaymentDowntime"""
    return _DOWNTIME.of(
        row,
        begin=unix(row.began_at),
        end=unix(row.ended_at),
        status="started" if row.ended_at is None else "resolved",
        instrument={},
        created_at=unix(row.began_at),
    )


def document(row: Document) -> dict[str, Any]:
    """Documents.RazorpayDocument"""
    return _DOCUMENT.of(row)


def bank_account(row: BankAccount) -> dict[str, Any]:
    """Customers.RazorpayCustomerBankAccount"""
    return _BANK_ACCOUNT.of(row, bank_name=bank_name(row.ifsc))


def fund_account(row: BankAccount) -> dict[str, Any]:
    """FundAccounts.RazorpayFundAccount"""
    return _FUND_ACCOUNT.of(row, id=row.fund_account_id, bank_account=bank_account(row))


def customer(row: Customer) -> dict[str, Any]:
    """Customers.RazorpayCustomer"""
    return _CUSTOMER.of(row, email=row.email or None, contact=row.contact or None, shipping_address=[])


def token(row: Token, its_card: Card | None, its_customer: Customer | None) -> dict[str, Any]:
    """Tokens.RazorpayToken"""
    vpa = row.vpa.partition("@") if row.vpa else None
    return _TOKEN.of(
        row,
        token=row.id.removeprefix("token_"),
        card=card(its_card) if its_card is not None else None,
        vpa={"username": vpa[0], "handle": vpa[2], "name": None} if vpa else None,
        recurring_details={"status": "confirmed", "failure_reason": None},
        start_time=unix(row.created_at),
        status="active" if row.status == "active" else "suspended",
        notes=[],
        customer=customer(its_customer) if its_customer is not None else None,
    )


def settlement(row: Settlement) -> dict[str, Any]:
    """Settlements.RazorpaySettlement"""
    settled = row.amount if row.status == "processed" else None
    return _SETTLEMENT.of(row, initiated_at=unix(row.created_at), amount_settled=settled)


def transfer(row: Split, reversed_amount: int = 0) -> dict[str, Any]:
    """Transfers.RazorpayTransfer: another merchant's share of a payment."""
    held = row.released_at is None
    return _TRANSFER.of(
        row,
        notes=[],
        source=row.payment_id,
        recipient=row.merchant_id,
        amount_reversed=reversed_amount,
        on_hold=held,
        on_hold_until=unix(row.hold_until) if held else None,
        settlement_status="settled" if row.settlement_id else "on_hold" if held else "pending",
        recipient_settlement_id=row.settlement_id,
        processed_at=unix(row.created_at),
    )


def webhook(row: Webhook) -> dict[str, Any]:
    """Webhooks.RazorpayWebhook"""
    return _WEBHOOK.of(
        row,
        owner_id=row.merchant_id,
        secret_exists=row.secret is not None,
        events=dict.fromkeys(row.events, True),
        active=row.disabled_at is None,
        context=[],
        created_by=row.merchant_id,
    )
