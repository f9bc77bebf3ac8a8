"""Requests as Razorpay's clients send them: JSON, or a form with `a[b]=c`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.payments.at_hand import at_hand
from dodeca.products.payments.service.desk import Desk, till_of
from dodeca.products.payments.service.inputs import number_of
from dodeca.products.payments.service.steps import Ahead, desk_with

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

DEEPEST = 6
MOST_ITEMS = 100


class Upload(NamedTuple):
    """A file of a form, under the name that its sender gave it."""

    name: str
    content: bytes


@dataclass(slots=True)
class Context:
    """One call: the till, what was sent, and the key that signs answers (`secret`, where the caller has shown it).
    `account`: whose business this is to be, where that is named."""

    platform: Platform
    account_id: str
    mode: str
    body: dict[str, Any]
    query: dict[str, Any]
    key_id: str | None = None
    secret: str | None = None
    address: str = ""
    public: bool = False
    account: str | None = None
    _desk: Desk | None = None

    def till(self, session: ReadSession, *, ahead: Ahead | None = None, **beside: str | None) -> Desk:
        """The caller's till, for a flow in each of its units; calls of one unit find it as `desk`. `beside`: the
        order_id or payment_id that the unit is about (`steps.desk_with`); `ahead`: see `flows.Till`."""
        known = at_hand(self.platform).merchant(session, self.account_id) if isinstance(session, WriteSession) else None
        desk = till_of(session, self.account_id, self.mode) if known is None else Desk(known, self.mode)
        if self.account is not None and self.account != desk.merchant.id:
            raise NotFound("The id provided does not exist", field="X-Razorpay-Account")
        if ahead is not None:
            ahead(desk.merchant)
        self._desk = desk_with(session, desk, **beside)
        return self._desk

    @property
    def desk(self) -> Desk:
        """The till that this unit of work has found."""
        if self._desk is None:
            raise TypeError("A flow asks for its till in each unit of work.")
        return self._desk

    def page(self) -> tuple[int, int, datetime | None, datetime | None]:
        """count (10, from 1 to 100), skip, from, to. Raises Invalid."""
        return self.count(10, MOST_ITEMS), self.skip(), self.moment("from"), self.moment("to")

    def count(self, default: int, most: int) -> int:
        """How many are asked for. Raises Invalid in Razorpay's words: the lower bound stands in its reference of
        "Fetch All Settlements" (https://razorpay.com/docs/api/settlements/fetch-all), the upper one is said alike."""
        count = number_of(self.query.get("count"), "count", -(10**9), 10**9)
        if count is None:
            return default
        if count < 1:
            raise Invalid("The count must be at least 1.", field="count")
        if count > most:
            raise Invalid(f"The count may not be greater than {most}.", field="count")
        return count

    def skip(self) -> int:
        """How many of the newest are left out. Raises Invalid."""
        return number_of(self.query.get("skip"), "skip", 0, 10**9) or 0

    def moment(self, name: str) -> datetime | None:
        """A Unix time of the query."""
        value = number_of(self.query.get(name), name, 0, 2**33)
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def expands(self, what: str) -> bool:
        """Whether `expand[]=what`, or Node's `expand[expand]=what`, is asked for."""
        wanted = self.query.get("expand")
        values = wanted.values() if isinstance(wanted, dict) else wanted if isinstance(wanted, list) else [wanted]
        return what in values


def body_of(raw: bytes, content_type: str) -> dict[str, Any]:
    """The body as a dictionary. Raises Invalid."""
    if not raw.strip():
        return {}
    if b"\x00" in raw and not content_type.startswith("multipart/form-data"):
        raise Invalid("The request contains characters that cannot be used.")
    if content_type.startswith("multipart/form-data"):
        return _parts(raw, content_type)
    if "x-www-form-urlencoded" in content_type and not raw.lstrip().startswith(b"{"):
        return nested(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Invalid("The request is not valid JSON.") from error
    if not isinstance(found, dict):
        raise Invalid("The request must be a JSON object.")
    return found


def _parts(raw: bytes, content_type: str) -> dict[str, Any]:
    """The fields of a multipart form, its files as `Upload`. Raises Invalid."""
    if "\r" in content_type or "\n" in content_type:
        raise Invalid("The request's content type cannot be used.")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=policy.HTTP).parsebytes(head + raw)
    if not message.is_multipart():
        raise Invalid("The request is not a form of parts.")
    found: dict[str, Any] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            continue
        file_name = part.get_filename()
        is_text = file_name is None and part.get_content_maintype() == "text"
        found[name] = content.decode("utf-8", "replace") if is_text else Upload(file_name or "", content)
    return found


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a[b]=c` and `a[]=c` as dictionaries and lists."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        first, *rest = name.replace("]", "").split("[")
        if len(rest) > DEEPEST:
            raise Invalid("The request is nested too deeply.")
        here: Any = found
        path = [first, *rest]
        for index, part in enumerate(path[:-1]):
            following: Any = [] if path[index + 1] == "" else {}
            here = here.setdefault(part, following) if isinstance(here, dict) else here
        if isinstance(here, list):
            here.append(value)
        elif isinstance(here, dict):
            here[path[-1]] = value
    return found
