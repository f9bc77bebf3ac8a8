"""Base of all tables, and the column types that behave alike on both engines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

MEDIA: Final = {"media": True}
"""For `mapped_column(info=MEDIA)`: the column holds keys of the media store. What no such column names is removed by
`kernel.media.sweeping`."""
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment. Stored in UTC; a naive value is refused, for nobody knows what it means."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Any:
        """SQLite's text in one step: moments are the commonest values of all."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        def text_of(value: datetime | None) -> str | None:
            if value is None:
                return None
            return _in_utc(value).isoformat(" ", "microseconds")[:-6]

        return text_of

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """The way back, in one step too."""
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)

        def moment_of(text: str | None) -> datetime | None:
            return None if text is None else datetime.fromisoformat(text + "+00:00")

        return moment_of

    @property
    def python_type(self) -> type[datetime]:
        """What a value is; SQLAlchemy's decorator would say object."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite keeps it without the offset so that text order is time order."""
        if value is None:
            return None
        value = _in_utc(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError("A moment needs a time zone; take it from kernel.clock.")
    return value.astimezone(UTC)


def json_text(value: object) -> str:
    """What engines write into JSON columns; msgspec takes a third of the standard library's time."""
    return msgspec.json.encode(value).decode()


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON column: JSONB on PostgreSQL, text on SQLite."""


class Model(DeclarativeBase):
    """Base of all tables. Relationships are declared `lazy="raise"`: no hidden queries."""

    metadata = metadata
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        datetime: UtcDateTime,
        int: BigInteger().with_variant(Integer(), "sqlite"),
        str: String(),
        dict[str, Any]: Json,
        list[Any]: Json,
        list[str]: Json,
    }
