"""How risky a payment is, before anybody is asked: a score from 0 to 100 with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from babel.core import get_global
from sqlalchemy import ColumnElement, ScalarSelect, bindparam, func, literal, literal_column, select
from sqlalchemy.orm import aliased

from dodeca.kernel import clock
from dodeca.kernel.db import Asked, Prepared, ReadSession, UtcDateTime, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.payments.models import Merchant, Payment
from dodeca.products.payments.service import rules

CARD_TESTING_DECLINES = 8
"""So many declines of one card at one merchant in an hour are somebody trying numbers."""
BUSY_CARD = 5
LARGE = 500_000
UNUSUAL_TIMES = 10
USUAL_PAYMENTS = 500
FROM_ELSEWHERE = 15
MOST_COUNTED = 100
LONGEST_NAME = 60
LOOKED_AT = 10_000
"""Payments among which alerts are looked for: an outcome has no index."""
ACTIONS = ("allow", "challenge", "review", "block")
_WEIGHT = {"challenge": 40, "review": 70, "block": 100}


def _counted(*where: ColumnElement[bool]) -> ScalarSelect[int]:
    """How many payments of a card at a merchant within the hour, at most MOST_COUNTED: counting stays quick."""
    recent = select(literal(1)).where(
        Payment.merchant_id == bindparam("merchant_id"),
        Payment.fingerprint == bindparam("fingerprint"),
        Payment.created_at > bindparam("since", type_=UtcDateTime),
        *where,
    )
    return select(func.count()).select_from(recent.limit(MOST_COUNTED).subquery()).scalar_subquery()


# Written out, not bound: an index of failed payments is only used where the statement itself says so.
_velocity = Prepared(select(_counted(), _counted(Payment.status == literal_column("'failed'"))), autoflush=False)


def ask_velocity(session: ReadSession, merchant_id: str, fingerprint: str | None) -> Asked | None:
    """Ask what a card did at this merchant within the hour; there is nothing to ask without a card."""
    if fingerprint is None:
        return None
    return _velocity.ask(session, merchant_id=merchant_id, fingerprint=fingerprint, since=clock.ago(hours=1))


def velocity(asked: Asked | None) -> dict[str, int]:
    """What it did; neither number exceeds MOST_COUNTED."""
    row = (asked.first() if asked is not None else None) or (0, 0)
    return {"card_hour": int(row[0]), "declines_hour": int(row[1])}


def assess(session: ReadSession, merchant: Merchant, mode: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Score, outcome (allow, challenge, review, block) and reasons of a payment to be."""
    score, reasons, outcome = 0, [], "allow"
    pace = facts["velocity"]
    if pace["declines_hour"] >= CARD_TESTING_DECLINES:
        score, outcome = 100, "block"
        reasons.append(f"{pace['declines_hour']} declines of this card within an hour")
    elif pace["card_hour"] >= BUSY_CARD:
        score += 25
        reasons.append(f"{pace['card_hour']} payments with this card within an hour")
    if facts["amount"] >= LARGE:
        average = _usual_amount(session, merchant, mode, facts["currency"])
        if average is not None and facts["amount"] > UNUSUAL_TIMES * average:
            score += 30
            reasons.append("the amount is over ten times what is usual here")
    elsewhere = _is_elsewhere(merchant, facts["country"])
    if elsewhere:
        score += FROM_ELSEWHERE
        reasons.append(elsewhere)
    known = rules.Facts(facts)
    for rule in merchant.fraud:
        if known.fulfil(rule["when"]):
            reasons.append(f"rule {rule['name']}")
            score = max(score, _WEIGHT.get(rule["action"], 0))
            if ACTIONS.index(rule["action"]) > ACTIONS.index(outcome):
                outcome = rule["action"]
            if rule["action"] == "allow":
                break
    return {"score": min(score, 100), "outcome": outcome, "reasons": reasons}


def _is_elsewhere(merchant: Merchant, country: str) -> str | None:
    """Why a payment from there is unusual: from another country than the merchant's, whose zone says where it is."""
    if not country:
        return None
    home = get_global("zone_territories").get(merchant.zone)
    return f"paid from {country}, sold in {home}" if home not in (None, "001", country) else None


def _usual_amount(session: ReadSession, merchant: Merchant, mode: str, currency: str) -> float | None:
    """The mean of the merchant's latest captures within 30 days."""
    latest = (
        select(Payment.amount)
        .where(
            Payment.merchant_id == merchant.id,
            Payment.mode == mode,
            Payment.currency == currency,
            Payment.created_at > clock.ago(days=30),
            Payment.captured_at.is_not(None),
        )
        .order_by(Payment.created_at.desc())
        .limit(USUAL_PAYMENTS)
        .subquery()
    )
    mean = session.scalar(select(func.avg(latest.c.amount)))
    return None if mean is None else float(mean)


def set_rules(session: WriteSession, merchant: Merchant, wanted: Sequence[Any]) -> None:
    """Replace a merchant's rules. Raises Invalid."""
    if len(wanted) > rules.MOST_RULES:
        raise Invalid(f"At most {rules.MOST_RULES} rules.", field="rules")
    checked = []
    for number, rule in enumerate(wanted):
        at = f"rules[{number}]"
        if rule.get("action") not in ACTIONS:
            raise Invalid(f"action is one of {', '.join(ACTIONS)}.", field=f"{at}.action")
        name, when = str(rule.get("name") or "unnamed"), rules.check_rule(rule.get("when"), f"{at}.when")
        checked.append({"name": name[:LONGEST_NAME], "when": when, "action": rule["action"]})
    merchant.fraud = checked


def alerts(session: ReadSession, merchant: Merchant, mode: str, limit: int = 100) -> list[Payment]:
    """Of the merchant's latest payments those that were not simply allowed, newest first."""
    newest = (Payment.created_at.desc(), Payment.id.desc())
    mine = select(Payment).where(Payment.merchant_id == merchant.id, Payment.mode == mode)
    latest = aliased(Payment, mine.order_by(*newest).limit(LOOKED_AT).subquery())
    stopped = select(latest).where(latest.risk["outcome"].as_string() != "allow")
    return list(session.scalars(stopped.order_by(latest.created_at.desc(), latest.id.desc()).limit(limit)))
