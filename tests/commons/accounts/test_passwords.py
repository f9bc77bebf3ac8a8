"""Changing and resetting a password, and proving a mail address."""

from __future__ import annotations

import pytest
from tests.support.platform import PASSWORD, Client, Factory, mails, token_in

from dodeca.commons.accounts.models import Account, ApiKey
from dodeca.commons.accounts.service import people, reset, verification
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.service.passwords import WeakPassword, check_strength
from dodeca.commons.accounts.service.people import EmailTaken
from dodeca.commons.accounts.vault import vault_of
from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid
from dodeca.kernel.platform import Platform

API = "/api/accounts"
NEW = "another fine password"


def login(client: Client, password: str, name: str = "alice") -> int:
    return client.post(f"{API}/login", json={"username": name, "password": password}).status_code


@pytest.mark.parametrize(
    "password", ["", "1234567", "password", "12345678", "qwertyui", "iloveyou", "aaaaaaaa", "Alice.A."]
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_strength(password, "alice", "alice.a.")


@pytest.mark.parametrize(
    "password", [PASSWORD, "kümmeltürke 7", "日本語のパスワード", "x7$kQ2!p", " " * 4 + "room at the end", "y9" * 500]
)
def test_other_passwords_are_taken(password: str) -> None:
    check_strength(password, "alice", "")


class TestChange:
    def test_a_new_password_replaces_the_old_and_signs_out_elsewhere(self, client: Client, make: Factory) -> None:
        account = make.account("alice", password=PASSWORD)
        _, secret = make.key(account)
        here, there = (client.with_token(make.token(account)) for _ in range(2))

        answer = here.post(f"{API}/password", json={"current_password": PASSWORD, "new_password": NEW})

        assert answer.status_code == 204
        assert (login(client, PASSWORD), login(client, NEW)) == (401, 200)
        assert here.get(f"{API}/me").status_code == 200
        assert there.get(f"{API}/me").status_code == 401
        assert client.with_headers({"X-Api-Key": secret}).get(f"{API}/me").status_code == 200

    @pytest.mark.parametrize(
        ("body", "field", "status"),
        [
            ({"current_password": "wrong one", "new_password": NEW}, "current_password", 403),
            ({"new_password": NEW}, "current_password", 403),
            ({"current_password": PASSWORD, "new_password": "short"}, "new_password", 400),
            ({"current_password": PASSWORD}, "new_password", 400),
        ],
    )
    def test_a_refused_change_names_the_field(
        self, client: Client, make: Factory, body: dict[str, str], field: str, status: int
    ) -> None:
        member = client.with_token(make.token(make.account("alice", password=PASSWORD)))

        answer = member.post(f"{API}/password", json=body)

        assert answer.status_code == status
        assert answer.json()["field"] == field
        assert login(client, PASSWORD) == 200

    def test_who_has_no_password_sets_one(self, client: Client, make: Factory) -> None:
        member = client.with_token(make.token(make.account("alice")))

        assert member.post(f"{API}/password", json={"new_password": NEW}).status_code == 204

        assert login(client, NEW) == 200

    def test_the_present_password_cannot_be_guessed_here(self, client: Client, make: Factory) -> None:
        member = client.with_token(make.token(make.account("alice", password=PASSWORD)))
        body = {"current_password": "guess", "new_password": NEW}

        answers = [member.post(f"{API}/password", json=body).status_code for _ in range(12)]

        assert answers[-1] == 429

    def test_the_owner_is_told(self, platform: Platform, client: Client, make: Factory) -> None:
        account = make.account("alice", password=PASSWORD, email="alice@x.org", email_verified=True)
        member = client.with_token(make.token(account))
        member.post(f"{API}/password", json={"current_password": PASSWORD, "new_password": NEW})

        assert mails(platform, "alice@x.org")[0].subject == "Your password was changed"


class TestReset:
    def link(self, platform: Platform, client: Client, address: str = "alice@x.org") -> str:
        assert client.post(f"{API}/password/reset", json={"email": address}).status_code == 202
        return token_in(next(m for m in mails(platform) if m.subject == "Set a new password"))

    def test_the_mailed_link_sets_a_new_password_and_proves_the_address(
        self, platform: Platform, client: Client, make: Factory
    ) -> None:
        account = make.account("alice", password=PASSWORD, email="alice@x.org", email_verified=True)
        elsewhere = client.with_token(make.token(account))
        token = self.link(platform, client, "Alice@X.org")

        answer = client.post(f"{API}/password/reset/confirm", json={"token": token, "password": NEW})

        assert answer.status_code == 200
        assert (login(client, PASSWORD), login(client, NEW)) == (401, 200)
        assert elsewhere.get(f"{API}/me").status_code == 401
        assert client.with_token(answer.json()["token"]).get(f"{API}/me").json()["email_verified"] is True

    def test_the_link_works_once(self, platform: Platform, client: Client, make: Factory) -> None:
        make.account("alice", password=PASSWORD, email="alice@x.org")
        token = self.link(platform, client)
        client.post(f"{API}/password/reset/confirm", json={"token": token, "password": NEW})

        again = client.post(f"{API}/password/reset/confirm", json={"token": token, "password": PASSWORD})

        assert again.status_code == 400

    def test_the_link_works_for_an_hour(self, platform: Platform, client: Client, make: Factory) -> None:
        make.account("alice", password=PASSWORD, email="alice@x.org")
        token = self.link(platform, client)
        clock.advance(3601)

        assert client.post(f"{API}/password/reset/confirm", json={"token": token, "password": NEW}).status_code == 400

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "\x00", "x" * 1999])
    def test_a_made_up_link_is_refused(self, client: Client, token: str) -> None:
        assert client.post(f"{API}/password/reset/confirm", json={"token": token, "password": NEW}).status_code == 400

    def test_a_link_for_another_purpose_is_refused(self, platform: Platform, client: Client, make: Factory) -> None:
        make.account("alice", email="alice@x.org")
        verify = token_in(next(m for m in mails(platform) if m.subject == "Confirm your mail address"))

        assert client.post(f"{API}/password/reset/confirm", json={"token": verify, "password": NEW}).status_code == 400

    def test_the_answer_does_not_tell_who_has_an_account(
        self, platform: Platform, client: Client, make: Factory
    ) -> None:
        make.account(email="alice@x.org")

        known = client.post(f"{API}/password/reset", json={"email": "alice@x.org"})
        unknown = client.post(f"{API}/password/reset", json={"email": "nobody@x.org"})

        assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
        assert "no such account" in mails(platform, "nobody@x.org")[0].text

    def test_nobody_is_flooded_with_mail(self, client: Client, make: Factory) -> None:
        make.account(email="alice@x.org")

        answers = [client.post(f"{API}/password/reset", json={"email": "alice@x.org"}).status_code for _ in range(7)]

        assert answers == [202] * 5 + [429] * 2

    def test_whoever_made_an_account_with_anothers_address_loses_it_to_the_owner_of_the_mailbox(
        self, platform: Platform, client: Client, make: Factory
    ) -> None:
        squatter = make.account("alice", password=PASSWORD, email="alice@x.org")
        key, secret = make.key(squatter)
        token = self.link(platform, client)

        client.post(f"{API}/password/reset/confirm", json={"token": token, "password": NEW})

        assert login(client, PASSWORD) == 401
        assert client.with_headers({"X-Api-Key": secret}).get(f"{API}/me").status_code == 401
        assert platform.db.read(lambda s: s.get(ApiKey, key.id)) is None

    def test_a_code_is_still_asked_for(self, platform: Platform, client: Client, make: Factory) -> None:
        import pyotp

        account = make.account("alice", password=PASSWORD, email="alice@x.org", email_verified=True)
        member = client.with_token(make.token(account))
        secret = member.post(f"{API}/totp").json()["secret"]
        member.post(f"{API}/totp/confirm", json={"code": pyotp.TOTP(secret).now()})
        token = self.link(platform, client)

        answer = client.post(f"{API}/password/reset/confirm", json={"token": token, "password": NEW})

        assert answer.status_code == 401
        assert answer.json()["otp_required"] is True
        assert login(client, NEW) == 401

    def test_a_header_cannot_be_put_into_the_mail(self, client: Client) -> None:
        answer = client.post(f"{API}/password/reset", json={"email": "a@x.org\nBcc: b@y.org"})

        assert answer.status_code == 400
        assert answer.json()["field"] == "email"


class TestVerification:
    def test_the_link_proves_the_address_and_repeating_it_changes_nothing(
        self, platform: Platform, client: Client, make: Factory
    ) -> None:
        account = make.account(email="alice@x.org")
        token = token_in(mails(platform, "alice@x.org")[0])

        answers = [client.post(f"{API}/email/verify", json={"token": token}).status_code for _ in range(2)]

        assert answers == [200, 200]
        assert platform.db.read(lambda s: s.get_one(Account, account.id).email_verified_at) is not None

    def test_a_new_address_waits_until_it_is_proven(self, platform: Platform, client: Client, make: Factory) -> None:
        account = make.account("alice", email="old@x.org", email_verified=True)
        member = client.with_token(make.token(account))

        changed = member.patch(f"{API}/me", json={"email": "new@x.org"}).json()

        assert (changed["email"], changed["pending_email"]) == ("old@x.org", "new@x.org")
        assert mails(platform, "old@x.org")[0].subject == "Your mail address is about to change"
        client.post(f"{API}/email/verify", json={"token": token_in(mails(platform, "new@x.org")[0])})
        me = member.get(f"{API}/me").json()
        assert (me["email"], me["pending_email"], me["email_verified"]) == ("new@x.org", None, True)

    def test_an_unproven_address_is_replaced_at_once(self, client: Client, make: Factory) -> None:
        member = client.with_token(make.token(make.account(email="old@x.org")))

        changed = member.patch(f"{API}/me", json={"email": "new@x.org"}).json()

        assert (changed["email"], changed["email_verified"]) == ("new@x.org", False)

    def test_the_link_of_an_address_that_was_changed_is_refused(
        self, platform: Platform, client: Client, make: Factory
    ) -> None:
        member = client.with_token(make.token(make.account(email="old@x.org")))
        token = token_in(mails(platform, "old@x.org")[0])
        member.patch(f"{API}/me", json={"email": "new@x.org"})

        assert client.post(f"{API}/email/verify", json={"token": token}).status_code == 409

    def test_of_two_who_wait_for_one_address_the_first_to_prove_it_has_it(
        self, platform: Platform, make: Factory
    ) -> None:
        vault = vault_of(platform)
        tokens = []
        for name in ("alice", "bob"):
            account = make.account(name, email=f"{name}@x.org", email_verified=True)
            platform.db.write(lambda s, i=account.id: people.change(s, s.get_one(Account, i), email="both@x.org"))  # type: ignore[misc]
            tokens.append(vault.mail_links.sign(["verify", account.id, "both@x.org"]))

        platform.db.write(lambda s: verification.verify(s, tokens[1], vault))

        with pytest.raises(EmailTaken):
            platform.db.write(lambda s: verification.verify(s, tokens[0], vault))

    def test_anothers_address_cannot_be_taken(self, client: Client, make: Factory) -> None:
        make.account(email="alice@x.org")
        member = client.with_token(make.token(make.account()))

        answer = member.patch(f"{API}/me", json={"email": "Alice@x.org"})

        assert answer.status_code == 409
        assert answer.json()["field"] == "email"

    def test_the_link_is_sent_again_a_few_times(self, platform: Platform, client: Client, make: Factory) -> None:
        member = client.with_token(make.token(make.account(email="alice@x.org")))

        answers = [member.post(f"{API}/email/verification").status_code for _ in range(6)]

        assert answers == [202] * 5 + [429]
        assert len(mails(platform, "alice@x.org")) == 1  # what waits is not queued twice

    def test_there_is_nothing_to_prove_without_an_address(self, client: Client, make: Factory) -> None:
        member = client.with_token(make.token(make.account()))

        assert member.post(f"{API}/email/verification").status_code == 409

    def test_an_address_is_removed_only_where_a_password_remains(self, client: Client, make: Factory) -> None:
        with_password = client.with_token(make.token(make.account(password=PASSWORD, email="a@x.org")))
        without = client.with_token(make.token(make.account(email="b@x.org")))

        assert with_password.patch(f"{API}/me", json={"email": ""}).json()["email"] is None
        assert without.patch(f"{API}/me", json={"email": ""}).status_code == 400


def test_a_reset_of_nonsense_is_refused(platform: Platform) -> None:
    with pytest.raises(Invalid):
        platform.db.write(lambda s: reset.request(s, "nonsense", Origin()))
