"""What `/api/openapi.json` says beyond what Litestar reads off a signature: errors, bodies and the bearer token.

Every route can be refused in the same ways, and always answers with the same shape; a body that the plan reads itself
is described by the type that really checks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.response import ServerSentEvent

from dodeca.kernel.http.access import Access
from dodeca.kernel.http.problems import PROBLEM_JSON

BEARER: Final = "bearer"
FORM: Final = "application/x-www-form-urlencoded"
ERROR_STATUSES: Final = (400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 503)


class Problem(msgspec.Struct):
    """A problem document (RFC 9457). `error` and `message` repeat `detail`; `field` names the input at fault. Some
    problems have further members."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    message: str
    field: str = ""


ERRORS: Final = {
    status: ResponseSpec(
        Problem,
        generate_examples=False,
        description=HTTPStatus(status).phrase,
        media_type=cast(Any, PROBLEM_JSON),
    )
    for status in ERROR_STATUSES
}


def components() -> Components:
    """How programs say who they are."""
    text = "A token of `POST /api/accounts/login` or an API key."
    return Components(security_schemes={BEARER: SecurityScheme(type="http", scheme="bearer", description=text)})


def described(options: dict[str, Any], access: Access, returns: Any, *, body: Any, forms: bool) -> dict[str, Any]:
    """Litestar's keywords of a route, with what its document lacks. `body` is the type that the plan converts to, from
    JSON, or also from `forms`.

    A route that `returns` a Response of its own making names its `media_type` itself, or all that it `produces`."""
    options = dict(options)
    produces = tuple(options.pop("produces", ()))
    responses = {**ERRORS, **(options.get("responses") or {})}
    security = options.get("security") or (None if access is Access.PUBLIC else [{BEARER: []}])
    more: dict[str, Any] = {}
    if body is not None or produces:
        more["operation_class"] = _operation(
            body, ("application/json", FORM) if forms else ("application/json",), produces
        )
    if returns is ServerSentEvent:
        more["media_type"] = "text/event-stream"
    return {**more, **options, "responses": responses, "security": security}


def _operation(body: Any, takes: Sequence[str], produces: Sequence[str]) -> type[Operation]:
    """An operation with a body of the given type, in one of the formats that it `takes`, and with files of these types
    as its answer."""

    class Described(Operation):  # not a dataclass of its own: making hundreds takes a tenth of a start
        def __init__(self, *values: Any, **named: Any) -> None:
            super().__init__(*values, **named)
            if body is not None:
                schema = json_schema(body)
                media = {name: OpenAPIMediaType(schema=cast(Any, schema)) for name in takes}
                self.request_body = RequestBody(content=media, required=bool(schema.get("required")))
            success = (self.responses or {}).get("200")
            if produces and isinstance(success, OpenAPIResponse):
                success.content = {name: OpenAPIMediaType(schema=_file(name)) for name in produces}

    return Described


def _file(media_type: str) -> Schema:
    """What a file holds: text or bytes, and anything where it is JSON."""
    return Schema() if media_type == "application/json" else Schema(type=OpenAPIType.STRING)


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type, in one piece."""
    schema = msgspec.json.schema(kind)
    return cast(dict[str, Any], _inline(schema, schema.get("$defs", {}), ()))


def _inline(node: Any, definitions: dict[str, Any], within: tuple[str, ...]) -> Any:
    """Put definitions in the place of references; one that holds itself may hold anything there."""
    if isinstance(node, list):
        return [_inline(item, definitions, within) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return {} if name in within else _inline(definitions[name], definitions, (*within, name))
    left_out = ("$defs", "discriminator")
    return {key: _inline(value, definitions, within) for key, value in node.items() if key not in left_out}
