"""Secrets: passwords, random tokens, encryption of small values, signatures that expire, bearer tokens.

Every key comes from the one `secret_key` of the installation by HKDF-SHA256 (RFC 5869) with the purpose as
`info`, so no two purposes ever share a key. To rotate, put the new secret first and keep the old ones in
`previous`: what was made under them still opens, new things are made under the first only.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import secrets
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import jwt
import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import BadData, URLSafeSerializer

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid, Unauthenticated, Unavailable

P = ParamSpec("P")
R = TypeVar("R")

MIN_SECRET_BYTES: Final = 16
MAX_PASSWORD_CHARACTERS: Final = 1024


class Keyring:
    """All keys of the installation, derived from its secret and, for opening only, from earlier secrets."""

    def __init__(self, secret: str | bytes, previous: Sequence[str | bytes] = ()) -> None:
        """Raises ValueError for a secret of less than 16 bytes."""
        self._secrets = [s.encode() if isinstance(s, str) else bytes(s) for s in (secret, *previous)]
        if any(len(s) < MIN_SECRET_BYTES for s in self._secrets):
            raise ValueError(f"The secret key needs at least {MIN_SECRET_BYTES} bytes.")
        self._keys: dict[tuple[str, int], tuple[bytes, ...]] = {}

    def key(self, purpose: str, length: int = 32) -> bytes:
        """The present key of `length` bytes for a purpose such as "payments.webhook"."""
        return self.keys(purpose, length)[0]

    def keys(self, purpose: str, length: int = 32) -> tuple[bytes, ...]:
        """The present key and those of earlier secrets, newest first."""
        found = self._keys.get((purpose, length))
        if found is None:
            info = b"dodeca:" + purpose.encode()
            found = tuple(HKDF(SHA256(), length, salt=None, info=info).derive(s) for s in self._secrets)
            self._keys[purpose, length] = found
        return found


def equal(a: str | bytes, b: str | bytes) -> bool:
    """Compare in a time that does not tell where the two differ."""
    first = a.encode() if isinstance(a, str) else a
    second = b.encode() if isinstance(b, str) else b
    return hmac.compare_digest(first, second)


def random_token(size: int = 32) -> str:
    """An unguessable URL-safe text made of `size` random bytes (32 give 43 characters)."""
    return secrets.token_urlsafe(size)


class TokenDigests:
    """Keyed hashes (HMAC-SHA256) under which random tokens are stored: a leaked table opens nothing.

    Only for tokens that are random by themselves; passwords go through `Passwords`.
    """

    def __init__(self, keyring: Keyring, purpose: str) -> None:
        self._keys = keyring.keys(f"digest:{purpose}")

    def digest(self, token: str) -> bytes:
        """The 32 bytes to store."""
        return hmac.digest(self._keys[0], token.encode(), "sha256")

    def candidates(self, token: str) -> list[bytes]:
        """All digests the token may be stored under, newest key first: look up with IN."""
        return [hmac.digest(key, token.encode(), "sha256") for key in self._keys]


@cache
def _hash_of_nothing(passes: int, memory_kib: int, lanes: int) -> str:
    """What the password of an account that is not there is compared with; one a process, as it takes a while."""
    hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
    return hasher.hash(secrets.token_bytes(16))


class Passwords:
    """Password hashes with argon2id (RFC 9106) at OWASP's first recommendation: 19 MiB, 2 passes, 1 lane.

    Hashing takes tens of milliseconds by design. From the event loop use `hash_async` and `verify_async`:
    they bound how many run and wait at once, so that a flood of sign-in attempts can cost neither memory nor
    the loop. Passwords are compared after Unicode normalisation NFKC (NIST SP 800-63B, 3.1.1.2).
    """

    def __init__(
        self,
        *,
        passes: int = 2,
        memory_kib: int = 19_456,
        lanes: int = 1,
        threads: int | None = None,
        max_waiting: int = 256,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._absent = _hash_of_nothing(passes, memory_kib, lanes)
        threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(threads + max_waiting)

    def hash(self, password: str) -> str:
        """The PHC string to store. Raises Invalid for a password of more than 1024 characters."""
        return self._hasher.hash(_prepared(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one.

        With `stored=None` (no such account) the work is done all the same and the answer is False, so that
        the time taken does not tell which accounts exist.
        """
        try:
            right = self._hasher.verify(stored or self._absent, _prepared(password))
        except (VerifyMismatchError, VerificationError, InvalidHashError, Invalid):
            return False
        return right and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's. Ask after a right password."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    async def hash_async(self, password: str) -> str:
        """As `hash`, in the hashing threads. Raises Unavailable when too many are waiting."""
        return await self._in_pool(self.hash, password)

    async def verify_async(self, stored: str | None, password: str) -> bool:
        """As `verify`, in the hashing threads. Raises Unavailable when too many are waiting."""
        return await self._in_pool(self.verify, stored, password)

    def close(self) -> None:
        """Stop the hashing threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_pool(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if not self._places.acquire(blocking=False):
            raise Unavailable("Too many people are signing in at once. Try again shortly.")
        try:
            work = self._pool.submit(function, *args, **kwargs)
        except RuntimeError as error:
            self._places.release()
            raise Unavailable("The server is stopping.") from error
        # Released when the work ends, not when the caller goes away: a cancelled request still hashes.
        work.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(work)


def _prepared(password: str) -> bytes:
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise Invalid(f"A password has at most {MAX_PASSWORD_CHARACTERS:,} characters.", field="password")
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


class Unreadable(Invalid):
    """An encrypted value was tampered with, belongs elsewhere, or its key is gone."""


class Box:
    """Authenticated encryption (AES-256-GCM) of small secrets that must be read back: a webhook's secret.

    `context` says where the value belongs ("payments.key:42"): it is authenticated, so a ciphertext that is
    copied into another row does not open there.
    """

    _VERSION: Final = b"\x01"
    _ID: Final = 4
    _NONCE: Final = 12

    def __init__(self, keyring: Keyring, purpose: str) -> None:
        keys = keyring.keys(f"box:{purpose}")
        self._ciphers = {hashlib.sha256(b"key id:" + key).digest()[: self._ID]: AESGCM(key) for key in keys}
        self._newest = next(iter(self._ciphers))

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt: version, key id, nonce, then ciphertext with its tag: 33 bytes more than `plain`."""
        nonce = os.urandom(self._NONCE)
        head = self._VERSION + self._newest
        return head + nonce + self._ciphers[self._newest].encrypt(nonce, plain, head + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt. Raises Unreadable."""
        head = sealed[: 1 + self._ID]
        nonce = sealed[1 + self._ID : 1 + self._ID + self._NONCE]
        cipher = self._ciphers.get(head[1:])
        if head[:1] != self._VERSION or cipher is None or len(nonce) != self._NONCE:
            raise Unreadable("This secret cannot be opened with the installation's key.")
        try:
            body = sealed[1 + self._ID + self._NONCE :]
            return cipher.decrypt(nonce, body, head + context.encode())
        except InvalidTag as error:
            raise Unreadable("This secret was changed or belongs elsewhere.") from error

    def seal_text(self, plain: str, context: str) -> str:
        """Encrypt text to URL-safe base64."""
        return base64.urlsafe_b64encode(self.seal(plain.encode(), context)).decode()

    def open_text(self, sealed: str, context: str) -> str:
        """Decrypt what `seal_text` made. Raises Unreadable."""
        try:
            raw = base64.urlsafe_b64decode(sealed.encode())
        except ValueError as error:
            raise Unreadable("This secret is not readable.") from error
        return self.open(raw, context).decode()

    def is_current(self, sealed: bytes) -> bool:
        """Whether the value is under the present key; otherwise seal it again."""
        return sealed[: 1 + self._ID] == self._VERSION + self._newest


class BadSignature(Invalid):
    """A signed value was changed, or was made for another purpose."""


class Expired(Invalid):
    """A signed value is genuine and its time is over."""


class Signer:
    """Values that leave the server, come back, and must be the same: flash cookies, unsubscribe links.

    The value is readable by whoever holds it; only its origin is protected. Purposes are kept apart.
    """

    def __init__(self, keyring: Keyring, purpose: str, *, now: Callable[[], float] = clock.timestamp) -> None:
        # itsdangerous wants the newest key last.
        self._serializer = URLSafeSerializer(
            list(reversed(keyring.keys(f"sign:{purpose}"))),
            salt=purpose,
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._now = now

    def sign(self, value: object, *, seconds: float | None = None) -> str:
        """A URL-safe text that carries `value` (JSON types), good for `seconds`, or for ever."""
        until = None if seconds is None else int(self._now() + seconds)
        return self._serializer.dumps([until, value])

    def read(self, text: str) -> Any:
        """The value. Raises BadSignature or Expired."""
        try:
            until, value = self._serializer.loads(text)
        except (BadData, ValueError, TypeError) as error:
            raise BadSignature("This link is not valid.") from error
        if until is not None and self._now() >= until:
            raise Expired("This link has expired.")
        return value


class SignedUrls:
    """URLs that grant a GET of one private path until a time: `/media/ab…?expires=1893456000&signature=…`.

    Expiry is rounded up to a multiple of `rounding` seconds, so a page that is loaded twice names the same
    URL and the browser's cache works.
    """

    def __init__(
        self,
        keyring: Keyring,
        purpose: str,
        *,
        rounding: int = 600,
        now: Callable[[], float] = clock.timestamp,
    ) -> None:
        self._keys = keyring.keys(f"url:{purpose}")
        self._rounding = rounding
        self._now = now

    def sign(self, url: str, *, seconds: float) -> str:
        """The URL (path or absolute) with `expires` and `signature` added. Its query is signed too."""
        until = -int(-(self._now() + seconds) // self._rounding) * self._rounding
        parts = urlsplit(url)
        query = [*parse_qsl(parts.query, keep_blank_values=True), ("expires", str(until))]
        signature = self._signature(self._keys[0], parts.path, query)
        return urlunsplit(parts._replace(query=urlencode([*query, ("signature", signature)])))

    def check(self, path: str, query: str) -> None:
        """Accept path and query as they stand in the URL. Raises BadSignature or Expired."""
        pairs = parse_qsl(query, keep_blank_values=True)
        given = [value for name, value in pairs if name == "signature"]
        signed = [(name, value) for name, value in pairs if name != "signature"]
        expires = [value for name, value in signed if name == "expires"]
        if len(given) != 1 or len(expires) != 1 or not expires[0].isascii() or not expires[0].isdigit():
            raise BadSignature("This link is not valid.")
        if not any(equal(self._signature(key, path, signed), given[0]) for key in self._keys):
            raise BadSignature("This link is not valid.")
        if self._now() >= int(expires[0]):
            raise Expired("This link has expired.")

    @staticmethod
    def _signature(key: bytes, path: str, query: Sequence[tuple[str, str]]) -> str:
        message = msgspec.json.encode([path, query])
        return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")[:24]).decode()


class BearerToken(msgspec.Struct, frozen=True):
    """What a verified bearer token says. Times are seconds since the Unix epoch; `claims` holds the rest."""

    subject: str
    token_id: str
    issued_at: int
    expires_at: int
    claims: Mapping[str, Any]


class BearerTokens:
    """Issue and verify JSON Web Tokens (RFC 7519, HS256) that this installation hands out and alone accepts.

    A verified token is remembered by its digest until it expires, so that the next request with it costs a
    hash and a dictionary look-up. Revocation is the caller's: look the `token_id` up.
    """

    _REGISTERED: Final = frozenset({"iss", "aud", "sub", "jti", "iat", "exp"})

    def __init__(
        self,
        keyring: Keyring,
        *,
        issuer: str,
        audience: str,
        remember: int = 20_000,
        max_length: int = 4096,
        now: Callable[[], float] = clock.timestamp,
    ) -> None:
        self._keys = keyring.keys(f"jwt:{audience}")
        self._issuer = issuer
        self._audience = audience
        self._remember = remember
        self._max_length = max_length
        self._now = now
        self._verified: dict[bytes, BearerToken] = {}
        self._lock = threading.Lock()

    def issue(
        self,
        subject: str,
        *,
        seconds: float,
        token_id: str | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """A token for `subject`, good for `seconds`. `claims` may not name registered ones."""
        if claims and (taken := self._REGISTERED & claims.keys()):
            raise ValueError(f"Registered claims cannot be set: {sorted(taken)}")
        issued = int(self._now())
        payload = {
            **(claims or {}),
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "jti": token_id or random_token(12),
            "iat": issued,
            "exp": issued + int(seconds),
        }
        return jwt.encode(payload, self._keys[0], algorithm="HS256")

    def verify(self, token: str) -> BearerToken:
        """What the token says. Raises Unauthenticated."""
        if len(token) > self._max_length or not token.isascii():
            raise Unauthenticated("This token is not valid.")
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is None:
            known = self._verified_now(token)
            self._keep(digest, known)
        if self._now() >= known.expires_at:
            self._verified.pop(digest, None)
            raise Unauthenticated("This token has expired. Sign in again.")
        return known

    def _verified_now(self, token: str) -> BearerToken:
        error: jwt.PyJWTError | None = None
        for key in self._keys:
            try:
                payload = jwt.decode(
                    token,
                    key,
                    algorithms=["HS256"],
                    audience=self._audience,
                    issuer=self._issuer,
                    # Times are checked against the platform's clock, which tests can move, not the system's.
                    options={
                        "require": ["sub", "jti", "iat", "exp"],
                        "verify_exp": False,
                        "verify_iat": False,
                    },
                )
                break
            except jwt.InvalidSignatureError as wrong_key:
                error = wrong_key
            except jwt.PyJWTError as invalid:
                raise Unauthenticated("This token is not valid.") from invalid
        else:
            raise Unauthenticated("This token is not valid.") from error
        try:
            return BearerToken(
                subject=payload["sub"],
                token_id=payload["jti"],
                issued_at=int(payload["iat"]),
                expires_at=int(payload["exp"]),
                claims={name: value for name, value in payload.items() if name not in self._REGISTERED},
            )
        except (TypeError, ValueError) as malformed:
            raise Unauthenticated("This token is not valid.") from malformed

    def _keep(self, digest: bytes, token: BearerToken) -> None:
        with self._lock:
            while len(self._verified) >= self._remember:
                del self._verified[next(iter(self._verified))]
            self._verified[digest] = token
