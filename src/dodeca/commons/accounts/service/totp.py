"""Codes of an authenticator app (TOTP, RFC 6238), and the recovery codes for the day when the phone is gone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import pyotp
from sqlalchemy import delete, func, select, update

from dodeca.commons.accounts import letters
from dodeca.commons.accounts.models import Account, RecoveryCode, Totp
from dodeca.commons.accounts.service import audit
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.commons.accounts.vault import Vault
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Unauthenticated

STEP_SECONDS = 30
STEPS_AROUND = 1
"""A code is good one step before and after its time, for clocks that differ by half a minute."""
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class WrongCode(Unauthenticated):
    """The code is wrong, too old, or used already."""

    def __init__(self) -> None:
        super().__init__("This code is wrong or was used already.", field="otp")


@dataclass(frozen=True, slots=True)
class Setup:
    """What the authenticator app needs: the secret in base32, and the same as an otpauth: address for the QR code."""

    secret: str
    uri: str


def is_on(session: ReadSession, account: Account) -> bool:
    """Whether signing in asks for a code."""
    row = session.get(Totp, account.id)
    return row is not None and row.confirmed_at is not None


def begin(session: WriteSession, account: Account, vault: Vault, issuer: str) -> Setup:
    """Make a secret, which counts once `confirm` has seen a code of it. Raises Conflict where one is in force."""
    row = session.get(Totp, account.id)
    if row is not None and row.confirmed_at is not None:
        raise Conflict("An authenticator app is in use. Turn it off first.")
    secret = pyotp.random_base32()
    sealed = vault.totp_box.seal(secret.encode(), account.id)
    if row is None:
        session.add(Totp(account_id=account.id, sealed=sealed, created_at=clock.now()))
    else:
        row.sealed, row.created_at = sealed, clock.now()
    return _setup(account, secret, issuer)


def pending(session: ReadSession, account: Account, vault: Vault, issuer: str) -> Setup | None:
    """The secret that waits for its first code, if there is one."""
    row = session.get(Totp, account.id)
    if row is None or row.confirmed_at is not None:
        return None
    return _setup(account, vault.totp_box.open(row.sealed, account.id).decode(), issuer)


def _setup(account: Account, secret: str, issuer: str) -> Setup:
    return Setup(secret, pyotp.TOTP(secret).provisioning_uri(name=account.username, issuer_name=issuer))


def confirm(session: WriteSession, account: Account, code: str, vault: Vault, origin: Origin = NOWHERE) -> list[str]:
    """Turn the app on with a first code; gives the recovery codes, shown once. Raises WrongCode, Conflict."""
    row = session.get(Totp, account.id)
    if row is None:
        raise Conflict("Begin with a new secret.")
    if row.confirmed_at is not None:
        raise Conflict("An authenticator app is in use already.")
    if not _use_app_code(session, row, code, vault):
        raise WrongCode()
    row.confirmed_at = clock.now()
    audit.record(session, account.id, "totp.enabled", origin)
    letters.tell(session, account, "security_changed", what="An authenticator app was turned on")
    return renew_recovery_codes(session, account, vault)


def turn_off(session: WriteSession, account: Account, code: str, vault: Vault, origin: Origin = NOWHERE) -> None:
    """Turn the app off, with one of its codes or a recovery code. Raises WrongCode, Conflict."""
    row = session.get(Totp, account.id)
    if row is None or row.confirmed_at is None:
        raise Conflict("No authenticator app is in use.")
    use_code(session, account, code, vault, origin)
    session.delete(row)
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    audit.record(session, account.id, "totp.disabled", origin)
    letters.tell(session, account, "security_changed", what="The authenticator app was turned off")


def use_code(session: WriteSession, account: Account, code: str, vault: Vault, origin: Origin = NOWHERE) -> None:
    """Take a code of the app or a recovery code, each at most once. Raises WrongCode."""
    clean = "".join(code.split()).replace("-", "").lower()
    row = session.get(Totp, account.id)
    if row is not None and len(clean) == 6 and clean.isascii() and clean.isdigit():
        if _use_app_code(session, row, clean, vault):
            return
    elif clean and _use_recovery_code(session, account, clean, vault):
        audit.record(session, account.id, "recovery.used", origin)
        letters.tell(session, account, "security_changed", what="A recovery code was used to sign in")
        return
    raise WrongCode()


def _use_app_code(session: WriteSession, row: Totp, code: str, vault: Vault) -> bool:
    clean = "".join(code.split())
    app = pyotp.TOTP(vault.totp_box.open(row.sealed, row.account_id).decode())
    step = int(clock.timestamp()) // STEP_SECONDS
    for candidate in range(step - STEPS_AROUND, step + STEPS_AROUND + 1):
        if not pyotp.utils.strings_equal(clean, app.at(candidate * STEP_SECONDS)):
            continue
        # One of two requests with the same code changes the row; the other finds it changed.
        taken = update(Totp).where(Totp.account_id == row.account_id, Totp.last_step < candidate)
        done = session.execute(taken.values(last_step=candidate).returning(Totp.last_step)).first()
        return done is not None
    return False


def _use_recovery_code(session: WriteSession, account: Account, code: str, vault: Vault) -> bool:
    mine = delete(RecoveryCode).where(
        RecoveryCode.account_id == account.id, RecoveryCode.digest.in_(vault.recovery.candidates(code))
    )
    return session.execute(mine.returning(RecoveryCode.account_id)).first() is not None


def renew_recovery_codes(session: WriteSession, account: Account, vault: Vault) -> list[str]:
    """Ten new codes in place of all earlier ones. They are stored as hashes, so this is the only time to show them."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(account_id=account.id, digest=vault.recovery.digest(code)) for code in codes)
    session.flush()
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def renewed_with(
    session: WriteSession, account: Account, code: str, vault: Vault, origin: Origin = NOWHERE
) -> list[str]:
    """New recovery codes for a person who shows a code of the app. Raises WrongCode, Conflict when it is off."""
    if not is_on(session, account):
        raise Conflict("Turn an authenticator app on first.")
    use_code(session, account, code, vault, origin)
    audit.record(session, account.id, "recovery.renewed", origin)
    return renew_recovery_codes(session, account, vault)


def recovery_codes_left(session: ReadSession, account: Account) -> int:
    """How many recovery codes are unused."""
    mine = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.account_id == account.id)
    return session.scalar(mine) or 0
