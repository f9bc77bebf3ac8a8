"""Domains, tags, folders, groups, templates, reports, the blocklist."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.products.shortener.conftest import Links, principal
from tests.support.platform import Client, Factory, work

from dodeca.commons.accounts.models import Account
from dodeca.kernel.platform import Platform
from dodeca.products.shortener.models import Domain
from dodeca.products.shortener.service import Shortener, domains, groups


@pytest.fixture
def moderator(client: Client, make: Factory) -> Client:
    return client.with_token(make.token(make.account(roles_too=["moderator"])))


# Domains


def add_domain(member: Client, host: str = "go.example.net", **urls: str) -> dict[str, Any]:
    answer = member.post("/api/shortener/domains", json={"domain": host, **urls})
    assert answer.status_code == 201
    body: dict[str, Any] = answer.json()
    return body


def test_a_domain_waits_for_its_record(member: Client, shortener: Shortener) -> None:
    domain = add_domain(member)

    assert (domain["domain"], domain["status"]) == ("go.example.net", "pending")
    assert domain["txt_name"] == "_dodeca.go.example.net"
    assert domain["txt_value"].startswith("dodeca-")
    link = {"long_url": "https://example.com/", "domain": "go.example.net"}
    assert member.post("/api/shortener/links", json=link).status_code == 400


def test_a_domain_belongs_to_one_account(member: Client, stranger: Client, shortener: Shortener) -> None:
    add_domain(member)

    assert stranger.post("/api/shortener/domains", json={"domain": "GO.example.net."}).status_code == 409
    assert stranger.get("/api/shortener/domains/go.example.net").status_code == 404
    assert stranger.delete("/api/shortener/domains/go.example.net").status_code == 404


@pytest.mark.parametrize("host", ["localhost", "dodeca.local", "10.0.0.1", "no spaces.example", "x", "-bad-.example"])
def test_a_name_that_is_no_public_domain_is_refused(member: Client, shortener: Shortener, host: str) -> None:
    answer = member.post("/api/shortener/domains", json={"domain": host})

    assert answer.status_code == 400
    assert answer.json()["field"] == "domain"


def test_only_moderators_approve(member: Client, moderator: Client, shortener: Shortener) -> None:
    add_domain(member)
    path = "/api/shortener/domains/go.example.net/verify"

    assert member.post(path, json={"approve": True}).status_code == 403
    assert moderator.post(path, json={"approve": True}).json()["status"] == "active"


def test_an_active_domain_serves_codes_at_its_root(
    member: Client, stranger: Client, moderator: Client, visitor: Client, shortener: Shortener
) -> None:
    add_domain(member, home_url="https://example.com/home", not_found_url="https://example.com/lost")
    moderator.post("/api/shortener/domains/go.example.net/verify", json={"approve": True})
    there = {"Host": "go.example.net"}

    made = member.post(
        "/api/shortener/links", json={"long_url": "https://example.com/x", "domain": "go.example.net", "alias": "a"}
    )

    assert made.status_code == 201
    assert made.json()["short_url"] == "http://go.example.net/a"
    assert visitor.get("/a", headers=there).headers["location"] == "https://example.com/x"
    assert visitor.get("/a+", headers=there).status_code == 200
    assert visitor.get("/", headers=there).headers["location"] == "https://example.com/home"
    assert visitor.get("/nothing", headers=there).headers["location"] == "https://example.com/lost"
    assert visitor.get("/s/a").status_code == 404
    others = {"long_url": "https://example.com/", "domain": "go.example.net"}
    assert stranger.post("/api/shortener/links", json=others).status_code == 400
    itself = {"long_url": "https://GO.example.net:443/other"}
    assert member.post("/api/shortener/links", json=itself).status_code == 400
    assert member.delete("/api/shortener/domains/go.example.net").status_code == 409


def test_a_host_that_nobody_registered_gets_into_no_link(member: Client, shortener: Shortener) -> None:
    made = member.post("/api/shortener/shorten", json={"url": "https://example.com/"}, headers={"Host": "evil.example"})

    assert made.json()["short_url"].startswith("http://dodeca.local/s/")


def test_a_domain_stops_after_three_days_without_its_record(
    platform: Platform, make: Factory, shortener: Shortener
) -> None:
    owner = principal(make.account())

    def enter(session: Any) -> int:
        row = domains.add(session, shortener, owner, "go.example.net")
        session.flush()
        domains._activate(session, shortener, row.id, None)
        return row.id

    domain_id = platform.db.write(enter)

    stopped = [
        platform.db.write(lambda session, found=found: domains.record_check(session, shortener, domain_id, found))  # type: ignore[misc]
        for found in (False, None, False, True, False, False, False)
    ]

    assert stopped == [False] * 6 + [True]
    assert platform.db.read(lambda session: session.get_one(Domain, domain_id).status) == "pending"


def test_the_record_is_asked_for_in_the_dns(
    platform: Platform, make: Factory, shortener: Shortener, dns_server: Any
) -> None:
    owner = principal(make.account())
    row = platform.db.write(lambda session: domains.add(session, shortener, owner, "go.example.net"))
    object.__setattr__(shortener.settings, "dns_servers", dns_server.address)

    before = asyncio.run(domains.holds_token(shortener, row))
    dns_server.records["_dodeca.go.example.net."] = row.token
    after = asyncio.run(domains.holds_token(shortener, row))

    assert (before, after) == (False, True)


# Tags, folders, templates


@pytest.mark.parametrize("kind", ["tags", "folders"])
def test_labels_are_made_renamed_and_deleted(member: Client, stranger: Client, shortener: Shortener, kind: str) -> None:
    path = f"/api/shortener/{kind}"
    made = member.post(path, json={"name": "Red"})

    assert made.status_code == 201
    one = f"{path}/{made.json()['id']}"
    assert member.post(path, json={"name": "RED"}).status_code == 409
    assert member.patch(one, json={"name": "Blue"}).json()["name"] == "Blue"
    assert stranger.patch(one, json={"name": "Mine"}).status_code == 404
    assert stranger.delete(one).status_code == 404
    assert stranger.get(path).json()[kind] == []
    assert [row["name"] for row in member.get(path).json()[kind]] == ["Blue"]
    assert member.delete(one).status_code == 204
    assert member.get(path).json()[kind] == []


def test_utm_templates_keep_known_parameters(member: Client, stranger: Client, shortener: Shortener) -> None:
    path = "/api/shortener/utm-templates"

    made = member.post(path, json={"name": "Mail", "utm": {"source": "letter", "medium": ""}})

    assert made.json()["utm"] == {"source": "letter"}
    one = f"{path}/{made.json()['id']}"
    assert member.post(path, json={"name": "Bad", "utm": {"x": "y"}}).status_code == 400
    assert member.patch(one, json={"utm": {"medium": "mail"}}).json()["utm"] == {"medium": "mail"}
    assert stranger.delete(one).status_code == 404
    assert member.delete(one).status_code == 204


def test_links_are_listed_by_what_they_are(member: Client, links: Links, alice: Account) -> None:
    me = principal(alice)
    links.new(me, title="Summer sale", tags=["Shop"], folder="One")
    links.new(me, long_url="https://example.com/50%_off", max_visits=1)
    links.new(me, alias="old", archived=True)

    def listed(**params: Any) -> int:
        answer = member.get("/api/shortener/links", params=params)
        assert answer.status_code == 200
        return len(answer.json()["links"])

    assert listed() == 3
    assert listed(q="summer") == 1
    assert listed(q="50%_") == 1
    assert listed(q="%") == 1
    assert listed(tag="shop") == 1
    assert listed(folder="one") == 1
    assert listed(status="archived") == 1
    assert listed(status="active") == 2
    assert listed(domain="dodeca.local") == 3
    assert listed(sort="clicks") == 3
    assert member.get("/api/shortener/links", params={"status": "odd"}).status_code == 400
    assert member.get("/api/shortener/links", params={"sort": "odd"}).status_code == 400


def test_lists_page_without_losing_any(member: Client, links: Links, alice: Account) -> None:
    for number in range(5):
        links.new(principal(alice), long_url=f"https://example.com/{number}")

    found: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, "sort": "clicks"} | ({"cursor": cursor} if cursor else {})
        page = member.get("/api/shortener/links", params=params).json()
        found += [link["id"] for link in page["links"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert len(found) == len(set(found)) == 5


# Groups


def test_a_groups_roles_decide_what_members_do(client: Client, make: Factory, shortener: Shortener) -> None:
    people = {role: make.account() for role in ("owner", "editor", "viewer")}
    clients = {role: client.with_token(make.token(account)) for role, account in people.items()}
    owner = clients["owner"]
    group = owner.post("/api/shortener/groups", json={"name": "Club"}).json()
    members = f"/api/shortener/groups/{group['id']}/members"
    for role in ("editor", "viewer"):
        answer = owner.put(f"{members}/{people[role].username}", json={"role": role})
        assert answer.status_code == 200
    link = owner.post("/api/shortener/links", json={"long_url": "https://example.com/", "group_id": group["id"]}).json()
    path = f"/api/shortener/links/{link['id']}"

    assert {role: one.get(path).status_code for role, one in clients.items()} == dict.fromkeys(clients, 200)
    assert clients["editor"].patch(path, json={"title": "E"}).status_code == 200
    assert clients["viewer"].patch(path, json={"title": "V"}).status_code == 403
    assert clients["editor"].delete(f"{members}/{people['owner'].username}").status_code == 403
    in_group = {"long_url": "https://example.com/", "group_id": group["id"]}
    assert clients["viewer"].post("/api/shortener/links", json=in_group).status_code == 403
    assert owner.delete(f"{members}/{people['owner'].username}").status_code == 409
    assert clients["viewer"].delete(f"{members}/{people['viewer'].username}").status_code == 204
    assert clients["viewer"].get(path).status_code == 404
    assert len(owner.get(members).json()["members"]) == 2
    assert owner.delete(f"/api/shortener/groups/{group['id']}").status_code == 204
    assert clients["editor"].get(path).status_code == 404
    assert owner.get(path).json()["group_id"] is None


def test_a_stranger_sees_no_group(member: Client, stranger: Client, shortener: Shortener) -> None:
    group = member.post("/api/shortener/groups", json={"name": "Club"}).json()
    path = f"/api/shortener/groups/{group['id']}"

    answers = [stranger.get(path), stranger.patch(path, json={"name": "x"}), stranger.delete(path)]

    assert {answer.status_code for answer in answers} == {404}
    assert stranger.get("/api/shortener/groups").json()["groups"] == []
    foreign = {"long_url": "https://example.com/", "group_id": group["id"]}
    assert stranger.post("/api/shortener/links", json=foreign).status_code == 404


def test_two_owners_cannot_both_leave_at_once(platform: Platform, make: Factory, shortener: Shortener) -> None:
    people = [make.account(), make.account()]

    def found(session: Any) -> str:
        group = groups.add(session, principal(people[0]), "Club")
        session.flush()
        groups.set_member(session, principal(people[0]), group.id, people[1].username, "owner")
        return group.id

    group_id = platform.db.write(found)
    outcomes = []

    def leave(account: Account) -> None:
        try:
            platform.db.write(
                lambda session: groups.remove_member(session, principal(account), group_id, account.username)
            )
            outcomes.append("left")
        except groups.LastOwner:
            outcomes.append("stayed")

    threads = [threading.Thread(target=leave, args=(account,)) for account in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["left", "stayed"]


# Abuse


def test_a_report_reaches_moderators_who_stop_the_link(
    client: Client, visitor: Client, moderator: Client, member: Client, links: Links
) -> None:
    link = links.new()
    reported = client.post("/api/shortener/reports", json={"short_url": link.short_code, "reason": "Phishing"})
    assert reported.status_code == 202
    assert member.get("/api/shortener/reports").status_code == 403

    waiting = moderator.get("/api/shortener/reports").json()["reports"]
    handled = moderator.patch(f"/api/shortener/reports/{waiting[0]['id']}", json={"outcome": "disabled"})

    assert handled.status_code == 200
    assert moderator.get("/api/shortener/reports").json()["reports"] == []
    assert visitor.get(f"/s/{link.short_code}").status_code == 410
    assert moderator.delete(f"/api/shortener/links/{link.id}/takedown").status_code == 204
    assert visitor.get(f"/s/{link.short_code}").status_code == 302


def test_a_report_of_nothing_is_404(client: Client, shortener: Shortener) -> None:
    answer = client.post("/api/shortener/reports", json={"short_url": "nothing", "reason": "x"})

    assert answer.status_code == 404


@pytest.mark.parametrize("pattern", ["evil.example", "*.Evil.example", "https://sub.evil.example/x"])
def test_a_blocked_target_cannot_be_shortened_and_stops_links(
    member: Client, visitor: Client, moderator: Client, links: Links, platform: Platform, pattern: str
) -> None:
    bad = links.new(long_url="https://sub.evil.example/x")
    by_rule = links.new(
        rules=[{"long_url": "https://sub.evil.example/x", "conditions": [{"type": "device", "match_value": "ios"}]}]
    )
    good = links.new(long_url="https://notevil.example/x")
    assert visitor.get(f"/s/{bad.short_code}").status_code == 302

    blocked = moderator.post("/api/shortener/blocklist", json={"pattern": pattern})
    work(platform)

    assert blocked.status_code == 201
    assert member.post("/api/shortener/shorten", json={"url": "https://sub.evil.example/x"}).status_code == 400
    assert [visitor.get(f"/s/{one.short_code}").status_code for one in (bad, by_rule, good)] == [410, 410, 302]
    assert len(moderator.get("/api/shortener/blocklist").json()["blocklist"]) == 1
    assert moderator.delete("/api/shortener/blocklist", params={"pattern": pattern}).status_code == 204
    work(platform)
    assert visitor.get(f"/s/{bad.short_code}").status_code == 302


def test_a_hosts_file_fills_the_blocklist(member: Client, moderator: Client, shortener: Shortener) -> None:
    hosts = b"127.0.0.1 localhost\n0.0.0.0 bad.example worse.example # why\n0.0.0.0 not a host!\n"

    answer = moderator.post("/api/shortener/blocklist/import", files={"file": ("hosts", hosts)})

    assert answer.json()["added"] == 2
    assert member.post("/api/shortener/blocklist", json={"pattern": "x.example"}).status_code == 403
