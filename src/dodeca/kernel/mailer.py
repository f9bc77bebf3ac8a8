"""Sending mail: messages that are correct and cannot be abused, and the way to an SMTP server.

Everything that people type may end up in a header: a name, a subject, an address. A line break there would add
headers or recipients, so anything that could do that is refused when the message is made, not when it is sent.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from email.errors import HeaderParseError, MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import aiosmtplib
import idna
import msgspec

from dodeca.kernel import clock
from dodeca.kernel.errors import DodecaError, Invalid, Unavailable

MAX_SUBJECT: Final = 500
MAX_ADDRESS: Final = 254
MAX_HEADER: Final = 2_000
MAX_BODY: Final = 2_000_000
SECONDS: Final = 30.0

_LOCAL_PART: Final = re.compile(r"[^\s\x00-\x1f\x7f()<>\[\]:;@\\,\".]+(\.[^\s\x00-\x1f\x7f()<>\[\]:;@\\,\".]+)*")
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NAMED: Final = re.compile(r"\s*(?:\"?(?P<name>[^<>\"]*?)\"?\s*)<(?P<address>[^<>]*)>\s*")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,76}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_OURS: Final = frozenset(
    {
        "bcc",
        "cc",
        "content-disposition",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "message-id",
        "mime-version",
        "return-path",
        "sender",
        "subject",
        "to",
    }
)


class MailRejected(DodecaError):
    """The server will never take this message: sending it again is useless. `code` is SMTP's."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class MailDelayed(Unavailable):
    """The server does not take the message now; send it again later."""


def checked_address(text: str, *, field: str = "email") -> str:
    """A mail address in its normal form: its host lower-case and in ASCII (RFC 5890), the part before it as it is.

    Raises Invalid. Quoted local parts and address literals, which RFC 5321 allows and nobody has, are refused.
    """
    local, at, host = text.strip().rpartition("@")
    if at and _LOCAL_PART.fullmatch(local) and len(local.encode("utf-8", "replace")) <= 64:
        try:
            ascii_host = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            ascii_host = ""
        address = f"{local}@{ascii_host}"
        if _HOST.fullmatch(ascii_host) and len(address) <= MAX_ADDRESS and _is_encodable(local):
            return address
    raise Invalid("This is not a mail address, such as name@example.org.", field=field)


class Message(msgspec.Struct, frozen=True):
    """One mail to one person. `to` and `sender` are `name@host` or `Name <name@host>`; `sender` "" is the mailer's.

    `unsubscribe` is an https address that ends the subscription at once when it gets a POST (RFC 8058). `message_id`
    makes replies and repeated sending recognisable; without one it is made when the message is built.
    """

    to: str
    subject: str
    text: str
    html: str | None = None
    headers: Mapping[str, str] = {}
    sender: str = ""
    unsubscribe: str | None = None
    message_id: str | None = None

    def check(self) -> None:
        """Raises Invalid, naming the field, for what could not be sent or would send something else."""
        _mailbox(self.to, "to")
        if self.sender:
            _mailbox(self.sender, "sender")
        _line(self.subject, "subject", MAX_SUBJECT)
        for name, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
                raise Invalid(f"This header cannot be set: {name[:80]!r}.", field="headers")
            _line(value, "headers", MAX_HEADER)
        if self.unsubscribe is not None:
            _line(self.unsubscribe, "unsubscribe", MAX_HEADER)
            if not self.unsubscribe.startswith("https://") and not self.unsubscribe.startswith("http://"):
                raise Invalid("The address to unsubscribe starts with https://.", field="unsubscribe")
            if not self.unsubscribe.isascii() or any(c in self.unsubscribe for c in "<> "):
                raise Invalid("The address to unsubscribe has characters that must be encoded.", field="unsubscribe")
        if self.message_id is not None and not re.fullmatch(r"<[!-;=?-~]+@[!-;=?-~]+>", self.message_id):
            raise Invalid("A message id has the form <left@right>.", field="message_id")
        for field, body in (("text", self.text), ("html", self.html or "")):
            if len(body) > MAX_BODY:
                raise Invalid(f"A mail has at most {MAX_BODY:,} characters.", field=field)
            if not _is_encodable(body):
                raise Invalid("The text has characters that cannot be sent.", field=field)

    def built(self, sender: str) -> EmailMessage:
        """The message as it goes over the wire (RFC 5322, MIME). `sender` is for messages without their own.

        Raises Invalid as `check`.
        """
        self.check()
        to, author = _mailbox(self.to, "to"), _mailbox(self.sender or sender, "sender")
        international = not (to.addr_spec.isascii() and author.addr_spec.isascii())
        # Not every server takes eight bits; what needs them anyway is an address that is not ASCII.
        mail = EmailMessage(policy=SMTPUTF8 if international else SMTP.clone(cte_type="7bit"))
        try:
            mail["From"] = author
            mail["To"] = to
            mail["Subject"] = self.subject
            mail["Date"] = format_datetime(clock.now())
            mail["Message-ID"] = self.message_id or make_msgid(domain=author.domain)
            if self.unsubscribe is not None:
                mail["List-Unsubscribe"] = f"<{self.unsubscribe}>"
                mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            for name, value in self.headers.items():
                mail[name] = value
            if "auto-submitted" not in {name.lower() for name in self.headers}:
                mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
            mail.set_content(self.text or "\n")
            if self.html is not None:
                mail.add_alternative(self.html, subtype="html")
            mail.as_bytes()
        except (ValueError, HeaderParseError, MessageError) as error:
            raise Invalid("This mail cannot be sent.", field="headers") from error
        return mail


class Mailer:
    """Hands messages to one SMTP server.

    `url` is `smtp://user:password@host:port` or `smtps://…` (TLS from the start, port 465). With `smtp://` TLS is used
    where the server offers it and demanded on port 587; `?starttls=required`, `auto` or `never` says otherwise. A
    password is never sent unencrypted, except to this machine.
    """

    def __init__(self, url: str, *, sender: str, tls: ssl.SSLContext | None = None) -> None:
        """Raises Invalid for a URL or sender that cannot be used."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        try:
            port = parts.port
        except ValueError as error:
            raise _bad_url("The port is not a number.") from error
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise _bad_url("Write smtp://user:password@host:port or smtps://….")
        mode = query.pop("starttls", "required" if (port or 587) == 587 else "auto")
        if (
            query
            or mode not in ("required", "auto", "never")
            or (parts.scheme == "smtps" and "starttls" in parts.query)
        ):
            raise _bad_url("The only option is starttls=required, auto or never, for smtp://.")
        _mailbox(sender, "DODECA_MAIL_FROM")
        self._sender = sender
        self._implicit = parts.scheme == "smtps"
        self._mode = mode
        self._host = parts.hostname
        self._port = port or (465 if self._implicit else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = tls or ssl.create_default_context()

    async def send(self, message: Message) -> None:
        """Hand one message over; the server has accepted it when this returns.

        Raises Invalid for a message that cannot be sent, MailRejected, MailDelayed.
        """
        mail = message.built(self._sender)
        async with self._connected() as server:
            await _hand_over(server, mail)

    async def send_all(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Hand many messages over through one connection. Gives, for each, None or what `send` would have raised."""
        outcomes: list[Exception | None] = []
        try:
            async with self._connected() as server:
                for message in messages:
                    try:
                        await _hand_over(server, message.built(self._sender))
                        outcomes.append(None)
                    except (Invalid, MailRejected, MailDelayed) as error:
                        outcomes.append(error)
                        if not server.is_connected:
                            break
        except MailDelayed as error:
            return outcomes + [error] * (len(messages) - len(outcomes))
        lost = MailDelayed("The mail server broke off.")
        return outcomes + [lost] * (len(messages) - len(outcomes))

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        server = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._implicit,
            start_tls=False,
            tls_context=self._tls,
            timeout=SECONDS,
        )
        try:
            await server.connect()
            await self._secure(server)
            if self._user is not None:
                await server.login(self._user, self._password or "")
        except (aiosmtplib.SMTPException, OSError) as error:
            server.close()
            raise MailDelayed(f"The mail server cannot be used: {error}", retry_after=60) from error
        except MailDelayed:
            server.close()
            raise
        try:
            yield server
        finally:
            try:
                await server.quit()
            except (aiosmtplib.SMTPException, OSError):
                server.close()  # it has broken off already; what it accepted it has

    async def _secure(self, server: aiosmtplib.SMTP) -> None:
        if self._implicit:
            return
        await server.ehlo()
        if self._mode != "never" and server.supports_extension("starttls"):
            await server.starttls()
            await server.ehlo()
        elif self._mode == "required":
            raise MailDelayed("The mail server offers no encryption; write ?starttls=never if that is meant.")
        elif self._user is not None and not _is_this_machine(self._host):
            raise MailDelayed("The mail server offers no encryption, so the password was not sent.")


async def _hand_over(server: aiosmtplib.SMTP, mail: EmailMessage) -> None:
    try:
        await server.send_message(mail)
    except aiosmtplib.SMTPRecipientsRefused as error:
        refused = error.recipients[0]
        raise _refusal(refused.code, refused.message) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _refusal(error.code, error.message) from error
    except aiosmtplib.SMTPNotSupported as error:
        raise MailRejected("The mail server cannot send to addresses with such characters.", 553) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailDelayed("The mail server broke off.") from error


def _refusal(code: int, message: str) -> DodecaError:
    text = _CONTROLS.sub(" ", message)[:300]
    if 500 <= code < 600:
        return MailRejected(f"The mail server refused: {code} {text}", code)
    return MailDelayed(f"The mail server asks to wait: {code} {text}", retry_after=300)


def _mailbox(text: str, field: str) -> Address:
    """`name@host` or `Name <name@host>`. Raises Invalid."""
    if _CONTROLS.search(text) or len(text) > MAX_HEADER:
        raise Invalid("A mail address is one line.", field=field)
    named = _NAMED.fullmatch(text)
    name, address = (named["name"], named["address"]) if named else ("", text)
    if not _is_encodable(name):
        raise Invalid("This name has characters that cannot be sent.", field=field)
    local, _, host = checked_address(address, field=field).rpartition("@")
    return Address(display_name=name.strip(), username=local, domain=host)


def _line(text: str, field: str, longest: int) -> None:
    if _CONTROLS.search(text) or not _is_encodable(text):
        raise Invalid("This must be one line without control characters.", field=field)
    if len(text) > longest:
        raise Invalid(f"This has at most {longest:,} characters.", field=field)


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _bad_url(message: str) -> Invalid:
    return Invalid(message, field="DODECA_SMTP_URL")
