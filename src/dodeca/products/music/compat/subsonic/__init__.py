"""Subsonic 1.16.1 with OpenSubsonic's extensions, at `/music/rest/NAME` and `NAME.view`.

http://www.subsonic.org/pages/api.jsp, https://opensubsonic.netlify.app/. Each topic is a module that registers its
methods; here a request is read, signed in, run, and its error worded as clients parse it."""

from __future__ import annotations

import re
from typing import Any, Final

from litestar import Request, Response, Router
from litestar.exceptions import HTTPException

from dodeca.kernel.errors import DodecaError, Unauthenticated
from dodeca.kernel.http import Access, Call, Calling, FromPath, open_to_all, problems, route
from dodeca.products.music.compat import signing_in
from dodeca.products.music.compat.signing_in import Identity
from dodeca.products.music.compat.subsonic import (
    alike,
    browsing,
    converting,
    lists,
    media,
    playlists,
    system,
    words,
)
from dodeca.products.music.compat.subsonic.answering import HEADERS, answered, failed, is_callback
from dodeca.products.music.compat.subsonic.asking import (
    BAD_KEY,
    CLIENT_TOO_OLD,
    CONFLICTING,
    MALFORMED,
    METHODS,
    NO_TOKENS,
    NOT_ALLOWED,
    NOT_FOUND,
    SERVER_TOO_OLD,
    WRONG,
    Asked,
    Parameters,
    Refused,
)
from dodeca.products.music.compat.subsonic.schema import Node
from dodeca.products.music.sending import SOUND_HEADERS

__all__ = ["router"]

MODULES: Final = (alike, browsing, converting, lists, media, playlists, system, words)
_FORMATS: Final = ("xml", "json", "jsonp")
_VERSION: Final = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?", re.ASCII)
_PLAIN_ERRORS: Final = ("getTranscodeStream",)
"""Methods whose errors have a status of HTTP, as their extension says."""
_HELP: Final = "/music/apps"


async def _parameters(request: Request[Any, Any, Any]) -> Parameters:
    """Of the query, and of a form (extension formPost)."""
    pairs = list(request.query_params.multi_items())
    if request.method == "POST" and request.content_type[0] == "application/x-www-form-urlencoded":
        pairs += (await request.form()).multi_items()
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if isinstance(value, str):
            values.setdefault(str(name), []).append(value)
    return Parameters(values)


@route(["GET", "HEAD", "POST"], "/{method:str}", access=Access.PUBLIC, status=200)
async def rest(call: Calling, method: FromPath[str]) -> Response[Any]:
    """All methods. Who calls is found out here, in the ways that Subsonic has."""
    name = method.removesuffix(".view")
    given = await _parameters(call.request)
    call.request.state.subsonic = (name, given)
    _check_format(given)
    if name == "getOpenSubsonicExtensions":
        return _answer(system.extensions(), given)
    _check_version(given)
    identity = await _signed_in(call, given)
    client = given.required("c")[:100]
    if name not in METHODS:
        raise Refused(NOT_FOUND, "There is no such method.")
    how, function = METHODS[name]
    identity.check(writes=how == "write")
    await signing_in.note_use(call, identity, client)
    asked = Asked(
        {**given.values, "_method": [name]},
        call=call,
        viewer=identity.viewer,
        account_id=identity.account_id,
        username=identity.username,
        client=client,
    )
    if how == "work":
        result = await function(asked)
    elif how == "write":
        result = await call.platform.db.awrite(lambda session: function(session, asked))
    else:
        result = await call.platform.db.aread(lambda session: function(session, asked))
    return _answer(result, given)


def _answer(result: Node | Response[Any] | None, given: Parameters) -> Response[Any]:
    if isinstance(result, Response):
        return result
    return answered(result, _format(given), given.text("callback"))


def _format(given: Parameters) -> str:
    format = given.text("f", "xml").lower()
    if format == "jsonp" and not is_callback(given.text("callback")):
        return "json"
    return format if format in _FORMATS else "xml"


def _check_format(given: Parameters) -> None:
    format = given.text("f", "xml").lower()
    if format not in _FORMATS:
        raise Refused(MALFORMED, f"f is one of {', '.join(_FORMATS)}.")
    if format == "jsonp" and not is_callback(given.required("callback")):
        raise Refused(MALFORMED, "callback is the name of a function.")


def _check_version(given: Parameters) -> None:
    match = _VERSION.fullmatch(given.required("v"))
    if match is None:
        raise Refused(MALFORMED, "v is a version such as 1.16.1.")
    if int(match[1]) < 1:
        raise Refused(CLIENT_TOO_OLD, "Incompatible Subsonic REST protocol version. Client must upgrade.")
    if int(match[1]) > 1 or int(match[2]) > 16:
        raise Refused(SERVER_TOO_OLD, "Incompatible Subsonic REST protocol version. Server must upgrade.")


async def _signed_in(call: Call, given: Parameters) -> Identity:
    """The caller. Raises Refused."""
    key, name = given.text("apiKey"), given.text("u")
    if key:
        if name or given.text("p") or given.text("t"):
            raise Refused(CONFLICTING, "Multiple conflicting authentication mechanisms provided")
        try:
            return await signing_in.with_key(call, key)
        except Unauthenticated as error:
            raise Refused(BAD_KEY, "Invalid API key") from error
    given.required("u")
    try:
        if given.text("t"):
            return await signing_in.with_token(call, name, given.text("t"), given.required("s"))
        return await signing_in.with_password(call, name, _password(given.required("p")))
    except signing_in.NoAppPassword as error:
        raise Refused(NO_TOKENS, error.message, help_url=call.platform.url(_HELP)) from error
    except Unauthenticated as error:
        raise Refused(WRONG, "Wrong username or password") from error


def _password(text: str) -> str:
    """A password in the clear, or in hexadecimal after `enc:`."""
    if not text.startswith("enc:"):
        return text
    try:
        return bytes.fromhex(text[4:]).decode("utf-8")
    except ValueError as error:
        raise Refused(MALFORMED, "p is enc: and hexadecimal digits.") from error


# Errors


_CODES: Final = {401: WRONG, 403: NOT_ALLOWED, 404: NOT_FOUND}
_STATUSES: Final = {NOT_FOUND: 404, WRONG: 401, BAD_KEY: 401, NO_TOKENS: 401, NOT_ALLOWED: 403}


def _failed(request: Request[Any, Any, Any], exception: Exception) -> Response[Any]:
    """An error as clients read it."""
    name, given = getattr(request.state, "subsonic", ("", Parameters()))
    help_url = None
    if isinstance(exception, Refused):
        code, message, help_url = exception.code, exception.message, exception.help_url
    else:
        status, error = problems.as_dodeca_error(exception)
        code, message = _CODES.get(status, MALFORMED), error.message
    if name in _PLAIN_ERRORS:
        status = _STATUSES.get(code, 400)
        return Response(message.encode(), status_code=status, media_type="text/plain", headers=HEADERS)
    return failed(code, message, _format(given), given.text("callback"), help_url)


_errors: Any = {Exception: _failed, HTTPException: _failed, DodecaError: _failed}
router = Router(
    "/rest",
    route_handlers=[rest],
    exception_handlers=_errors,
    middleware=[open_to_all(("GET", "HEAD", "POST"), headers="Content-Type, Range", exposed=SOUND_HEADERS)],
)
"""Below /music."""
