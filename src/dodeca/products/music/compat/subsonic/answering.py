"""Answers as XML, JSON and JSONP, errors included."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any, Final
from xml.sax.saxutils import escape

import msgspec
from litestar import Response

from dodeca.products.music.compat.subsonic.schema import ERROR, Node, node

VERSION: Final = "1.16.1"
NAMESPACE: Final = "http://subsonic.org/restapi"
SERVER: Final = "dodeca"
_CALLBACK: Final = re.compile(r"[A-Za-z_$][\w$]{0,63}(?:\.[A-Za-z_$][\w$]{0,63}){0,5}", re.ASCII)
_NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED: Final = {'"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
HEADERS: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


def moment(at: datetime) -> str:
    """A time as both clients and the schema's xs:dateTime read it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _server_version() -> str:
    """Of the installed package; a checkout that is run as it lies has none."""
    try:
        return metadata.version("dodeca")
    except metadata.PackageNotFoundError:
        return "0"


def is_callback(name: str) -> bool:
    """Whether JSONP may call it: a name of a function and nothing else."""
    return _CALLBACK.fullmatch(name) is not None


def answered(payload: Node | None, format: str, callback: str = "") -> Response[Any]:
    """A good answer."""
    content, media_type = written("ok", payload, format, callback)
    return Response(content, media_type=media_type, headers=HEADERS)


def failed(code: int, message: str, format: str, callback: str = "", help_url: str | None = None) -> Response[Any]:
    """An error. Clients read it from the body: the status is 200."""
    error = node(error=node(ERROR, code=code, message=message, helpUrl=help_url))
    content, media_type = written("failed", error, format, callback)
    return Response(content, media_type=media_type, headers=HEADERS)


def written(status: str, payload: Node | None, format: str, callback: str = "") -> tuple[bytes, str]:
    """An answer and its media type."""
    about = {
        "status": status,
        "version": VERSION,
        "type": SERVER,
        "serverVersion": _server_version(),
        "openSubsonic": True,
    }
    if format in ("json", "jsonp"):
        content = msgspec.json.encode({"subsonic-response": {**about, **(payload or {})}})
        if format == "jsonp" and is_callback(callback):
            # The comment before keeps the answer from being taken for something that a plug-in would run.
            text = b"/**/" + callback.encode() + b"(" + content.replace(b"</", b"<\\/") + b");"
            return text, "application/javascript; charset=utf-8"
        return content, "application/json"
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n', f'<subsonic-response xmlns="{NAMESPACE}"']
    parts += [f" {name}={_quoted(value)}" for name, value in about.items()]
    parts.append(">")
    for name, value in (payload or {}).items():
        _write(parts, name, value)
    parts.append("</subsonic-response>")
    return "".join(parts).encode(), "application/xml; charset=utf-8"


def _write(parts: list[str], name: str, value: Any) -> None:
    if isinstance(value, list):
        for one in value:
            _write(parts, name, one)
    elif isinstance(value, dict):
        _element(parts, name, value)
    else:
        parts.append(f"<{name}>{escape(_text(value))}</{name}>")


def _element(parts: list[str], name: str, fields: dict[str, Any]) -> None:
    kind = fields.kind if isinstance(fields, Node) else None
    if kind is not None:
        attributes = [(n, v) for n, v in fields.items() if n in kind.attributes and n != "value"]
        elements = [(n, fields[n]) for n in kind.elements if n in fields]
    else:
        attributes = [(n, v) for n, v in fields.items() if not isinstance(v, (dict, list)) and n != "value"]
        elements = [(n, v) for n, v in fields.items() if isinstance(v, (dict, list))]
    parts.append(f"<{name}")
    parts += [f" {n}={_quoted(v)}" for n, v in attributes]
    parts.append(">")
    for n, v in elements:
        _write(parts, n, v)
    if "value" in fields:
        parts.append(escape(_text(fields["value"])))
    parts.append(f"</{name}>")


def _quoted(value: object) -> str:
    return f'"{escape(_text(value), _QUOTED)}"'


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _NOT_XML.sub("", str(value))
