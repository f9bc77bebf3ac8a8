"""Somebody with an app, and songs that can be heard."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from tests.products.music.audio.conftest import originals
from tests.support.platform import Client, Factory

from dodeca.commons.accounts.public import Account
from dodeca.kernel.platform import Platform
from dodeca.products.music.audio import probing
from dodeca.products.music.models import Song
from dodeca.products.music.service import app_passwords, songs
from dodeca.products.music.service.songs import Audio
from dodeca.products.music.service.tags import Tags
from dodeca.products.music.service.viewers import Viewer

__all__ = ["originals"]


@dataclass
class Listener:
    """An account, its app password, and a client."""

    account: Account
    password: str
    client: Client

    @property
    def viewer(self) -> Viewer:
        return Viewer(self.account.id)

    def ask(self, method: str, *, post: bool = False, **given: Any) -> httpx.Response:
        """One request as an app sends it."""
        parameters = {"u": self.account.username, "p": self.password, "v": "1.16.1", "c": "tests", "f": "json"}
        values = {name: value for name, value in {**parameters, **given}.items() if value is not None}
        if post:
            return self.client.post(f"/music/rest/{method}.view", data=values)
        return self.client.get(f"/music/rest/{method}", params=values)

    def told(self, method: str, **given: Any) -> dict[str, Any]:
        """The answer of a request that succeeds."""
        answer = self.ask(method, **given)
        assert answer.status_code == 200, answer.text
        found = dict(answer.json()["subsonic-response"])
        assert found["status"] == "ok", found
        return found

    def code(self, method: str, **given: Any) -> int:
        """The number of the error that a request gives."""
        answer = self.ask(method, **given)
        assert answer.status_code == 200, answer.text
        found = answer.json()["subsonic-response"]
        assert found["status"] == "failed", found
        return int(found["error"]["code"])

    def xml(self, method: str, **given: Any) -> ElementTree.Element:
        """The answer as XML."""
        answer = self.ask(method, f="xml", **given)
        assert answer.headers["content-type"].startswith("application/xml")
        return ElementTree.fromstring(answer.text)


NewListener = Callable[..., Listener]
Sound = Callable[..., Song]


@pytest.fixture
def listener(make: Factory, client: Client, platform: Platform) -> NewListener:
    """Makes somebody with an app password."""

    def made(username: str = "", **options: Any) -> Listener:
        account = make.account(username, **options)
        _, password = make.run(lambda session: app_passwords.create(session, platform, account, "Test app"))
        return Listener(account, password, client)

    return made


@pytest.fixture
def sound(make: Factory, platform: Platform, originals: Callable[[str], Path]) -> Sound:
    """Adds a song that can be heard; state only what matters."""

    def made(by: Account, suffix: str = "mp3", *, visibility: str = "public", **tags: Any) -> Song:
        path = originals(suffix)
        found = probing.probe(path)
        blob = platform.media.save_bytes(path.read_bytes())
        wanted = {"title": "Evening", "artist": "Ann", "album": "Days", "track": 1, "genres": ["Folk"], "year": 1999}
        given = Tags(**{**wanted, **tags})
        audio = Audio(
            audio_hash=f"{found.audio_hash[:-8]}{zlib.crc32(f'{given.title} {given.artist}'.encode()):08x}",
            duration_ms=found.duration_ms,
            codec=found.codec,
            suffix=found.suffix,
            content_type=found.media_type,
            size=found.size,
            bit_rate=found.bit_rate,
            sample_rate=found.sample_rate,
            channels=found.channels,
            media_key=blob.key,
        )
        return make.run(lambda session: songs.add(session, by.id, given, visibility=visibility, audio=audio))

    return made
