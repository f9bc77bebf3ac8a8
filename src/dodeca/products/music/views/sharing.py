"""What the API and the pages show of links that members share."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dodeca.kernel.db import ReadSession
from dodeca.kernel.platform import Platform
from dodeca.products.music.models import Share
from dodeca.products.music.service import shares


class ShareView(msgspec.Struct, kw_only=True):
    """A share of the caller."""

    share_id: str
    url: str
    description: str
    download: bool
    expires_at: datetime | None
    visit_count: int
    created_at: datetime
    items: list[dict[str, str]]


def share_view(session: ReadSession, platform: Platform, share: Share) -> ShareView:
    """A share as its owner sees it."""
    return ShareView(
        share_id=str(share.id),
        url=platform.url(f"/music/share/{share.token}"),
        description=share.description,
        download=share.download,
        expires_at=share.expires_at,
        visit_count=share.visit_count,
        created_at=share.created_at,
        items=[{"kind": kind, "id": str(one)} for kind, one in shares.items_of(session, share)],
    )
