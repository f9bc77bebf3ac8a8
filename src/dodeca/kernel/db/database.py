"""Choosing the engine by the URL."""

from __future__ import annotations

from sqlalchemy import make_url

from dodeca.kernel.db.postgres import PostgresDatabase
from dodeca.kernel.db.sqlite import SqliteDatabase
from dodeca.kernel.errors import Invalid

Database = SqliteDatabase | PostgresDatabase


def open_database(url: str, *, replica_url: str = "", threads: int = 16) -> Database:
    """Open the database that `url` names (sqlite:/// or postgresql://). Raises Invalid for other engines."""
    name = make_url(url).get_backend_name()
    if name == "sqlite":
        return SqliteDatabase(url)
    if name == "postgresql":
        return PostgresDatabase(_psycopg(url), replica_url=_psycopg(replica_url), threads=threads)
    raise Invalid(f"{name} is not supported: use sqlite or postgresql.", field="DODECA_DATABASE_URL")


def _psycopg(url: str) -> str:
    """SQLAlchemy's `postgresql://` would mean another driver."""
    if not url:
        return ""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
