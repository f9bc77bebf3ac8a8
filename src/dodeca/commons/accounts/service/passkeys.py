"""Passkeys (WebAuthn level 3): signing in with the device's own lock, which no look-alike site can trick.

A ceremony has two halves. Its challenge travels in a signed ticket between them, so that nothing is stored for visitors
who never come back; the guard lets each be used once. The site's identity (relying party) is its host name; browsers
take no passkeys for bare IP addresses.

The WebAuthn library is imported where it is used: 13 MB that a server needs only once somebody uses a passkey.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import func, select

from dodeca.commons.accounts import letters
from dodeca.commons.accounts.models import Account, Passkey
from dodeca.commons.accounts.service import audit, people, text
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.commons.accounts.vault import Vault
from dodeca.kernel import clock, ids
from dodeca.kernel.crypto import BadSignature, Expired
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated

MOST_PASSKEYS = 20
CEREMONY_SECONDS = 300


class PasskeyRefused(Unauthenticated):
    """The passkey is unknown here, or its signature is not right."""

    def __init__(self) -> None:
        super().__init__("This passkey is not known here. Sign in another way.")


class NoPasskeysHere(Invalid):
    """The site is opened by an IP address, for which browsers keep no passkeys."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a passkey is bound to: the host name, and the origins that may use it."""

    host: str
    origin: str

    @classmethod
    def of(cls, public_url: str, request_host: str) -> Site:
        """The site as the browser sees it: the public address, or localhost where a developer opened that.

        Raises NoPasskeysHere for an IP address."""
        parts = urlsplit(public_url)
        if request_host.partition(":")[0] == "localhost":
            return cls("localhost", f"http://{request_host}")
        host = parts.hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return cls(host, f"{parts.scheme}://{parts.netloc}")
        port = f":{parts.port}" if parts.port else ""
        raise NoPasskeysHere(f"Passkeys need a host name. On this machine, open http://localhost{port} instead.")


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The first half: `options` (JSON) for the browser, and the ticket that comes back with its answer."""

    options: str
    ticket: str


# Adding


def begin_adding(session: ReadSession, account: Account, site: Site, vault: Vault) -> Ceremony:
    """Options for navigator.credentials.create. Raises Conflict when there are too many."""
    import webauthn
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    own = passkeys_of(session, account)
    if len(own) >= MOST_PASSKEYS:
        raise Conflict(f"You have {MOST_PASSKEYS} passkeys. Remove one first.")
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name="Dodeca",
        user_id=account.id.encode(),
        user_name=account.username,
        user_display_name=account.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in own],
    )
    return _ceremony(webauthn.options_to_json(options), options.challenge, account.id, vault)


def add(
    session: WriteSession,
    account: Account,
    answer: dict[str, Any],
    challenge: bytes,
    site: Site,
    *,
    name: str = "",
    origin: Origin = NOWHERE,
) -> Passkey:
    """Check the browser's answer and keep the passkey. Raises Invalid, Conflict."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException
    from webauthn.helpers.structs import CredentialDeviceType

    try:
        verified = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise Invalid("The browser's answer cannot be verified. Try again.") from error
    passkey = Passkey(
        id=ids.new_id(),
        account_id=account.id,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        name=text.line(name, "name", longest=60) if name.strip() else "Passkey",
        transports=_transports(answer),
        synced=verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        created_at=clock.now(),
    )
    with claiming(session, Passkey, otherwise=Conflict("This passkey is in use already.")):
        session.add(passkey)
    audit.record(session, account.id, "passkey.added", origin, passkey=passkey.id)
    letters.tell(session, account, "security_changed", what="A passkey was added")
    return passkey


def _transports(answer: dict[str, Any]) -> list[str]:
    response = answer.get("response")
    given = response.get("transports") if isinstance(response, dict) else None
    return [word for word in given if isinstance(word, str) and word.isascii()][:8] if isinstance(given, list) else []


# Signing in


def begin_signing_in(site: Site, vault: Vault) -> Ceremony:
    """Options for navigator.credentials.get: the device offers the accounts that it knows."""
    import webauthn
    from webauthn.helpers.structs import UserVerificationRequirement

    options = webauthn.generate_authentication_options(
        rp_id=site.host, user_verification=UserVerificationRequirement.REQUIRED
    )
    return _ceremony(webauthn.options_to_json(options), options.challenge, "", vault)


def sign_in(session: WriteSession, answer: dict[str, Any], challenge: bytes, site: Site) -> Account:
    """The account whose passkey answered. Raises PasskeyRefused."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    passkey = session.scalar(select(Passkey).where(Passkey.credential_id == _credential_id(answer)).with_for_update())
    if passkey is None:
        raise PasskeyRefused()
    try:
        verified = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            # A count that did not rise means a copied authenticator; the library refuses it.
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise PasskeyRefused() from error
    passkey.sign_count = verified.new_sign_count
    passkey.last_used_at = clock.now()
    account = people.account_by_id(session, passkey.account_id)
    if account is None:
        raise PasskeyRefused()
    return account


def _credential_id(answer: dict[str, Any]) -> bytes:
    from webauthn.helpers import base64url_to_bytes

    raw = answer.get("rawId") or answer.get("id")
    if not isinstance(raw, str) or len(raw) > 2000:
        raise PasskeyRefused()
    try:
        return base64url_to_bytes(raw)
    except ValueError as error:
        raise PasskeyRefused() from error


def _ceremony(options: str, challenge: bytes, account_id: str, vault: Vault) -> Ceremony:
    from webauthn.helpers import bytes_to_base64url

    ticket = vault.tickets.sign(["passkey", bytes_to_base64url(challenge), account_id], seconds=CEREMONY_SECONDS)
    return Ceremony(options, ticket)


def challenge_of(ticket: str, account_id: str, vault: Vault) -> bytes:
    """The challenge of a ceremony that is under way; `account_id` is empty for signing in. Raises Invalid.

    The caller makes sure that each is used once, before the unit of work, which may be repeated."""
    from webauthn.helpers import base64url_to_bytes

    try:
        value = vault.tickets.read(ticket)
    except (BadSignature, Expired) as error:
        raise Invalid("This took too long. Try again.") from error
    if not isinstance(value, list) or len(value) != 3 or value[0] != "passkey" or value[2] != account_id:
        raise Invalid("This answer belongs to something else. Try again.")
    return base64url_to_bytes(value[1])


# Looking after them


def passkeys_of(session: ReadSession, account: Account) -> Sequence[Passkey]:
    """The account's passkeys, newest first."""
    mine = select(Passkey).where(Passkey.account_id == account.id)
    return session.scalars(mine.order_by(Passkey.created_at.desc(), Passkey.id)).all()


def own_passkey(session: ReadSession, account: Account, passkey_id: str) -> Passkey:
    """One of the account's passkeys. Raises NotFound."""
    mine = select(Passkey).where(Passkey.id == passkey_id, Passkey.account_id == account.id)
    passkey = session.scalar(mine)
    if passkey is None:
        raise NotFound("There is no such passkey.")
    return passkey


def rename(session: WriteSession, account: Account, passkey_id: str, name: str) -> Passkey:
    """Give a passkey another name. Raises NotFound, Invalid."""
    passkey = own_passkey(session, account, passkey_id)
    passkey.name = text.line(name, "name", longest=60)
    return passkey


def remove(session: WriteSession, account: Account, passkey_id: str, origin: Origin = NOWHERE) -> None:
    """Forget a passkey. Raises NotFound, Conflict if it is the only way in."""
    from dodeca.commons.accounts.service.identities import other_ways_in

    passkey = own_passkey(session, account, passkey_id)
    if not other_ways_in(session, account, without=passkey):
        raise Conflict("This is your only way to sign in. Set a password first.")
    session.delete(passkey)
    audit.record(session, account.id, "passkey.removed", origin, passkey=passkey_id)
    letters.tell(session, account, "security_changed", what="A passkey was removed")


def count(session: ReadSession, account: Account) -> int:
    """How many passkeys the account has."""
    mine = select(func.count()).select_from(Passkey).where(Passkey.account_id == account.id)
    return session.scalar(mine) or 0


def parsed(body: str) -> dict[str, Any]:
    """The browser's answer as it came in a form field. Raises Invalid."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Invalid("The browser's answer cannot be read.") from error
