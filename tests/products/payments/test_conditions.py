"""Rules as people choose them, and as they are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.errors import Invalid
from dodeca.products.payments.models.gateway import METHODS
from dodeca.products.payments.service.conditions import (
    EXPRESSION,
    FACTS,
    MOST_CONDITIONS,
    NUMBERS,
    UPPER,
    Condition,
    conditions_of,
    expression_of,
    fitting,
)
from dodeca.products.payments.service.rules import LONGEST, Facts, check_rule


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    fact = draw(st.sampled_from([name for name in FACTS if name != EXPRESSION]))
    comparison = draw(st.sampled_from(fitting(fact)))
    text = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=",("), min_size=1, max_size=12)
    if fact in NUMBERS:
        text = st.integers(0, 10**12).map(str)
    elif fact == "method":
        text = st.sampled_from(METHODS)
    elif fact in UPPER:
        text = text.map(str.upper)
    several = comparison in ("in", "not_in")
    return Condition(fact, comparison, ", ".join(draw(st.lists(text, min_size=1, max_size=3 if several else 1))))


@given(st.lists(conditions(), max_size=MOST_CONDITIONS))
def test_what_was_chosen_is_what_is_shown_again(chosen: list[Condition]) -> None:
    expression = expression_of(chosen, [""] * len(chosen))

    assert conditions_of(expression) == chosen
    if len(expression) <= LONGEST:
        assert check_rule(expression, "when") == expression


@pytest.mark.parametrize(
    "expression",
    ["amount > 1 || amount < 0", "amount > 1 && true ? false : true", "currency == 'inr'", "!(amount > 1)",
     "amount*2>9", "ip == ' 1'", "nobody == 1", "country in ['a, b']", "amount == -1",
     "amount > 1 && (ip == '' || country == 'IN')"],
)  # fmt: skip
def test_what_no_form_says_stays_as_it_was_written(expression: str) -> None:
    assert conditions_of(expression) == [Condition(EXPRESSION, "eq", expression)]
    assert expression_of(conditions_of(expression), [""]) == expression


@pytest.mark.parametrize(
    ("expression", "facts", "true"),
    [
        ("currency=='INR'&&amount>  5", {"amount": 6}, True),
        ("!(currency in [ 'INR', 'EUR' ])", {"currency": "EUR"}, False),
        ('customer.email.endsWith("@example.org && co")', {"customer": {"email": "a@example.org && co"}}, True),
    ],
)
def test_what_programs_wrote_means_the_same_once_shown(expression: str, facts: dict[str, object], true: bool) -> None:
    shown = conditions_of(expression)
    written = expression_of(shown, [""] * len(shown))

    assert EXPRESSION not in {condition.fact for condition in shown}
    assert [Facts(facts).fulfil(one) for one in (expression, written)] == [true, true]


def test_an_expression_of_ones_own_is_one_condition_among_others() -> None:
    chosen = [Condition(EXPRESSION, "eq", "amount > 9 || amount < 2"), Condition("currency", "eq", "EUR")]

    expression = expression_of(chosen, ["", ""])

    assert not Facts({"amount": 10, "currency": "INR"}).fulfil(expression)
    assert Facts({"amount": 10, "currency": "EUR"}).fulfil(expression)


def test_facts_are_the_same_for_each_condition_and_one_that_fails_spoils_none() -> None:
    known = Facts({"amount": 10})

    met = [known.fulfil(one) for one in ("amount == 10", "amount / 0 == 1", "nothing", "amount < 10", "amount == 10")]

    assert met == [True, False, False, False, True]


@pytest.mark.parametrize("expression", ["1 / (amount - 500) > 0", "amount % (amount - 500) == 0"])
def test_a_payment_that_a_condition_divides_by_zero_for_does_not_fulfil_it(expression: str) -> None:
    checked = check_rule(expression, "when")

    assert not Facts({"amount": 500}).fulfil(checked)


@pytest.mark.parametrize("expression", ["amount / velocity.card_hour > 100", "card.colour == 'red'", "int(1e300) > 1"])
def test_a_condition_that_ends_in_an_error_is_refused(expression: str) -> None:
    with pytest.raises(Invalid, match="does not work"):
        check_rule(expression, "when")
