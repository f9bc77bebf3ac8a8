"""The keys and hashes that accounts work with, made once for a platform."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dodeca.kernel.crypto import BearerTokens, Box, Keyring, Passwords, Signer, TokenDigests

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform


class Vault:
    """What can be computed only with the installation's secret."""

    def __init__(self, keyring: Keyring) -> None:
        self.passwords = Passwords()
        self.sessions = TokenDigests(keyring, "accounts.session")
        self.keys = TokenDigests(keyring, "accounts.key")
        self.recovery = TokenDigests(keyring, "accounts.recovery")
        # The issuer is no address: one installation answers under several, and may move.
        self.tokens = BearerTokens(keyring, issuer="dodeca", audience="dodeca")
        self.key_box = Box(keyring, "accounts.key")
        self.totp_box = Box(keyring, "accounts.totp")
        self.tickets = Signer(keyring, "accounts.ticket")
        self.mail_links = Signer(keyring, "accounts.mail")

    async def check_and_hash(self, password: str, *about: str) -> str:
        """The hash of a new password, off the event loop. Raises WeakPassword; see `service.passwords`."""
        from dodeca.commons.accounts.service.passwords import check_strength

        await asyncio.to_thread(check_strength, password, *about)
        return await self.passwords.hash_async(password)


def vault_of(platform: Platform) -> Vault:
    """The vault of a composed platform."""
    from dodeca.commons.accounts.authentication import AccountAuthenticator

    authenticator = platform.authenticator
    if not isinstance(authenticator, AccountAuthenticator):
        raise TypeError("The platform was composed without accounts.")
    return authenticator.vault
