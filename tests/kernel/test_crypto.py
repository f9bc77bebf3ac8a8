"""Crypto: what was made here opens here, only here, only for its purpose, and only in time."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.crypto import (
    BadSignature,
    BearerTokens,
    Box,
    Expired,
    Keyring,
    Passwords,
    SignedUrls,
    Signer,
    TokenDigests,
    Unreadable,
    equal,
    random_token,
)
from dodeca.kernel.errors import Invalid, Unauthenticated, Unavailable

OLD = "the secret of last year, long enough"
NEW = "the secret of this year, long enough"


class Watch:
    """A clock that a test moves."""

    def __init__(self, at: float = 1_900_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(NEW)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(passes=1, memory_kib=64)


# Keys


def test_each_purpose_has_its_own_stable_key(keyring: Keyring) -> None:
    assert keyring.key("mail") == Keyring(NEW).key("mail")
    assert keyring.key("mail") != keyring.key("media")
    assert keyring.key("mail") != Keyring(OLD).key("mail")
    assert len(keyring.key("mail", 64)) == 64


def test_keys_follow_rfc_5869() -> None:
    # HKDF written out for one block: extract with a zero salt, expand with info and counter 1.
    pseudo_random = hmac.digest(bytes(32), NEW.encode(), "sha256")

    assert Keyring(NEW).key("mail") == hmac.digest(pseudo_random, b"dodeca:mail\x01", "sha256")


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Keyring("short")


def test_equal_compares_text_and_bytes() -> None:
    assert equal("zürich", "zürich".encode())
    assert not equal("a", "b")
    assert not equal("a", "aa")


def test_random_tokens_differ_and_fit_into_urls() -> None:
    tokens = {random_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(token) == 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)


def test_a_token_is_found_under_an_earlier_key() -> None:
    stored = TokenDigests(Keyring(OLD), "sessions").digest("token")

    rotated = TokenDigests(Keyring(NEW, [OLD]), "sessions")

    assert rotated.digest("token") != stored
    assert stored in rotated.candidates("token")
    assert stored not in TokenDigests(Keyring(NEW, [OLD]), "keys").candidates("token")


# Passwords


def test_only_the_right_password_verifies(passwords: Passwords) -> None:
    stored = passwords.hash("correct horse")

    assert stored.startswith("$argon2id$")
    assert "correct horse" not in stored
    assert passwords.verify(stored, "correct horse")
    assert not passwords.verify(stored, "Correct horse")


def test_a_password_typed_in_another_unicode_form_is_the_same(passwords: Passwords) -> None:
    stored = passwords.hash("Zu\u0308rich\u2460")

    assert passwords.verify(stored, "Z\u00fcrich1")


@pytest.mark.parametrize("stored", [None, "", "$argon2id$broken", "plain"])
def test_nothing_verifies_against_a_missing_or_broken_hash(passwords: Passwords, stored: str | None) -> None:
    assert not passwords.verify(stored, "anything")


def test_an_absent_account_costs_the_same_work(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = passwords._hasher.verify

    def verify(_: object, stored: str, password: bytes) -> bool:
        asked.append(stored)
        return original(stored, password)

    monkeypatch.setattr(type(passwords._hasher), "verify", verify)

    passwords.verify(None, "anything")

    assert asked[0].startswith("$argon2id$")


def test_a_huge_password_is_refused_when_set_and_wrong_when_tried(passwords: Passwords) -> None:
    with pytest.raises(Invalid) as caught:
        passwords.hash("x" * 1025)

    assert caught.value.field == "password"
    assert not passwords.verify(passwords.hash("x"), "x" * 1025)


def test_a_hash_of_other_strength_needs_a_new_one(passwords: Passwords) -> None:
    weak = Passwords(passes=2, memory_kib=64).hash("pass")

    assert passwords.verify(weak, "pass")
    assert passwords.needs_rehash(weak)
    assert not passwords.needs_rehash(passwords.hash("pass"))
    assert passwords.needs_rehash("not a hash")


async def _flood(passwords: Passwords, attempts: int) -> list[bool | BaseException]:
    tries = (passwords.verify_async(None, "guess") for _ in range(attempts))
    return await asyncio.gather(*tries, return_exceptions=True)


def test_a_flood_of_attempts_is_turned_away_and_then_over() -> None:
    narrow = Passwords(passes=1, memory_kib=64, threads=1, max_waiting=3)
    stored = narrow.hash("right")

    answers = asyncio.run(_flood(narrow, 50))

    refused = [a for a in answers if isinstance(a, Unavailable)]
    assert 0 < len(refused) <= 46
    assert answers.count(False) == 50 - len(refused)
    assert asyncio.run(narrow.verify_async(stored, "right"))
    assert asyncio.run(narrow.hash_async("right")) != stored


def test_after_closing_hashing_is_unavailable() -> None:
    closed = Passwords(passes=1, memory_kib=64)
    closed.close()

    with pytest.raises(Unavailable):
        asyncio.run(closed.hash_async("x"))


# Encryption


@given(plain=st.binary(max_size=200), context=st.text(max_size=20))
def test_what_is_sealed_opens(plain: bytes, context: str) -> None:
    box = Box(Keyring(NEW), "hooks")

    sealed = box.seal(plain, context)

    assert box.open(sealed, context) == plain
    assert len(sealed) == len(plain) + 33


def test_the_same_text_never_looks_the_same(keyring: Keyring) -> None:
    box = Box(keyring, "hooks")

    assert box.seal_text("secret", "row 1") != box.seal_text("secret", "row 1")


def test_a_sealed_value_opens_only_where_it_belongs(keyring: Keyring) -> None:
    sealed = Box(keyring, "hooks").seal(b"secret", "row 1")

    with pytest.raises(Unreadable):
        Box(keyring, "hooks").open(sealed, "row 2")
    with pytest.raises(Unreadable):
        Box(keyring, "keys").open(sealed, "row 1")
    with pytest.raises(Unreadable):
        Box(Keyring(OLD), "hooks").open(sealed, "row 1")


def test_every_changed_byte_is_noticed(keyring: Keyring) -> None:
    box = Box(keyring, "hooks")
    sealed = box.seal(b"secret", "row")

    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(Unreadable):
            box.open(bytes(changed), "row")


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x01abcd", b"x" * 200])
def test_junk_does_not_open(keyring: Keyring, junk: bytes) -> None:
    with pytest.raises(Unreadable):
        Box(keyring, "hooks").open(junk, "row")


@pytest.mark.parametrize("junk", ["", "***", "Zü", "AAAA"])
def test_junk_text_does_not_open(keyring: Keyring, junk: str) -> None:
    with pytest.raises(Unreadable):
        Box(keyring, "hooks").open_text(junk, "row")


def test_a_value_from_before_the_rotation_opens_and_asks_to_be_resealed() -> None:
    sealed = Box(Keyring(OLD), "hooks").seal(b"secret", "row")

    box = Box(Keyring(NEW, [OLD]), "hooks")

    assert box.open(sealed, "row") == b"secret"
    assert not box.is_current(sealed)
    assert box.is_current(box.seal(b"secret", "row"))


# Signatures


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_a_signed_value_comes_back(value: object) -> None:
    signer = Signer(Keyring(NEW), "flash")

    assert signer.read(signer.sign(value)) == value


def test_a_signed_value_expires(keyring: Keyring, watch: Watch) -> None:
    signer = Signer(keyring, "flash", now=watch)
    text = signer.sign({"list": 7}, seconds=60)

    watch.at += 59
    assert signer.read(text) == {"list": 7}
    watch.at += 1
    with pytest.raises(Expired):
        signer.read(text)


def test_a_signature_is_bound_to_purpose_and_secret(keyring: Keyring) -> None:
    text = Signer(keyring, "flash").sign("hello")

    with pytest.raises(BadSignature):
        Signer(keyring, "unsubscribe").read(text)
    with pytest.raises(BadSignature):
        Signer(Keyring(OLD), "flash").read(text)


@pytest.mark.parametrize("junk", ["", ".", "a.b", "ü.ü", "W251bGwsMV0.", "x" * 10_000])
def test_an_unsigned_text_is_refused(keyring: Keyring, junk: str) -> None:
    with pytest.raises(BadSignature):
        Signer(keyring, "flash").read(junk)


def test_a_signature_survives_rotation() -> None:
    text = Signer(Keyring(OLD), "unsubscribe").sign("ada@example.org")

    assert Signer(Keyring(NEW, [OLD]), "unsubscribe").read(text) == "ada@example.org"
    with pytest.raises(BadSignature):
        Signer(Keyring(OLD), "unsubscribe").read(Signer(Keyring(NEW, [OLD]), "unsubscribe").sign("x"))


# Signed URLs


def test_a_signed_url_is_good_for_its_path_and_query_until_it_expires(keyring: Keyring, watch: Watch) -> None:
    urls = SignedUrls(keyring, "media", now=watch)
    path, _, query = urls.sign("/media/abc?size=big", seconds=100).partition("?")

    urls.check(path, query)
    for other_path, other_query in [
        ("/media/abd", query),
        (path, query.replace("big", "huge")),
        (path, query.replace("expires=1", "expires=2")),
        (path, query + "&size=more"),
        (path, query + "&expires=1999999999"),
        (path, "size=big"),
        (path, ""),
        (path, "expires=²&signature=x"),
    ]:
        with pytest.raises(BadSignature):
            urls.check(other_path, other_query)
    watch.at += 701
    with pytest.raises(Expired):
        urls.check(path, query)


def test_urls_signed_shortly_after_one_another_are_the_same(keyring: Keyring, watch: Watch) -> None:
    urls = SignedUrls(keyring, "media", now=watch)
    watch.at = 1_900_000_201.0

    first = urls.sign("https://cdn.example.org/media/abc", seconds=3600)
    watch.at += 300

    assert urls.sign("https://cdn.example.org/media/abc", seconds=3600) == first
    assert "expires=1900004400" in first


# Bearer tokens


@pytest.fixture
def tokens(keyring: Keyring, watch: Watch) -> BearerTokens:
    return BearerTokens(keyring, issuer="https://example.org", audience="api", now=watch)


def test_a_token_says_who_it_is_for(tokens: BearerTokens, watch: Watch) -> None:
    token = tokens.issue("account-7", seconds=60, claims={"scopes": ["news"]})

    said = tokens.verify(token)

    assert (said.subject, said.issued_at, said.expires_at) == ("account-7", 1_900_000_000, 1_900_000_060)
    assert said.claims == {"scopes": ["news"]}
    assert said.token_id
    assert tokens.verify(token) == said
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


def test_a_remembered_token_still_expires(tokens: BearerTokens, watch: Watch) -> None:
    token = tokens.issue("account-7", seconds=60)
    tokens.verify(token)

    watch.at += 60

    with pytest.raises(Unauthenticated, match="expired"):
        tokens.verify(token)


def test_tokens_of_another_issuer_audience_or_secret_are_refused(tokens: BearerTokens) -> None:
    strangers = [
        BearerTokens(Keyring(NEW), issuer="https://example.com", audience="api"),
        BearerTokens(Keyring(NEW), issuer="https://example.org", audience="sfu"),
        BearerTokens(Keyring(OLD), issuer="https://example.org", audience="api"),
    ]

    for stranger in strangers:
        with pytest.raises(Unauthenticated):
            tokens.verify(stranger.issue("account-7", seconds=60))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "ü",
        "\ud800",
        "x" * 5000,
        f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part({'sub': 'account-7', 'exp': 2_000_000_000})}.",
        f"{_part({'alg': 'HS512', 'typ': 'JWT'})}.{_part({'sub': 'account-7'})}.AAAA",
        f"{_part([])}.{_part([])}.AAAA",
    ],
)
def test_a_forged_or_broken_token_is_refused(tokens: BearerTokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


@pytest.mark.parametrize("missing", ["sub", "jti", "exp", "iat"])
def test_a_genuine_token_without_a_needed_claim_is_refused(
    tokens: BearerTokens, keyring: Keyring, missing: str
) -> None:
    claims = {
        "iss": "https://example.org",
        "aud": "api",
        "sub": "a",
        "jti": "1",
        "iat": 1,
        "exp": 2_000_000_000,
    }
    del claims[missing]

    with pytest.raises(Unauthenticated):
        tokens.verify(jwt.encode(claims, keyring.key("jwt:api"), algorithm="HS256"))


def test_a_token_from_before_the_rotation_is_accepted(watch: Watch) -> None:
    def installation(keyring: Keyring) -> BearerTokens:
        return BearerTokens(keyring, issuer="i", audience="api", now=watch)

    token = installation(Keyring(OLD)).issue("account-7", seconds=60)

    assert installation(Keyring(NEW, [OLD])).verify(token).subject == "account-7"


def test_the_memory_of_verified_tokens_is_bounded(keyring: Keyring) -> None:
    tokens = BearerTokens(keyring, issuer="i", audience="api", remember=10)

    for number in range(50):
        assert tokens.verify(tokens.issue(f"account-{number}", seconds=60)).subject == f"account-{number}"

    assert len(tokens._verified) == 10


def test_a_changed_token_is_refused_even_when_the_genuine_one_is_remembered(tokens: BearerTokens) -> None:
    token = tokens.issue("account-7", seconds=60)
    tokens.verify(token)
    head, payload, signature = token.split(".")
    swapped = "A" if signature[5] != "A" else "B"
    forged = f"{head}.{payload}.{signature[:5]}{swapped}{signature[6:]}"

    with pytest.raises(Unauthenticated):
        tokens.verify(forged)


def test_registered_claims_cannot_be_smuggled_in(tokens: BearerTokens) -> None:
    with pytest.raises(ValueError, match="sub"):
        tokens.issue("account-7", seconds=60, claims={"sub": "account-1"})


def test_token_digest_is_hmac_sha256(keyring: Keyring) -> None:
    expected = hmac.new(keyring.key("digest:keys"), b"token", hashlib.sha256).digest()

    assert TokenDigests(keyring, "keys").digest("token") == expected
