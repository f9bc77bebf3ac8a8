"""The end of an account, its way back, and taking one's data along."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping

import pytest
from sqlalchemy import select, update
from tests.support.platform import PASSWORD, Client, Factory, mails, work

from dodeca.commons.accounts.invariants import invariants
from dodeca.commons.accounts.models import Account, AccountSession, ApiKey
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.platform import Platform

API = "/api/accounts"
DAY = 86_400


def row(platform: Platform, account: Account) -> Account:
    return platform.db.read(lambda s: s.get_one(Account, account.id))


def test_a_deleted_account_sleeps_first(platform: Platform, client: Client, make: Factory) -> None:
    account = make.account("alice", password=PASSWORD, email="alice@x.org", email_verified=True)
    _, secret = make.key(account)
    member = client.with_token(make.token(account))

    answer = member.delete(f"{API}/me")

    assert answer.status_code == 200
    assert answer.json()["deletion_due_at"] > clock.rfc3339(clock.ahead(days=13))
    assert member.get(f"{API}/me").status_code == 401
    assert client.with_headers({"X-Api-Key": secret}).get(f"{API}/me").status_code == 401
    assert "will be deleted on" in mails(platform, "alice@x.org")[0].text
    assert row(platform, account).username == "alice"


def test_signing_in_offers_to_keep_it(platform: Platform, client: Client, make: Factory) -> None:
    account = make.account("alice", password=PASSWORD)
    client.with_token(make.token(account)).delete(f"{API}/me")
    login = {"username": "alice", "password": PASSWORD}
    clock.advance(13 * DAY)
    work(platform)

    offered = client.post(f"{API}/login", json=login)
    kept = client.post(f"{API}/login", json={**login, "restore": True})

    assert offered.status_code == 403
    assert "deletion_due_at" in offered.json()
    assert kept.status_code == 200
    clock.advance(30 * DAY)
    work(platform)
    assert row(platform, account).deleted_at is None


def test_after_the_grace_period_nothing_of_the_person_is_left(
    platform: Platform, client: Client, make: Factory
) -> None:
    account = make.account(
        "alice", password=PASSWORD, email="alice@x.org", email_verified=True, roles_too=["moderator"]
    )
    make.key(account)
    client.with_token(make.token(account)).delete(f"{API}/me")

    clock.advance(15 * DAY)
    work(platform)

    gone = row(platform, account)
    assert gone.deleted_at is not None
    assert (gone.email, gone.password_hash, gone.name) == (None, None, "Deleted account")
    assert client.post(f"{API}/login", json={"username": "alice", "password": PASSWORD}).status_code == 401
    assert mails(platform, "alice@x.org")[0].subject == "Your account is deleted"
    assert platform.db.read(lambda s: s.scalars(select(ApiKey.id)).all()) == []
    assert platform.db.read(lambda s: s.scalars(select(AccountSession.id)).all()) == []
    assert [name for name, check in invariants.items() if platform.db.read(check)] == []
    make.account("alice", email="alice@x.org")


def test_every_product_deletes_in_the_same_transaction(platform: Platform, client: Client, make: Factory) -> None:
    account = make.account("alice")
    client.with_token(make.token(account)).delete(f"{API}/me")
    done: list[str] = []
    is_ready = False

    def fails_first(session: WriteSession, account_id: str) -> None:
        session.execute(update(Account).where(Account.id == account_id).values(name="half done"))
        if not is_ready:
            raise RuntimeError("not now")
        done.append(account_id)

    platform.manifests.append(dataclasses.replace(platform.manifests[0], name="picky", account_delete=fails_first))
    clock.advance(15 * DAY)
    work(platform)
    first = row(platform, account)
    is_ready = True
    clock.advance(3600)
    work(platform)

    assert (first.deleted_at, first.name) == (None, "alice")
    assert row(platform, account).name == "Deleted account"
    assert done == [account.id]


def test_a_grace_period_of_none_deletes_with_the_next_job(platform: Platform, make: Factory) -> None:
    from dodeca.commons.accounts.service import deletion

    account = make.account()
    platform.db.write(lambda s: deletion.request(s, s.get_one(Account, account.id), days=0))

    work(platform)

    assert row(platform, account).deleted_at is not None


def test_the_export_holds_what_every_module_has(platform: Platform, client: Client, make: Factory) -> None:
    account = make.account("alice", email="alice@x.org")
    make.key(account)

    def stars(session: ReadSession, account_id: str) -> Mapping[str, bytes]:
        return {"stars.csv": f"account\n{account_id}\n".encode()}

    platform.manifests.append(dataclasses.replace(platform.manifests[0], name="sky", account_export=stars))
    member = client.with_token(make.token(account))

    answer = member.get(f"{API}/export")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="dodeca-alice-')
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    assert packed.read("sky/stars.csv").decode() == f"account\n{account.id}\n"
    assert json.loads(packed.read("accounts/account.json"))["email"] == "alice@x.org"
    assert len(json.loads(packed.read("accounts/keys.json"))) == 1
    assert "account.exported" in [entry["action"] for entry in member.get(f"{API}/audit").json()["items"]]


def test_the_export_holds_no_secrets(client: Client, make: Factory) -> None:
    account = make.account("alice", password=PASSWORD)
    _, secret = make.key(account)

    packed = zipfile.ZipFile(io.BytesIO(client.with_token(make.token(account)).get(f"{API}/export").content))

    everything = b"".join(packed.read(name) for name in packed.namelist())
    assert secret.encode() not in everything
    assert b"argon2" not in everything


@pytest.mark.parametrize("path", ["/export", "/audit", "/me", "/keys", "/sessions", "/passkeys", "/totp", "/providers"])
def test_a_stranger_sees_nothing(client: Client, path: str) -> None:
    answer = client.get(API + path)

    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_invariants_find_what_is_wrong(platform: Platform, make: Factory) -> None:
    account = make.account("alice")

    def spoil(session: WriteSession) -> None:
        session.execute(
            update(Account).where(Account.id == account.id).values(username="Other", deletion_due_at=clock.ago(days=3))
        )

    platform.db.write(spoil)

    found = {name for name, check in invariants.items() if platform.db.read(check)}
    assert found == {"names_and_keys_agree", "deletions_are_carried_out"}
