"""A small product for the tests of `kernel.http`, `kernel.jobs` and the bridge. Its rows are mails in the mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Response, WebSocket
from litestar.handlers import websocket
from litestar.response import ServerSentEvent, Stream
from sqlalchemy import select

from dodeca.commons.accounts.public import Actor
from dodeca.commons.notifications import Notice, notify
from dodeca.kernel import clock, ids
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    FromQuery,
    JSONBody,
    Page,
    Redirect,
    get,
    page_of,
    post,
)
from dodeca.kernel.jobs import JobContext, job
from dodeca.kernel.mail import SentMail
from dodeca.kernel.manifest import Manifest


class NewItem(ClosedRequest):
    """An item to keep."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    amount: int = 0


class Item(msgspec.Struct):
    """An item."""

    id: str
    name: str
    amount: int


class Items(msgspec.Struct):
    """A page of items."""

    items: list[Item]
    next_cursor: str | None


class Work(ClosedRequest):
    """What a job is to note."""

    note: str


def keep(session: WriteSession, name: str, amount: int = 0, *, to: str = "item") -> SentMail:
    """Add a row."""
    row = SentMail(id=ids.new_id(), to=to, subject=name, text=str(amount), html=None, headers={}, sent_at=clock.now())
    session.add(row)
    session.flush()
    return row


def view(row: SentMail) -> Item:
    """The public form of a row."""
    return Item(row.id, row.subject, int(row.text))


@job("probe.note", payload=Work)
def note(session: WriteSession, _job: JobContext, payload: Work) -> None:
    """Note something, exactly once."""
    keep(session, payload.note, to="note")


@get("/items", access=Access.PUBLIC)
def list_items(session: DbRead, limit: FromQuery[int | None] = None, cursor: FromQuery[str | None] = None) -> Items:
    """Newest first."""
    mine = select(SentMail).where(SentMail.to == "item")
    page = page_of(session, mine, order=[SentMail.sent_at, SentMail.id], limit=limit, cursor=cursor)
    return Items([view(row) for row in page.items], page.next_cursor)


@post("/items", access=Access.MEMBER, idempotent=True)
def create_item(session: DbWrite, account: Actor, data: JSONBody[NewItem]) -> Item:
    """Keep an item."""
    if data.name == "taken":
        raise Conflict("This name is taken.", field="name")
    return view(keep(session, data.name, data.amount))


@get("/items/{item_id:str}", access=Access.PUBLIC)
def read_item(session: DbRead, item_id: FromPath[str]) -> Item:
    """One item."""
    row = session.scalar(select(SentMail).where(SentMail.id == item_id))
    if row is None:
        raise NotFound("There is no such item.")
    return view(row)


@get("/numbers/{number:int}", access=Access.PUBLIC)
def read_number(session: DbRead, number: FromPath[int]) -> Item:
    """The item whose time is a number: to send numbers to the database."""
    from sqlalchemy import BigInteger, cast, literal

    session.scalar(select(cast(literal(number, BigInteger), BigInteger)))
    raise NotFound()


@post("/work", access=Access.PUBLIC, status=202)
def work(session: DbWrite, data: JSONBody[Work]) -> Work:
    """Queue a job."""
    note.enqueue(session, data)
    return data


@post("/tell", access=Access.MEMBER, status=200)
def tell(session: DbWrite, account: Actor, data: JSONBody[Work]) -> Work:
    """Notify the caller."""
    notify(session, account.id, Notice(product="probe", kind="note", title=data.note))
    return data


@get("/boom", access=Access.PUBLIC)
def boom() -> Item:
    """A defect of ours."""
    raise RuntimeError("the secret is 42")


@get("/merchant", access=Access.MERCHANT)
def merchant() -> Item:
    """For merchants."""
    return Item("1", "merchant", 1)


@get("/member", access=Access.MEMBER)
def member(account: Actor) -> Item:
    """For members."""
    return Item(account.id, account.username, 1)


@get("/drip", access=Access.PUBLIC)
async def drip() -> Stream:
    """Three pieces with pauses."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one ", b"two ", b"three"):
            yield piece
            await asyncio.sleep(0.3)

    return Stream(pieces(), media_type="text/plain")


@get("/flood", access=Access.PUBLIC)
async def flood() -> Stream:
    """More than anybody waits for."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield bytes(64 * 1024)

    return Stream(pieces(), media_type="application/octet-stream")


@get("/live", access=Access.PUBLIC)
async def live(call: Calling) -> ServerSentEvent:
    """What happens on the channel `probe`."""
    last = call.request.headers.get("last-event-id")
    return call.platform.realtime.stream(["probe"], last_id=last)


@post("/live", access=Access.PUBLIC, status=200)
def publish(session: DbWrite, call: Calling, data: JSONBody[Work]) -> Work:
    """Tell the channel `probe`."""
    session.after_commit(lambda: call.platform.realtime.publish("probe", "note", {"note": data.note}))
    return data


@post("/echo", access=Access.PUBLIC, status=200, request_max_body_size=50_000_000)
async def echo(call: Calling) -> Response[bytes]:
    """The number of bytes that came."""
    return Response(str(len(await call.request.body())).encode(), media_type="text/plain")


def show_form(_session: ReadSession, _call: Call, state: FormState) -> Page:
    """The form."""
    return Page("probe/form.html", form=state.form)


@get("/form", access=Access.PUBLIC)
def form_page(session: DbRead, call: Calling) -> Page:
    """The empty form."""
    return show_form(session, call, FormState())


@post("/form", access=Access.PUBLIC, status=200, form=show_form)
def send_form(session: DbWrite, data: AnyBody[NewItem]) -> Redirect:
    """Keep an item."""
    if data.name == "taken":
        raise Conflict("This name is taken.", field="name")
    keep(session, data.name, data.amount)
    return Redirect("/probe/form", toast=f"{data.name} is kept.")


@websocket("/probe/socket", access=Access.PUBLIC)
async def socket(socket: WebSocket[Any, Any, Any]) -> None:
    """Says everything back, until "bye"."""
    await socket.accept()
    while True:
        message: Any = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("bytes") is not None:
            await socket.send_bytes(message["bytes"])
        elif message["text"] == "bye":
            await socket.close(code=1000)
            return
        else:
            await socket.send_text(message["text"])


class ProbeLane:
    """Says how it was called. Below `/probe/lane/broken` it breaks, and the route answers."""

    def answer_at_once(self, scope: Any, protocol: Any) -> bool:
        """For paths below `/probe/lane/`."""
        if not scope.path.startswith("/probe/lane/"):
            return False
        if scope.path.endswith("/broken"):
            raise RuntimeError("the lane is broken")
        if scope.path.endswith("/loop"):
            return False
        protocol.response_str(200, [("content-type", "text/plain")], _where())
        return True

    async def handle(self, scope: Any, protocol: Any) -> bool:
        """For `/probe/lane/loop`."""
        if scope.path != "/probe/lane/loop":
            return False
        await asyncio.sleep(0)
        protocol.response_str(200, [("content-type", "text/plain")], _where())
        return True


def _where() -> str:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "at once"
    return "in the loop"


manifest = Manifest(
    name="probe",
    title="Probe",
    tagline="For tests only",
    folder=Path(__file__).parent,
    api=[
        *(list_items, create_item, read_item, read_number, work, tell, boom, merchant, member),
        *(drip, flood, live, publish, echo),
    ],
    pages=[form_page, send_form],
    root=[socket],
    lane=lambda _platform: ProbeLane(),
    jobs=[note],
    importers={"": lambda platform, path, bar, owner="": _import(platform, path, bar)},
    exporters={"": lambda platform, owner="": _export(platform)},
)


def _import(platform: Any, path: Path, bar: Any) -> Any:
    from dodeca.kernel.transfer import ImportReport

    report = ImportReport()
    lines = path.read_text("utf-8").splitlines()
    bar.start("Items", len(lines))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            report.refuse(number, "The line is empty.")
            continue
        platform.db.write(lambda session, line=line: keep(session, line) and None)
        report.read += 1
        report.added += 1
        bar.advance()
    return report


def _export(platform: Any) -> Any:
    names = platform.db.read(
        lambda s: list(s.scalars(select(SentMail.subject).where(SentMail.to == "item").order_by(SentMail.id)))
    )
    for name in names:
        yield name.encode() + b"\n"
