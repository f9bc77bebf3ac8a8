"""One's own data as a ZIP: what accounts hold as JSON, and what every product adds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from dodeca.commons.accounts.models import Account, AuditEntry
from dodeca.commons.accounts.service import identities, keys, passkeys, sessions
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import NotFound

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


def zipped(session: ReadSession, account_id: str, platform: Platform) -> bytes:
    """The ZIP. Each module's files lie in a folder of its name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for manifest in platform.manifests:
            if manifest.account_export is None:
                continue
            for name, content in manifest.account_export(session, account_id).items():
                moment = zipfile.ZipInfo(f"{manifest.name}/{name}", clock.now().timetuple()[:6])
                moment.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(moment, content)
    return buffer.getvalue()


def own_files(session: ReadSession, account_id: str) -> Mapping[str, bytes]:
    """What accounts themselves hold. Secrets are not in it: they could only be misused."""
    from dodeca.commons.accounts import views

    account = session.get(Account, account_id)
    if account is None:
        raise NotFound()
    log = session.scalars(select(AuditEntry).where(AuditEntry.account_id == account_id).order_by(AuditEntry.at))
    return {
        "account.json": _json(views.AccountView.of(session, account)),
        "sessions.json": _json([views.SessionView.of(row, "") for row in sessions.live(session, account)]),
        "keys.json": _json([views.KeyView.of(key) for key in keys.keys_of(session, account)]),
        "passkeys.json": _json([views.PasskeyView.of(row) for row in passkeys.passkeys_of(session, account)]),
        "providers.json": _json([views.IdentityView.of(row) for row in identities.identities_of(session, account)]),
        "history.json": _json([views.AuditView.of(entry) for entry in log]),
    }


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
