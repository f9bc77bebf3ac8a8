"""The composition root: from settings and manifests to one application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote

from litestar import Litestar, Request, Response
from litestar.config.app import AppConfig
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ControllerRouterHandler, Scope

from dodeca import catalogue
from dodeca.kernel import outbox
from dodeca.kernel.errors import DodecaError, Invalid
from dodeca.kernel.http import openapi, problems
from dodeca.kernel.http.application import Application, GrowingMap
from dodeca.kernel.http.bridge import AsgiApp, RsgiApplication
from dodeca.kernel.http.context import Call
from dodeca.kernel.http.metrics import count_answers
from dodeca.kernel.http.security import PAGE_HEADERS
from dodeca.kernel.jobs import JobRunner
from dodeca.kernel.manifest import Manifest
from dodeca.kernel.platform import Hooks, Platform
from dodeca.kernel.settings import Config
from dodeca.kernel.web.assets import static_handler

DEMO_UNFINISHED = "demo.unfinished"
"""A file in the data folder while the demo is filled in."""
SHARED_PATHS = (
    "/static/", "/media/", "/avatars/", "/s/", "/login", "/logout", "/register", "/reset", "/verify", "/account",
    "/inbox", "/admin", "/search", "/theme", "/docs", "/healthz", "/readyz", "/metrics", "/push-worker.js",
    "/api/accounts", "/api/notifications", "/api/admin", "/api/openapi.json",
)  # fmt: skip
"""What belongs to the platform on a product's own hostname too."""


def compose(config: Config, *, address: str = "http://127.0.0.1:8000") -> Platform:
    """Make the platform with the chosen products. Raises Invalid for an unknown product."""
    manifests = chosen(config.settings.only)
    platform = Platform(config, manifests, address=address)
    platform.hooks = Hooks(
        authenticator=catalogue.authenticator(platform), shell_account=catalogue.shell_account(platform)
    )
    platform.hooks.extra["unread"] = catalogue.unread()
    for manifest in manifests:
        for event, jobs in manifest.subscriptions.items():
            for job in jobs:
                outbox.subscribe(event, job)
    return platform


def chosen(only: str) -> list[Manifest]:
    """Commons modules and the products named in `only` (all when empty)."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    products = catalogue.products()
    known = {manifest.name for manifest in products}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Invalid(f"There is no product {unknown[0]}. Installed: {', '.join(sorted(known))}.", field="only")
    wanted = [m for m in products if not names or m.name in names]
    return [*catalogue.commons(), *wanted]


def runner(platform: Platform) -> JobRunner:
    """The job runner of this process."""
    return JobRunner(platform, [job for manifest in platform.manifests for job in manifest.jobs])


def application(platform: Platform) -> Litestar:
    """The Litestar application."""
    handlers: list[ControllerRouterHandler] = [static_handler(platform.assets)]
    for manifest in platform.manifests:
        handlers += _routers(manifest)
    app = Application(
        route_handlers=handlers,
        exception_handlers={Exception: _answer_error, HTTPException: _answer_error, DodecaError: _answer_error},
        request_max_body_size=platform.settings.max_body_bytes,
        openapi_config=OpenAPIConfig(
            title="Dodeca",
            version="1",
            path="/api",
            render_plugins=[JsonRenderPlugin()],
            components=openapi.components(),
        ),
        before_send=[count_answers],
        on_startup=[_start],
        on_shutdown=[_stop],
        on_app_init=[_without_logging],
    )
    return attached(app, platform)


def attached(app: Litestar, platform: Platform) -> Litestar:
    """`app`, made for a platform with the same modules and settings, as the application of `platform`."""
    for manifest in platform.manifests:
        if manifest.prepare is not None:
            manifest.prepare(platform)
    app.state.platform = platform
    return app


async def _start(app: Litestar) -> None:
    await app.state.platform.start()


async def _stop(app: Litestar) -> None:
    await app.state.platform.stop()


def rsgi(platform: Platform, app: Litestar) -> RsgiApplication:
    """The application as granian takes it: lanes in front."""
    lanes = [manifest.lane(platform) for manifest in platform.manifests if manifest.lane is not None]
    asgi = by_hostname(platform, cast(AsgiApp, app))
    return RsgiApplication(asgi, lanes, body_seconds=platform.settings.body_seconds)


def by_hostname(platform: Platform, app: AsgiApp) -> AsgiApp:
    """Serve a product at the root of its own hostname: `/x` is `/<product>/x` and `/api/x` is `/api/<product>/x`.

    Products that know further hosts (custom domains) are asked first."""
    resolvers = [manifest.hosts(platform) for manifest in platform.manifests if manifest.hosts is not None]
    if not platform.hostnames and not resolvers:
        return app

    async def route(scope: Scope, receive: Any, send: Any) -> None:
        if "headers" not in scope:  # the lifespan
            await app(scope, receive, send)
            return
        host = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"host"), "").lower()
        path = scope.get("path", "")
        inner = next((found for resolve in resolvers if (found := resolve(host, path)) is not None), None)
        if inner is None:
            inner = _at_own_root(platform, host, path)
        if inner != path:
            scope = cast(Scope, {**scope, "path": inner, "raw_path": quote(inner).encode()})
        await app(scope, receive, send)

    return route


def _at_own_root(platform: Platform, host: str, path: str) -> str:
    """The platform's path for a path of a product's own hostname."""
    product = platform.hostnames.get(host) or platform.hostnames.get(host.partition(":")[0])
    if product is None or path.startswith(SHARED_PATHS):
        return path
    if f"{path}/".startswith((f"/{product}/", f"/api/{product}/")):  # as the product's own pages link
        return path
    return f"/api/{product}{path[4:]}" if path.startswith("/api/") else f"/{product}{path}"


class _OwnRouter(GrowingMap):
    """A router that belongs to one application: a deep copy of it, as Litestar makes to register it, takes as long as
    all the rest of composing."""

    def __deepcopy__(self, _memo: dict[int, Any]) -> _OwnRouter:
        return self


def _routers(manifest: Manifest) -> list[ControllerRouterHandler]:
    opt = {"product": manifest.name if manifest.tagline else None, "module": manifest.name}
    places: Sequence[tuple[str, Sequence[ControllerRouterHandler], str]] = (
        (f"/api/{manifest.name}", manifest.api, "api"),
        (f"/{manifest.name}", manifest.pages, "pages"),
        (f"/{manifest.name}", manifest.compat, "compat"),
        ("/", manifest.root, "root"),
    )
    return [
        _OwnRouter(
            path=path,
            route_handlers=handlers,
            opt=opt | {"part": part},
            include_in_schema=part == "api",
            tags=[manifest.title],
        )
        for path, handlers, part in places
        if handlers
    ]


def _without_logging(config: AppConfig) -> AppConfig:
    """Errors are logged once, by `problems`; Litestar's own logger would say it again."""
    config.logging_config = None
    return config


GENERIC = frozenset({404, 405, 413})
"""What the framework itself says with these is shorter than what the page has to say."""


def _answer_error(request: Request[Any, Any, Any], exception: Exception) -> Response[Any]:
    """A problem document for programs, a page for people."""
    path = request.scope["path"]
    wants_page = "text/html" in request.headers.get("accept", "") and not path.startswith("/api/")
    if not wants_page:
        return problems.problem_response(request, exception)
    status, error = problems.as_dodeca_error(exception)
    if status == 401 and request.method == "GET":
        query = request.scope["query_string"].decode("latin-1")
        back = quote(path + (f"?{query}" if query else ""), safe="/")
        return Response(b"", status_code=303, headers={"Location": f"/login?next={back}", "Cache-Control": "no-store"})
    platform: Platform = request.app.state.platform
    call = cast(dict[str, Any], request.scope).get("dodeca.call") or Call(request, platform, None, None)
    shell, cookies = platform.shell_of_error(call)
    generic = status == 500 or (isinstance(exception, HTTPException) and status in GENERIC)
    context = {"shell": shell, "status": status, "message": None if generic else error.message}
    html = platform.renderer.render("error.html", context)
    headers = {**PAGE_HEADERS, "Cache-Control": "no-store", **problems.error_headers(status, error)}
    return Response(html.encode(), status_code=status, media_type="text/html", headers=headers, cookies=cookies)


def load_demo(platform: Platform) -> list[tuple[str, str]]:
    """Fill an empty platform with every product's demo; gives the accounts to sign in with.

    Does nothing where somebody already has an account. `demo_is_unfinished` tells whether a call never came to its end.
    """
    if not catalogue.is_empty(platform):
        return []
    unfinished = platform.settings.data / DEMO_UNFINISHED
    unfinished.touch()
    people = catalogue.make_demo_people(platform)
    for manifest in platform.manifests:
        if manifest.demo is not None:
            manifest.demo(platform)
    unfinished.unlink()
    return people


def demo_is_unfinished(platform: Platform) -> bool:
    """Whether somebody stopped `load_demo`, or it failed: what it would have made after that is missing."""
    return (platform.settings.data / DEMO_UNFINISHED).exists()
