"""A product on a hostname of its own."""

from __future__ import annotations

import pytest
from tests.support.platform import Client

HOST = {"Host": "go.example.org", "Accept": "text/html"}


@pytest.fixture
def settings() -> dict[str, object]:
    return {"hostnames": "shortener=go.example.org"}


def test_a_product_answers_at_the_root_of_its_host_and_where_its_own_pages_link(client: Client) -> None:
    expected = client.get("/shortener/", headers={"Accept": "text/html"})

    answers = [client.get(path, headers=HOST) for path in ("/", "/shortener/", "/shortener")]
    api = [client.get(path, headers=HOST).status_code for path in ("/api/domains", "/api/shortener/domains")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert all("<h1" in answer.text for answer in answers)
    assert expected.status_code == 200
    assert api[0] == api[1] != 404


def test_the_switcher_of_a_products_host_leads_back_to_the_platform(client: Client) -> None:
    page = client.get("/", headers=HOST).text

    assert 'href="http://dodeca.local/payments/"' in page
    assert 'href="/payments/"' not in page
