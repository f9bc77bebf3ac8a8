"""What every payment asks for and hardly anybody changes, kept in memory: merchants, and acquirers' settings.

Each process forgets it as soon as a unit of work has changed it, which only the ORM does. What a unit of work reads is
kept once it is committed, as others of its group may have changed it before and still fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import event

from dodeca.kernel.cache import Cache
from dodeca.kernel.db import WriteSession, kept_as, restored
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.payments import acquirers
from dodeca.products.payments.models import AcquirerSetting, Merchant
from dodeca.products.payments.service.desk import merchant_of

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

KEPT_SECONDS: Final = 15.0
"""How long a change goes unnoticed whose process is killed between its commit and telling the others."""
MOST_MERCHANTS: Final = 10_000
_BYTES: Final = 2_000
"""What a merchant takes, roughly."""
_ALL: Final = "all"
V = TypeVar("V")


class AtHand:
    """See the module's text. Safe from any thread."""

    def __init__(self, platform: Platform) -> None:
        self._merchants: Cache[tuple[Any, ...]] = Cache(
            "payments.merchants",
            max_bytes=MOST_MERCHANTS * _BYTES * 2,
            max_entries=MOST_MERCHANTS,
            seconds=KEPT_SECONDS,
            size=lambda _: _BYTES,
            invalidation=platform.invalidation,
        )
        self._acquirers: Cache[acquirers.Settings] = Cache(
            "payments.acquirers",
            max_bytes=1 << 20,
            seconds=KEPT_SECONDS,
            size=lambda _: _BYTES,
            invalidation=platform.invalidation,
        )

    def merchant(self, session: WriteSession, account_id: str) -> Merchant | None:
        """An account's merchant, as an object of this unit of work; None where there is none yet."""
        row = self._merchants.get(account_id)
        if row is not None:
            return restored(session, Merchant, row)
        mark = self._merchants.mark()
        found = merchant_of(session, account_id)
        if found is not None:
            _keep(session, self._merchants, account_id, kept_as(found), mark)
        return found

    def expect_acquirers(self, session: WriteSession) -> None:
        """This unit of work will look acquirers up."""
        known = self._acquirers.get(_ALL)
        if known is None:
            mark = self._acquirers.mark()
            known = acquirers.read(session)
            _keep(session, self._acquirers, _ALL, known, mark)
        acquirers.expect(session, known)

    def forget_merchant(self, account_id: str) -> None:
        """A merchant has changed: look it up again, in every process."""
        self._merchants.invalidate(account_id)

    def forget_acquirers(self) -> None:
        """The same of acquirers' settings."""
        self._acquirers.invalidate(_ALL)


def _keep(session: WriteSession, cache: Cache[V], key: str, value: V, mark: int) -> None:
    def keep() -> None:
        cache.put(key, value, mark)

    session.after_commit(keep)


at_hand: Final = OfPlatform(AtHand)
"""What this process keeps of a platform. Each process has it from its start: one that keeps nothing itself, such as a
command, tells the others of what it changes."""


@event.listens_for(Merchant, "after_update")
@event.listens_for(Merchant, "after_delete")
def _merchant_changed(_mapper: object, _connection: object, merchant: Merchant) -> None:
    account_id = merchant.account_id
    if account_id is not None:
        at_hand.after_change_of(merchant, lambda hand: hand.forget_merchant(account_id))


@event.listens_for(AcquirerSetting, "after_insert")
@event.listens_for(AcquirerSetting, "after_update")
@event.listens_for(AcquirerSetting, "after_delete")
def _acquirer_changed(_mapper: object, _connection: object, setting: AcquirerSetting) -> None:
    at_hand.after_change_of(setting, AtHand.forget_acquirers)
