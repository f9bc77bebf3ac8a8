"""A real SMTP server on loopback that keeps what it is sent."""

from __future__ import annotations

import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


class Inbox:
    """What a real SMTP server received; `answers` for recipients can be set."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.answers: dict[str, str] = {}
        self.encrypted: list[bool] = []
        self.port = 0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    @property
    def mails(self) -> list[EmailMessage]:
        parser = BytesParser(policy=email.policy.default)
        return [parser.parsebytes(envelope.content) for envelope in self.envelopes]


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Inbox, int]]:
    """An SMTP server on loopback."""
    inbox = Inbox()

    class Anywhere(Controller):
        def factory(self) -> SMTP:
            return SMTP(inbox, **options)

        def _trigger_server(self) -> None:
            # The base class knocks at the port it was given; this one was given 0, any free port.
            self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            super()._trigger_server()  # type: ignore[no-untyped-call]

    controller = Anywhere(inbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield inbox, controller.port
    finally:
        controller.stop()
