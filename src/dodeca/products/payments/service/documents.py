"""Documents: files that a merchant brings along to answer a dispute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.media import Blob
from dodeca.products.payments import ids
from dodeca.products.payments.models import Document
from dodeca.products.payments.service.desk import Desk
from dodeca.products.payments.service.inputs import text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dodeca.kernel.platform import Platform

PURPOSES = ("dispute_evidence",)
MOST_BYTES = 4 * 1024 * 1024
ACCEPTED = frozenset({"application/pdf", "image/jpeg", "image/png"})
"""By content, whatever the file is called."""


async def store(platform: Platform, content: bytes) -> Blob:
    """Put a file into the media store. Raises TooLarge, UnsupportedMedia, Unavailable."""

    async def whole() -> AsyncIterator[bytes]:
        yield content

    return await platform.media.save(whole(), max_bytes=MOST_BYTES, accept=ACCEPTED)


def add(session: WriteSession, desk: Desk, blob: Blob, *, name: object, purpose: object) -> Document:
    """Keep a stored file as a document. Raises Invalid."""
    row = session.fresh(
        Document,
        id=ids.new("doc"),
        merchant_id=desk.merchant.id,
        mode=desk.mode,
        purpose=checked_purpose(purpose),
        name=text_of(name, "file", 255) or "document",
        mime_type=blob.content_type,
        size=blob.size,
        media_key=blob.key,
        created_at=clock.now(),
    )
    session.store(row)
    return row


def checked_purpose(raw: object) -> str:
    """What it is for. Raises Invalid."""
    if raw not in PURPOSES:
        raise Invalid(f"The purpose is {' or '.join(PURPOSES)}.", field="purpose")
    return str(raw)
