"""XSPF, the XML Shareable Playlist Format, and JSPF, the same in JSON: https://xspf.org/spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from lxml import etree

from dodeca.products.music.formats.entries import (
    LONGEST_LOCATION,
    LONGEST_MS,
    MOST_ENTRIES,
    Entry,
    PlaylistFile,
    bounded,
    isrc,
    mbid,
    not_a,
    number,
    plain,
)

NAMESPACE: Final = "http://xspf.org/ns/0/"
_RECORDING: Final = "https://musicbrainz.org/recording/"
_ISRC: Final = "isrc:"


def read_xspf(data: bytes) -> PlaylistFile:
    """Read a playlist. Raises Invalid; entities are not expanded and nothing outside is opened."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(bounded(data), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise not_a("XSPF", "its XML is broken") from error
    if _name(root) != "playlist":
        raise not_a("XSPF", "it has no playlist")
    entries: list[Entry] = []
    for part in root:
        if _name(part) == "trackList":
            tracks = [track for track in part if _name(track) == "track"]
            entries += [_entry(_members(track)) for track in tracks[: MOST_ENTRIES - len(entries)]]
    about = _members(root)
    return PlaylistFile(plain(_one(about, "title")), plain(_one(about, "annotation")), tuple(entries))


def _name(element: Any) -> str:
    """The local name; comments and instructions have none."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _members(element: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for part in element:
        if name := _name(part):
            found.setdefault(name, []).append(part.text or "")
    return found


def read_jspf(data: bytes) -> PlaylistFile:
    """Read a playlist in JSON. Raises Invalid."""
    try:
        root = msgspec.json.decode(bounded(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_a("JSPF", "its JSON is broken") from error
    playlist = root.get("playlist") if isinstance(root, dict) else None
    if not isinstance(playlist, dict):
        raise not_a("JSPF", "it has no playlist")
    given = playlist.get("track")
    tracks = given[:MOST_ENTRIES] if isinstance(given, list) else []
    entries = tuple(_entry(track) for track in tracks if isinstance(track, dict))
    return PlaylistFile(plain(playlist.get("title")), plain(playlist.get("annotation")), entries)


def _one(members: Mapping[str, Any], name: str) -> Any:
    """A member that stands once, or the first of several."""
    value = members.get(name)
    return (value[0] if value else None) if isinstance(value, list) else value


def _entry(members: Mapping[str, Any]) -> Entry:
    identifiers = members.get("identifier")
    names = [
        name for name in (identifiers if isinstance(identifiers, list) else [identifiers]) if isinstance(name, str)
    ]
    return Entry(
        location=plain(_one(members, "location"), LONGEST_LOCATION),
        title=plain(_one(members, "title")),
        artist=plain(_one(members, "creator")),
        album=plain(_one(members, "album")),
        duration_ms=number(_one(members, "duration"), 1, LONGEST_MS),
        isrc=next((found for name in names if (found := isrc(name))), ""),
        mbid=next((found for name in names if "recording" in name and (found := mbid(name))), ""),
    )


def _identifiers(entry: Entry) -> list[str]:
    found = [_RECORDING + entry.mbid] if entry.mbid else []
    return [*found, _ISRC + entry.isrc] if entry.isrc else found


def write_xspf(playlist: PlaylistFile) -> bytes:
    """The playlist as XSPF."""
    root = etree.Element(f"{{{NAMESPACE}}}playlist", nsmap={None: NAMESPACE}, version="1")
    _add(root, "title", playlist.title)
    _add(root, "annotation", playlist.description)
    tracks = etree.SubElement(root, f"{{{NAMESPACE}}}trackList")
    for entry in playlist.entries:
        track = etree.SubElement(tracks, f"{{{NAMESPACE}}}track")
        _add(track, "location", entry.location)
        for name in _identifiers(entry):
            _add(track, "identifier", name)
        _add(track, "title", entry.title)
        _add(track, "creator", entry.artist)
        _add(track, "album", entry.album)
        _add(track, "duration", "" if entry.duration_ms is None else str(entry.duration_ms))
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _add(parent: Any, name: str, text: str) -> None:
    if text:
        # Beyond control characters, which `plain` takes out, XML has no place for these two.
        etree.SubElement(parent, f"{{{NAMESPACE}}}{name}").text = text.replace("\ufffe", "").replace("\uffff", "")


def write_jspf(playlist: PlaylistFile) -> bytes:
    """The playlist as JSPF."""
    tracks = []
    for entry in playlist.entries:
        track = {
            "location": [entry.location] if entry.location else None,
            "identifier": _identifiers(entry) or None,
            "title": entry.title or None,
            "creator": entry.artist or None,
            "album": entry.album or None,
            "duration": entry.duration_ms,
        }
        tracks.append({name: value for name, value in track.items() if value is not None})
    about = {"title": playlist.title, "annotation": playlist.description, "track": tracks}
    kept = {name: value for name, value in about.items() if value or name == "track"}
    return msgspec.json.format(msgspec.json.encode({"playlist": kept}), indent=1)
