"""Bodies of requests."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

import msgspec

from dodeca.kernel.http.context import BodyParameter

T = TypeVar("T")


class ClosedRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base of request bodies: a field that nobody knows is an error, so that a typing slip is not silently lost."""


AnyBody: TypeAlias = Annotated[T, BodyParameter()]
"""A body that may come as JSON or as a form: `data: AnyBody[ShortenRequest]`."""

JSONBody: TypeAlias = Annotated[T, BodyParameter(forms=False)]
"""A body of JSON: `data: JSONBody[ShortenRequest]`. Litestar's own would take `"7"` for a number, as it reads bodies as
leniently as the parameters of a path."""
