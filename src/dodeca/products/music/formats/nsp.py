"""Navidrome's smart playlists (.nsp): the rules of one, as JSON, with a name and a comment.

What the rules may say is for the service to judge."""

from __future__ import annotations

from typing import Final

import msgspec

from dodeca.products.music.formats.entries import PlaylistFile, bounded, not_a, plain

_MAX_BYTES: Final = 1_000_000


def read(data: bytes) -> PlaylistFile:
    """Read a smart playlist. Raises Invalid."""
    if len(bounded(data)) > _MAX_BYTES:
        raise not_a("smart playlist", "it is too long")
    try:
        root = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_a("smart playlist", "its JSON is broken") from error
    if not isinstance(root, dict) or not {"all", "any"} & set(root):
        raise not_a("smart playlist", "it has neither all nor any")
    rules = {name: value for name, value in root.items() if name not in ("name", "comment")}
    return PlaylistFile(title=plain(root.get("name")), description=plain(root.get("comment")), rules=rules)


def write(playlist: PlaylistFile) -> bytes:
    """A smart playlist as .nsp. Raises Invalid for one without rules."""
    if playlist.rules is None:
        raise not_a("smart playlist", "it has no rules")
    about = {"name": playlist.title, "comment": playlist.description}
    kept = {name: value for name, value in about.items() if value}
    return msgspec.json.format(msgspec.json.encode({**kept, **playlist.rules}), indent=2)
