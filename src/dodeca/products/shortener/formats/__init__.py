"""Links in the formats of others and our own: reading them in, writing them out, and leaving for good."""

from dodeca.products.shortener.formats.exits import ExitLink, not_plain_because, write_exit
from dodeca.products.shortener.formats.readers import (
    ImportKind,
    ImportRow,
    RowError,
    read_blocklist,
    read_links,
)
from dodeca.products.shortener.formats.writers import CSV_COLUMNS, ExportRow, write_csv, write_jsonl

__all__ = [
    "CSV_COLUMNS",
    "ExitLink",
    "ExportRow",
    "ImportKind",
    "ImportRow",
    "RowError",
    "not_plain_because",
    "read_blocklist",
    "read_links",
    "write_csv",
    "write_exit",
    "write_jsonl",
]
