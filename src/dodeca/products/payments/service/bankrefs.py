"""References that payers write on bank transfers: ISO 11649, `RF` with two check digits."""

from __future__ import annotations

import hashlib

from sqlalchemy import select
from stdnum.iso7064 import mod_97_10

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.products.payments.models import BankReference, Order
from dodeca.products.payments.service.rows import made_once

LENGTH = 12


def reference_of(session: WriteSession, order: Order) -> str:
    """The order's reference, made when it is first asked for."""

    def find() -> BankReference | None:
        return session.scalar(select(BankReference).where(BankReference.order_id == order.id))

    known = find()
    if known is not None:
        return known.reference
    digits = hashlib.sha256(order.id.encode()).hexdigest()
    body = f"{int(digits, 16) % 10**LENGTH:0{LENGTH}}"
    reference = f"RF{mod_97_10.calc_check_digits(body + 'RF')}{body}"
    row = BankReference(reference=reference, order_id=order.id, created_at=clock.now())
    return made_once(session, row, find).reference
