"""Telemetry: what is logged can be read by machines and holds no secret."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.telemetry import (
    REDACTED,
    Tracing,
    configure_logging,
    counter,
    exposition,
    gauge,
    histogram,
    request_context,
    without_secrets,
)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(**options: Any) -> tuple[StringIO, Any]:
    stream = StringIO()
    configure_logging(stream=stream, **options)
    return stream, structlog.get_logger("dodeca.test")


def test_a_line_is_one_json_object_with_its_context() -> None:
    stream, log = logged(json=True)

    with request_context("r-1", account="a-7"):
        log.info("booked", nights=3)
    log.info("later")

    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["nights"], first["level"]) == ("booked", 3, "info")
    assert (first["request_id"], first["account"], first["logger"]) == ("r-1", "a-7", "dodeca.test")
    assert first["timestamp"].endswith("Z")
    assert "request_id" not in second


def test_text_for_people_has_no_control_codes_in_a_file() -> None:
    stream, log = logged()

    log.warning("careful", room="12")

    assert "careful" in stream.getvalue()
    assert "room=12" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_libraries_log_the_same_way() -> None:
    stream, _ = logged(json=True)

    logging.getLogger("some.library").error("failed for %s with token=%s", "x", "abc")

    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"]) == ("failed for x with token=abc", "error")


def test_a_level_keeps_smaller_events_out() -> None:
    stream, log = logged(level="warning")

    log.info("hidden")
    logging.getLogger("library").info("hidden")
    log.error("seen")

    assert stream.getvalue().count("\n") == 1


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        configure_logging(level="loud")


def test_an_exceptions_text_is_cleaned_too() -> None:
    stream, log = logged(json=True)

    try:
        raise RuntimeError("postgresql://dodeca:hunter2secret@db/x refused 4111 1111 1111 1111")
    except RuntimeError:
        log.exception("failed")

    line = json.loads(stream.getvalue())
    assert "RuntimeError" in line["exception"]
    assert "hunter2" not in stream.getvalue()
    assert "4111 1111" not in stream.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Authorization",
        "Set-Cookie",
        "X-Api-Key",
        "client_secret",
        "pan",
        "cvv",
        "access_token",
        "new_password",
    ],
)
def test_values_under_telling_names_are_taken_out(name: str) -> None:
    assert without_secrets({name: "abc123xyz"}) == {name: REDACTED}
    assert without_secrets({"body": [{"deep": {name: ["abc123xyz"]}}]}) == {"body": [{"deep": {name: REDACTED}}]}


def test_other_values_stay() -> None:
    event = {
        "token_id": "t-1",
        "company": "PAN Am",
        "span": 3,
        "opinion": None,
        "rate": 0.5,
        "ok": True,
        "password": "",
    }

    assert without_secrets(event) == event


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("got Bearer abcdef.ghi-jkl here", f"got Bearer {REDACTED} here"),
        ("basic dXNlcjpwYXNz", f"basic {REDACTED}"),
        ("redis://:hunter2@host:6379/0", f"redis://:{REDACTED}@host:6379/0"),
        ("/reset?token=abc&next=/x", f"/reset?token={REDACTED}&next=/x"),
        ("/media/a?expires=5&signature=abc", f"/media/a?expires=5&signature={REDACTED}"),
        ("card 4111-1111-1111-1111 ok", f"card {REDACTED}1111 ok"),
        ("card 5555555555554444", f"card {REDACTED}4444"),
        ("order 4111111111111112", "order 4111111111111112"),
        ("zero 2222222222222222", "zero 2222222222222222"),
        ("the bearer of news", "the bearer of news"),
        ("at 12:30:00", "at 12:30:00"),
    ],
)
def test_secrets_within_text_are_taken_out(text: str, clean: str) -> None:
    assert without_secrets(text) == clean
    assert without_secrets(text.encode()) == clean


def test_a_card_number_is_found_as_a_number_too() -> None:
    assert without_secrets({"amount": 1999, "at": 1_900_000_000_000_000_000, "number": 4111111111111111}) == {
        "amount": 1999,
        "at": 1_900_000_000_000_000_000,
        "number": f"{REDACTED}1111",
    }


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=20,
    )
)
def test_whatever_is_logged_can_be_written(value: object) -> None:
    json.dumps(without_secrets({"value": value}))


def test_a_loop_of_objects_does_not_loop() -> None:
    endless: list[object] = []
    endless.append(endless)

    assert without_secrets(endless)


def test_metrics_carry_the_platforms_name_and_are_made_once() -> None:
    counter("test_clicks_total", "Clicks.", ["outcome"]).labels("ok").inc(2)
    counter("test_clicks_total", "Clicks.", ["outcome"]).labels("ok").inc()
    gauge("test_open", "Open connections.").set(5)
    histogram("test_seconds", "Durations.").observe(0.02)

    text, kind = exposition()

    lines = text.decode().splitlines()
    assert 'dodeca_test_clicks_total{outcome="ok"} 3.0' in lines
    assert "dodeca_test_open 5.0" in lines
    assert 'dodeca_test_seconds_bucket{le="0.025"} 1.0' in lines
    assert kind.startswith("text/plain")


def test_one_name_is_one_kind_of_metric() -> None:
    counter("test_kind", "A counter.")

    with pytest.raises(TypeError, match="Counter"):
        gauge("test_kind", "A gauge.")


PROCESS = """
import sys
from dodeca.kernel.telemetry import counter, exposition
counter("test_processes_total", "Processes.").inc()
if len(sys.argv) > 1: print(exposition()[0].decode())
"""


def test_several_processes_answer_for_all(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": ":".join(sys.path), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", PROCESS], env=environment, check=True)

    second = subprocess.run(
        [sys.executable, "-c", PROCESS, "print"], env=environment, check=True, capture_output=True, text=True
    )

    assert "dodeca_test_processes_total 2.0" in second.stdout


IDLE = """
import sys
from dodeca.kernel.telemetry import Tracing
tracing = Tracing()
with tracing.span("work", {"traceparent": "x"}, rows=3): print("worked")
tracing.close()
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def test_without_a_collector_a_span_does_nothing_and_nothing_is_imported() -> None:
    program = [sys.executable, "-c", IDLE]

    ran = subprocess.run(program, env={"PYTHONPATH": ":".join(sys.path)}, check=True, capture_output=True, text=True)

    assert ran.stdout == "worked\n[]\n"


def test_spans_reach_a_collector() -> None:
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tracing = Tracing(f"http://127.0.0.1:{server.server_port}/v1/traces")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    with tracing.span("book a room", {"traceparent": parent}, password="hunter2"):
        pass
    tracing.close()
    server.shutdown()

    assert b"book a room" in bodies[0]
    assert bytes.fromhex("0af7651916cd43dd8448eb211c80319c") in bodies[0]
    assert b"hunter2" not in bodies[0]
