"""Reading bank statements, keeping their lines once, and matching them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from tests.products.payments.gateway import Shop

from dodeca.kernel import clock
from dodeca.kernel.errors import Conflict, Invalid, PaymentRequired, Unprocessable
from dodeca.kernel.platform import Platform
from dodeca.products.payments import invariants
from dodeca.products.payments.models import Order, Payment, StatementLine
from dodeca.products.payments.service import bankrefs, ledger, receivers, settlements, statements
from dodeca.products.payments.service.ledger import Entry, Place
from dodeca.products.payments.service.statements import comparing, matching
from dodeca.products.payments.service.statements.parsed import Line, Statement

CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt><Stmt>
<Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{closing}</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Ntry><Amt Ccy="EUR">50.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>{booked}</Sts><BookgDt><Dt>2026-01-02</Dt></BookgDt>
<AcctSvcrRef>B1</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>E2E-1</EndToEndId></Refs>
<RltdPties><Dbtr>{name}</Dbtr></RltdPties><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">25.50</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>{booked}</Sts><BookgDt><Dt>2026-01-03</Dt></BookgDt>
<AcctSvcrRef>B2</AcctSvcrRef><NtryDtls>
<TxDtls><Amt Ccy="EUR">20.00</Amt><RltdPties><Cdtr>{name}</Cdtr></RltdPties></TxDtls>
<TxDtls><Amt Ccy="EUR">5.50</Amt></TxDtls></NtryDtls></Ntry>
</Stmt></BkToCstmrStmt></Document>"""
MT940 = """:20:STARTUMS
:25:DE89370400440532013000
:28C:1/1
:60F:C260101EUR100,00
:61:2601020102CR50,00NTRFNONREF//B1
:86:166?00SEPA CREDIT?20EREF+E2E-1?21SVWZ+{text}?32ACME GMBH
:61:2601030103D25,50NTRFNONREF//B2
:86:Rent
:62F:C260103EUR124,50
-
"""
CSV = """Account statement;;;
Buchungstag;Betrag;Währung;Verwendungszweck;Beguenstigter;Referenz
02.01.2026;1.050,00;EUR;{text};ACME GMBH;B1
13.01.2026;-25,50;EUR;Rent;Landlord;B2
"""


def camt(version: str = "02", text: str = "Thanks", closing: str = "124.50") -> bytes:
    new = version == "08"
    name = "<Pty><Nm>ACME GMBH</Nm></Pty>" if new else "<Nm>ACME GMBH</Nm>"
    booked = "<Cd>BOOK</Cd>" if new else "BOOK"
    return CAMT.format(version=version, name=name, booked=booked, text=text, closing=closing).encode()


@pytest.mark.parametrize("version", ["02", "04", "08"])
def test_camt_of_every_version_is_read(version: str) -> None:
    name, (found,) = statements.read(camt(version))

    assert (name, found.account, found.opening, found.closing) == ("camt.053", "DE89370400440532013000", 10_000, 12_450)
    assert [(line.amount, line.reference) for line in found.lines] == [(5000, "B1"), (-2000, "B2"), (-550, "B2")]
    assert (found.lines[0].counterparty, found.lines[0].text) == ("ACME GMBH", "Thanks E2E-1")
    assert found.balanced is True


def test_mt940_is_read() -> None:
    name, (found,) = statements.read(MT940.format(text="RF18539007547034").encode())

    assert (name, found.account, found.balanced) == ("mt940", "DE89370400440532013000", True)
    assert [(line.booked_on, line.amount, line.reference) for line in found.lines] == [
        (date(2026, 1, 2), 5000, "B1"),
        (date(2026, 1, 3), -2550, "B2"),
    ]
    assert (found.lines[0].counterparty, found.lines[0].text) == ("ACME GMBH", "RF18539007547034 E2E-1")


def test_csv_is_sniffed() -> None:
    german = statements.read(CSV.format(text="Danke").encode("cp1252"))[1][0]
    english = statements.read(
        b'Date,Description,Paid in,Paid out\n01/31/2026,Order 7,"1,050.00",\n02/01/2026,Fee,,2.50\n'
    )

    assert [(line.booked_on, line.amount) for line in german.lines] == [
        (date(2026, 1, 2), 105_000),
        (date(2026, 1, 13), -2550),
    ]
    assert [(line.booked_on, line.amount) for line in english[1][0].lines] == [
        (date(2026, 1, 31), 105_000),
        (date(2026, 2, 1), -250),
    ]
    assert german.balanced is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x01",
        b"hello",
        b"<a/>",
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        b"<Document><BkToCstmrStmt><Stmt><Ntry></Ntry></Stmt></BkToCstmrStmt></Document>",
        b":20:A\n:25:B\n:61:nonsense\n",
        b"date,amount\n32.13.2026,5\n",
        b"date,amount\n2026-01-01,five\n",
        camt().replace(b"50.00", b"1e400"),
        camt().replace(b"50.00", b"50.001"),
    ],
)
def test_what_cannot_be_read_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        statements.read(raw)


def test_a_statement_that_does_not_add_up_is_refused() -> None:
    with pytest.raises(Unprocessable, match="add up"):
        matching.check(statements.read(camt(closing="200.00"))[1])


# Matching, on SQLite: what differs between engines is the ledger's, and tested there


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    return sqlite_url


class Desk:
    """A merchant who imports statements."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.shop = platform, Shop(platform)

    def take(self, found: Sequence[Statement]) -> matching.Counts:
        counts = matching.Counts()

        def unit(session: Any) -> None:
            made = matching.start(session, self.shop.desk, "test")
            for one in found:
                matching.add(session, self.shop.desk, made, one.account, matching.identified(one), counts)

        self.platform.db.write(unit)
        return counts

    def lines(self) -> list[StatementLine]:
        every = select(StatementLine).order_by(StatementLine.booked_on, StatementLine.id)
        return list(self.platform.db.read(lambda s: s.scalars(every).all()))


@pytest.fixture
def desk(platform: Platform) -> Desk:
    return Desk(platform)


def raw_of(kind: str, text: str) -> bytes:
    return {
        "camt": lambda: camt(text=text),
        "mt940": lambda: MT940.format(text=text).encode(),
        "csv": lambda: CSV.format(text=text).replace("1.050,00", "50,00").encode(),
    }[kind]()


@pytest.mark.parametrize("kind", ["camt", "mt940", "csv"])
def test_a_transfer_with_its_reference_pays_the_order_once(desk: Desk, kind: str) -> None:
    order = desk.shop.order(5000, "EUR")
    reference = desk.platform.db.write(lambda s: bankrefs.reference_of(s, s.get_one(Order, order.id)))
    found = statements.read(raw_of(kind, reference))[1]

    first, again = desk.take(found), desk.take(found)

    assert (first.matched, first.duplicates) == (1, 0)
    assert (again.matched, again.unmatched, again.duplicates) == (0, 0, first.lines)
    assert desk.shop.fresh_order(order).status == "paid"
    payment = desk.platform.db.read(lambda s: s.scalars(select(Payment)).one())
    assert (payment.method, payment.status, payment.fee) == ("bank_transfer", "captured", 0)
    with pytest.raises(PaymentRequired, match="no balance"):  # the merchant's own bank account has it already
        desk.platform.db.write(lambda s: settlements.on_demand(s, desk.shop.desk, "EUR"))
    assert desk.platform.db.read(invariants.audit) == {}


def test_a_settlement_is_matched_by_its_number_and_only_once(desk: Desk) -> None:
    payment = desk.shop.pay(order_id=desk.shop.order(capture="automatic").id)
    row = desk.platform.db.write(lambda s: settlements.on_demand(s, desk.shop.desk, "INR"))
    today = clock.now().date()
    lines = [Line(today, row.amount, "INR", f"N{n}", f"NEFT {row.utr} DODECA", "") for n in range(2)]

    counts = desk.take([Statement("50100", "INR", None, None, lines)])

    assert payment.status == "captured"
    assert (counts.matched, counts.unmatched) == (1, 1)
    assert [line.matched_to for line in desk.lines() if line.status == "matched"] == [row.id]


def test_what_names_nothing_is_suggested_by_amount_and_day(desk: Desk) -> None:
    desk.shop.pay(order_id=desk.shop.order(capture="automatic").id)
    row = desk.platform.db.write(lambda s: settlements.on_demand(s, desk.shop.desk, "INR"))
    day = clock.now().date()
    desk.take([Statement("50100", "INR", None, None, [Line(day, row.amount, "INR", "N1", "PAYOUT", "")])])
    (line,) = desk.lines()
    assert (line.status, line.suggested) == ("suggested", row.id)

    desk.platform.db.write(lambda s: matching.match_by_hand(s, desk.shop.desk, line.id, row.id))

    assert desk.lines()[0].matched_to == row.id
    with pytest.raises(Conflict):
        desk.platform.db.write(lambda s: matching.match_by_hand(s, desk.shop.desk, line.id, row.id))
    report = desk.platform.db.read(lambda s: comparing.report(s, desk.shop.desk, day))["currencies"][0]
    assert (report["ledger_settled"], report["bank_matched"], report["lines_open"]) == (row.amount, row.amount, 0)


def test_ledger_and_acquirers_are_compared_by_day(desk: Desk) -> None:
    shop, day = desk.shop, clock.now().date()
    taken = shop.pay(capture=True, amount=50_000)
    shop.pay(capture=True, amount=3000, currency="EUR")
    shop.refund(taken, 20_000)
    values = {"receivers": {"types": ["bank_account"]}}
    account = desk.platform.db.write(lambda s: receivers.create_account(s, shop.desk, values))
    desk.take([Statement("50100", "INR", None, None, [Line(day, 7000, "INR", "N1", account.account_number, "Ravi")])])

    def sides() -> dict[str, Any]:
        found = desk.platform.db.read(lambda s: comparing.report(s, shop.desk, day))["currencies"]
        return {side["currency"]: side for side in found}

    inr, eur = sides()["INR"], sides()["EUR"]
    assert (inr["ledger_captured"], inr["ledger_refunded"]) == (50_000, 20_000)
    assert (inr["acquirer_captured"], inr["acquirer_refunded"], inr["acquirer_reported"]) == (50_000, 20_000, 30_000)
    assert (inr["difference"], inr["bank_matched"], eur["difference"]) == (0, 7000, 0)

    owed, merchant = (
        Place(owner, code, "INR", "test")
        for owner, code in (("sim-alpha", "receivable"), (shop.desk.merchant.id, "merchant"))
    )
    more = Entry(owed, merchant, 500, "capture")
    desk.platform.db.write(lambda s: ledger.post(s, "nobody said yes to this", [more]))

    assert sides()["INR"]["difference"] == 500


def test_a_transfer_to_a_virtual_account_is_its_payment(desk: Desk) -> None:
    values = {"receivers": {"types": ["bank_account"]}}
    account = desk.platform.db.write(lambda s: receivers.create_account(s, desk.shop.desk, values))
    line = Line(date(2026, 1, 2), 7000, "INR", "N1", f"IMPS {account.account_number} Ravi", "Ravi")

    assert desk.take([Statement("50100", "INR", None, None, [line])]).matched == 1

    payment = desk.platform.db.read(lambda s: s.scalars(select(Payment)).one())
    assert (payment.amount, payment.status, payment.name) == (7000, "captured", "Ravi")


def test_an_amount_that_is_not_the_orders_is_left_for_a_person(desk: Desk) -> None:
    order = desk.shop.order(5000, "EUR")
    reference = desk.platform.db.write(lambda s: bankrefs.reference_of(s, s.get_one(Order, order.id)))
    line = Line(date(2026, 1, 2), 4999, "EUR", "N1", reference, "")

    counts = desk.take([Statement("DE89", "EUR", None, None, [line])])

    assert (counts.matched, desk.shop.fresh_order(order).status) == (0, "created")


def test_equal_lines_of_one_statement_are_two_bookings(desk: Desk) -> None:
    line = Line(date(2026, 1, 2), 100, "EUR", "", "Coffee", "")

    first = desk.take([Statement("DE89", "EUR", None, None, [line, line])])
    again = desk.take([Statement("DE89", "EUR", None, None, [line, line, line])])

    assert (first.unmatched, again.unmatched, again.duplicates) == (2, 1, 2)
