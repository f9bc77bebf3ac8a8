"""Rendering: escaping, names, the pages of the shell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from markupsafe import Markup

from dodeca.kernel.web import design
from dodeca.kernel.web import templates as module
from dodeca.kernel.web.assets import Assets
from dodeca.kernel.web.forms import Form
from dodeca.kernel.web.shell import HomeCard, HomeItem, HomeNumber, Shell, ShellAccount, ShellProduct, Toast
from dodeca.kernel.web.templates import Renderer

SHELL = Path(module.__file__).parent / "static"
LINKS = ShellProduct("shortener", "Links", "/shortener", "link", "Short links that count")
EVIL = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets({"shell": SHELL})


@pytest.fixture
def renderer(assets: Assets, tmp_path: Path) -> Renderer:
    return Renderer({"news": tmp_path}, assets=assets)


def write(folder: Path, text: str, name: str = "page.html") -> None:
    (folder / name).write_text(text)


def test_a_product_template_is_found_below_its_prefix(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path, "Hello {{ name }}")

    assert renderer.render("news/page.html", {"name": "Ada"}) == "Hello Ada"


def test_text_is_escaped_and_markup_is_not(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path, "{{ text }} {{ markup }}", "page.txt")

    assert renderer.render("news/page.txt", {"text": "<i>", "markup": Markup("<b>")}) == "&lt;i&gt; <b>"


def test_a_missing_name_is_an_error(renderer: Renderer, tmp_path: Path) -> None:
    write(tmp_path, "{{ missing }}")

    with pytest.raises(UndefinedError):
        renderer.render("news/page.html", {})


@pytest.mark.parametrize("name", ["news/../secret.html", "news/none.html", "other/page.html", "/etc/passwd"])
def test_no_other_file_is_a_template(renderer: Renderer, tmp_path: Path, name: str) -> None:
    (tmp_path.parent / "secret.html").write_text("secret")

    with pytest.raises(TemplateNotFound):
        renderer.render(name, {})


def test_a_changed_template_is_picked_up_in_development(assets: Assets, tmp_path: Path) -> None:
    import os

    renderer = Renderer({"news": tmp_path}, assets=assets, reload=True)
    write(tmp_path, "one")
    renderer.render("news/page.html", {})

    write(tmp_path, "two")
    os.utime(tmp_path / "page.html", (1, 1))

    assert renderer.render("news/page.html", {}) == "two"


def test_every_template_compiles(renderer: Renderer) -> None:
    assert renderer.compile_all() > 10


def test_the_header_shows_only_installed_products(renderer: Renderer) -> None:
    html = renderer.render("home.html", {"shell": Shell(products=[LINKS]), "cards": []})

    assert html.count('class="menu__item" href="/shortener"') == 1
    assert "/poker" not in html


def test_a_visitor_is_sent_back_after_signing_in(renderer: Renderer) -> None:
    html = renderer.render("error.html", {"shell": Shell(path="/shortener?x=1&y=2"), "status": 401})

    assert "/login?next=/shortener%3Fx%3D1%26y%3D2" in html


def test_nothing_that_people_write_becomes_markup(renderer: Renderer) -> None:
    shell = Shell(
        products=[ShellProduct("shortener", EVIL, EVIL, "link", EVIL)],
        product="shortener",
        account=ShellAccount(EVIL, EVIL, EVIL),
        csrf_token=EVIL,
        path=EVIL,
        search_query=EVIL,
        toasts=[Toast(EVIL)],
    )
    card = HomeCard("shortener", EVIL, EVIL, EVIL, "link", [HomeNumber(EVIL, EVIL)], [HomeItem(EVIL, EVIL, EVIL)])

    html = renderer.render("home.html", {"shell": shell, "cards": [card]})
    html += renderer.render("error.html", {"shell": shell, "status": 400, "message": EVIL, "reference": EVIL})

    assert "alert(1)" in html
    assert "<script>alert" not in html


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 418, 429, 500, 502, 503])
def test_every_error_has_words(renderer: Renderer, status: int) -> None:
    html = renderer.render("error.html", {"shell": Shell(), "status": status, "retry_after": 3.2})

    assert f"Error {status}" in html
    assert "Try again in 4\u00a0seconds" in html


def test_pages_obey_the_content_security_policy(renderer: Renderer) -> None:
    pages = [
        renderer.render("design.html", {"shell": Shell(products=[LINKS], csrf_token="t"), **design.context()}),
        renderer.render("home.html", {"shell": Shell(), "cards": []}),
        renderer.render("error.html", {"shell": Shell(), "status": 500}),
    ]

    for html in pages:
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
        assert not re.search(r"<script(?![^>]*\ssrc=)", html)


def test_every_posting_form_carries_the_token(renderer: Renderer) -> None:
    html = renderer.render(
        "design.html",
        {"shell": Shell(products=[LINKS], csrf_token="t0k", account=ShellAccount("Ada", "ada")), **design.context()},
    )
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", html, re.DOTALL)

    assert len(forms) >= 4
    assert all('name="csrf_token" value="t0k"' in form for form in forms)


def macro(renderer: Renderer, folder: Path, call: str, **context: object) -> str:
    write(folder, '{% import "ui.html" as ui %}' + call)
    return renderer.render("news/page.html", context)


def test_a_refused_field_keeps_its_value_and_is_tied_to_its_message(renderer: Renderer, tmp_path: Path) -> None:
    form = Form({"url": [EVIL]}, {"url": "Not an address."})

    html = macro(renderer, tmp_path, '{{ ui.field("url", "URL", form=form, hint="Long.") }}', form=form)

    assert 'value="&#34;&gt;&lt;script' in html
    assert 'aria-describedby="f-url-hint f-url-error" aria-invalid="true"' in html
    assert 'id="f-url-error"' in html


def test_a_password_is_never_given_back(renderer: Renderer, tmp_path: Path) -> None:
    form = Form({"password": ["hunter2hunter2"]}, {"password": "Too short."})

    html = macro(renderer, tmp_path, '{{ ui.field("password", "Password", form=form, type="password") }}', form=form)

    assert "hunter2" not in html


def test_leading_line_breaks_in_a_textarea_survive(renderer: Renderer, tmp_path: Path) -> None:
    form = Form({"words": ["\n\ntext"]})

    html = macro(renderer, tmp_path, '{{ ui.textarea("words", "Words", form=form) }}', form=form)

    assert ">\n\n\ntext</textarea>" in html, "the browser drops the first line break"


def test_a_checkbox_that_was_unticked_stays_unticked(renderer: Renderer, tmp_path: Path) -> None:
    call = '{{ ui.checkbox("terms", "Terms", form=form, checked=True) }}'

    assert " checked" in macro(renderer, tmp_path, call, form=Form())
    assert " checked" not in macro(renderer, tmp_path, call + " ", form=Form({"other": ["x"]}))


def test_a_select_keeps_what_was_chosen(renderer: Renderer, tmp_path: Path) -> None:
    html = macro(
        renderer,
        tmp_path,
        '{{ ui.select("size", "Size", [(1, "S"), (2, "M")], form=form, value=1) }}',
        form=Form({"size": ["2"]}),
    )

    assert '<option value="2" selected>' in html
    assert '<option value="1">' in html


def test_a_chart_has_words_and_a_table(renderer: Renderer, tmp_path: Path) -> None:
    html = macro(renderer, tmp_path, '{{ ui.line_chart("Clicks", [("Mon", 3), ("Tue", 1200)], ("Day", "Clicks")) }}')

    assert "<title>Clicks</title>" in html
    assert "2 values from Mon to Tue; lowest 3, highest 1.2k." in html
    assert '<th scope="row">Tue</th><td class="numeric">1,200</td>' in html


def test_a_chart_without_values_says_so(renderer: Renderer, tmp_path: Path) -> None:
    assert "No data yet." in macro(renderer, tmp_path, '{{ ui.bar_chart("Clicks", []) }}')


def test_an_icon_that_the_sprite_lacks_is_noticed(assets: Assets) -> None:
    sprite = assets.asset("shell/built/icons.svg").body.decode()
    folder = SHELL.parent / "templates"
    text = "".join(file.read_text() for file in folder.rglob("*.html"))
    used = set(re.findall(r'icon(?:_button)?\(\s*"([a-z0-9-]+)"', text)) | set(
        re.findall(r'icon_name="([a-z0-9-]+)"', text)
    )

    assert len(used) > 10
    assert [name for name in sorted(used) if f'id="{name}"' not in sprite] == []
