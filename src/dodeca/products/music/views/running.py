"""What the API and the pages show of scans."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from dodeca.kernel.db import ReadSession
from dodeca.products.music.service import folders


class ScanView(msgspec.Struct, kw_only=True):
    """The last or present scan: `count` files were looked at; `errors` say of some files why they are no songs."""

    scanning: bool
    count: int
    added: int = 0
    changed: int = 0
    missing: int = 0
    errors: list[Any] = []
    error_count: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None


def scan_view(session: ReadSession) -> ScanView:
    """How far the last scan has come."""
    scan, scanning = folders.last_scan(session), folders.is_scanning(session)
    if scan is None:
        return ScanView(scanning=scanning, count=0)
    return ScanView(
        scanning=scanning,
        count=scan.count,
        added=scan.added,
        changed=scan.changed,
        missing=scan.missing,
        errors=scan.errors,
        error_count=scan.error_count,
        started_at=scan.started_at,
        finished_at=scan.finished_at,
    )
