"""One running Dodeca: the database and everything else that handlers, jobs and commands share.

The composition root (`app.py`) makes it from settings and manifests. It knows no product; what accounts know (who is
calling, whose name stands in the header) is handed in as hooks.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.datastructures import Cookie
from prometheus_client import Counter

from dodeca.kernel.crypto import BadSignature, Expired, Keyring, SignedUrls, Signer
from dodeca.kernel.db import Database, ReadSession, open_database
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.http.access import Authenticator
from dodeca.kernel.http.context import Call
from dodeca.kernel.http.security import Proxies
from dodeca.kernel.invalidation import FileInvalidation, Invalidation
from dodeca.kernel.limits import Limits, Rate, network
from dodeca.kernel.manifest import Manifest
from dodeca.kernel.media import MediaStore
from dodeca.kernel.outbound import Outbound
from dodeca.kernel.realtime import Realtime
from dodeca.kernel.settings import Config, Settings
from dodeca.kernel.web.assets import Assets
from dodeca.kernel.web.shell import Shell, ShellAccount, ShellProduct, Toast
from dodeca.kernel.web.templates import Renderer

SESSION_COOKIE = "dodeca_session"
VISITOR_COOKIE = "dodeca_visitor"
TOAST_COOKIE = "dodeca_toast"
THEME_COOKIE = "dodeca_theme"
WEB_FOLDER = Path(__file__).parent / "web"

_jobs_counter = Counter("dodeca_jobs_total", "Jobs worked, by kind and outcome.", ["job", "outcome"])


@dataclass
class Hooks:
    """What accounts provide to the kernel."""

    authenticator: Authenticator
    shell_account: Callable[[ReadSession, Call], tuple[ShellAccount | None, int]]
    """The person in the header and the number of unread notifications."""
    extra: dict[str, Any] = field(default_factory=dict)


class Platform:
    """See the module's text. Close it when done."""

    def __init__(
        self, config: Config, manifests: Sequence[Manifest], *, address: str = "http://127.0.0.1:8000"
    ) -> None:
        self.config = config
        self.settings: Settings = config.settings
        self.data = self.settings.data
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock = _shared_lock(self.data)
        self._ends: list[Callable[[], None]] = []
        self.manifests = list(manifests)
        self.public_url = (self.settings.public_url or address).rstrip("/")
        self.hostnames = _hostnames(self.settings.hostnames)
        self.own_hosts = frozenset({urlsplit(self.public_url).netloc, *self.hostnames})
        self.secure = self.public_url.startswith("https:")
        self.keyring = Keyring(secret_key(self.settings))
        self.db: Database = open_database(
            self.settings.database_url or f"sqlite:///{(self.data / 'dodeca.sqlite3').resolve()}",
            replica_url=self.settings.database_replica_url,
            threads=self.settings.database_threads,
        )
        self.proxies = Proxies(self.settings.trusted_proxies)
        self.limits = Limits(self.settings.redis_url)
        self.invalidation = self._bus()
        self.db.around_callbacks = self.invalidation.together
        self.realtime = Realtime(self.settings.redis_url)
        self.media = MediaStore(self.settings.media_url or (self.data / "media").resolve())
        self.media_urls = SignedUrls(self.keyring, "media")
        self.outbound = Outbound(allow_private=self.settings.outbound_allow_private)
        self.assets = Assets(_folders(self.manifests, "static", WEB_FOLDER / "static"))
        self.renderer = Renderer(_folders(self.manifests, "templates", None), assets=self.assets)
        self._toasts = Signer(self.keyring, "toast")
        self._csrf_key = self.keyring.key("csrf")
        self._member_rate = _per_minute(self.settings.requests_per_minute)
        self._visitor_rate = _per_minute(self.settings.anonymous_requests_per_minute)
        self._key_rates = {m.name: m.key_rate for m in self.manifests if m.key_rate is not None}
        self.hooks: Hooks | None = None

    def _bus(self) -> Invalidation:
        if self.settings.redis_url:
            from dodeca.kernel.redis_invalidation import RedisInvalidation

            return RedisInvalidation(self.settings.redis_url)
        return FileInvalidation(self.data / "invalidation")

    # Who is calling

    @property
    def authenticator(self) -> Authenticator:
        """Set by `commons.accounts` at composition."""
        if self.hooks is None:
            raise RuntimeError("The platform was not composed: see app.compose.")
        return self.hooks.authenticator

    def limit(self, call: Call, rate: Rate | None) -> None:
        """Count the request on the caller's limits. Raises TooMany."""
        if call.principal is not None:
            key = call.principal.account_id
            of_keys = self._key_rates.get(call.product or "") if call.principal.via == "key" else None
            if of_keys is not None:
                self.limits.hit(str(call.product), call.principal.credential, of_keys)
            else:
                self.limit_member(key)
        else:
            key = network(call.address) if call.address else "local"
            if self._visitor_rate is not None:
                self.limits.hit("visits", key, self._visitor_rate)
        if rate is not None:
            self.limits.hit(str(call.request.route_handler.name or call.request.scope["path"]), key, rate)

    def limit_member(self, account_id: str) -> None:
        """Count a request on an account's general limit. Raises TooMany."""
        if self._member_rate is not None:
            self.limits.hit("requests", account_id, self._member_rate)

    def csrf_token(self, request: Request[Any, Any, Any]) -> str:
        """The token of this visitor's forms; empty where the browser has no cookie of ours yet."""
        secret = request.cookies.get(SESSION_COOKIE) or request.cookies.get(VISITOR_COOKIE)
        return self.csrf_of(secret) if secret else ""

    def csrf_of(self, secret: str) -> str:
        """The token of the forms of a browser with this secret in its cookie."""
        return hmac.digest(self._csrf_key, secret.encode(), "sha256").hex()[:40]

    # Pages

    def product(self, name: str) -> Manifest | None:
        """The manifest of an installed product or module."""
        return next((manifest for manifest in self.manifests if manifest.name == name), None)

    def require_product(self, name: str) -> Manifest:
        """The manifest of an installed product. Raises NotFound."""
        manifest = self.product(name)
        if manifest is None or not manifest.tagline:
            raise NotFound(f"There is no product {name} here.")
        return manifest

    @property
    def shell_products(self) -> list[ShellProduct]:
        """The installed products, as pages show them."""
        return self._products_from("")

    def _products_from(self, base: str) -> list[ShellProduct]:
        """The same with addresses under `base`: a product's own hostname does not know the other products' paths."""
        shown = [manifest for manifest in self.manifests if manifest.tagline]
        return [ShellProduct(m.name, m.title, f"{base}/{m.name}/", m.icon, m.tagline) for m in shown]

    def shell_for(self, session: ReadSession | None, call: Call) -> tuple[Shell, list[Cookie]]:
        """The shell of a page and the cookies that go with it. Without a session the visitor counts as a stranger."""
        request = call.request
        account: ShellAccount | None = None
        unread = 0
        if session is not None and self.hooks is not None and call.principal is not None:
            account, unread = self.hooks.shell_account(session, call)
        token, cookies = self.csrf_token(request), []
        if not token:
            secret = secrets.token_urlsafe(18)
            token = self.csrf_of(secret)
            cookies.append(self.cookie(VISITOR_COOKIE, secret, max_age=365 * 86400))
        toasts = self._read_toast(request.cookies.get(TOAST_COOKIE))
        if request.cookies.get(TOAST_COOKIE):
            cookies.append(self.cookie(TOAST_COOKIE, "", max_age=0))
        theme = request.cookies.get(THEME_COOKIE, "system")
        query = request.scope["query_string"].decode("latin-1")
        at_product = request.headers.get("host", "").lower() in self.hostnames
        shell = Shell(
            products=self._products_from(self.public_url if at_product else ""),
            product=call.product,
            account=account,
            unread=unread,
            csrf_token=token,
            theme="light" if theme == "light" else "dark" if theme == "dark" else "system",
            path=request.scope["path"] + (f"?{query}" if query else ""),
            toasts=toasts,
        )
        return shell, cookies

    def shell_of_error(self, call: Call) -> tuple[Shell, list[Cookie]]:
        """The shell of an error page: made without the database, which may be what failed."""
        shell, cookies = self.shell_for(None, call)
        if call.principal is not None:
            name, admin = call.principal.username, call.principal.is_admin
            return replace(shell, account=ShellAccount(name=name, username=name, is_admin=admin)), cookies
        return replace(shell, returning=SESSION_COOKIE in call.request.cookies), cookies

    def cookie(self, name: str, value: str, *, max_age: int | None, httponly: bool = True) -> Cookie:
        """A cookie of ours: HttpOnly, SameSite=Lax, Secure where the public address is https."""
        return Cookie(
            key=name, value=value, max_age=max_age, path="/", httponly=httponly, samesite="lax", secure=self.secure
        )

    def toast_cookie(self, kind: str, text: str) -> Cookie:
        """The toast that the next page shows."""
        return self.cookie(TOAST_COOKIE, self._toasts.sign([kind, text], seconds=60), max_age=60)

    def _read_toast(self, signed: str | None) -> list[Toast]:
        if not signed:
            return []
        try:
            kind, text = self._toasts.read(signed)
        except (BadSignature, Expired, ValueError):
            return []
        tone = {"success": "good", "error": "bad", "warning": "warn"}.get(kind, kind)
        return [Toast(text, tone)]

    # The rest

    def count_job(self, name: str, outcome: str) -> None:
        """Count a job in the metrics."""
        _jobs_counter.labels(name, outcome).inc()

    def url(self, path: str) -> str:
        """The public address of a path."""
        return self.public_url + path

    async def start(self) -> None:
        """Connect what needs an event loop."""
        await self.realtime.start()
        self.invalidation.start()

    async def stop(self) -> None:
        """Undo `start`."""
        await self.invalidation.stop()
        await self.realtime.stop()
        await self.outbound.close()

    def at_close(self, end: Callable[[], None]) -> None:
        """Have `end` called before the database is closed: for threads that use it."""
        self._ends.append(end)

    def close(self) -> None:
        """End what uses the database, then close it after finishing what is queued."""
        while self._ends:
            self._ends.pop()()
        self.db.close()
        self.invalidation.close()
        os.close(self._lock)


def _shared_lock(data: Path) -> int:
    """Hold the data folder open, so that `restore` does not replace it under a running process."""
    descriptor = os.open(data / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


@contextmanager
def exclusive(data: Path) -> Iterator[None]:
    """Have the data folder alone while the block runs. Raises Conflict when a process uses it."""
    descriptor = os.open(data / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Conflict("The data folder is in use. Stop the server first.") from error
    finally:
        os.close(descriptor)


@contextmanager
def saving(data: Path) -> Iterator[None]:
    """While a backup runs: what the copied database may still need is not removed from the data folder."""
    with _backup_lock(data, fcntl.LOCK_SH):
        yield


@contextmanager
def removing(data: Path) -> Iterator[bool]:
    """Remove files that the database needs no longer while the block runs; False where a backup is being made."""
    with _backup_lock(data, fcntl.LOCK_EX | fcntl.LOCK_NB) as free:
        yield free


@contextmanager
def _backup_lock(data: Path, kind: int) -> Iterator[bool]:
    descriptor = os.open(data / "backup.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def secret_key(settings: Settings) -> str:
    """The root secret: the setting, else a file in the data folder, made on first use, readable by its owner only."""
    if settings.secret_key:
        if len(settings.secret_key) < 32:
            raise Invalid("DODECA_SECRET_KEY needs at least 32 characters.", field="DODECA_SECRET_KEY")
        return settings.secret_key
    path = settings.data / "secret.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii").strip()
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_hex(32)
        file.write(key + "\n")
    return key


def _hostnames(text: str) -> dict[str, str]:
    """`shortener=go.example.org` → {"go.example.org": "shortener"}."""
    pairs = [part.strip().split("=", 1) for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise Invalid("Write DODECA_HOSTNAMES as product=host,product=host.", field="DODECA_HOSTNAMES")
    return {host.strip().lower(): product.strip() for product, host in pairs}


def _folders(manifests: Sequence[Manifest], kind: str, own: Path | None) -> dict[str, Path]:
    folders = {m.name: m.folder / kind for m in manifests if (m.folder / kind).is_dir()}
    return {"shell": own, **folders} if own is not None else folders


def _per_minute(amount: int) -> Rate | None:
    return Rate(amount, 60) if amount else None
