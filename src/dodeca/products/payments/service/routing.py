"""Which acquirer to ask, and why.

Acquirers that can take the payment are ranked by expected value: the mean of a Beta posterior of their success rate
(prior 19:1, observations decaying over 24 hours) times the merchant's margin, minus their fee. A merchant's rules go
first. One payment in twenty explores: it goes to another eligible acquirer, so that a recovered one is noticed.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import Float, Table, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
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
    seen: Mapping[str, Seen] = field(default_factory=dict)


def decide(
    session: ReadSession,
    merchant: Merchant,
    installed: Mapping[str, tuple[Acquirer, bool]],
    facts: Mapping[str, Any],
    *,
    explore: bool = True,
    assumed: Mapping[str, float] | None = None,
    holding: frozenset[str] | None = None,
) -> Decision:
    """Rank the acquirers (`acquirers.installed`) for a payment.

    `assumed` success rates replace the observed ones, for dry runs. `holding`:
    whose vaults hold the card, where it is a kept one."""
    strategy = merchant.routing.get("strategy", "expected_value")
    seen = _seen(session, facts["method"], facts.get("card", {}).get("network", ""), facts["currency"])
    rates = {name: counts.rate for name, counts in seen.items()} | dict(assumed or {})
    ranked = sorted(
        (
            _candidate(acquirer, on, facts, rates.get(name, USUAL_RATE), strategy, holding)
            for name, (acquirer, on) in installed.items()
        ),
        key=lambda c: (not c.eligible, -c.score, c.fee, c.acquirer),
    )
    eligible = [c.acquirer for c in ranked if c.eligible]
    for number, rule in enumerate(merchant.routing.get("rules", ())):
        wanted = [name for name in rule["then"] if name in eligible]
        if wanted and rules.holds(rule["when"], facts):
            order = [*wanted, *(e for e in eligible if e not in wanted)]
            return Decision(order, ranked, strategy, f"rule {number + 1}", False, 1.0, seen)
    if explore and len(eligible) > 1 and secrets.randbelow(10_000) < EXPLORATION * 10_000:
        other = eligible[1 + secrets.randbelow(len(eligible) - 1)]
        order = [other, *(e for e in eligible if e != other)]
        return Decision(order, ranked, strategy, None, True, EXPLORATION / (len(eligible) - 1), seen)
    propensity = 1.0 if len(eligible) < 2 else 1 - EXPLORATION
    return Decision(eligible, ranked, strategy, None, False, propensity, seen)


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
_seen_last = Prepared(select(_table.c.at).where(_this).with_for_update(), autoflush=False)
_count = Prepared(
    update(_table)
    .where(_this, _table.c.at == bindparam("seen", type_=_table.c.at.type))
    .values(
        successes=_table.c.successes * bindparam("weight", type_=Float) + bindparam("good", type_=Float),
        failures=_table.c.failures * bindparam("weight", type_=Float) + bindparam("bad", type_=Float),
        at=bindparam("now", type_=_table.c.at.type),
    ),
    autoflush=False,
)
# Written alike in both dialects; SQLAlchemy renders PostgreSQL's for SQLite too.
_first = Prepared(postgresql.insert(_table).on_conflict_do_nothing(), autoflush=False)


def _seen(session: ReadSession, method: str, network: str, currency: str) -> dict[str, Seen]:
    rows = _stats.rows(session, method=method, network=network, currency=currency)
    return {acquirer: Seen(*counts) for acquirer, *counts in rows}


def _decay(since: datetime, now: datetime) -> float:
    return math.exp(-max(0.0, (now - since).total_seconds()) / DECAY_SECONDS)


def observe(
    session: WriteSession,
    acquirer: str,
    method: str,
    network: str,
    currency: str,
    *,
    success: bool,
    seen: Seen | None = None,
) -> None:
    """Count an outcome. Called last in a unit of work: the row is everybody's. `seen`: the row as this unit read it."""
    now, good = clock.now(), float(success)
    key = {"acquirer": acquirer, "method": method, "network": network, "currency": currency}

    def counted(since: datetime) -> bool:
        weight = _decay(since, now)
        return _count.run(session, **key, seen=since, weight=weight, good=good, bad=1 - good, now=now) == 1

    if seen is not None and counted(seen.at):
        return
    if _first.run(session, **key, successes=good, failures=1 - good, at=now):
        return
    last = _seen_last.first(session, **key)  # somebody else has counted since this unit looked
    if last is None or not counted(last[0]):
        raise LookupError("The row was there a moment ago.")


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
