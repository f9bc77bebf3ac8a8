"""What music's tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.platform import Factory

from dodeca.commons.accounts.public import Account
from dodeca.products.music.models import Song
from dodeca.products.music.service import songs
from dodeca.products.music.service.tags import Tags
from dodeca.products.music.service.viewers import Viewer

MakeSong = Callable[..., Song]


def viewer(account: Account) -> Viewer:
    """Somebody without a role."""
    return Viewer(account.id)


@pytest.fixture
def make_song(make: Factory) -> MakeSong:
    """Makes a song; state only what matters."""

    def song(
        title: str = "Air", artist: str = "Anna Magdalena", *, by: Account | None = None, **options: object
    ) -> Song:
        tags = {name: options.pop(name) for name in list(options) if name in Tags.__struct_fields__}
        uploader = by or make.account()
        return make.run(
            lambda session: songs.add(
                session,
                uploader.id,
                Tags(title=title, artist=artist, **tags),  # type: ignore[arg-type]
                **{"duration_ms": 180_000, **options},  # type: ignore[arg-type]
            )
        )

    return song
