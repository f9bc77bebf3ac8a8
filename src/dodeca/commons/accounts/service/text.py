"""What people may type: names, labels, user names, mail addresses."""

from __future__ import annotations

import re
import unicodedata

from dodeca.kernel.errors import Invalid

LONGEST_NAME = 100
LONGEST_EMAIL = 254
"""RFC 5321, 4.5.3.1.3, less the angle brackets."""
USERNAME = re.compile(r"[A-Za-z0-9_-]{2,32}")
_LOCAL_PART = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f-\x9f]{1,64}")
_DOMAIN = re.compile(r"(?!-)[^\W_](?:[^\W_]|-){0,62}(?:\.(?!-)(?:[^\W_]|-){1,63})*")
RESERVED = frozenset(
    {
        *("admin", "administrator", "root", "system", "support", "security", "moderator", "dodeca"),
        *("anonymous", "deleted", "me", "api", "null", "undefined"),
    }
)
"""Names that would let somebody pose as the house, or that paths give another meaning."""


def line(text: str, field: str, *, longest: int = LONGEST_NAME) -> str:
    """One line of text without its outer spaces, in Unicode's composed form. Raises Invalid."""
    clean = unicodedata.normalize("NFC", text).strip()
    if not clean:
        raise Invalid("Fill this in.", field=field)
    if len(clean) > longest:
        raise Invalid(f"Use at most {longest} characters.", field=field)
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") or c in _DIRECTION for c in clean):
        raise Invalid("This has characters that cannot be used here.", field=field)
    return clean


_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the text around them: a name with one could disguise what stands beside it."""


def username(text: str, *, reserved_too: bool = False) -> str:
    """A user name as it may be. Raises Invalid. `reserved_too` is for the person who installs the platform."""
    if not USERNAME.fullmatch(text):
        raise Invalid("A username has 2 to 32 letters, digits, hyphens or underscores.", field="username")
    if text.lower() in RESERVED and not reserved_too:
        raise Invalid("This username is reserved. Choose another.", field="username")
    return text


def email(text: str) -> str:
    """A mail address as it may be. Raises Invalid."""
    clean = text.strip()
    local, _, domain = clean.rpartition("@")
    usable = (
        len(clean) <= LONGEST_EMAIL
        and _LOCAL_PART.fullmatch(local)
        and ".." not in clean
        and not local.startswith(".")
        and not local.endswith(".")
        and _DOMAIN.fullmatch(domain)
        and ("." in domain or domain.lower() == "localhost")
    )
    if not usable:
        raise Invalid("This is not a mail address.", field="email")
    return f"{local}@{domain.lower()}"


def email_key(address: str) -> str:
    """What two spellings of one address have in common. Mailboxes that tell case apart are not found in practice."""
    return unicodedata.normalize("NFC", address.strip()).lower()
