"""The bench's copies of payments: whoever reads them finds what real payments would have left."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.products.payments.gateway import Shop

from dodeca.bench.parts.payments_copies import multiply
from dodeca.kernel import clock
from dodeca.kernel.db import open_database
from dodeca.kernel.platform import Platform
from dodeca.products.payments import invariants
from dodeca.products.payments.models import Payment, PaymentEvent, Settlement
from dodeca.products.payments.service import ledger, recon, settlements
from dodeca.products.payments.service.desk import Desk

COPIES = 110


@pytest.fixture
def path(tmp_path: Path, sqlite_template: Path) -> Path:
    return Path(shutil.copyfile(sqlite_template, tmp_path / "test.sqlite3"))


@pytest.fixture
def prepared_url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_copies_are_settled_listed_and_audited_as_if_they_had_been_paid(platform: Platform, path: Path) -> None:
    shops = [Shop(platform, "first"), Shop(platform, "second")]
    paid = [shop.pay(order_id=shop.order(capture="automatic").id) for shop in shops]
    while platform.db.write(ledger.fold):
        pass
    platform.db.close()

    multiply(path, paid[0].id, [shop.desk.merchant.id for shop in shops], COPIES, clock.now(), print)

    desk = Desk(shops[0].desk.merchant, "test")
    opened = open_database(f"sqlite:///{path}")
    while opened.write(lambda s: settlements.settle(s, desk.merchant.id, "test", "INR")):
        pass
    with closing(sqlite3.connect(path)) as driver:
        assert driver.execute("PRAGMA foreign_key_check").fetchall() == []
    assert opened.read(invariants.audit) == {}
    payments = opened.read(lambda s: list(s.scalars(desk.owned(Payment).order_by(Payment.created_at))))
    assert len(payments) == COPIES + 1
    told = opened.read(lambda s: list(s.scalars(select(PaymentEvent).where(PaymentEvent.type == "order.paid"))))
    assert {e.body["payload"]["payment"]["entity"]["id"] for e in told} == {p.id for p in [*payments, paid[1]]}
    assert len({p.acquirer_reference for p in payments}) == COPIES + 1
    settled = [p for p in payments if p.settlement_id]
    assert settled == [p for p in payments if p.created_at < clock.ago(days=settlements.AFTER_DAYS)]
    sums = opened.read(lambda s: s.scalar(select(func.sum(Settlement.amount))))
    assert sums == sum(p.amount - (p.fee or 0) for p in settled)
    day = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    lines = opened.read(lambda s: recon.lines(s, desk, day, clock.ahead(days=1), 0, 1000))
    assert sum(line["credit"] - line["debit"] for line in lines) == sums
    opened.close()
