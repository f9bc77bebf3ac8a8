from __future__ import annotations

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.errors import Invalid
from dodeca.products.shortener import targets
from dodeca.products.shortener.hosts import OwnHosts, judge_host, registrable_domain, skeleton
from dodeca.products.shortener.targets import MAX_BYTES, TargetPolicy, judge_target, url_hash

OWN = OwnHosts(shared=["dodeca.example:8000", "127.0.0.1:8000"], dedicated=["Go.Example.COM", "пример.example"])
POLICY = TargetPolicy(own=OWN)


def refused(text: str, policy: TargetPolicy = POLICY) -> Invalid:
    with pytest.raises(Invalid) as caught:
        judge_target(text, policy, field="long_url")
    assert caught.value.field == "long_url"
    return caught.value


# The serialisations are those of the WHATWG URL Standard.
@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("https://example.org", "https://example.org/"),
        ("  https://example.org/a b\n", "https://example.org/a%20b"),
        ("\ufeffhttps://example.org/\u00a0", "https://example.org/"),
        ("\x00\x1b http://example.org/ \x1f", "http://example.org/"),
        ("example.org/path", "https://example.org/path"),
        ("//example.org/path", "https://example.org/path"),
        ("example.org:8080/x", "https://example.org:8080/x"),
        ("HTTP://EXAMPLE.org:80/", "http://example.org/"),
        ("http:\\\\example.org\\a\\..\\b", "http://example.org/b"),
        ("https:example.org", "https://example.org/"),
        ("https://example.org/%7Ea/%2e%2E/b", "https://example.org/b"),
        ("https://example.org/?q='ü'#ü", "https://example.org/?q=%27%C3%BC%27#%C3%BC"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://exa\u00admple.org/", "https://example.org/"),
        ("https://134744072/", "https://8.8.8.8/"),
        ("https://[2606:4700:0:0::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_a_target_is_serialised_as_browsers_do(text: str, location: str) -> None:
    assert judge_target(text, POLICY).location == location


def test_the_url_as_given_is_kept_trimmed() -> None:
    assert judge_target("  Example.org/Ü ", POLICY).long_url == "Example.org/Ü"


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "/path", "?q=1", "#top", ":80", "https://", "https://exa mple.org/", "http://[::1",
        "http://a..b..c:99999/",
        "http://example.org:70000/", "http://%zz.example/", "http://1.2.3.256/", "http://[1::2::3]/", "\ud800.example",
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "  data:text/html,x", "vbscript:x", "file:///etc/passwd",
        "blob:https://example.org/1", "ftp://example.org/",
        "mailto:a@example.org",
        "javascript://example.org/%0aalert(1)",
        "http://exam\tple.org/", "http://example.org/a\r\nSet-Cookie: x", "http://example.org/a\x00b",
        "https://user@example.org/", "https://user:secret@example.org/",
        "https://:secret@example.org/", "a@example.org",
    ],
)  # fmt: skip
def test_what_is_not_a_web_address_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "017700000001", "127.0.0.1.", "①②⑦.⓪.⓪.①",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::10.0.0.1]",
        "[2002:7f00:1::]", "[fe80::1]", "[fd12::1]", "[ff02::1]", "0.0.0.0", "0", "10.0.0.1", "172.16.0.1",
        "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255",
        "localhost", "LOCALHOST.", "%6c%6fcalhost", "a.localhost", "printer.local", "db.internal",
        "intranet", "intranet.",
    ],
)  # fmt: skip
def test_local_addresses_are_refused_in_any_spelling_unless_allowed(host: str) -> None:
    refused(f"http://{host}/")

    assert judge_target(f"http://{host}/", TargetPolicy(own=OWN, allow_private=True)).location


@pytest.mark.parametrize("host", ["172.32.0.1", "8.8.8.8", "[2606:4700::1111]", "[::ffff:8.8.8.8]", "local.example"])
def test_public_addresses_are_accepted(host: str) -> None:
    assert judge_target(f"http://{host}/", POLICY)


@pytest.mark.parametrize(
    "text",
    [
        "http://dodeca.example/s/abc", "HTTPS://DODECA.example:9999/s/abc", "dodeca.example./s/abc",
        "http://dodeca.example/x/../s/abc", "http://dodeca.example/%73/abc", "http://dodeca.example/s%2Fabc",
        "http://dodeca.example/api/shortener/abc", "http://127.1:8000/s/abc", "https://go.example.com/abc",
        "https://go.example.com.:444/abc?x#y", "https://xn--e1afmkfd.example/abc", "http://ПРИМЕР.example/abc",
    ],
)  # fmt: skip
def test_our_own_short_links_are_refused_before_anything_else_about_the_host(text: str) -> None:
    message = refused(text, TargetPolicy(own=OWN, allow_private=True)).message

    assert "already a short link" in message


@pytest.mark.parametrize(
    "text", ["http://dodeca.example/market/items/1", "https://go.example.com/", "https://go.example.com"]
)
def test_other_pages_of_our_own_hosts_may_be_shortened(text: str) -> None:
    assert judge_target(text, POLICY)


def test_a_target_may_have_8000_bytes_and_not_one_more() -> None:
    longest = "https://example.org/" + "a" * (MAX_BYTES - 20)

    assert judge_target(longest, POLICY).long_url == longest
    refused(longest + "a")
    refused("https://example.org/" + "ü" * (MAX_BYTES // 2))


def test_a_setting_adds_schemes_but_never_those_that_run_code() -> None:
    policy = TargetPolicy(extra_schemes=frozenset({"tel", "javascript"}))

    assert judge_target("tel:+431234", policy).location == "tel:+431234"
    refused("javascript:alert(1)", policy)
    refused("mailto:a@example.org", policy)


@pytest.mark.parametrize(
    "host",
    [
        "раураl.com",  # Cyrillic but for one letter
        "paypаl.com",
        "аррӏе.com",  # wholly Cyrillic
        "gοοgle.com",  # Greek omicron
        "páypal.com",
        "paypa1.com",
        "g00gle.co.uk",
        "rnicrosoft.com",
        "login.paypaI.com",
        "xn--pypal-4ve.com",
        "раураӏ.evil.example",
    ],
)
def test_look_alike_hosts_are_marked(host: str) -> None:
    target = judge_target(f"https://{host}/", POLICY)

    assert target.warning == "lookalike"


@pytest.mark.parametrize(
    "host",
    [
        "paypal.com",
        "www.amazon.co.uk",
        "bücher.example",
        "пример.com",
        "яндекс.рф",
        "日本語テスト.jp",
        "example.org",
        "c1.example",
    ],
)
def test_honest_hosts_are_not_marked(host: str) -> None:
    assert judge_target(f"https://{host}/", POLICY).warning is None


def test_a_host_can_be_shown_in_its_own_script() -> None:
    assert judge_host("xn--bcher-kva.example").unicode == "bücher.example"


@pytest.mark.parametrize(
    ("host", "domain"),
    [("www.example.co.uk", "example.co.uk"), ("a.b.example.org", "example.org"),
     ("me.github.io", "me.github.io"),
     ("co.uk", "co.uk")],
)  # fmt: skip
def test_the_registrable_domain_follows_the_public_suffix_list(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


def test_equal_targets_have_one_hash_that_fits_a_signed_column() -> None:
    first, second = judge_target("EXAMPLE.org", POLICY), judge_target("https://example.org:443/", POLICY)

    assert first.url_hash == second.url_hash == url_hash("https://example.org/")
    assert 0 <= first.url_hash < 2**63


def test_a_skeleton_ignores_what_readers_overlook() -> None:
    assert skeleton("Paypa1") == skeleton("раураl") == skeleton("paypal")


@given(st.text(max_size=200) | st.builds("http://{}/{}".format, st.text(max_size=30), st.text(max_size=30)))
def test_any_text_is_judged_or_refused_and_never_crashes(text: str) -> None:
    try:
        target = judge_target(text, POLICY)
    except Invalid:
        return
    assert target.location.isascii()
    assert target.location.startswith(("http://", "https://"))
    assert not set(target.location) & set(" \r\n\t\0")
    assert judge_target(target.location, POLICY).location == target.location


@given(st.text("abz09:@?#[]%.\\\\/-_~é", max_size=30), st.sampled_from(["http", "https", "ftp", "mailto", "tel"]))
def test_the_parts_of_a_serialised_url_are_those_that_the_parser_sees(rest: str, scheme: str) -> None:
    try:
        parts = ada_url.parse_url(f"{scheme}://{rest}")
    except ValueError:
        return
    has_user = bool(parts["username"] or parts["password"])
    assert targets._parts(parts["href"]) == (parts["protocol"][:-1], has_user, parts["hostname"], parts["pathname"])
