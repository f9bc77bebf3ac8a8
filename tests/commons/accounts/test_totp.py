"""The authenticator app and its recovery codes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from tests.support.platform import PASSWORD, Client, Factory

from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service import totp
from dodeca.commons.accounts.service.totp import WrongCode
from dodeca.commons.accounts.vault import Vault, vault_of
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict
from dodeca.kernel.platform import Platform

API = "/api/accounts"


def code_of(secret: str, *, ahead: float = 0) -> str:
    return pyotp.TOTP(secret).at(int(clock.timestamp() + ahead))


def turned_on(session: WriteSession, account: Account, vault: Vault) -> tuple[str, list[str]]:
    secret = totp.begin(session, account, vault, "Dodeca").secret
    return secret, totp.confirm(session, account, code_of(secret), vault)


def test_signing_in_asks_for_a_code_once_the_app_is_on(client: Client, make: Factory) -> None:
    member = client.with_token(make.token(make.account("alice", password=PASSWORD)))
    secret = member.post(f"{API}/totp").json()["secret"]
    login = {"username": "alice", "password": PASSWORD}
    assert client.post(f"{API}/login", json=login).status_code == 200

    confirmed = member.post(f"{API}/totp/confirm", json={"code": code_of(secret)})

    assert confirmed.status_code == 200
    assert len(confirmed.json()["recovery_codes"]) == 10
    missing = client.post(f"{API}/login", json=login)
    assert missing.status_code == 401
    assert missing.json()["otp_required"] is True
    assert missing.json()["field"] == "otp"
    clock.advance(60)
    assert client.post(f"{API}/login", json={**login, "otp": code_of(secret)}).status_code == 200
    assert member.get(f"{API}/totp").json() == {"on": True, "recovery_codes_left": 10}


def test_a_missing_code_does_not_tell_a_wrong_password(client: Client, make: Factory) -> None:
    account = make.account("alice", password=PASSWORD)
    member = client.with_token(make.token(account))
    secret = member.post(f"{API}/totp").json()["secret"]
    member.post(f"{API}/totp/confirm", json={"code": code_of(secret)})

    answer = client.post(f"{API}/login", json={"username": "alice", "password": "wrong password"})

    assert "otp_required" not in answer.json()


def test_a_code_works_once(session: WriteSession, platform: Platform, make: Factory) -> None:
    account, vault = make.account(), vault_of(platform)
    secret, _ = turned_on(session, account, vault)
    clock.advance(60)
    code = code_of(secret)
    totp.use_code(session, account, code, vault)

    with pytest.raises(WrongCode):
        totp.use_code(session, account, code, vault)


def test_an_earlier_code_does_not_work_after_a_later_one(
    session: WriteSession, platform: Platform, make: Factory
) -> None:
    account, vault = make.account(), vault_of(platform)
    secret, _ = turned_on(session, account, vault)
    clock.advance(90)
    totp.use_code(session, account, code_of(secret, ahead=30), vault)

    with pytest.raises(WrongCode):
        totp.use_code(session, account, code_of(secret), vault)


@pytest.mark.parametrize(("ahead", "works"), [(-30, True), (0, True), (30, True), (-90, False), (90, False)])
def test_clocks_may_differ_by_half_a_minute(
    session: WriteSession, platform: Platform, make: Factory, ahead: float, works: bool
) -> None:
    account, vault = make.account(), vault_of(platform)
    secret, _ = turned_on(session, account, vault)
    clock.advance(300)

    if works:
        totp.use_code(session, account, code_of(secret, ahead=ahead), vault)
    else:
        with pytest.raises(WrongCode):
            totp.use_code(session, account, code_of(secret, ahead=ahead), vault)


def test_two_requests_with_one_code_do_not_both_pass(platform: Platform, make: Factory) -> None:
    account, vault = make.account(), vault_of(platform)
    secret, codes = platform.db.write(lambda s: turned_on(s, s.get_one(Account, account.id), vault))
    clock.advance(60)
    code = code_of(secret)

    def use(given: str) -> bool:
        try:
            platform.db.write(lambda s: totp.use_code(s, s.get_one(Account, account.id), given, vault))
        except WrongCode:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, [code] * 6)) == 1
        assert sum(pool.map(use, [codes[0]] * 6)) == 1


@pytest.mark.parametrize("code", ["", "000000x", "12345", "1234567", "١٢٣٤٥٦", "abcde-fghij", "x" * 40, "\x00" * 6])
def test_wrong_codes_are_refused(session: WriteSession, platform: Platform, make: Factory, code: str) -> None:
    account, vault = make.account(), vault_of(platform)
    turned_on(session, account, vault)

    with pytest.raises(WrongCode):
        totp.use_code(session, account, code, vault)


def test_a_recovery_code_replaces_the_app_once(session: WriteSession, platform: Platform, make: Factory) -> None:
    account, vault = make.account(), vault_of(platform)
    _, codes = turned_on(session, account, vault)

    totp.use_code(session, account, codes[3].upper().replace("-", " "), vault)

    assert totp.recovery_codes_left(session, account) == 9
    with pytest.raises(WrongCode):
        totp.use_code(session, account, codes[3], vault)


def test_new_recovery_codes_end_the_old_ones(session: WriteSession, platform: Platform, make: Factory) -> None:
    account, vault = make.account(), vault_of(platform)
    secret, old = turned_on(session, account, vault)
    clock.advance(60)

    new = totp.renewed_with(session, account, code_of(secret), vault)

    assert not set(old) & set(new)
    with pytest.raises(WrongCode):
        totp.use_code(session, account, old[0], vault)
    totp.use_code(session, account, new[0], vault)


def test_another_accounts_recovery_code_is_refused(session: WriteSession, platform: Platform, make: Factory) -> None:
    alice, bob, vault = make.account(), make.account(), vault_of(platform)
    turned_on(session, alice, vault)
    _, codes = turned_on(session, bob, vault)

    with pytest.raises(WrongCode):
        totp.use_code(session, alice, codes[0], vault)


def test_the_app_is_turned_off_with_a_code_only(client: Client, make: Factory) -> None:
    member = client.with_token(make.token(make.account("alice", password=PASSWORD)))
    secret = member.post(f"{API}/totp").json()["secret"]
    codes = member.post(f"{API}/totp/confirm", json={"code": code_of(secret)}).json()["recovery_codes"]
    assert member.post(f"{API}/totp/disable", json={"code": "000000"}).status_code == 401

    assert member.post(f"{API}/totp/disable", json={"code": codes[0]}).status_code == 204

    assert client.post(f"{API}/login", json={"username": "alice", "password": PASSWORD}).status_code == 200


def test_a_secret_counts_after_its_first_code_only(session: WriteSession, platform: Platform, make: Factory) -> None:
    account, vault = make.account(), vault_of(platform)
    first = totp.begin(session, account, vault, "Dodeca")
    second = totp.begin(session, account, vault, "Dodeca")

    with pytest.raises(WrongCode):
        totp.confirm(session, account, code_of(first.secret), vault)

    totp.confirm(session, account, code_of(second.secret), vault)
    with pytest.raises(Conflict):
        totp.begin(session, account, vault, "Dodeca")


def test_codes_cannot_be_guessed(client: Client, make: Factory) -> None:
    member = client.with_token(make.token(make.account("alice", password=PASSWORD)))
    secret = member.post(f"{API}/totp").json()["secret"]
    member.post(f"{API}/totp/confirm", json={"code": code_of(secret)})
    login = {"username": "alice", "password": PASSWORD, "otp": "000000"}

    answers = [client.at(f"198.51.100.{n}").post(f"{API}/login", json=login).status_code for n in range(12)]

    assert answers[0] == 401
    assert answers[-1] == 429


def test_the_secret_is_stored_sealed(session: WriteSession, platform: Platform, make: Factory) -> None:
    from sqlalchemy import select

    from dodeca.commons.accounts.models import RecoveryCode, Totp

    account, vault = make.account(), vault_of(platform)
    secret, codes = turned_on(session, account, vault)

    assert secret.encode() not in session.get_one(Totp, account.id).sealed
    stored = session.scalars(select(RecoveryCode.digest)).all()
    assert all(codes[0].replace("-", "").encode() not in digest for digest in stored)
