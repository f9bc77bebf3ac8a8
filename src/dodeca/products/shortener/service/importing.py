"""Uploaded files of links: kept until a job has read them, with a report for who sent them."""

from __future__ import annotations

import re

from sqlalchemy import Select, select

from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid, TooLarge
from dodeca.kernel.http import Principal
from dodeca.products.shortener.formats import ImportKind
from dodeca.products.shortener.models import ImportRun

MOST_BYTES = 64_000_000
KINDS = tuple(kind.value for kind in ImportKind)


def visible_to(actor: Principal) -> Select[ImportRun]:
    """The caller's imports."""
    return select(ImportRun).where(ImportRun.account_id == actor.account_id)


def start(session: WriteSession, actor: Principal, content: bytes, kind: str | None = None) -> ImportRun:
    """Keep a file and have it imported. Without `kind` its first bytes tell. Raises Invalid, TooLarge."""
    from dodeca.products.shortener.jobs import RunImport, import_file

    if not content.strip():
        raise Invalid("Choose a file that is not empty.", field="file")
    if len(content) > MOST_BYTES:
        raise TooLarge(f"A file has at most {MOST_BYTES // 1_000_000} MB: split it.", field="file")
    chosen = kind or detected(content)
    if chosen not in KINDS:
        raise Invalid(f"A kind is one of: {', '.join(KINDS)}.", field="kind")
    run = ImportRun(account_id=actor.account_id, kind=chosen, content=content)
    session.add(run)
    session.flush()
    import_file.enqueue(session, RunImport(run.id))
    return run


def detected(content: bytes) -> str:
    """Whose file this is, by its first line: Bitly writes JSON, Shlink and YOURLS have columns of their own."""
    head = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] in (b"{", b"["):
        return "bitly"
    columns = head.partition(b"\n")[0].decode("utf-8", "replace").lower()
    if re.search(r"\blong url\b", columns) and "short code" in columns:
        return "shlink"
    return "yourls" if re.match(r'"?keyword"?[,;\t]', columns) else "csv"
