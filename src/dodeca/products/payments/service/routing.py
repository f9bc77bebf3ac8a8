"""Which acquirer to ask, and why.

Acquirers that can take the payment are ranked by expected value: the mean of a Beta posterior of their success rate
(prior 19:1, observations decaying over 24 hours) times the merchant's margin, minus their fee. A merchant's rules go
first. One payment in twenty explores: it goes to another eligible acquirer, so that a recovered one is noticed.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import Float, Table, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import Asked, Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.money import share
from dodeca.products.payments import acquirers
from dodeca.products.payments.acquirers.protocol import Acquirer
from dodeca.products.payments.models import AcquirerStat, Merchant
from dodeca.products.payments.service import rules

EXPLORATION = 0.05
MARGIN_BASIS_POINTS = 1000
"""What a payment that succeeds is worth to its merchant: 10 % of the amount."""
PRIOR_SUCCESSES, PRIOR_FAILURES = 19.0, 1.0
USUAL_RATE = PRIOR_SUCCESSES / (PRIOR_SUCCESSES + PRIOR_FAILURES)
DECAY_SECONDS = 86_400.0
STRATEGIES = ("expected_value", "success_rate", "cost", "priority")


class Candidate(msgspec.Struct, frozen=True):
    """An acquirer seen for one payment; `fee` in minor units."""

    acquirer: str
    eligible: bool
    success_rate: float
    fee: int
    score: float
    reason: str

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "acquirer": self.acquirer,
            "eligible": self.eligible,
            "success_rate": round(self.success_rate, 4),
            "fee": self.fee,
            "score": round(self.score, 4),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """How authorisations at an acquirer went: decayed counts as they were at a moment."""

    successes: float
    failures: float
    at: datetime

    @property
    def rate(self) -> float:
        """The mean of the posterior now."""
        weight = _decay(self.at, clock.now())
        good, bad = PRIOR_SUCCESSES + self.successes * weight, PRIOR_FAILURES + self.failures * weight
        return good / (good + bad)


@dataclass(frozen=True, slots=True)
class Decision:
    """The acquirers to ask, in order, with everything that led to it."""

    order: Sequence[str]
    candidates: Sequence[Candidate]
    strategy: str
    rule: str | None
    explored: bool
    propensity: float


def decide(
    merchant: Merchant,
    installed: Mapping[str, tuple[Acquirer, bool]],
    facts: Mapping[str, Any],
    seen: Mapping[str, Seen],
    *,
    explore: bool = True,
    assumed: Mapping[str, float] | None = None,
    holding: frozenset[str] | None = None,
) -> Decision:
    """Rank the acquirers (`acquirers.installed`) for a payment by how they did lately (`seen`).

    `assumed` success rates replace the observed ones, for dry runs. `holding`:
    whose vaults hold the card, where it is a kept one."""
    strategy = merchant.routing.get("strategy", "expected_value")
    rates = {name: counts.rate for name, counts in seen.items()} | dict(assumed or {})
    ranked = sorted(
        (
            _candidate(acquirer, on, facts, rates.get(name, USUAL_RATE), strategy, holding)
            for name, (acquirer, on) in installed.items()
        ),
        key=lambda c: (not c.eligible, -c.score, c.fee, c.acquirer),
    )
    eligible = [c.acquirer for c in ranked if c.eligible]
    known = rules.Facts(facts)
    for number, rule in enumerate(merchant.routing.get("rules", ())):
        wanted = [name for name in rule["then"] if name in eligible]
        if wanted and known.fulfil(rule["when"]):
            order = [*wanted, *(e for e in eligible if e not in wanted)]
            return Decision(order, ranked, strategy, f"rule {number + 1}", False, 1.0)
    if explore and len(eligible) > 1 and secrets.randbelow(10_000) < EXPLORATION * 10_000:
        other = eligible[1 + secrets.randbelow(len(eligible) - 1)]
        order = [other, *(e for e in eligible if e != other)]
        return Decision(order, ranked, strategy, None, True, EXPLORATION / (len(eligible) - 1))
    propensity = 1.0 if len(eligible) < 2 else 1 - EXPLORATION
    return Decision(eligible, ranked, strategy, None, False, propensity)


def _candidate(
    acquirer: Acquirer,
    enabled: bool,
    facts: Mapping[str, Any],
    rate: float,
    strategy: str,
    holding: frozenset[str] | None,
) -> Candidate:
    can = acquirer.capabilities
    fee = share(facts["amount"], can.fee_basis_points) + can.fee_fixed
    value = rate * share(facts["amount"], MARGIN_BASIS_POINTS) - fee
    score = {"success_rate": rate, "cost": float(-fee), "priority": 0.0}.get(strategy, value)
    if not enabled:
        reason = "switched off"
    elif can.currencies is not None and facts["currency"] not in can.currencies:
        reason = f"does not take {facts['currency']}"
    elif facts["method"] not in can.methods:
        reason = f"does not take {facts['method']}"
    elif holding is not None and acquirer.name not in holding:
        reason = "does not hold this card"
    else:
        return Candidate(acquirer.name, True, rate, fee, score, f"{rate:.0%} success, fee {fee}")
    return Candidate(acquirer.name, False, rate, fee, score, reason)


_table = cast(Table, AcquirerStat.__table__)
_here = and_(*(_table.c[name] == bindparam(name) for name in ("method", "network", "currency")))
_this = and_(_table.c.acquirer == bindparam("acquirer"), _here)
_stats = Prepared(select(_table.c.acquirer, *(_table.c[f.name] for f in fields(Seen))).where(_here), autoflush=False)
_counted_at = Prepared(select(_table.c.at).where(_this).with_for_update(), autoflush=False)
_count = Prepared(
    update(_table)
    .where(_this)
    .values(
        successes=_table.c.successes * bindparam("weight", type_=Float) + bindparam("good", type_=Float),
        failures=_table.c.failures * bindparam("weight", type_=Float) + bindparam("bad", type_=Float),
        at=bindparam("now", type_=_table.c.at.type),
    ),
    autoflush=False,
)
# Written alike in both dialects; SQLAlchemy renders PostgreSQL's for SQLite too.
_first = Prepared(postgresql.insert(_table).on_conflict_do_nothing(), autoflush=False)


def ask_seen(session: ReadSession, method: str, network: str, currency: str) -> Asked:
    """Ask how acquirers did lately with such payments."""
    return _stats.ask(session, method=method, network=network, currency=currency)


def seen(asked: Asked) -> dict[str, Seen]:
    """How they did, by acquirer."""
    return {acquirer: Seen(*counts) for acquirer, *counts in asked.rows()}


def _decay(since: datetime, now: datetime) -> float:
    return math.exp(-max(0.0, (now - since).total_seconds()) / DECAY_SECONDS)


class Outcome(NamedTuple):
    """What an acquirer has made of a payment."""

    acquirer: str
    method: str
    network: str
    currency: str
    success: bool
    at: datetime


def observe(session: WriteSession, acquirer: str, method: str, network: str, currency: str, *, success: bool) -> None:
    """Count an outcome, with the others of the same commit: the row is everybody's."""
    session.before_commit(_observed, Outcome(acquirer, method, network, currency, success, clock.now()))


def _observed(session: WriteSession, outcomes: Sequence[Outcome]) -> None:
    by_row: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in outcomes:
        by_row.setdefault(outcome[:4], []).append(outcome)
    for row, those in sorted(by_row.items()):  # always in the same order: nobody waits in a circle
        good, now = float(sum(outcome.success for outcome in those)), max(outcome.at for outcome in those)
        key = dict(zip(("acquirer", "method", "network", "currency"), row, strict=True))
        last = _counted_at.first(session, **key)
        if last is None:
            if _first.run(session, **key, successes=good, failures=len(those) - good, at=now):
                continue
            last = _counted_at.first(session, **key)  # somebody else's came first
        if last is None:
            raise LookupError("The row was there a moment ago.")
        weight, bad = _decay(last[0], now), len(those) - good
        _count.put(session, {**key, "weight": weight, "good": good, "bad": bad, "now": now}, expected=1)


def rules_of(merchant: Merchant) -> dict[str, Any]:
    """A merchant's rules, in order, and by what the rest is ranked."""
    return {"strategy": STRATEGIES[0], "rules": [], **merchant.routing}


def set_rules(session: WriteSession, merchant: Merchant, wanted: Sequence[Any], strategy: str) -> None:
    """Replace a merchant's rules. Raises Invalid."""
    if strategy not in STRATEGIES:
        raise Invalid(f"strategy is one of {', '.join(STRATEGIES)}.", field="strategy")
    if len(wanted) > rules.MOST_RULES:
        raise Invalid(f"At most {rules.MOST_RULES} rules.", field="rules")
    checked = []
    for number, rule in enumerate(wanted):
        then, at = rule.get("then"), f"rules[{number}]"
        if not isinstance(then, list) or not then or any(name not in acquirers.SIMULATORS for name in then):
            raise Invalid(f"then lists acquirers: {', '.join(acquirers.SIMULATORS)}.", field=f"{at}.then")
        checked.append({"when": rules.check_rule(rule.get("when"), f"{at}.when"), "then": list(then)})
    merchant.routing = {"rules": checked, "strategy": strategy}
