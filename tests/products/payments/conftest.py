"""Fixtures of payments."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dodeca.kernel.db import Database
from dodeca.products.payments import invariants
from dodeca.products.payments.service import ledger


@pytest.fixture
def books(database: Database) -> Iterator[Database]:
    """A database whose books are audited when the test is over."""
    yield database
    assert database.read(invariants.audit) == {}
    while database.write(ledger.fold):
        pass
    assert database.read(invariants.audit) == {}
