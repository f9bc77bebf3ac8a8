"""What the shortener of one running platform shares: settings, caches, codes, the journal.

Services take it as an argument beside the Session, because nothing of it is global: `of(platform)` makes it once.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from dodeca.kernel import clock
from dodeca.kernel.cache import Cache
from dodeca.kernel.crypto import Passwords, Signer, TokenDigests
from dodeca.kernel.db import Gathering, ReadSession, WriteSession
from dodeca.kernel.geolocation import Geolocation
from dodeca.kernel.http import Call, InUnit
from dodeca.kernel.memory import memory_bytes
from dodeca.kernel.of_platform import OfPlatform
from dodeca.products.shortener.hosts import canonical_host
from dodeca.products.shortener.journal import Journal
from dodeca.products.shortener.models import SHARED_DOMAIN
from dodeca.products.shortener.service.codes import CodePool
from dodeca.products.shortener.service.hosting import HostTable, load_hosts
from dodeca.products.shortener.settings import ShortenerSettings

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform
    from dodeca.products.shortener.folding import Folder
    from dodeca.products.shortener.redirect import Entry
    from dodeca.products.shortener.service.creating import Wanted

_HOSTS_KEY = "all"


class Shortener:
    """See the module's text."""

    def __init__(self, platform: Platform) -> None:
        self._platform = weakref.ref(platform)
        self.db = platform.db
        self.limits = platform.limits
        self.realtime = platform.realtime
        self.proxies = platform.proxies
        self.settings = platform.config.group(ShortenerSettings)
        self.public_url = platform.public_url
        self.own_host = next((h for h, product in platform.hostnames.items() if product == "shortener"), None)
        self.data: Path = platform.data
        self.journal_folder: Path = platform.data / "journals" / "shortener"
        self.entries: Cache[Entry] = Cache(
            "shortener.entries",
            max_bytes=self.settings.cache_megabytes << 20 or memory_bytes() // 16,
            max_entries=sys.maxsize,
            size=lambda entry: entry.size,
            invalidation=platform.invalidation,
        )
        self._host_tables: Cache[HostTable] = Cache(
            "shortener.hosts", max_bytes=1 << 30, size=lambda table: table.size, invalidation=platform.invalidation
        )
        self.codes = CodePool(platform.db, platform.settings.zookeeper)
        self.manage_tokens = TokenDigests(platform.keyring, "shortener.manage")
        self.unlocked = Signer(platform.keyring, "shortener.unlocked")
        self._shared_hosts = tuple({canonical_host(host) for host in platform.own_hosts if host} - {self.own_host})
        self._journal: Journal | None = None
        self._journal_lock = threading.Lock()
        self._geoip = platform.settings.geoip

    @property
    def platform(self) -> Platform:
        """The platform. Raises ReferenceError once it is gone."""
        platform = self._platform()
        if platform is None:
            raise ReferenceError("The platform is gone.")
        return platform

    @cached_property
    def folder(self) -> Folder:
        """Brings recorded clicks into the numbers."""
        from dodeca.products.shortener.folding import Folder

        return Folder(self)

    @cached_property
    def plain_links(self) -> Gathering[Wanted, Any]:
        """Makes the plain links that are asked for at the same moment."""
        from dodeca.products.shortener.service.gathering import create_together

        return Gathering(self.db, lambda session, wanted: create_together(session, self, wanted))

    @cached_property
    def passwords(self) -> Passwords:
        """Hashes the passwords of links."""
        return Passwords()

    @cached_property
    def geolocation(self) -> Geolocation:
        """Finds countries, and cities where there is a file for them."""
        return Geolocation(Path(self._geoip) if self._geoip else None)

    # Hosts

    def hosts(self, session: ReadSession) -> HostTable:
        """Which hosts are ours, and what may be a target. From memory, unless a domain changed."""
        table = self._host_tables.get(_HOSTS_KEY)
        if table is None:
            mark = self._host_tables.mark()
            table = load_hosts(session, self)
            if not isinstance(session, WriteSession):  # a writer may see what is never committed
                self._host_tables.put(_HOSTS_KEY, table, mark)
        return table

    async def remember_hosts(self) -> None:
        """Have the table in memory before a unit of work asks for it: a writer does not keep what it reads."""
        if self._host_tables.get(_HOSTS_KEY) is None:
            await self.db.aread(self.hosts)

    def known_hosts(self) -> HostTable | None:
        """The table in memory, when there is one: for the lane, which has no Session."""
        return self._host_tables.get(_HOSTS_KEY) or self._host_tables.stale(_HOSTS_KEY)

    def hosts_changed(self, session: WriteSession) -> None:
        """Make every process look at the domains again, and forget what it answered for them."""
        session.after_commit(self._host_tables.invalidate_all)
        session.after_commit(self.entries.invalidate_all)

    @property
    def shared_hosts(self) -> tuple[str, ...]:
        """Hosts of the installation where short links stand under /s/."""
        return self._shared_hosts

    def short_url(self, code: str, host: str | None = None) -> str:
        """The short URL of a code on the shared domain, or on `host`."""
        host = host or self.own_host
        if host is None:
            return f"{self.public_url}/s/{code}"
        scheme = self.public_url.partition("://")[0]
        return f"{scheme}://{host}/{code}"

    # Redirects

    def forget(self, session: WriteSession, *keys: str) -> None:
        """Make every process forget these entries once the caller's unit is committed."""
        if keys:
            session.after_commit(lambda: self.entries.invalidate(*keys))

    # Clicks

    @property
    def journal(self) -> Journal:
        """This process's journal, opened at the first click."""
        if self._journal is None:
            with self._journal_lock:
                if self._journal is None:
                    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:60].strip("-") or "host"
                    self._journal = Journal.claim(self.journal_folder, host)
        return self._journal

    def close(self) -> None:
        """Give the journal's name and the key service free."""
        if "folder" in self.__dict__:
            self.folder.stop()
        with self._journal_lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None
        self.codes.close()


def entry_key(domain_id: int, code: str) -> str:
    """Under which `Shortener.entries` holds what a generated code answers."""
    return code if domain_id == SHARED_DOMAIN else f"{domain_id}/{code}"


def alias_entry_key(domain_id: int, alias: str) -> str:
    """The same of an alias, in whatever letter case it is asked for."""
    return f"~{alias.lower()}" if domain_id == SHARED_DOMAIN else f"{domain_id}/~{alias.lower()}"


def now_milliseconds() -> int:
    """The platform's time in milliseconds since the epoch."""
    return int(clock.timestamp() * 1000)


def elapsed(since: float) -> float:
    """Seconds since a `time.perf_counter()` value."""
    return time.perf_counter() - since


Installed = Annotated[Shortener, InUnit(lambda _session, call: of(call.platform))]
"""Marks a handler's parameter that receives the shortener."""


def installed(call: Call) -> Shortener:
    """The shortener of a request."""
    return of(call.platform)


of: Final = OfPlatform(Shortener)
"""The platform's shortener."""
