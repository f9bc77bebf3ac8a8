"""How often programs may ask: 100 times a second by each key, of both APIs together."""

from __future__ import annotations

import base64

import pytest
from tests.support.platform import Client, Factory

from dodeca.kernel.limits import Limits, Rate
from dodeca.products.payments.service.keys import KEY_RATE

OWN, RAZORPAYS = "/api/payments/merchant", "/payments/v1/methods"


class Program:
    """One that shows a key."""

    def __init__(self, client: Client, key: tuple[str, str]) -> None:
        self.client, self.key = client, key

    def ask(self, path: str) -> int:
        """One request's status."""
        shown = base64.b64encode(":".join(self.key).encode()).decode()
        return self.client.get(path, headers={"authorization": f"Basic {shown}"}).status_code


@pytest.fixture
def moment(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moment that limits count by, which stands still unless a test moves it."""
    now = [1_000_000.0]
    monkeypatch.setattr(client.platform, "limits", Limits(now=lambda: now[0]))
    return now


def programs(client: Client, make: Factory, count: int) -> list[Program]:
    """Programs with keys of one account."""
    account = make.account()
    keys = [make.key(account, ["payments"]) for _ in range(count)]
    return [Program(client, (key.id, secret)) for key, secret in keys]


def test_a_key_asks_100_times_a_second_of_both_apis_together(
    client: Client, make: Factory, moment: list[float]
) -> None:
    (program,) = programs(client, make, 1)
    assert {program.ask(path) for _ in range(50) for path in (OWN, RAZORPAYS)} == {200}
    assert [program.ask(OWN), program.ask(RAZORPAYS)] == [429, 429]
    moment[0] += 2

    assert [program.ask(OWN), program.ask(RAZORPAYS)] == [200, 200]


def test_keys_of_one_account_do_not_take_each_others_turns(
    client: Client, make: Factory, moment: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.platform, "_member_rate", Rate(10, 60))
    one, other = programs(client, make, 2)
    assert {one.ask(OWN) for _ in range(100)} == {200}
    assert one.ask(OWN) == 429

    assert {other.ask(OWN) for _ in range(100)} == {200}


def test_a_token_counts_on_its_accounts_general_limit(
    client: Client, make: Factory, moment: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.platform, "_member_rate", Rate(10, 60))
    person = client.with_token(make.token(make.account()))
    assert {person.get(OWN).status_code for _ in range(10)} == {200}

    assert person.get(OWN).status_code == 429


def test_both_apis_say_when_to_ask_again(client: Client, make: Factory, moment: list[float]) -> None:
    (program,) = programs(client, make, 1)
    for _ in range(KEY_RATE.amount):
        program.ask(OWN)
    shown = {"authorization": "Basic " + base64.b64encode(":".join(program.key).encode()).decode()}

    own, razorpays = client.get(OWN, headers=shown), client.get(RAZORPAYS, headers=shown)

    assert (own.headers["retry-after"], razorpays.headers["retry-after"]) == ("1", "1")
    assert razorpays.json()["error"]["code"] == "BAD_REQUEST_ERROR"
