"""What the bench measures of a merchant's desk is what a merchant does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dodeca.bench import payments
from dodeca.bench.parts import payments_desk
from dodeca.kernel.errors import DodecaError
from dodeca.products.payments import invariants

LINES = 600


def test_a_statement_is_imported_whole_and_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with payments.server(data) as (url, _):
        program = payments.registered(url, "anna")
    with payments.opened(data) as platform:
        raw = payments_desk.statement(platform, program.account, LINES)

    with payments.server(data) as (url, _):
        key = (program.key, program.secret)
        seconds, new = payments_desk.imported(url, key, raw, print)
        with pytest.raises(DodecaError, match="lost"):  # nothing is new
            payments_desk.imported(url, key, raw, print)

    assert seconds.value > 0
    assert (new.value, new.met) == (0, True)
    with payments.opened(data) as platform:
        assert platform.db.read(invariants.audit) == {}
