"""Tables of what only apps of the Subsonic protocol show: a chat, and radio stations of elsewhere."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Model


class ChatMessage(Model):
    """What somebody said to all who use apps with a chat. Rows are only added, and go with their account."""

    __tablename__ = "music_chat_messages"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    text: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now, index=True)


class RadioLink(Model):
    """A radio station of elsewhere that an admin put into everybody's apps: its stream is never opened here."""

    __tablename__ = "music_radio_links"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str]
    stream_url: Mapped[str]
    home_page_url: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
