"""The editor of a merchant's rules. Without JavaScript each button sends the form and shows it again, changed.

Controls of rule R: `name-R`, `action-R`, `then-R-0` and on, `fact-R-C`, `comparison-R-C` and `value-R-C`; `do` is the
button that was pressed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Call
from dodeca.kernel.web.forms import Form
from dodeca.products.payments import acquirers
from dodeca.products.payments.service.conditions import (
    COMPARISONS,
    FACTS,
    MOST_CONDITIONS,
    Condition,
    conditions_of,
    expression_of,
)
from dodeca.products.payments.service.risk import ACTIONS
from dodeca.products.payments.service.rules import MOST_RULES, check_rule

SAVE: Final = "save"
PLACES: Final = len(acquirers.SIMULATORS)


@dataclass(slots=True)
class RuleDraft:
    """A rule on the page: what it asks for, and what then happens."""

    conditions: list[Condition] = field(default_factory=lambda: [Condition()])
    then: list[str] = field(default_factory=list)
    name: str = ""
    action: str = "review"

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> RuleDraft:
        """A rule that is kept."""
        then, name, action = rule.get("then", []), rule.get("name", ""), rule.get("action", "review")
        return cls(conditions_of(rule["when"]), list(then), name, action)


def read_drafts(typed: Mapping[str, Sequence[str]]) -> list[RuleDraft]:
    """The rules of a form that was sent."""
    form, found = Form(typed), []
    for at in range(MOST_RULES):
        if f"rule-{at}" not in typed:
            break
        conditions = [
            Condition(*(form.value(f"{part}-{at}-{to}") for part in ("fact", "comparison", "value")))
            for to in range(MOST_CONDITIONS)
            if f"value-{at}-{to}" in typed
        ]
        then = [form.value(f"then-{at}-{place}") for place in range(PLACES)]
        found.append(RuleDraft(conditions, then, form.value(f"name-{at}").strip(), form.value(f"action-{at}")))
    return found


def edited(drafts: Sequence[RuleDraft], button: str) -> list[RuleDraft]:
    """The rules after a button: `add`, `remove:R`, `up:R`, `down:R`, `add-condition:R`, `remove-condition:R:C`."""
    verb, *rest = button.split(":")
    rules = list(drafts)
    if verb == "add" and len(rules) < MOST_RULES:
        return [*rules, RuleDraft()]
    places = [int(number) if number.isascii() and number.isdigit() else -1 for number in rest]
    if not places or not 0 <= places[0] < len(rules):
        return rules
    at, to = places[0], places[1] if len(places) > 1 else -1
    conditions = rules[at].conditions
    if verb == "remove":
        del rules[at]
    elif verb in ("up", "down"):
        other = max(0, at - 1) if verb == "up" else min(len(rules) - 1, at + 1)
        rules[at], rules[other] = rules[other], rules[at]
    elif verb == "add-condition" and len(conditions) < MOST_CONDITIONS:
        conditions.append(Condition())
    elif verb == "remove-condition" and 0 <= to < len(conditions):
        del conditions[to]
    return rules


def _when(draft: RuleDraft, at: int) -> str:
    """A rule's condition. Raises Invalid naming the control."""
    fields = [f"value-{at}-{to}" for to in range(len(draft.conditions))]
    for condition, control in zip(draft.conditions, fields, strict=True):
        check_rule(expression_of([condition], [control]), control)
    return check_rule(expression_of(draft.conditions, fields), fields[0] if fields else f"rule-{at}")


def routing_rules(drafts: Sequence[RuleDraft]) -> list[dict[str, Any]]:
    """As they are kept. Raises Invalid naming the control."""
    made = []
    for at, draft in enumerate(drafts):
        when, then = _when(draft, at), [name for name in draft.then if name]
        if not then:
            raise Invalid("Choose whom to ask first.", field=f"then-{at}-0")
        for place, name in enumerate(draft.then):
            if name in draft.then[:place] and name:
                raise Invalid(f"{name} is asked already.", field=f"then-{at}-{place}")
        made.append({"when": when, "then": then})
    return made


def fraud_rules(drafts: Sequence[RuleDraft]) -> list[dict[str, Any]]:
    """As they are kept. Raises Invalid naming the control."""
    made = []
    for at, draft in enumerate(drafts):
        if not draft.name:
            raise Invalid("Give the rule a name: it is the reason that a payment shows.", field=f"name-{at}")
        if draft.action not in ACTIONS:
            raise Invalid(f"The action is one of {', '.join(ACTIONS)}.", field=f"action-{at}")
        made.append({"name": draft.name, "when": _when(draft, at), "action": draft.action})
    return made


def shown(drafts: Sequence[RuleDraft], errors: Mapping[str, str], *, changed: bool) -> dict[str, Any]:
    """What the template of the editor needs; `changed`: not saved yet."""
    labels = {f"value-{at}-{to}": f"Rule {at + 1}, condition {to + 1}"
              for at, draft in enumerate(drafts) for to in range(len(draft.conditions))}  # fmt: skip
    for at in range(len(drafts)):
        labels |= {f"name-{at}": f"Rule {at + 1}, name", f"action-{at}": f"Rule {at + 1}, action"}
        labels |= {f"then-{at}-{place}": f"Rule {at + 1}, acquirer {place + 1}" for place in range(PLACES)}
    return {
        "drafts": drafts,
        "changed": changed,
        "form": Form({}, errors),
        "labels": labels,
        "facts": list(FACTS.items()),
        "comparisons": list(COMPARISONS.items()),
        "most_conditions": MOST_CONDITIONS,
        "most_rules": MOST_RULES,
    }


async def sent(call: Call) -> tuple[Form, str]:
    """The form that was sent and the button that was pressed."""
    form = Form.of(await call.request.form())
    return form, form.value("do", SAVE) or SAVE
