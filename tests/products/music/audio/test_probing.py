"""What a file says of itself, and that the name of its sound survives other tags."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.products.music.audio.conftest import encode

from dodeca.kernel.errors import UnsupportedMedia
from dodeca.products.music.audio import probing

FORMATS = ("mp3", "m4a", "flac", "ogg", "opus", "wav", "aiff", "aac")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_tells_its_format_and_length(originals: Callable[[str], Path], suffix: str) -> None:
    found = probing.probe(originals(suffix))

    assert found.suffix == suffix
    assert 11_900 <= found.duration_ms <= 12_150
    assert found.sample_rate == (48_000 if suffix == "opus" else 44_100)
    assert found.size == originals(suffix).stat().st_size
    assert found.bit_rate > 0


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "flac", "ogg", "opus"])
def test_tags_are_read(originals: Callable[[str], Path], suffix: str) -> None:
    tags = probing.probe(originals(suffix)).tags

    assert (tags.title, tags.artists, tags.album, tags.track, tags.year) == ("Evening", ("Ann",), "Days", 3, 1999)


@pytest.mark.parametrize("suffix", [name for name in FORMATS if name != "aac"])
def test_other_tags_leave_the_hash_of_the_sound(originals: Callable[[str], Path], tmp_path: Path, suffix: str) -> None:
    again = encode(
        originals(suffix), tmp_path / f"moved.{suffix}", "-c", "copy", title="Another, longer title " * 9, artist="Bo"
    )

    assert again.read_bytes() != originals(suffix).read_bytes()
    assert probing.probe(again).audio_hash == probing.probe(originals(suffix)).audio_hash
    assert probing.probe(again).tags.title.startswith("Another, longer")


def test_tags_at_the_end_of_an_mp3_leave_the_hash_of_the_sound(
    originals: Callable[[str], Path], tmp_path: Path
) -> None:
    sound = originals("mp3").read_bytes()
    items = b"\0" * 40
    ape = b"APETAGEX" + (2000).to_bytes(4, "little") + (len(items) + 32).to_bytes(4, "little") + bytes(16)
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(sound + items + ape + b"TAG" + bytes(125))

    assert probing.probe(tagged).audio_hash == probing.probe(originals("mp3")).audio_hash


def test_other_sound_has_another_hash(originals: Callable[[str], Path], tmp_path: Path) -> None:
    shorter = encode(originals("mp3"), tmp_path / "shorter.mp3", "-c", "copy", "-t", "6")

    assert probing.probe(shorter).audio_hash != probing.probe(originals("mp3")).audio_hash


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ID3" + bytes(4000),
        b"\xff\xfb" * 3000,
        b"OggS" + bytes(100),
        b"%PDF-1.7 ",
    ],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(content)

    with pytest.raises(UnsupportedMedia):
        probing.probe(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_files_are_probed_or_refused(originals: Callable[[str], Path], tmp_path: Path, suffix: str) -> None:
    """Nothing but a refusal may come of bytes turned over or cut off, wherever they are."""
    whole = originals(suffix).read_bytes()
    chance = random.Random(7)
    path = tmp_path / "damaged"
    for _ in range(60):
        damaged = bytearray(whole[: chance.randrange(1, len(whole))])
        for _ in range(chance.randrange(1, 30)):
            damaged[chance.randrange(min(len(damaged), 3000))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            found = probing.probe(path)
        except UnsupportedMedia:
            continue
        assert 0 <= found.duration_ms <= 86_400_000


def test_the_cover_inside_a_file_is_found(originals: Callable[[str], Path], tmp_path: Path) -> None:
    from PIL import Image

    cover = tmp_path / "cover.png"
    Image.new("RGB", (64, 64), "teal").save(cover)
    pictured = encode(
        originals("mp3"), tmp_path / "pictured.mp3", "-i", f"file:{cover}", "-map", "0:a", "-map", "1:v", "-c", "copy"
    )

    assert probing.probe(pictured).cover == cover.read_bytes()
    assert probing.probe(originals("mp3")).cover is None
    assert probing.folder_cover(tmp_path) == cover
    assert probing.probe(pictured).audio_hash == probing.probe(originals("mp3")).audio_hash
