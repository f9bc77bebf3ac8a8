"""Whose till it is: a merchant in one mode. Every look-up of a merchant's rows goes through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sqlalchemy import Select, bindparam, select

from dodeca.commons.accounts import public as accounts
from dodeca.kernel.db import Finding, ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.products.payments import ids
from dodeca.products.payments.models import Merchant
from dodeca.products.payments.models.merchants import TOLD_OF
from dodeca.products.payments.service.rows import made_once

T = TypeVar("T")
PLATFORM_MERCHANT = "acc_platform000000"
"""Takes what people pay into their purses."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A merchant in a mode: who acts on the merchant's side.

    Without `has_webhooks` nobody is to be told of what happens in this unit of work; with it, somebody may be."""

    merchant: Merchant
    mode: str
    has_webhooks: bool = True

    def owned(self, model: type[T]) -> Select[T]:
        """All rows of a table that this merchant may see, in this mode."""
        table: Any = model
        return select(model).where(table.merchant_id == self.merchant.id, table.mode == self.mode)

    def find(self, session: ReadSession, model: type[T], row_id: str) -> T:
        """One of them. Raises NotFound, for another's as for one that is not there."""
        row: Any = session.get(model, row_id)
        if row is None or row.merchant_id != self.merchant.id or row.mode != self.mode:
            raise NotFound("The id provided does not exist", field="id")
        return cast(T, row)

    def lock(self, session: WriteSession, model: type[T], row_id: str) -> T:
        """The same as it is now, and nobody else changes it before this unit is over."""
        session.get_locked(model, row_id)
        return self.find(session, model, row_id)


_of_account = Finding(Merchant, Merchant.account_id == bindparam("account_id"))


def merchant_of(session: ReadSession, account_id: str) -> Merchant | None:
    """The merchant of an account."""
    return _of_account.first(session, account_id=account_id)


def ensure_merchant(session: WriteSession, account_id: str, name: str) -> Merchant:
    """The account's merchant, made when it first takes money."""
    known = merchant_of(session, account_id)
    if known is not None:
        return known
    merchant = Merchant(id=ids.new("acc"), account_id=account_id, name=name)
    return made_once(session, merchant, lambda: merchant_of(session, account_id))


def till_of(session: ReadSession, account_id: str, mode: str) -> Desk:
    """The account's till. A unit that writes makes the merchant; one that reads sees an empty one. Raises NotFound."""
    merchant = merchant_of(session, account_id)
    if merchant is not None:
        return Desk(merchant, mode)
    account = accounts.account_by_id(session, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    if isinstance(session, WriteSession):
        return Desk(ensure_merchant(session, account.id, account.name), mode)
    nobody = Merchant(id="acc_none", account_id=account.id, name=account.name, zone="UTC", capture="manual")
    nobody.routing, nobody.fraud, nobody.profile, nobody.told_of = {}, [], {}, list(TOLD_OF)
    return Desk(nobody, mode)


def platform_desk(session: WriteSession, mode: str) -> Desk:
    """The platform's own till, for deposits into purses."""
    merchant = session.get(Merchant, PLATFORM_MERCHANT)
    if merchant is None:
        first = Merchant(id=PLATFORM_MERCHANT, account_id=None, name="Dodeca", capture="automatic")
        merchant = made_once(session, first, lambda: session.get(Merchant, PLATFORM_MERCHANT))
    return Desk(merchant, mode)


def desk_by_id(session: ReadSession, merchant_id: str, mode: str) -> Desk:
    """The till that a row belongs to."""
    merchant = session.get(Merchant, merchant_id)
    if merchant is None:
        raise NotFound("The id provided does not exist", field="id")
    return Desk(merchant, mode)
