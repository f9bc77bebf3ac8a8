"""What API keys can be limited to: products, and parts of products that their protocols treat alone.

A product declares its scope when its keys look special or when its protocol must compute with the secret:

    declare_scope(Scope("market", key_prefix="ck_", secret_prefix="cs_", alphabet=HEX, length=40, sealed=True))
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dodeca.kernel.errors import Invalid
from dodeca.kernel.ids import BASE62

HEX = "0123456789abcdef"
ACCOUNTS = "accounts"
"""The scope of keys that may manage the account itself: other keys, sessions, the password."""
MOST_SCOPES = 20


@dataclass(frozen=True, slots=True)
class Scope:
    """How the keys of a scope are made. `sealed`: the secret is also kept encrypted, see `keys.open_secret`.

    Prefixes make leaked secrets recognisable; a random part has `length` characters of `alphabet`."""

    name: str
    key_prefix: str = "dk_"
    secret_prefix: str = "dks_"  # noqa: S105 - it marks secrets, it is none
    alphabet: str = BASE62
    key_length: int = 16
    length: int = 40
    sealed: bool = False

    def new_key_id(self) -> str:
        """A public id."""
        return self.key_prefix + _random(self.alphabet, self.key_length)

    def new_secret(self) -> str:
        """A secret."""
        return self.secret_prefix + _random(self.alphabet, self.length)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


_declared: dict[str, Scope] = {ACCOUNTS: Scope(ACCOUNTS)}


def declare_scope(scope: Scope) -> Scope:
    """Make a scope known. Called when a product is imported; repeating it replaces."""
    _declared[scope.name] = scope
    return scope


def usable(names: Sequence[str], products: Iterable[str]) -> list[str]:
    """The scopes of a new key, once each. `products` are those installed. Raises Invalid for an unknown one."""
    known = {*products, *_declared}
    if len(names) > MOST_SCOPES:
        raise Invalid(f"A key has at most {MOST_SCOPES} scopes.", field="scopes")
    for name in names:
        if name not in known:
            raise Invalid(f"There is no scope {name[:40]}. Known: {', '.join(sorted(known))}.", field="scopes")
    return list(dict.fromkeys(names))


def style_of(names: Sequence[str]) -> Scope:
    """How a key of these scopes is made: as the first declared one says, sealed if any needs it."""
    declared = [_declared[name] for name in names if name in _declared]
    style = declared[0] if declared else Scope("")
    if any(scope.sealed for scope in declared) and not style.sealed:
        return Scope(
            style.name,
            key_prefix=style.key_prefix,
            secret_prefix=style.secret_prefix,
            alphabet=style.alphabet,
            key_length=style.key_length,
            length=style.length,
            sealed=True,
        )
    return style
