"""Pictures of people, kept by `kernel.media`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from litestar import Response
from litestar.datastructures import UploadFile

from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.principals import forget_principal
from dodeca.commons.accounts.service import people
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid, NotFound, TooLarge
from dodeca.kernel.http import Access, Call, Calling, FromPath, get
from dodeca.kernel.media import Shape

MOST_BYTES = 8_000_000
AVATAR = Shape(192, 192, "cover")


async def store_upload(call: Call) -> str:
    """Store the picture of a request, cleaned; gives its key. Raises Invalid, TooLarge, UnsupportedMedia."""
    data = await _uploaded(call)
    if not data:
        raise Invalid("Choose a picture.", field="avatar")
    if len(data) > MOST_BYTES:
        raise TooLarge("A picture has at most 8 MB.", field="avatar")
    blob = await call.platform.media.save_image(_whole(data), max_bytes=MOST_BYTES)
    return blob.key


async def _uploaded(call: Call) -> bytes:
    if call.request.content_type[0] != "multipart/form-data":
        return await call.request.body()
    file = (await call.request.form()).get("avatar")
    return await file.read() if isinstance(file, UploadFile) else b""


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def set_picture(session: WriteSession, account: Account, key: str | None) -> None:
    """Give an account a stored picture, or none. The old file goes with the sweep of what nothing refers to."""
    account.avatar = key
    forget_principal(session, account.id)


@get("/avatars/{account_id:str}/{version:str}", access=Access.PUBLIC)
async def avatar(call: Calling, account_id: FromPath[str], version: FromPath[str]) -> Response[bytes]:
    """The picture of an account, 192 pixels wide. The path names its version, so it may be kept for ever."""
    account = await call.platform.db.aread(lambda session: people.account_by_id(session, account_id))
    if account is None or account.avatar is None or version != f"{account.avatar[:16]}.webp":
        raise NotFound()
    picture = await call.platform.media.thumbnail(account.avatar, AVATAR)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(picture, media_type="image/webp", headers=headers)


routes = [avatar]
