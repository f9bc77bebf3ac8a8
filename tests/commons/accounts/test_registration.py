"""Signing up, signing in, and being known afterwards."""

from __future__ import annotations

from tests.support.platform import PASSWORD, Client


def test_who_registers_is_signed_in(client: Client) -> None:
    answer = client.post(
        "/api/accounts/register", json={"username": "Alice", "password": PASSWORD, "email": "Alice@Example.org"}
    )

    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["username"] == "Alice"
    assert body["email"] == "Alice@example.org"
    me = client.with_token(body["token"]).get("/api/accounts/me").json()
    assert me["user_id"] == body["user_id"]
    assert me["email_verified"] is False
    assert me["roles"] == ["member"]
