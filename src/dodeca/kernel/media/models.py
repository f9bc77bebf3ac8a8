"""The table of sweeps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel.db import Model


class MediaSweep(Model):
    """What one sweep of the media store did, for the administration: rows are only added, and go after a year.

    Files that were looked at (`seen`), set aside (of `aside_bytes` together), put back, removed for good."""

    __tablename__ = "media_sweeps"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    ended_at: Mapped[datetime]
    seen: Mapped[int]
    aside: Mapped[int]
    aside_bytes: Mapped[int]
    back: Mapped[int]
    removed: Mapped[int]
