"""Whatever the API's own document allows is answered as the document says: no 500, no undocumented status or shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dodeca import app as composition
from dodeca.kernel.db import metadata
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Config
from tests.support.platform import ADDRESS, Factory, at_loopback

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
EXAMPLES = 3
VISITORS_EXAMPLES = 2
"""The same few examples each time: what is new is looked for by changing these. Most operations answer a visitor
before they look at the request."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all operations. Limits are off: they would answer for the operations."""
    folder = tmp_path_factory.mktemp("openapi")
    off = dict.fromkeys(("requests_per_minute", "anonymous_requests_per_minute"), 0)
    off |= dict.fromkeys((f"shortener.{n}_per_minute" for n in ("anonymous", "creations", "unknown")), 0)
    overrides = {"data": folder, "workers_inline": False, **off}
    platform = composition.compose(Config(environment={}, overrides=overrides), address=ADDRESS)
    platform.db.write(lambda session: metadata.create_all(session.connection()))
    yield platform
    platform.close()


@pytest.fixture(scope="module")
def document(installation: Platform) -> Any:
    app = at_loopback(composition.application(installation))
    return schemathesis.openapi.from_asgi("/api/openapi.json", app).exclude(func=lambda ctx: is_endless(ctx.operation))


def is_endless(operation: Any) -> bool:
    """Whether the answer is a stream of events, which ends when its reader goes: this client never does."""
    return any("text/event-stream" in one.get("content", {}) for one in operation.definition.raw["responses"].values())


def refuted(document: Any, examples: int, headers: Callable[[], dict[str, str]]) -> list[str]:
    """The operations that did not answer as documented. `headers` are asked for once an operation."""
    operations = [result.ok() for result in document.get_all_operations()]
    return [failure for operation in operations if (failure := refutation(operation, examples, headers()))]


def refutation(operation: Any, examples: int, headers: dict[str, str]) -> str:
    """What an operation did wrong; empty when nothing."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def answers(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS, headers=headers)

    try:
        answers()
    except (AssertionError, FailureGroup) as failure:
        return f"{operation.label}\n{failure}"
    return ""


def test_a_visitor_is_answered_as_documented(document: Any) -> None:
    found = refuted(document, VISITORS_EXAMPLES, lambda: {"Origin": ADDRESS})

    assert not found, "\n\n".join(found)


def test_a_member_is_answered_as_documented(document: Any, installation: Platform) -> None:
    make = Factory(installation, None)

    def member() -> dict[str, str]:  # a new one for each operation, as one of them ends the account
        return {"Authorization": f"Bearer {make.token(make.account(email_verified=True))}"}

    found = refuted(document, EXAMPLES, member)

    assert not found, "\n\n".join(found)
