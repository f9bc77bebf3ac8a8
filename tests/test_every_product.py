"""What is asked alike of every product and commons module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from dodeca import app, catalogue
from dodeca.kernel.db import Model
from dodeca.kernel.http import Access
from dodeca.kernel.manifest import Manifest
from dodeca.kernel.platform import Platform
from tests.support.platform import applied

ROOT = Path(__file__).parents[1]
MANIFESTS = [*catalogue.commons(), *catalogue.products()]
PRODUCTS = catalogue.products()
LONGEST_MODULE = 500
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
one_engine = pytest.mark.parametrize("prepared_url", ["sqlite"], indirect=True)
"""What is asked does not reach the database, or only on its way to being refused."""


def handlers(application: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Every (path, method, handler) of the application."""
    for route in application.routes:
        for handler in getattr(route, "route_handlers", []):
            if isinstance(handler, HTTPRouteHandler):
                for method in sorted(map(str, handler.http_methods)):
                    yield route.path, method, handler


def filled(path: str) -> str:
    """The path with something in each parameter."""
    return re.sub(r"\{[^}]*:int\}", "1", re.sub(r"\{[^}]*:(?:str|path)\}", "nobody", path))


@pytest.fixture
def application(platform: Platform) -> Iterator[Litestar]:
    """The whole application."""
    with applied(platform) as application:
        yield application


@pytest.fixture
def visitor(application: Litestar) -> Iterator[TestClient[Any]]:
    """Somebody without an account."""
    with TestClient(application, raise_server_exceptions=False) as client:
        yield client


@one_engine
def test_every_route_declares_its_access(application: Litestar) -> None:
    without = [
        f"{method} {path}"
        for path, method, handler in handlers(application)
        if method != "OPTIONS" and "access" not in handler.opt and not handler.fn.__module__.startswith("litestar.")
    ]
    assert without == []


@one_engine
def test_strangers_are_refused_where_a_route_asks_for_a_member(application: Litestar, visitor: TestClient[Any]) -> None:
    let_in = []
    for path, method, handler in handlers(application):
        if handler.opt.get("access", "public") in (Access.PUBLIC, "public") or method in ("HEAD", "OPTIONS"):
            continue
        if handler.opt.get("part") == "compat":
            continue  # a foreign protocol says it in its own words; its tests ask
        answer = visitor.request(method, filled(path), follow_redirects=False)
        if answer.status_code not in (401, 403, 404, 405, 429) and "/login" not in answer.headers.get("location", ""):
            let_in.append(f"{method} {path}: {answer.status_code}")
    assert let_in == []


@one_engine
def test_errors_have_one_shape(application: Litestar, visitor: TestClient[Any]) -> None:
    wrong = []
    for path, method, handler in handlers(application):
        if not path.startswith("/api/") or method in ("HEAD", "OPTIONS") or handler.opt.get("part") != "api":
            continue
        if path.endswith("/stream"):
            continue  # ends when its reader goes, which this client never does
        answer = visitor.request(method, filled(path), content=b"{", headers={"content-type": "application/json"})
        if answer.status_code < 400:
            continue
        body = answer.json()
        if answer.status_code >= 500 or not {"title", "status", "detail", "error", "message"} <= set(body):
            wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:80]}")
    assert wrong == []


@pytest.mark.slow
def test_broken_bodies_are_never_our_fault(application: Litestar, visitor: TestClient[Any]) -> None:
    failed = []
    bodies = [b"", b"[]", b"null", b"\xff\xfe", b'{"a":', b"1e999", b'{"\\u0000": 1}', b"[" * 3000]
    for path, method, _handler in handlers(application):
        if method not in UNSAFE:
            continue
        for body in bodies:
            answer = visitor.request(method, filled(path), content=body, headers={"content-type": "application/json"})
            if answer.status_code >= 500:
                failed.append(f"{method} {path} {body[:10]!r}: {answer.status_code}")
    assert failed == []


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: m.name)
def test_every_job_is_named_after_its_module(manifest: Manifest) -> None:
    own = {manifest.name, "platform"} if manifest.name == "shell" else {manifest.name}
    assert [job.name for job in manifest.jobs if job.name.partition(".")[0] not in own] == []


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda m: m.name)
def test_every_product_has_its_page_in_the_handbook(product: Manifest) -> None:
    page = ROOT / "docs" / "products" / f"{product.name}.md"
    assert page.exists()
    assert f"products/{product.name}.md" in (ROOT / "mkdocs.yml").read_text("utf-8")


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda m: m.name)
def test_every_product_answers_at_its_address(product: Manifest, visitor: TestClient[Any]) -> None:
    answer = visitor.get(f"/{product.name}/", headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert "<main" in answer.text
    assert f'data-product="{product.name}"' in answer.text


@pytest.mark.slow
def test_demo_data_loads_and_keeps_every_invariant(platform: Platform) -> None:
    app.application(platform)

    people = app.load_demo(platform)

    assert people
    assert not app.demo_is_unfinished(platform)
    broken = {
        f"{manifest.name}: {name}": rows
        for manifest in platform.manifests
        for name, invariant in manifest.invariants.items()
        if (rows := list(platform.db.read(invariant)))
    }
    assert broken == {}


def test_every_table_says_what_its_rows_are() -> None:
    silent = [
        mapper.class_.__name__
        for mapper in Model.registry.mappers
        if mapper.class_.__module__.startswith("dodeca.") and len((mapper.class_.__doc__ or "").strip()) < 40
    ]
    assert silent == []


@one_engine
def test_request_bodies_are_closed(application: Litestar) -> None:
    """A typing slip in a field's name is an error, not silence. Foreign shapes (compat) are as their clients send."""
    open_ones = set()
    for _path, method, handler in handlers(application):
        plan = handler.opt.get("plan")
        kind = getattr(plan, "body_type", None)
        data = handler.parsed_fn_signature.parameters.get("data")
        kind = kind or (data.annotation if data is not None else None)
        ours = method in UNSAFE and handler.opt.get("part") == "api"
        if ours and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind.__struct_config__.forbid_unknown_fields:
                continue
            open_ones.add(kind.__name__)
    assert open_ones - {"SubscribeRequest"} == set()  # that one is what a browser's PushSubscription gives


def test_no_module_outgrows_one_room() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in (ROOT / "src").rglob("*.py")
        if (lines := len(file.read_text("utf-8").splitlines())) > LONGEST_MODULE
    }
    assert long == {}
