"""The exit bundle, tried in the servers it is for where they are installed."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.programs import needs

from dodeca.kernel.errors import Invalid
from dodeca.products.shortener.formats import ExitLink, not_plain_because, write_exit

# Everything in a serialised URL that some configuration language takes for its own.
NASTY = "https://e.org/a%20b/$1/$uri/${map:x}/%{HTTP_HOST}/%41%2;'\"%22{}()&!?q=\\d\\\\&x=a;b$#f'&$"
NASTY_ENCODED = NASTY.replace('"', "%22")
LINKS = [
    ExitLink("aBcDeF", "https://e.org/plain"),
    ExitLink("AbCdEf", "https://e.org/other-case", 301),
    ExitLink("abcdef", "https://e.org/third-case", 308),
    ExitLink("Sale-2031", "https://e.org/sale?x=1", 307, any_case=True),
    ExitLink("nasty1", NASTY_ENCODED),
    ExitLink("aBcDeF", "https://e.org/on-own-domain", host="go.example"),
]
EXPECTED = {
    ("any.test", "/s/aBcDeF"): (302, "https://e.org/plain"),
    ("any.test", "/s/aBcDeF?x=1"): (302, "https://e.org/plain"),
    ("any.test", "/s/AbCdEf"): (301, "https://e.org/other-case"),
    ("any.test", "/s/abcdef"): (308, "https://e.org/third-case"),
    ("any.test", "/s/ABCDEF"): (404, None),
    ("any.test", "/s/sale-2031"): (307, "https://e.org/sale?x=1"),
    ("any.test", "/s/nasty1"): (302, NASTY_ENCODED),
    ("any.test", "/s/NASTY1"): (404, None),
    ("any.test", "/s/missing"): (404, None),
    ("any.test", "/s/aBcDeFx"): (404, None),
    ("go.example", "/aBcDeF"): (302, "https://e.org/on-own-domain"),
    ("any.test", "/aBcDeF"): (404, None),
}


def answers(port: int) -> dict[tuple[str, str], tuple[int, str | None]]:
    found = {}
    for host, path in EXPECTED:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        found[host, path] = (response.status, response.getheader("Location"))
        connection.close()
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                process.terminate()
                pytest.fail(process.communicate()[0].decode())
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.communicate()


NGINX = """
daemon off; pid {root}/nginx.pid; error_log stderr;
events {{}}
http {{
    access_log off; client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root};
    uwsgi_temp_path {root}; scgi_temp_path {root};
    include {root}/links.conf;
    server {{
        listen 127.0.0.1:{port};
        location / {{ include {root}/redirect.conf; }}
    }}
}}
"""


@pytest.mark.cluster
@needs("nginx")
def test_stock_nginx_redirects_like_the_product(tmp_path: Path) -> None:
    port = free_port()
    bundle = "".join(write_exit("nginx", LINKS))
    (tmp_path / "links.conf").write_text(bundle)
    snippet = [line.removeprefix("#     ") for line in bundle.splitlines() if line.startswith("#     ")]
    (tmp_path / "redirect.conf").write_text("\n".join(line for line in snippet if "location" not in line))
    (tmp_path / "nginx.conf").write_text(NGINX.format(root=tmp_path, port=port))

    with serving(["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], port):
        assert answers(port) == EXPECTED


APACHE = """
ServerRoot {root}
ServerName any.test
Listen 127.0.0.1:{port}
PidFile {root}/apache.pid
ErrorLog /dev/stderr
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule rewrite_module {modules}/mod_rewrite.so
DocumentRoot {root}/site
<Directory {root}/site>
    AllowOverride All
    Require all granted
</Directory>
"""


@pytest.mark.cluster
@needs("apache2")
def test_stock_apache_redirects_like_the_product(tmp_path: Path) -> None:
    port = free_port()
    site = tmp_path / "site"
    site.mkdir()
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (site / ".htaccess").write_text("".join(write_exit("htaccess", LINKS)))
    (tmp_path / "apache.conf").write_text(APACHE.format(root=tmp_path, port=port, modules="/usr/lib/apache2/modules"))

    with serving(["apache2", "-X", "-f", str(tmp_path / "apache.conf")], port):
        assert answers(port) == EXPECTED


def test_redirects_has_a_line_a_link() -> None:
    lines = "".join(write_exit("redirects", LINKS)).splitlines()

    assert f"/s/nasty1 {NASTY_ENCODED} 302" in lines
    assert "https://go.example/aBcDeF https://e.org/on-own-domain 302" in lines
    assert all(line.startswith("#") or len(line.split(" ")) == 3 for line in lines)


@pytest.mark.parametrize("exit_format", ["nginx", "redirects", "htaccess"])
def test_what_is_not_plain_is_listed_with_its_reason(exit_format: str) -> None:
    links = [
        ExitLink("plain1", "https://e.org/"),
        ExitLink("secret", "https://e.org/hidden", reasons=not_plain_because(password=True, rules=True)),
        ExitLink("broken", "https://e.org/\nreturn 200;"),
        ExitLink("strange", "https://e.org/", 303),
    ]

    text = "".join(write_exit(exit_format, links))

    assert "# /s/secret: has redirect rules; asks for a password\n" in text
    assert "# /s/broken: has a target that is not a serialised URL\n" in text
    assert "# /s/strange: redirects with status 303\n" in text
    assert "# 3 links are not included" in text
    assert "hidden" not in text
    assert "\nreturn 200" not in text


def test_apache_gets_no_target_whose_end_it_would_drop() -> None:
    text = "".join(write_exit("htaccess", [ExitLink("abc", "https://e.org/?a&")]))

    assert "RewriteRule" not in text
    assert "# /s/abc: has a target whose last character, &," in text


def test_a_plain_link_has_no_reasons_against_it() -> None:
    assert not_plain_because() == ()


def test_every_setting_that_a_file_cannot_express_is_a_reason() -> None:
    moment = datetime(2031, 5, 1, tzinfo=UTC)

    reasons = not_plain_because(
        rules=True,
        password=True,
        max_visits=True,
        starts_at=moment,
        expires_at=moment,
        forward_query=True,
        split=True,
        warning=True,
        inactive="archived",
    )

    assert len(reasons) == 9


def test_an_unknown_format_is_refused_before_anything_is_written() -> None:
    with pytest.raises(Invalid) as caught:
        write_exit("caddy", [])
    assert caught.value.field == "format"
