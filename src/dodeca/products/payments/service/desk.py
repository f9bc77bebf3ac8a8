"""Whose till it is: a merchant in one mode. Every look-up of a merchant's rows goes through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sqlalchemy import Select, select

from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, NotFound
from dodeca.products.payments import ids
from dodeca.products.payments.models import Merchant

T = TypeVar("T")
Mode = Literal["test", "live"]
PLATFORM_MERCHANT = "acc_platform000000"
"""Takes what people pay into their purses."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A merchant in a mode: who acts on the merchant's side."""

    merchant: Merchant
    mode: str

    def owned(self, model: type[T]) -> Select[T]:
        """All rows of a table that this merchant may see, in this mode."""
        table: Any = model
        return select(model).where(table.merchant_id == self.merchant.id, table.mode == self.mode)

    def find(self, session: ReadSession, model: type[T], row_id: str, *, lock: bool = False) -> T:
        """One of them. Raises NotFound, for another's as for one that is not there."""
        table: Any = model
        statement = self.owned(model).where(table.id == row_id)
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        row = session.scalar(statement)
        if row is None:
            raise NotFound("The id provided does not exist", field="id")
        return row


def merchant_of(session: ReadSession, account_id: str) -> Merchant | None:
    """The merchant of an account."""
    return session.scalar(select(Merchant).where(Merchant.account_id == account_id))


def ensure_merchant(session: WriteSession, account_id: str, name: str) -> Merchant:
    """The account's merchant, made when it first takes money."""
    known = merchant_of(session, account_id)
    if known is not None:
        return known
    merchant = Merchant(id=ids.new("acc"), account_id=account_id, name=name)
    with claiming(session, Merchant, otherwise=Conflict("Try again.")):
        session.add(merchant)
    return merchant


def platform_desk(session: WriteSession, mode: str) -> Desk:
    """The platform's own till, for deposits into purses."""
    merchant = session.get(Merchant, PLATFORM_MERCHANT)
    if merchant is None:
        merchant = Merchant(id=PLATFORM_MERCHANT, account_id=None, name="Dodeca", capture="automatic")
        with claiming(session, Merchant, otherwise=Conflict("Try again.")):
            session.add(merchant)
    return Desk(merchant, mode)


def desk_by_id(session: ReadSession, merchant_id: str, mode: str) -> Desk:
    """The till that a row belongs to."""
    merchant = session.get(Merchant, merchant_id)
    if merchant is None:
        raise NotFound("The id provided does not exist", field="id")
    return Desk(merchant, mode)
