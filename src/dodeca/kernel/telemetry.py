"""Logs, metrics and traces.

Logs are structured (structlog), one line an event, with the id of the request that caused it; secrets are taken out
before anything is written. Metrics are Prometheus', all named `dodeca_…`. Traces (OpenTelemetry) are imported only
when a collector is set.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Final, TextIO, TypeVar, cast

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from structlog.types import EventDict, Processor, WrappedLogger

REDACTED: Final = "[redacted]"

_SECRET_WORDS: Final = (
    "authorization",
    "cookie",
    "credential",
    "cvc",
    "cvv",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "session_id",
    "signature",
    "token",
    "api_key",
    "apikey",
    "card_number",
)
_SECRET_NAMES: Final = frozenset({"pan", "pin", "iban", "csrf", "key_secret", "salt", "code_verifier"})
_SAFE_NAMES: Final = frozenset({"token_id", "token_type", "cookies_enabled"})
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}")
_IN_URL: Final = re.compile(r"(?i)([?&;](?:[a-z_]*(?:token|password|secret|signature|key)|code|sig)=)[^&\s#'\"]+")
_USERINFO: Final = re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^/\s:@]*:)[^/\s@]+@")
_DIGITS: Final = re.compile(r"(?<!\d)[2-6](?:[ -]?\d){12,18}(?!\d)")  # the first digit names the network
_MAX_DEPTH: Final = 6

T = TypeVar("T")


# Logs


def configure_logging(*, json: bool = False, level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs, those of libraries included, to `stream` (default: standard error).

    `json` writes one object a line, otherwise text for people. Raises ValueError for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"Not a log level: {level!r}. Use debug, info, warning or error.")
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks become text before secrets are taken out: an exception's message may hold one.
    last: list[Processor] = [structlog.processors.format_exc_info, redact]
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for chatty in ("httpx", "httpcore", "PIL", "asyncio", "botocore"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that takes secrets out: values under telling names, and, within any text, bearer tokens,
    passwords in URLs and card numbers (PCI DSS 3.5)."""
    return cast(MutableMapping[str, Any], without_secrets(event))


def without_secrets(value: Any, _depth: int = 0) -> Any:
    """A copy in which secrets are replaced, whatever is nested in what."""
    if isinstance(value, Mapping) and _depth < _MAX_DEPTH:
        return {
            key: REDACTED if item not in (None, "") and _is_secret(str(key)) else without_secrets(item, _depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset) and _depth < _MAX_DEPTH:
        return [without_secrets(item, _depth + 1) for item in value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value)
    clean = _clean_text(text)
    plain = value is None or isinstance(value, bool | int | float)
    return value if plain and clean == text else clean


def _is_secret(name: str) -> bool:
    name = name.lower().replace("-", "_")
    return name in _SECRET_NAMES or (name not in _SAFE_NAMES and any(word in name for word in _SECRET_WORDS))


def _clean_text(text: str) -> str:
    if len(text) < 7:
        return text
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _USERINFO.sub(rf"\1{REDACTED}@", text)
    text = _IN_URL.sub(rf"\1{REDACTED}", text)
    return _DIGITS.sub(_without_card_number, text)


def _without_card_number(match: re.Match[str]) -> str:
    """Replace a number that passes the Luhn check, keeping the last four digits as receipts do."""
    digits = [int(character) for character in match[0] if character.isdigit()]
    doubled = [digit if place % 2 == 0 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(reversed(digits))]
    if sum(doubled) % 10 or len(set(digits)) == 1:
        return match[0]
    return f"{REDACTED}{''.join(map(str, digits[-4:]))}"


@contextlib.contextmanager
def request_context(request_id: str, **values: object) -> Iterator[None]:
    """Put the request's id (and more) into every log line of the block, threads started by it apart."""
    with structlog.contextvars.bound_contextvars(request_id=request_id, **values):
        yield


# Metrics

_made: dict[str, Any] = {}
_making = threading.Lock()


def counter(name: str, help: str, labels: Sequence[str] = ()) -> Counter:
    """The counter `dodeca_{name}`, made at the first call; the name should end in `_total`."""
    return _metric(Counter, name, help, labels)


def gauge(name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
    """The gauge `dodeca_{name}`; across the processes of one machine the live ones are added up."""
    return _metric(Gauge, name, help, labels, multiprocess_mode="livesum")


def histogram(
    name: str,
    help: str,
    labels: Sequence[str] = (),
    buckets: Sequence[float] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
) -> Histogram:
    """The histogram `dodeca_{name}`; the default buckets are for durations in seconds."""
    return _metric(Histogram, name, help, labels, buckets=buckets)


def _metric(kind: type[T], name: str, help: str, labels: Sequence[str], **options: Any) -> T:
    with _making:
        metric = _made.get(name)
        if metric is None:
            metric = _made[name] = cast(Any, kind)(f"dodeca_{name}", help, labels, registry=REGISTRY, **options)
        if not isinstance(metric, kind):
            raise TypeError(f"dodeca_{name} is already a {type(metric).__name__}.")
        return metric


def exposition() -> tuple[bytes, str]:
    """All metrics in Prometheus' text format, and its content type.

    Where several processes serve one port, set PROMETHEUS_MULTIPROC_DIR before they start: each then answers for all.
    """
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


# Traces


class Tracing:
    """Spans, sent to an OpenTelemetry collector; without an endpoint every call does nothing."""

    def __init__(self, endpoint: str = "", *, service: str = "dodeca") -> None:
        """`endpoint` is an OTLP/HTTP address such as http://127.0.0.1:4318/v1/traces.

        Raises RuntimeError when it is set and the packages of `dodeca[opentelemetry]` are missing.
        """
        self._provider: Any = None
        self._tracer: Any = None
        if endpoint:
            self._start(endpoint, service)

    def _start(self, endpoint: str, service: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise RuntimeError(
                "DODECA_OTLP_ENDPOINT is set; install the packages it needs: pip install 'dodeca[opentelemetry]'"
            ) from error
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("dodeca")

    @contextlib.contextmanager
    def span(self, name: str, headers: Mapping[str, str] | None = None, **attributes: object) -> Iterator[None]:
        """Measure a block. `headers` of an incoming request continue the caller's trace (W3C traceparent)."""
        if self._tracer is None:
            yield
            return
        from opentelemetry.propagate import extract

        parent = extract(dict(headers)) if headers else None
        clean = without_secrets(attributes)
        with self._tracer.start_as_current_span(name, context=parent, attributes=clean):
            yield

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()
