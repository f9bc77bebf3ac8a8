"""HTTP: routes that declare their access, one unit of work a request, errors in one shape.

Products import everything they need for `api.py` and `pages.py` from here.
"""

from litestar.params import FromCookie, FromHeader, FromPath, FromQuery

from dodeca.kernel.http.access import Access, Authenticator, Principal
from dodeca.kernel.http.context import BodyParameter, Call, Calling, DbRead, DbWrite, InUnit
from dodeca.kernel.http.cross_origin import open_to_all
from dodeca.kernel.http.pages import FormState, Page, Redirect
from dodeca.kernel.http.paging import DEFAULT_LIMIT, Slice, bounded, decode_cursor, encode_cursor, page_of
from dodeca.kernel.http.plan import converted, read_body
from dodeca.kernel.http.posting import Post, PostingLane
from dodeca.kernel.http.requests import AnyBody, ClosedRequest, JSONBody
from dodeca.kernel.http.routes import delete, get, patch, post, put, route

__all__ = [
    "DEFAULT_LIMIT",
    "Access",
    "AnyBody",
    "Authenticator",
    "BodyParameter",
    "Call",
    "Calling",
    "ClosedRequest",
    "DbRead",
    "DbWrite",
    "FormState",
    "FromCookie",
    "FromHeader",
    "FromPath",
    "FromQuery",
    "InUnit",
    "JSONBody",
    "Page",
    "Post",
    "PostingLane",
    "Principal",
    "Redirect",
    "Slice",
    "bounded",
    "converted",
    "decode_cursor",
    "delete",
    "encode_cursor",
    "get",
    "open_to_all",
    "page_of",
    "patch",
    "post",
    "put",
    "read_body",
    "route",
]
