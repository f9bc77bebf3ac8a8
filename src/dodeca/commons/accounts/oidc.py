"""Signing in through OpenID Connect providers: discovery, authorization code with PKCE, verified ID tokens.

OpenID Connect Core 1.0 (3.1), Discovery 1.0, RFC 7636, RFC 9207. A provider is the admin's choice (`DODECA_OIDC`), so
its address may be private. What one browser must bring back (state, nonce, verifier) travels in a signed cookie.
"""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dodeca.commons.accounts.service.identities import Claims
from dodeca.commons.accounts.vault import Vault
from dodeca.kernel import clock, crypto
from dodeca.kernel.crypto import BadSignature, Expired
from dodeca.kernel.errors import Invalid, NotFound, Unauthenticated, Unavailable

log = structlog.get_logger(__name__)
TIMEOUT_SECONDS = 10.0
METADATA_SECONDS = 3600.0
KEYS_SECONDS = 300.0
MOST_BYTES = 500_000
SIGN_IN_SECONDS = 600
LEEWAY_SECONDS = 120
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a public key only: with HS256 whoever knows the client's secret could make tokens."""
SCOPES = "openid email profile"


class ProviderRefused(Unauthenticated):
    """The provider did not let the person in, or what it said cannot be verified."""


@dataclass(slots=True)
class Provider:
    """One entry of DODECA_OIDC: `name|issuer|client_id|client_secret`; `_` in the name is shown as a space."""

    name: str
    issuer: str
    client_id: str
    client_secret: str
    _metadata: dict[str, Any] = field(default_factory=dict)
    _metadata_until: float = 0.0
    _keys: KeySet | None = None
    _keys_at: float = -KEYS_SECONDS

    @property
    def title(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")

    async def metadata(self, client: httpx.AsyncClient) -> dict[str, Any]:
        """The discovery document, kept for an hour. Raises Unavailable, ProviderRefused for another's document."""
        if time.monotonic() < self._metadata_until:
            return self._metadata
        found = await _get_json(client, self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self.issuer:
            log.error("oidc.other_issuer", expected=self.issuer, found=found.get("issuer"))
            raise ProviderRefused(f"{self.title} is not set up rightly: its issuer is another.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if urlsplit(str(found.get(name, ""))).scheme not in ("https", "http"):
                raise ProviderRefused(f"{self.title} is not set up rightly: it names no {name}.")
        self._metadata, self._metadata_until = found, time.monotonic() + METADATA_SECONDS
        return found

    async def keys(self, client: httpx.AsyncClient, *, renew: bool = False) -> KeySet:
        """The provider's signing keys; fetched again when one is missing, at most every five minutes."""
        if self._keys is None or (renew and time.monotonic() - self._keys_at > KEYS_SECONDS):
            found = await _get_json(client, (await self.metadata(client))["jwks_uri"])
            try:
                self._keys = KeySet.import_key_set({"keys": found["keys"]})
            except (KeyError, TypeError, ValueError, JoseError) as error:
                raise ProviderRefused(f"{self.title} publishes no usable keys.") from error
            self._keys_at = time.monotonic()
        return self._keys


def providers(setting: str) -> dict[str, Provider]:
    """The providers of the setting, by name. Raises Invalid."""
    found = {}
    for entry in setting.split():
        parts = entry.split("|")
        if len(parts) != 4 or not all(parts[:3]) or not parts[0].replace("-", "").replace("_", "").isalnum():
            raise Invalid("Write DODECA_OIDC as name|issuer|client_id|client_secret.", field="DODECA_OIDC")
        name, issuer, client_id, client_secret = parts
        found[name] = Provider(name, issuer, client_id, client_secret)
    return found


class Journey(msgspec.Struct, array_like=True):
    """What the browser carries from the start to the callback. `link_to` is the account that shall be connected."""

    provider: str
    state: str
    nonce: str
    verifier: str
    next: str
    link_to: str | None = None


class OidcSignIn:
    """The providers of one platform."""

    def __init__(self, setting: str, vault: Vault) -> None:
        self.providers = providers(setting)
        self._vault = vault
        self._client: httpx.AsyncClient | None = None

    def provider(self, name: str) -> Provider:
        """One of the providers. Raises NotFound."""
        if name not in self.providers:
            raise NotFound("There is no such sign-in provider.")
        return self.providers[name]

    async def start(
        self, name: str, redirect_uri: str, *, next_path: str, link_to: str | None = None
    ) -> tuple[str, str]:
        """Where to send the browser, and the cookie it takes along. Raises NotFound, Unavailable."""
        provider = self.provider(name)
        metadata = await provider.metadata(self.client)
        journey = Journey(
            provider=name,
            state=crypto.random_token(24),
            nonce=crypto.random_token(24),
            verifier=crypto.random_token(48),
            next=next_path,
            link_to=link_to,
        )
        challenge = urlsafe_b64encode(hashlib.sha256(journey.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPES,
            "state": journey.state,
            "nonce": journey.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(metadata["authorization_endpoint"])
        separator = "&" if urlsplit(endpoint).query else "?"
        cookie = self._vault.tickets.sign(["oidc", *msgspec.to_builtins(journey)], seconds=SIGN_IN_SECONDS)
        return f"{endpoint}{separator}{urlencode(query)}", cookie

    def journey(self, cookie: str, name: str, state: str) -> Journey:
        """What the browser took along, if it is the one that started. Raises ProviderRefused."""
        try:
            kind, *rest = self._vault.tickets.read(cookie)
            journey = msgspec.convert(rest, Journey)
        except (BadSignature, Expired, ValueError, TypeError, msgspec.ValidationError) as error:
            raise ProviderRefused("The sign-in took too long, or began in another browser. Try again.") from error
        if kind != "oidc" or journey.provider != name or not crypto.equal(journey.state, state):
            raise ProviderRefused("The sign-in began in another browser window. Try again.")
        return journey

    async def claims(self, journey: Journey, code: str, redirect_uri: str, issuer: str | None = None) -> Claims:
        """Trade the code for the person's verified claims. Raises ProviderRefused, Unavailable."""
        provider = self.provider(journey.provider)
        metadata = await provider.metadata(self.client)
        if issuer is not None and issuer != provider.issuer:  # RFC 9207: the answer comes from another provider
            raise ProviderRefused("The answer comes from another provider. Try again.")
        tokens = await self._tokens(provider, metadata, journey, code, redirect_uri)
        if not isinstance(tokens.get("id_token"), str):
            raise ProviderRefused(f"{provider.title} gave no identity.")
        claims = await self._verified(provider, tokens["id_token"], journey.nonce)
        if "email" not in claims and metadata.get("userinfo_endpoint") and tokens.get("access_token"):
            more = await self._user_info(metadata, str(tokens["access_token"]))
            if more.get("sub") == claims["sub"]:  # Core 5.3.2: otherwise it is about somebody else
                claims = {**more, **claims}
        return _claims(provider, claims)

    async def _tokens(
        self, provider: Provider, metadata: dict[str, Any], journey: Journey, code: str, redirect_uri: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": journey.verifier,
        }
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        basic: httpx.BasicAuth | None = None
        if provider.client_secret and "client_secret_basic" in methods:
            basic = httpx.BasicAuth(provider.client_id, provider.client_secret)
        else:
            form |= {"client_id": provider.client_id}
            form |= {"client_secret": provider.client_secret} if provider.client_secret else {}
        try:
            answer = await self.client.post(
                metadata["token_endpoint"], data=form, auth=basic or httpx.USE_CLIENT_DEFAULT
            )
        except httpx.HTTPError as error:
            raise _unreachable(provider.title) from error
        if answer.status_code != 200:
            log.warning("oidc.code_refused", provider=provider.name, status=answer.status_code)
            raise ProviderRefused(f"{provider.title} did not accept the sign-in. Try again.")
        return _object(answer.content)

    async def _verified(self, provider: Provider, id_token: str, nonce: str) -> dict[str, Any]:
        keys = await provider.keys(self.client)
        try:
            try:
                token = jwt.decode(id_token, keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError):  # perhaps the provider changed its keys
                token = jwt.decode(id_token, await provider.keys(self.client, renew=True), algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderRefused(f"What {provider.title} says cannot be verified.") from error
        claims = dict(token.claims)
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now = clock.timestamp()
        right = (
            claims.get("iss") == provider.issuer
            and provider.client_id in audiences
            and (len(audiences) == 1 or claims.get("azp") == provider.client_id)
            and claims.get("nonce") == nonce
            and isinstance(claims.get("sub"), str)
            and 0 < len(claims["sub"]) <= 255
            and isinstance(claims.get("exp"), (int, float))
            and claims["exp"] > now - LEEWAY_SECONDS
            and isinstance(claims.get("iat"), (int, float))
            and claims["iat"] < now + LEEWAY_SECONDS
        )
        if not right:
            log.warning("oidc.claims_refused", provider=provider.name)
            raise ProviderRefused(f"What {provider.title} says is not meant for this sign-in.")
        return claims

    async def _user_info(self, metadata: dict[str, Any], access_token: str) -> dict[str, Any]:
        try:
            answer = await self.client.get(
                metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {access_token}"}
            )
        except httpx.HTTPError as error:
            log.warning("oidc.no_user_info", error=str(error))
            return {}
        return _object(answer.content) if answer.status_code == 200 else {}

    @property
    def client(self) -> httpx.AsyncClient:
        """The HTTP client, made on first use. No redirects: a provider's endpoints are where it says."""
        if self._client is None or self._client.is_closed:
            self._client = httpx.AsyncClient(
                timeout=TIMEOUT_SECONDS, follow_redirects=False, headers={"Accept": "application/json"}
            )
        return self._client


async def _get_json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    try:
        answer = await client.get(url)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise _unreachable(urlsplit(url).hostname or "The provider") from error
    return _object(answer.content)


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > MOST_BYTES:
        raise ProviderRefused("The provider's answer is too large.")
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ProviderRefused("The provider's answer cannot be read.") from error


def _unreachable(who: str) -> Unavailable:
    return Unavailable(f"{who} cannot be reached right now. Try again, or sign in another way.")


def _claims(provider: Provider, claims: dict[str, Any]) -> Claims:
    def word(name: str) -> str | None:
        value = claims.get(name)
        return value[:254] if isinstance(value, str) and value.strip() else None

    return Claims(
        provider=provider.name,
        issuer=provider.issuer,
        subject=claims["sub"],
        email=word("email"),
        email_verified=claims.get("email_verified") in (True, "true"),
        name=word("name"),
        preferred_username=word("preferred_username"),
    )
