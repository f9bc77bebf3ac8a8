"""Which format a file has, and its statements."""

from __future__ import annotations

from collections.abc import Sequence

from dodeca.kernel.errors import Invalid
from dodeca.products.payments.service.statements import swift, table
from dodeca.products.payments.service.statements.parsed import MOST_LINES, Statement, Unreadable


def read(raw: bytes) -> tuple[str, Sequence[Statement]]:
    """The format's name and the statements of a file. Raises Unreadable."""
    if not raw.strip():
        raise Unreadable("The file is empty.", field="file")
    if b"\x00" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("The file contains characters that cannot be used.", field="file")
    start = raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:4000]
    try:
        if start.startswith(b"<"):
            from dodeca.products.payments.service.statements import camt  # lxml: 6 MB, only where it is in use

            name, found = camt.read(raw)
        elif b":20:" in start and b":25" in start:
            name, found = swift.read(raw)
        else:
            name, found = "csv", table.read(raw)
    except Unreadable:
        raise
    except Invalid as error:
        raise Unreadable(error.message, field="file") from error
    if sum(len(statement.lines) for statement in found) > MOST_LINES:
        raise Unreadable(f"At most {MOST_LINES} lines.", field="file")
    return name, found
