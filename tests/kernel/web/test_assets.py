"""Assets: hashed URLs, references between files, caching and compression."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dodeca.kernel.web import assets as module
from dodeca.kernel.web.assets import Assets, UnknownAsset, accepts_gzip, static_handler

SHELL = Path(module.__file__).parent / "static"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "img").mkdir(parents=True)
    (root / "img/dot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (root / "part.css").write_text(".part { background: url('./img/dot.svg'); }")
    (root / "page.css").write_text('@import "./part.css";\n.page { color: red; }\n' + ".x { color: blue; }\n" * 60)
    (root / "b.js").write_text("export const b = 1\n")
    (root / "a.js").write_text('import { b } from "./b.js"\nconsole.log(b)\n')
    (tmp_path / "secret.txt").write_text("secret")
    return root


@pytest.fixture
def assets(folder: Path) -> Assets:
    return Assets({"news": folder})


def client(assets: Assets) -> TestClient[Litestar]:
    return TestClient(Litestar([static_handler(assets)], openapi_config=None))


def test_a_url_changes_with_the_content(folder: Path) -> None:
    before = Assets({"news": folder}).url("news/b.js")

    (folder / "b.js").write_text("export const b = 2\n")

    assert before.startswith("/static/news/b.")
    assert Assets({"news": folder}).url("news/b.js") != before


def test_a_changed_import_changes_the_url_of_the_importer(folder: Path) -> None:
    before = Assets({"news": folder}).url("news/a.js")

    (folder / "b.js").write_text("export const b = 2\n")

    assert Assets({"news": folder}).url("news/a.js") != before


def test_a_hashed_url_is_kept_for_ever(assets: Assets) -> None:
    with client(assets) as http:
        answer = http.get(assets.url("news/page.css"))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/static/news/page.css", "/static/news/page.000000000000.css"])
def test_a_plain_or_outdated_url_is_answered_and_must_be_checked_again(assets: Assets, path: str) -> None:
    with client(assets) as http:
        answer = http.get(path)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


def test_css_imports_are_put_in_and_urls_are_hashed(assets: Assets) -> None:
    text = assets.asset("news/page.css").body.decode()

    assert "@import" not in text
    assert assets.url("news/img/dot.svg") in text


def test_what_stands_below_an_element_stays_below_it_in_smaller_css(folder: Path) -> None:
    """Within another block the minifier takes the colon of a selector for that of a declaration."""
    rules = ".a[b=c] :is(d, e), .f :not(g) { color: red; } .h:is(i) { color: blue; } .j :where(k):not(l) { top: 0; }"
    (folder / "below.css").write_text(f"@layer product {{ .m {{ top: 0; }} {rules} @media print {{ {rules} }} }}")

    text = Assets({"news": folder}).asset("news/below.css").body.decode()

    small = ".a[b=c] *:is(d,e),.f *:not(g){color:red}.h:is(i){color:blue}.j *:where(k):not(l){top:0}"
    assert text == f"@layer product{{.m{{top:0}}{small}@media print{{{small}}}}}"


def test_module_imports_are_hashed(assets: Assets) -> None:
    assert f'from "{assets.url("news/b.js")}"' in assets.asset("news/a.js").body.decode()


def test_a_module_may_import_from_the_shell(folder: Path) -> None:
    (folder / "c.js").write_text('import { toast } from "/static/shell/js/announce.js"\ntoast("x")\n')
    assets = Assets({"news": folder, "shell": SHELL})

    assert assets.url("shell/js/announce.js") in assets.asset("news/c.js").body.decode()


def test_a_reference_to_nothing_names_both_files(folder: Path) -> None:
    (folder / "c.css").write_text(".c { background: url(gone.png); }")

    with pytest.raises(UnknownAsset, match=r"news/gone\.png.*news/c\.css"):
        Assets({"news": folder}).url("news/c.css")


def test_a_circle_of_imports_is_an_error(folder: Path) -> None:
    (folder / "b.js").write_text('import "./a.js"\n')

    with pytest.raises(UnknownAsset, match="circle"):
        Assets({"news": folder}).url("news/a.js")


@pytest.mark.parametrize(
    "path",
    [
        "news/../secret.txt",
        "news/%2e%2e/secret.txt",
        "../secret.txt",
        "news//etc/passwd",
        "news/.hidden",
        "x",
        "news/",
        "news/%00",
    ],
)
def test_no_path_leads_outside(assets: Assets, folder: Path, path: str) -> None:
    (folder / ".hidden").write_text("hidden")

    with client(Assets({"news": folder})) as http:
        answer = http.get(f"/static/{path}")

    assert answer.status_code == 404


def test_a_link_that_points_outside_is_not_served(folder: Path) -> None:
    (folder / "leak.txt").symlink_to(folder.parent / "secret.txt")

    assert "news/leak.txt" not in Assets({"news": folder}).names


def test_gzip_is_sent_when_it_is_accepted(assets: Assets) -> None:
    with (
        client(assets) as http,
        http.stream("GET", assets.url("news/page.css"), headers={"accept-encoding": "gzip"}) as answer,
    ):
        raw = b"".join(answer.iter_raw())

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == assets.asset("news/page.css").body


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("", False),
        ("gzip;q=0", False),
        ("br", False),
        ("*, gzip; q=0", False),
    ],
)
def test_accept_encoding_is_read_as_the_standard_says(header: str, taken: bool) -> None:
    assert accepts_gzip(header) is taken


def test_an_unchanged_file_is_answered_with_304(assets: Assets) -> None:
    with client(assets) as http:
        first = http.get(assets.url("news/page.css"), headers={"accept-encoding": "identity"})
        again = http.get(
            assets.url("news/page.css"), headers={"if-none-match": first.headers["etag"], "accept-encoding": "identity"}
        )
        packed = http.get(
            assets.url("news/page.css"), headers={"if-none-match": first.headers["etag"], "accept-encoding": "gzip"}
        )

    assert again.status_code == 304
    assert again.content == b""
    assert packed.status_code == 200, "the compressed form is another representation, with another tag"


def test_head_tells_the_length_and_sends_no_body(assets: Assets) -> None:
    with client(assets) as http:
        answer = http.head(assets.url("news/b.js"))

    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-length"] == str(len(assets.asset("news/b.js").body))


def test_changes_are_picked_up_in_development(folder: Path) -> None:
    assets = Assets({"news": folder}, reload=True)
    before = assets.url("news/a.js")

    (folder / "b.js").write_text("export const b = 22\n")
    (folder / "new.txt").write_text("new")

    assert assets.url("news/a.js") != before
    assert assets.url("news/new.txt")


def test_the_shell_is_small() -> None:
    assets = Assets({"shell": SHELL})
    css = len(assets.asset("shell/css/shell.css").body)
    scripts = [name for name in assets.names if name.startswith("shell/js/")]
    js = sum(len(assets.asset(name).body) for name in scripts)

    assert css < 30_000
    assert scripts
    assert js < 20_000


def test_the_files_of_the_shell_refer_only_to_files_that_exist() -> None:
    assets = Assets({"shell": SHELL})

    assert all(assets.url(name) for name in assets.names)


def test_the_static_route_is_open_to_everybody(assets: Assets) -> None:
    assert static_handler(assets).opt["access"] == "public"
