"""The shortener's pages, as a browser without JavaScript sees them."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import httpx
import pytest
from PIL import Image
from tests.products.shortener.conftest import Links, principal
from tests.support.platform import Client, Factory, work

from dodeca.commons.accounts.models import Account
from dodeca.kernel import clock
from dodeca.kernel.db.observe import queries
from dodeca.kernel.platform import Platform
from dodeca.products.shortener.service.analytics import HOUR

HTML = {"Accept": "text/html"}
LIST_QUERIES = 14


@pytest.fixture
def alices(member: Client) -> Client:
    """Alice with a browser."""
    return member.with_headers(HTML)


@pytest.fixture
def strangers(stranger: Client) -> Client:
    """Another member with a browser."""
    return stranger.with_headers(HTML)


@pytest.fixture
def anybody(visitor: Client) -> Client:
    """Somebody without an account."""
    return visitor.with_headers(HTML)


def short_code(answer: httpx.Response) -> str:
    """The code of the link that the page shows as made."""
    found = re.search(r'class="made__link"><a href="[^"]*/s/([^"]+)"', answer.text)
    assert found is not None, answer.text[:2000]
    return found[1]


def manage_path(answer: httpx.Response) -> str:
    """Where a link without account is managed."""
    found = re.search(r'href="(/shortener/manage/[^"]+)"', answer.text)
    assert found is not None
    return found[1]


# Making a link


def test_anybody_makes_a_short_link(anybody: Client) -> None:
    answer = anybody.submit("/shortener/", {"long_url": "example.com/page"})

    assert answer.status_code == 200
    assert anybody.get(f"/s/{short_code(answer)}").headers["location"] == "https://example.com/page"


def test_a_refused_address_is_shown_again_with_the_reason(anybody: Client) -> None:
    answer = anybody.submit("/shortener/", {"long_url": "ftp://example.com/", "max_visits": "3"})

    assert answer.status_code == 400
    assert 'value="ftp://example.com/"' in answer.text
    assert 'id="f-long_url-error"' in answer.text
    assert 'value="3"' in answer.text


def test_the_same_address_gives_a_member_the_same_link(alices: Client) -> None:
    first = alices.submit("/shortener/", {"long_url": "https://example.com/"})
    second = alices.submit("/shortener/", {"long_url": "https://example.com/"})

    assert short_code(first) == short_code(second)
    assert "You had this one already" in second.text


def test_options_make_the_link_that_they_say(alices: Client) -> None:
    fields = {"long_url": "https://example.com/", "alias": "spring-sale", "utm.source": "poster", "tags": "a, b"}

    alices.submit("/shortener/", {**fields, "lifetime": "3600"})

    location = alices.get("/s/spring-sale").headers["location"]
    assert location == "https://example.com/?utm_source=poster"
    clock.advance(seconds=3700)
    assert alices.get("/s/spring-sale").status_code == 410


def test_a_taken_alias_is_refused_beside_its_field(alices: Client, links: Links) -> None:
    links.new(alias="taken")

    answer = alices.submit("/shortener/", {"long_url": "https://example.com/", "alias": "taken"})

    assert answer.status_code == 409
    assert 'id="f-alias-error"' in answer.text
    assert alices.get("/shortener/alias?alias=taken").text.count("data-fill") >= 3


def test_a_utm_template_fills_what_is_left_empty(alices: Client) -> None:
    alices.submit("/shortener/labels/templates", {"name": "Mail", "utm.source": "mail", "utm.medium": "email"})
    template = re.search(r'<option value="([^"]+)">Mail<', alices.get("/shortener/").text)
    assert template is not None

    fields = {"long_url": "https://example.com/", "template": template[1], "utm.source": "own"}
    answer = alices.submit("/shortener/", fields)

    location = alices.get(f"/s/{short_code(answer)}").headers["location"]
    assert location == "https://example.com/?utm_source=own&utm_medium=email"


def test_a_link_without_account_is_changed_and_deleted_by_its_key(anybody: Client) -> None:
    made = anybody.submit("/shortener/", {"long_url": "https://example.com/one"})
    path = manage_path(made)

    anybody.submit(path, {"long_url": "https://example.com/two"})
    assert anybody.get(f"/s/{short_code(made)}").headers["location"] == "https://example.com/two"
    anybody.submit(f"{path}/deletion", {}, page=path)

    assert anybody.get(f"/s/{short_code(made)}").status_code == 404
    assert anybody.get(path[:-3] + "abc").status_code == 404


def test_a_link_without_account_moves_to_who_claims_it(anybody: Client, alices: Client) -> None:
    path = manage_path(anybody.submit("/shortener/", {"long_url": "https://example.com/mine"}))

    answer = alices.submit(f"{path}/claim", {}, page=path)

    assert alices.get(answer.headers["location"]).status_code == 200
    assert anybody.get(path).status_code == 404


# The list


def test_the_list_asks_few_questions_however_long_it_is(alices: Client, alice: Account, links: Links) -> None:
    for number in range(12):
        links.new(principal(alice), f"https://example.com/{number}", tags=["a", f"t{number}"], folder="F")

    with queries(at_most=LIST_QUERIES):
        answer = alices.get("/shortener/links")

    assert answer.text.count("data-link>") == 12


def test_the_list_is_searched_filtered_and_paged(alices: Client, alice: Account, links: Links) -> None:
    for number in range(31):
        links.new(principal(alice), f"https://example.com/{number}", tags=["odd"] if number % 2 else [])

    first = alices.get("/shortener/links")
    following = re.search(r'rel="next" href="([^"]+)"', first.text)

    assert following is not None
    assert first.text.count("data-link>") == 30
    assert alices.get(following[1].replace("&amp;", "&")).text.count("data-link>") == 1
    assert alices.get("/shortener/links?tag=odd").text.count("data-link>") == 15
    assert alices.get("/shortener/links?q=example.com/30").text.count("data-link>") == 1
    assert "No link matches" in alices.get("/shortener/links?status=archived").text
    assert alices.get("/shortener/links?status=nonsense").status_code == 400


def test_many_links_are_changed_at_once(alices: Client, alice: Account, links: Links) -> None:
    made = [links.new(principal(alice), f"https://example.com/{n}", tags=["kept"]) for n in range(3)]
    ids = [str(link.id) for link in made]
    page = "/shortener/links"

    alices.submit(f"{page}/bulk", {"links": ids[:2], "action": "tag", "tag": "new, other"}, page=page)
    assert alices.get(f"{page}?tag=new").text.count("data-link>") == 2
    assert alices.get(f"{page}?tag=kept").text.count("data-link>") == 3
    alices.submit(f"{page}/bulk", {"links": ids[:1], "action": "move", "folder": "Box"}, page=page)
    assert alices.get(f"{page}?folder=box").text.count("data-link>") == 1
    alices.submit(f"{page}/bulk", {"links": ids, "action": "archive"}, page=page)
    assert alices.get(f"{page}?status=archived").text.count("data-link>") == 3


def test_deleting_many_asks_first(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))
    fields = {"links": str(link.id), "action": "delete"}

    asked = alices.submit("/shortener/links/bulk", fields, page="/shortener/links")
    assert 'name="confirmed" value="yes"' in asked.text
    assert alices.get(f"/s/{link.short_code}").status_code == 302
    alices.submit("/shortener/links/bulk", {**fields, "confirmed": "yes"}, page="/shortener/links")

    assert alices.get(f"/s/{link.short_code}").status_code == 404


def test_nobody_changes_the_links_of_others(strangers: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))
    path = f"/shortener/links/{link.id}"

    for part in ("", "/numbers", "/settings", "/rules", "/qr", "/history", "/deletion"):
        assert strangers.get(path + part).status_code == 404
    for part, fields in (("/settings", {"long_url": "https://example.com/x"}), ("/rules", {}), ("/archive", {})):
        assert strangers.post(path + part, data=fields).status_code == 404
    bulk = {"links": str(link.id), "action": "delete", "confirmed": "yes"}
    assert strangers.post("/shortener/links/bulk", data=bulk).status_code == 404
    assert links.now(link).deleted_at is None


# One link


def test_the_numbers_show_clicks_and_what_was_left_out(
    alices: Client, anybody: Client, alice: Account, links: Links
) -> None:
    link = links.new(principal(alice))
    anybody.get(f"/s/{link.short_code}")
    anybody.get(f"/s/{link.short_code}?qr")
    anybody.get(f"/s/{link.short_code}", headers={"User-Agent": "Googlebot/2.1"})
    anybody.request("HEAD", f"/s/{link.short_code}")
    links.shortener.folder.fold()

    text = alices.get(f"/shortener/links/{link.id}?span=hour").text

    assert re.search(r"Clicks</dt><dd><span>2<", text)
    assert re.search(r"Left out</dt><dd><span>2<", text)
    assert "QR code</span>" in text
    for span in ("day", "week", "month", "year", "all"):
        assert alices.get(f"/shortener/links/{link.id}/numbers?span={span}").status_code == 200


def test_the_numbers_show_a_click_of_the_first_second_of_an_hour(
    alices: Client, anybody: Client, alice: Account, links: Links
) -> None:
    link = links.new(principal(alice))
    clock.advance(HOUR - clock.timestamp() % HOUR)
    anybody.get(f"/s/{link.short_code}")
    links.shortener.folder.fold()

    text = alices.get(f"/shortener/links/{link.id}?span=hour").text

    assert re.search(r"Clicks</dt><dd><span>1<", text)


def test_settings_are_changed_and_taken_away(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice), title="Before", tags=["old"], max_visits=5)
    path = f"/shortener/links/{link.id}/settings"
    fields = {"long_url": "https://example.com/after", "redirect_status": "301", "utm.source": "x"}

    answer = alices.submit(path, {**fields, "expires_at": "2199-05-01T10:00", "alias": "further"})

    assert answer.status_code == 303
    now = links.now(link)
    assert (now.long_url, now.title, now.max_visits, now.redirect_status) == (
        "https://example.com/after",
        "",
        None,
        301,
    )
    assert now.expires_at is not None
    assert alices.get("/s/further").headers["location"] == "https://example.com/after?utm_source=x"
    assert "https://example.com/page" in alices.get(f"/shortener/links/{link.id}/history").text


def test_a_time_that_has_passed_may_stay(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice), expires_at=clock.now() + timedelta(minutes=5))
    clock.advance(seconds=600)
    path = f"/shortener/links/{link.id}/settings"
    shown = re.search(r'name="expires_at"[^>]*value="([^"]+)"', alices.get(path).text)
    assert shown is not None

    answer = alices.submit(path, {"long_url": link.long_url, "title": "Late", "expires_at": shown[1]})

    assert answer.status_code == 303
    assert links.now(link).title == "Late"


def test_a_password_is_set_kept_and_removed(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))
    path = f"/shortener/links/{link.id}/settings"

    alices.submit(path, {"long_url": link.long_url, "password": "sesame"})
    assert alices.get(f"/s/{link.short_code}").status_code == 200
    alices.submit(path, {"long_url": link.long_url})
    assert alices.get(f"/s/{link.short_code}").status_code == 200
    alices.submit(path, {"long_url": link.long_url, "remove_password": "on"})

    assert alices.get(f"/s/{link.short_code}").status_code == 302


def test_wrong_settings_are_shown_beside_their_fields(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))
    fields = {"long_url": "https://example.com/kept", "expires_at": "2001-01-01T00:00"}

    answer = alices.submit(f"/shortener/links/{link.id}/settings", fields)

    assert answer.status_code == 400
    assert 'id="f-expires_at-error"' in answer.text
    assert "https://example.com/kept" in answer.text
    assert links.now(link).long_url == link.long_url


def test_rules_are_added_ordered_and_saved(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))
    path = f"/shortener/links/{link.id}/rules"
    first = {"url-0": "https://example.com/ios", "type-0-0": "device", "value-0-0": "ios"}
    second = {"url-1": "https://example.com/de", "type-1-0": "language", "value-1-0": "de"}

    added = alices.submit(path, {**first, "do": "add"})
    assert 'name="url-1"' in added.text
    moved = alices.submit(path, {**first, **second, "do": "up:1"})
    assert re.search(r'name="url-0" value="https://example.com/de"', moved.text)
    alices.submit(path, {**first, **second, "do": "save"})

    german = alices.get(f"/s/{link.short_code}", headers={"Accept-Language": "de"})
    assert german.headers["location"] == "https://example.com/de"


def test_a_wrong_rule_says_which(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))
    fields = {"url-0": "https://example.com/", "type-0-0": "ip-address", "value-0-0": "nonsense", "do": "save"}

    answer = alices.submit(f"/shortener/links/{link.id}/rules", fields)

    assert answer.status_code == 400
    assert 'value="nonsense"' in answer.text
    assert 'aria-invalid="true"' in answer.text


# QR codes


def test_a_qr_code_is_drawn_as_asked(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))
    path = f"/shortener/links/{link.id}/qr"
    logo = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(logo, "PNG")

    png = alices.post(path, data={"format": "png", "size": "300"}, files={"logo": ("l.png", logo.getvalue())})
    pdf = alices.post(path, data={"format": "pdf"})

    assert Image.open(io.BytesIO(png.content)).size == (300, 300)
    assert "attachment" in png.headers["content-disposition"]
    assert pdf.content.startswith(b"%PDF")


def test_a_code_that_no_camera_reads_is_refused(alices: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))

    answer = alices.post(f"/shortener/links/{link.id}/qr", data={"dark": "#eeeeee", "light": "#ffffff"})

    assert answer.status_code == 400
    assert "darker colour" in answer.text


def test_the_picture_of_a_code_exists_for_links_only(anybody: Client, alice: Account, links: Links) -> None:
    link = links.new(principal(alice))

    shown = anybody.get(f"/shortener/qr?short_url={link.short_code}")

    assert shown.headers["content-type"].startswith("image/svg+xml")
    assert anybody.get("/shortener/qr?short_url=nothing-here").status_code == 404
    assert anybody.get(f"/shortener/qr?short_url={link.short_code}&image_format=bmp").status_code == 400


# Around links


def test_a_file_is_imported_and_reported(alices: Client, platform: Platform) -> None:
    content = b"long_url,short_code\nhttps://example.com/in,brought\nnot a url at all,x\n"

    answer = alices.post("/shortener/import", files={"file": ("links.csv", content)}, data={"kind": ""})
    assert answer.status_code == 303
    work(platform)

    assert alices.get("/s/brought").headers["location"] == "https://example.com/in"
    text = alices.get("/shortener/import").text
    assert "Why rows were refused" in text
    assert alices.post("/shortener/import", files={"file": ("links.csv", b"")}).status_code == 400


def test_labels_are_made_renamed_and_deleted(alices: Client) -> None:
    for kind in ("tags", "folders", "templates"):
        path = f"/shortener/labels/{kind}"
        alices.submit(path, {"name": "First"})
        assert alices.submit(path, {"name": "first"}).status_code == 409
        found = re.search(rf'action="({path}/[^"/]+)"', alices.get(path).text)
        assert found is not None
        alices.submit(found[1], {"name": "Second"}, page=path)
        assert "Second" in alices.get(path).text
        alices.submit(f"{found[1]}/deletion", {}, page=path)
        assert "Second" not in alices.get(path).text
    assert alices.get("/shortener/labels/nonsense").status_code == 404


def test_a_group_shares_links(alices: Client, strangers: Client, alice: Account, links: Links, make: Factory) -> None:
    bob = make.account("bobby")
    bobs = alices.with_token(make.token(bob, days=4000))
    group = alices.submit("/shortener/groups", {"name": "Club"}).headers["location"]
    link = links.new(principal(alice), group_id=group.rpartition("/")[2])

    assert bobs.get(f"/shortener/links/{link.id}").status_code == 404
    alices.submit(f"{group}/members", {"username": "bobby", "role": "viewer"}, page=group)
    assert bobs.get(f"/shortener/links/{link.id}").status_code == 200
    assert bobs.post(f"/shortener/links/{link.id}/archive", data={}).status_code == 403
    assert strangers.get(group).status_code == 404
    assert alices.submit(f"{group}/members", {"username": "nobody-here"}, page=group).status_code == 400


def test_a_domain_shows_the_record_that_it_waits_for(alices: Client, strangers: Client) -> None:
    alices.submit("/shortener/domains", {"domain": "go.example.com"})

    text = alices.get("/shortener/domains").text

    assert "_dodeca.go.example.com" in text
    assert "Waits for its record" in text
    assert strangers.post("/shortener/domains/go.example.com/deletion").status_code == 404
    assert alices.submit("/shortener/domains", {"domain": "localhost"}).status_code == 400


def test_a_reported_link_is_taken_down_and_released(
    anybody: Client, alices: Client, alice: Account, links: Links, make: Factory
) -> None:
    link = links.new(principal(alice))
    moderators = alices.with_token(make.token(make.account(roles_too=["moderator"]), days=4000))

    anybody.submit("/shortener/report", {"short_url": link.short_code, "reason": "Deceit"})
    assert anybody.submit("/shortener/report", {"short_url": "nothing-here", "reason": "x"}).status_code == 404
    assert alices.get("/shortener/moderation").status_code == 403
    desk = moderators.get("/shortener/moderation").text
    report = re.search(r'action="(/shortener/moderation/reports/[^"]+)"', desk)
    assert report is not None
    moderators.submit(report[1], {"outcome": "disabled"}, page="/shortener/moderation")
    assert anybody.get(f"/s/{link.short_code}").status_code == 410
    moderators.submit(f"/shortener/moderation/links/{link.id}/release", {}, page="/shortener/moderation")

    assert anybody.get(f"/s/{link.short_code}").status_code == 302


def test_a_blocked_domain_stops_links_until_it_is_unblocked(
    alices: Client, alice: Account, links: Links, make: Factory, platform: Platform
) -> None:
    link = links.new(principal(alice), "https://bad.example.net/page")
    moderators = alices.with_token(make.token(make.account(roles_too=["moderator"]), days=4000))
    path = "/shortener/moderation/blocklist"

    moderators.submit(path, {"pattern": "example.net\n", "reason": "Malware"})
    work(platform)
    assert alices.get(f"/s/{link.short_code}").status_code == 410
    assert alices.submit("/shortener/", {"long_url": "https://example.net/"}).status_code == 400
    moderators.submit(f"{path}/removal", {"pattern": "example.net"}, page=path)
    work(platform)

    assert alices.get(f"/s/{link.short_code}").status_code == 302


def test_every_page_opens_for_a_member(alices: Client) -> None:
    for path in ("", "links", "groups", "domains", "import", "keys", "tools", "report", "labels/tags"):
        assert alices.get(f"/shortener/{path}").status_code == 200


# On the pages around the product


def test_the_search_of_the_platform_finds_ones_own_links(alices: Client, strangers: Client) -> None:
    alices.submit("/shortener/", {"long_url": "https://example.com/otters", "title": "Three quiet <otters>"})

    mine, theirs = alices.get("/search?q=otters"), strangers.get("/search?q=otters")

    assert "Three quiet &lt;otters&gt;" in mine.text
    assert "Nothing found" in theirs.text


def test_home_shows_a_member_what_is_theirs(alices: Client, strangers: Client) -> None:
    alices.submit("/shortener/", {"long_url": "https://example.com/otters", "title": "Three quiet otters"})

    assert "Three quiet otters" in alices.get("/").text
    assert "Three quiet otters" not in strangers.get("/").text


def test_an_error_page_keeps_who_is_signed_in(alices: Client, alice: Account) -> None:
    refused, unknown = alices.get("/admin"), alices.get("/no/such/page")

    assert refused.status_code == 403
    assert f"@{alice.username}" in refused.text
    assert unknown.status_code == 404
    assert "Search may find it" in unknown.text


def test_reported_links_stand_in_the_administration(anybody: Client, make: Factory, links: Links) -> None:
    link = links.new(title="Free money")
    for reason in ("deceit", "a copy"):
        anybody.submit("/shortener/report", {"short_url": link.short_code, "reason": reason})
    staff = anybody.with_token(make.token(make.account(roles_too=["admin"]))).with_headers(HTML)

    shown = staff.get("/admin/reports").text

    assert shown.count("Free money") == 1
    assert "2 reports" in shown
