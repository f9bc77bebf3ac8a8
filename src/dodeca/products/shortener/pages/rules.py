"""The editor of redirect rules. Without JavaScript each button sends the form and shows it again, changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError, Forbidden, NotFound
from dodeca.kernel.http import Access, Call, Calling, DbRead, FromPath, Page, Redirect, get, post
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.pages.surroundings import Member, page
from dodeca.products.shortener.rules import DEVICES, MAX_CONDITIONS, MAX_RULES, ConditionType
from dodeca.products.shortener.service import links, of
from dodeca.products.shortener.service.wishes import LinkChange

Rules = list[dict[str, Any]]
TYPES = (
    (ConditionType.DEVICE.value, "Device is", "ios"),
    (ConditionType.BROWSER.value, "Browser is", "firefox"),
    (ConditionType.LANGUAGE.value, "Language is", "en or en-GB"),
    (ConditionType.COUNTRY.value, "Country is", "DE"),
    (ConditionType.CITY.value, "City is", "Berlin"),
    (ConditionType.ADDRESS.value, "Address is in", "192.0.2.0/24"),
    (ConditionType.QUERY_PARAM.value, "Parameter equals", "value"),
    (ConditionType.ANY_VALUE_QUERY_PARAM.value, "Parameter is there", ""),
    (ConditionType.VALUELESS_QUERY_PARAM.value, "Parameter has no value", ""),
    (ConditionType.AFTER_DATE.value, "Time is after", "2031-05-01T09:00:00Z"),
    (ConditionType.BEFORE_DATE.value, "Time is before", "2031-06-01T00:00:00Z"),
)
"""Value, words, and an example of what is compared with."""
FRESH_CONDITION = {"type": ConditionType.DEVICE.value, "match_key": "", "match_value": ""}
_FIELD = re.compile(r"(url|type|key|value)-(\d{1,3})(?:-(\d{1,3}))?\Z")
_MEMBERS = {"type": "type", "key": "match_key", "value": "match_value"}


@get("/links/{link_id:str}/rules", access=Access.MEMBER)
def rules_page(session: DbRead, call: Calling, actor: Member, link_id: FromPath[str]) -> Page:
    """The rules of a link."""
    link = links.find(session, actor, link_id)
    return _editor(session, call, link, None)


def _editor(
    session: ReadSession, call: Call, link: Link, rules: Rules | None, error: DodecaError | None = None
) -> Page:
    view = links.view(session, of(call.platform), link)
    return page(
        call,
        "rules.html",
        link=view,
        rules=view.rules if rules is None else rules,
        changed=rules is not None,
        types=TYPES,
        devices=sorted(DEVICES),
        most_rules=MAX_RULES,
        most_conditions=MAX_CONDITIONS,
        error=error,
    )


@post("/links/{link_id:str}/rules", access=Access.MEMBER, status=200)
async def change_rules(call: Calling, link_id: FromPath[str]) -> Page | Redirect:
    """Save the rules, or show the form again with one more, fewer, or in another order."""
    shortener, actor = of(call.platform), call.member()
    form = await call.request.form()
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    rules, action = read_form(fields), fields.get("do", "save")

    def unit(session: WriteSession) -> None:
        link = links.editable(session, actor, link_id)
        links.change(session, shortener, actor, link, LinkChange(rules=rules))

    problem: DodecaError | None = None
    if action == "save":
        try:
            await shortener.db.awrite(unit)
        except (Forbidden, NotFound):
            raise
        except DodecaError as error:
            problem = error
        else:
            return Redirect(f"/shortener/links/{link_id}/rules", toast="The rules are saved.")
    else:
        rules = edited(rules, action)
    shown = await shortener.db.aread(
        lambda session: _editor(session, call, links.find(session, actor, link_id), rules, problem)
    )
    shown.status = 200 if problem is None else 400
    return shown


def read_form(fields: Mapping[str, str]) -> Rules:
    """The rules of a form whose controls are `url-R`, `type-R-C`, `key-R-C` and `value-R-C`."""
    targets: dict[int, str] = {}
    conditions: dict[int, dict[int, dict[str, Any]]] = {}
    for name, value in fields.items():
        found = _FIELD.match(name)
        if found is None:
            continue
        kind, rule, position = found[1], int(found[2]), found[3]
        if kind == "url":
            targets[rule] = value[:20_000]
        elif position is not None:
            condition = conditions.setdefault(rule, {}).setdefault(int(position), dict(FRESH_CONDITION))
            condition[_MEMBERS[kind]] = value[:1000]
    return [
        {"long_url": targets[rule], "conditions": [entry for _, entry in sorted(conditions.get(rule, {}).items())]}
        for rule in sorted(targets)
    ]


def edited(rules: Rules, action: str) -> Rules:
    """The rules after a button: `add`, `remove:R`, `up:R`, `down:R`, `add-condition:R`, `remove-condition:R:C`."""
    verb, *numbers = action.split(":")
    at = [int(number) for number in numbers if number.isdecimal()]
    rules = [{**rule, "conditions": list(rule["conditions"])} for rule in rules]
    if verb == "add" and len(rules) < MAX_RULES:
        rules.append({"long_url": "", "conditions": [dict(FRESH_CONDITION)]})
    if not at or not 0 <= at[0] < len(rules):
        return rules
    rule, here = rules[at[0]], at[0]
    if verb == "remove":
        del rules[here]
    elif verb == "up" and here > 0:
        rules[here - 1], rules[here] = rules[here], rules[here - 1]
    elif verb == "down" and here < len(rules) - 1:
        rules[here + 1], rules[here] = rules[here], rules[here + 1]
    elif verb == "add-condition" and len(rule["conditions"]) < MAX_CONDITIONS:
        rule["conditions"].append(dict(FRESH_CONDITION))
    elif verb == "remove-condition" and len(at) == 2 and at[1] < len(rule["conditions"]):
        del rule["conditions"][at[1]]
    return rules


routes = [rules_page, change_rules]
