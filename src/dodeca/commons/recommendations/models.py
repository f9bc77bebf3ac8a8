"""The table of learned factors."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import MEDIA, Model


class LearnedFactors(Model):
    """The factors that a product's recommendations are computed from, as one archive of arrays in the media store.

    Only a product's newest row is used. `interactions` and `items` say what it was learned from; `seconds` how long it
    took; `trained_at` when what it was learned from was true."""

    __tablename__ = "recommendation_factors"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    product: Mapped[str]
    media_key: Mapped[str] = mapped_column(info=MEDIA)
    interactions: Mapped[int]
    items: Mapped[int]
    seconds: Mapped[float]
    trained_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (Index("ix_recommendation_factors_newest", "product", "id"),)
