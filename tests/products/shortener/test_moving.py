"""Taking links in and out, accounts that leave, demo data, background work, the SDK."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, select
from tests.products.shortener.conftest import CHROME, Links, principal
from tests.support.platform import Client, Factory, work

from dodeca import catalogue
from dodeca.commons.accounts.models import Account
from dodeca.commons.notifications.models import Notification
from dodeca.kernel import clock
from dodeca.kernel.jobs import JobContext, Nothing
from dodeca.kernel.platform import Platform, saving
from dodeca.kernel.transfer import NoProgress
from dodeca.products.shortener import accounts, demo, exporters, importers, jobs, metrics
from dodeca.products.shortener.journal import Click as Visit
from dodeca.products.shortener.journal import Journal, Recorded
from dodeca.products.shortener.models import Click, ClickHour, KeyRange, Link, ShortCode, Visitor, VisitorSalt
from dodeca.products.shortener.service import Shortener
from dodeca.sdk import DodecaApiError, URLShortenerClient

OWN = """short_code,long_url,title,tags,created_at,expires_at,max_visits,password_protected,archived,clicks
Kept-Code,https://example.com/a,First,x|y,2020-01-02T03:04:05Z,,,false,false,12
,https://example.com/b,Second,,,,3,false,true,1
secret,https://example.com/c,,,,,,true,false,0
admin,https://example.com/d,,,,,,,,
,javascript:1,,,,,,,,
"""
SHLINK = "Short code;Long URL;Title;Tags;Created at\nabc;https://example.com/s;T;one|two;2021-05-01T10:00:00+02:00\n"
YOURLS = "keyword,url,title,timestamp,ip,clicks\n7,https://example.com/y,Y,2019-01-01 00:00:00,203.0.113.5,4\n"
BITLY = json.dumps(
    {"links": [{"id": "bit.ly/3xYzAb", "long_url": "https://example.com/bit", "title": "B", "tags": ["t"],
                "created_at": "2022-02-02T00:00:00+0000", "archived": False}]}
)  # fmt: skip


def brought_in(shortener: Shortener, account: Account, text: str, kind: str) -> Any:
    return importers.import_stream(shortener, account.id, io.BytesIO(text.encode()), kind, NoProgress())


def test_own_csv_comes_in_once(shortener: Shortener, alice: Account, platform: Platform, visitor: Client) -> None:
    first = brought_in(shortener, alice, OWN, "csv")
    second = brought_in(shortener, alice, OWN, "csv")

    assert (first.read, first.added, first.unchanged, first.refused) == (5, 2, 0, 3)
    assert [error.line for error in first.errors] == [4, 5, 6]
    assert (second.added, second.unchanged, second.refused) == (0, 2, 3)
    assert visitor.get("/s/kept-code").headers["location"] == "https://example.com/a"
    rows = platform.db.read(lambda session: session.scalars(select(Link).order_by(Link.long_url)).all())
    assert [(row.title, row.imported_clicks, row.max_visits, row.visits_left) for row in rows] == [
        ("First", 12, None, None),
        ("Second", 1, 3, 2),
    ]
    assert rows[0].created_at.year == 2020


@pytest.mark.parametrize(
    ("text", "kind", "code", "target"),
    [
        (SHLINK, "shlink", "abc", "https://example.com/s"),
        (YOURLS, "yourls", "7", "https://example.com/y"),
        (BITLY, "bitly", "3xYzAb", "https://example.com/bit"),
    ],
)
def test_codes_of_other_services_go_on_leading_there(
    shortener: Shortener, alice: Account, visitor: Client, text: str, kind: str, code: str, target: str
) -> None:
    report = brought_in(shortener, alice, text, kind)

    assert (report.added, report.refused) == (1, 0)
    assert visitor.get(f"/s/{code}").headers["location"] == target
    assert importers.guessed_kind(text.encode()) == kind


def test_a_code_that_somebody_has_is_reported(shortener: Shortener, links: Links, alice: Account) -> None:
    links.new(alias="KEPT-code")

    report = brought_in(shortener, alice, OWN, "csv")

    assert (report.added, report.refused) == (1, 4)


def test_an_upload_is_imported_by_a_job(
    member: Client, stranger: Client, visitor: Client, platform: Platform, shortener: Shortener
) -> None:
    sent = member.post("/api/shortener/import", files={"file": ("l.csv", OWN.encode())}, data={"kind": "csv"})
    assert sent.status_code == 202
    path = f"/api/shortener/import/{sent.json()['id']}"
    assert member.get(path).json()["state"] == "waiting"

    work(platform)

    done = member.get(path).json()
    assert done["state"] == "done"
    assert done["report"]["added"] == 2
    assert done["rows_done"] == 5
    assert stranger.get(path).status_code == 404
    assert visitor.get("/s/Kept-Code").status_code == 302


@pytest.mark.parametrize(
    ("files", "data", "field"),
    [(None, {"kind": "csv"}, "file"), ({"file": ("x", b"a")}, {"kind": "odd"}, "kind")],
)
def test_an_upload_without_sense_is_refused(
    member: Client, shortener: Shortener, files: Any, data: dict[str, str], field: str
) -> None:
    answer = member.post("/api/shortener/import", files=files, data=data)

    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_a_file_of_another_kind_says_so_in_its_report(member: Client, platform: Platform, shortener: Shortener) -> None:
    sent = member.post("/api/shortener/import", files={"file": ("l", b"a,b\n1,2\n")}, data={"kind": "shlink"})

    work(platform)

    assert "Shlink" in member.get(f"/api/shortener/import/{sent.json()['id']}").json()["report"]["error"]


def test_the_command_line_imports_and_exports(
    platform: Platform, make: Factory, shortener: Shortener, tmp_path: Path
) -> None:
    make.account("boss", roles_too=["admin"])
    source = tmp_path / "links.csv"
    source.write_text("long_url,title\n" + "".join(f"https://example.com/{n},Title {n}\n" for n in range(250)))

    report = importers.importers[""](platform, source, NoProgress())
    text = b"".join(exporters.exporters[""](platform)).decode()

    assert (report.added, report.refused) == (250, 0)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["long_url"] for row in rows} == {f"https://example.com/{n}" for n in range(250)}
    again = importers.importers["csv"](platform, source, NoProgress(), owner="boss")
    assert (again.added, again.unchanged) == (0, 250)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "nginx", "redirects", "htaccess"])
def test_every_format_holds_the_callers_links_only(member: Client, links: Links, alice: Account, kind: str) -> None:
    mine = links.new(principal(alice), long_url="https://example.com/mine")
    links.new(principal(alice), alias="guarded", max_visits=3)
    links.new(long_url="https://example.com/theirs")

    answer = member.get("/api/shortener/export", params={"format": kind})

    assert answer.status_code == 200
    assert mine.short_code in answer.text
    assert "theirs" not in answer.text
    if kind in ("nginx", "redirects", "htaccess"):
        assert "guarded: counts its visits" in answer.text


def test_an_unknown_format_is_refused(member: Client, shortener: Shortener) -> None:
    assert member.get("/api/shortener/export", params={"format": "xls"}).status_code == 400


# Accounts


def test_an_account_takes_everything_along(platform: Platform, links: Links, alice: Account, visitor: Client) -> None:
    link = links.new(principal(alice), title="Mine", tags=["t"], folder="F", password="open sesame")
    links.new(long_url="https://example.com/theirs")
    links.shortener.folder.fold()

    files = platform.db.read(lambda session: accounts.export_account(session, alice.id))

    rows = json.loads(files["links.json"])
    assert [(row["id"], row["title"], row["tags"], row["password"]) for row in rows] == [
        (str(link.id), "Mine", ["t"], True)
    ]
    assert "argon2" not in files["links.json"].decode()
    assert json.loads(files["organisation.json"])["folders"] == ["F"]


def test_a_deleted_account_leaves_nothing_but_taken_codes(
    platform: Platform, links: Links, alice: Account, visitor: Client, member: Client, make: Factory
) -> None:
    link = links.new(principal(alice), alias="mine", tags=["t"], folder="F")
    other = make.account()
    group = member.post("/api/shortener/groups", json={"name": "Club"}).json()
    member.put(f"/api/shortener/groups/{group['id']}/members/{other.username}", json={"role": "viewer"})
    visitor.get("/s/mine")
    links.shortener.folder.fold()

    platform.db.write(lambda session: accounts.delete_account(session, alice.id))
    links.shortener.entries.invalidate_all()

    assert visitor.get("/s/mine").status_code == 404
    row = links.now(link)
    assert (row.long_url, row.user_id, row.clicks) == ("", None, 0)
    assert platform.db.read(lambda s: s.scalar(select(func.count()).select_from(Click))) == 0
    from dodeca.products.shortener.service import groups

    assert platform.db.read(lambda s: groups.role_in(s, principal(other), group["id"])) == "owner"
    assert platform.db.read(lambda s: s.scalar(select(func.count()).select_from(ShortCode))) == 1


# Demo and background work


def test_the_demo_loads_with_believable_numbers(platform: Platform, shortener: Shortener) -> None:
    catalogue.make_demo_people(platform)

    demo.fill(platform)

    rows = platform.db.read(lambda session: session.scalars(select(Link)).all())
    assert sum(row.clicks for row in rows) > 300
    assert sum(row.bots for row in rows) > 0
    assert any(row.has_rules for row in rows)
    assert all(row.unique_visitors <= row.clicks for row in rows)


def test_single_clicks_go_and_roll_ups_stay(
    visitor: Client, links: Links, platform: Platform, shortener: Shortener
) -> None:
    link = links.new()
    visitor.get(f"/s/{link.short_code}")
    visitor.get("/s/nothing")
    shortener.folder.fold()
    clock.advance(91 * 86400)

    work(platform)

    def left(session: Any) -> tuple[Any, ...]:
        return tuple(session.scalar(select(func.count()).select_from(t)) for t in (Click, Visitor, VisitorSalt))

    assert platform.db.read(left) == (0, 0, 0)
    assert (
        platform.db.read(lambda s: s.scalar(select(func.sum(ClickHour.clicks)).where(ClickHour.dimension == "all")))
        == 1
    )
    assert links.now(link).unique_visitors == 1


def test_a_visitor_of_two_days_is_two_visitors(visitor: Client, links: Links, shortener: Shortener) -> None:
    link = links.new()
    visitor.get(f"/s/{link.short_code}")
    shortener.folder.fold()
    clock.advance(86400)
    visitor.get(f"/s/{link.short_code}")
    shortener.folder.fold()

    assert links.now(link).unique_visitors == 2


def test_admins_learn_of_keys_that_run_out(platform: Platform, make: Factory, shortener: Shortener) -> None:
    admin = make.account(roles_too=["admin"])
    used = int(0.7 * 62**6)

    def unit(session: Any) -> Any:
        session.merge(KeyRange(length=6, next_counter=used))
        session.flush()
        jobs.watch.handler(session, JobContext(platform, "job", 1), Nothing())
        jobs.watch.handler(session, JobContext(platform, "job", 1), Nothing())
        mine = select(Notification.kind).where(Notification.account_id == admin.id)
        return session.scalars(mine).all()

    assert platform.db.write(unit) == ["alert_keys"]


def test_admins_learn_of_failures_and_of_late_clicks(platform: Platform, make: Factory, shortener: Shortener) -> None:
    admin = make.account(roles_too=["admin"])

    def alerts() -> list[str]:
        def unit(session: Any) -> list[str]:
            jobs.watch.handler(session, JobContext(platform, "job", 1), Nothing())
            mine = select(Notification.kind).where(Notification.account_id == admin.id).order_by(Notification.kind)
            return list(session.scalars(mine))

        return platform.db.write(unit)

    alerts()  # what other tests of this process counted is told, or not, before
    platform.db.write(lambda session: session.execute(delete(Notification)) and None)

    metrics.outcomes["redirect"].inc(1000)
    metrics.outcomes["error"].inc(9)
    few = alerts()
    metrics.outcomes["redirect"].inc(1000)
    metrics.outcomes["error"].inc(11)
    metrics.journal_lag.set(61)
    many = alerts()
    metrics.journal_lag.set(0)

    assert few == []
    assert many == ["alert_errors", "alert_lag"]


def test_clicks_enter_the_numbers_during_a_backup_and_their_journal_stays(links: Links, shortener: Shortener) -> None:
    link = links.new()

    def click() -> tuple[int, int]:
        """Record one in a journal that is then given up, and fold; gives what is counted and how many files stay."""
        journal = Journal.claim(shortener.journal_folder, "other")
        journal.append(Visit(link.id, int(clock.timestamp() * 1000), Recorded.VISIT, "203.0.113.7", CHROME))
        journal.close()
        shortener.folder.fold()
        return links.now(link).clicks, len(list(shortener.journal_folder.glob("other*.journal")))

    with saving(shortener.data):
        during = click()
    after = click()

    assert (during, after) == ((1, 1), (2, 0))


def test_folding_twice_counts_once(visitor: Client, links: Links, shortener: Shortener) -> None:
    link = links.new()
    for _ in range(3):
        visitor.get(f"/s/{link.short_code}")

    assert shortener.folder.fold() == 3
    assert shortener.folder.fold() == 0
    assert links.now(link).clicks == 3


# The SDK


class _InProcess(httpx.BaseTransport):
    """The application of the test, as the SDK's network."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.client.http.request(
            request.method, str(request.url), headers=request.headers, content=request.read(), follow_redirects=False
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def test_the_sdk_shortens_follows_and_counts(
    client: Client, make: Factory, alice: Account, shortener: Shortener
) -> None:
    _, secret = make.key(alice, ["shortener"])
    with URLShortenerClient("http://dodeca.local", secret, transport=_InProcess(client)) as sdk:
        made = sdk.shorten_url("https://example.com/sdk", alias="from-sdk")
        followed = sdk.redirect_url(made["short_url"])
        shortener.folder.fold()
        numbers = sdk.get_link_analytics(made["short_url"])

        with pytest.raises(DodecaApiError) as refused:
            sdk.shorten_url("javascript:1")
        with pytest.raises(DodecaApiError):
            sdk.redirect_url("nothing")

    assert made["short_code"] == "from-sdk"
    assert followed == "https://example.com/sdk"
    assert numbers["clicks"] + numbers["bots"] == 1
    assert (refused.value.status, refused.value.field) == (400, "long_url")


def test_search_and_home_show_living_content(platform: Platform, member: Client, links: Links, alice: Account) -> None:
    links.new(principal(alice), title="Findable thing")

    assert "Findable thing" in member.get("/search", params={"q": "findable"}).text
    assert member.get("/").status_code == 200
