"""Factors of things, learned for each product apart."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from dodeca.commons import recommendations
from dodeca.commons.recommendations import Interactions, LearnedFactors, Model, learn
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.platform import Platform

COOKING, CHESS = range(10, 16), range(70, 76)


def _two_crowds(_session: ReadSession | None = None) -> Interactions:
    """Five people who like all about cooking, and five who like all about chess."""
    crowds = {f"{name} {number}": items for name, items in (("a", COOKING), ("b", CHESS)) for number in range(5)}
    return Interactions.of({(person, item): 1.0 for person, items in crowds.items() for item in items})


@pytest.fixture(scope="module")
def model() -> Model:
    made = learn(_two_crowds())
    assert made is not None
    return made


def test_what_the_same_people_like_is_near(model: Model) -> None:
    assert set(model.near(CHESS[0], 5)) == set(CHESS[1:])
    assert model.near(999, 5) == []


def test_a_score_names_which_interaction_brought_it_and_leaves_out_what_is_to_be_avoided(model: Model) -> None:
    scores = model.scores({COOKING[0]: 5.0, CHESS[0]: 0.1}, most=4, avoid={COOKING[0], COOKING[1]})

    assert set(scores) == set(COOKING[2:])
    assert {causes[0][0] for _score, causes in scores.values()} == {COOKING[0]}
    assert model.scores({999: 1.0}, most=4, avoid=set()) == {}


def test_factors_survive_being_written(model: Model) -> None:
    again = Model.from_bytes(model.to_bytes())

    mine = {COOKING[0]: 2.0}
    assert again.scores(mine, most=9, avoid=set()) == model.scores(mine, most=9, avoid=set())


def test_one_person_alone_teaches_nothing() -> None:
    assert learn(Interactions.of({("a", 1): 1.0, ("a", 2): 1.0})) is None


def test_each_product_has_its_own_factors_and_the_newest_are_used(platform: Platform, model: Model) -> None:
    def fewer(_session: ReadSession) -> Interactions:
        return Interactions.of({(person, item): 1.0 for person in "abc" for item in (1, 2, 3)})

    assert platform.db.read(lambda s: recommendations.current(s, platform, "cricket")) is None

    for gather in (fewer, _two_crowds):
        assert asyncio.run(recommendations.train(platform, "cricket", gather))
    asyncio.run(recommendations.train(platform, "market", fewer))

    found = [platform.db.read(lambda s, p=p: recommendations.current(s, platform, p)) for p in ("cricket", "market")]  # type: ignore[misc]
    assert [sorted(one.places) for one in found if one is not None] == [[*COOKING, *CHESS], [1, 2, 3]]


def test_factors_are_due_after_a_change_and_where_there_is_much_only_at_night(session: WriteSession) -> None:
    learned = clock.now()

    def due(changed_after: timedelta, *, nightly: bool = False) -> bool:
        return recommendations.is_due(session, "cricket", learned + changed_after, nightly=nightly)

    assert not recommendations.is_due(session, "cricket", None, nightly=True)
    assert due(timedelta(0)), "nothing was learned yet"
    _row(session, "cricket", "a", interactions=recommendations.service.SMALL - 1, at=learned)
    assert (due(timedelta(0)), due(timedelta(seconds=1))) == (False, True)
    _row(session, "cricket", "b", interactions=recommendations.service.SMALL, at=learned)
    assert (due(timedelta(seconds=1)), due(timedelta(seconds=1), nightly=True)) == (False, True)


def test_old_factors_go_but_no_file_that_a_newer_row_names(session: WriteSession) -> None:
    for key in ("same", "old", "x", "y", "same"):
        _row(session, "cricket", key)
    _row(session, "market", "theirs")

    assert recommendations.forget_old(session, "cricket") == ["old"]

    left = session.query(LearnedFactors.product, LearnedFactors.media_key).order_by(LearnedFactors.id)
    assert [tuple(row) for row in left] == [
        *(("cricket", key) for key in ("x", "y", "same")),
        ("market", "theirs"),
    ]


def _row(session: WriteSession, product: str, key: str, *, interactions: int = 1, at: object = None) -> None:
    at = at or clock.now()
    row = {"interactions": interactions, "items": 1, "seconds": 0.1, "trained_at": at}
    session.add(LearnedFactors(product=product, media_key=key, **row))
    session.flush()
