"""A folder of tagged files, and Supysonic on the same folder: another Subsonic server in Python, only run, never loaded
here (it is AGPL). `--supysonic PYTHON` names an interpreter that has it, with gunicorn."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from dodeca.bench.harness import free_port, process

SONGS_OF_ALBUM: Final = 10
ALBUMS_OF_ARTIST: Final = 5
FRAMES: Final = 40
NAME: Final = "bench"
"""User and password at the peer."""


def write(folder: Path, files: int) -> None:
    """Songs of a second each, all of different sound, with the usual tags."""
    frames = _noise(folder, files + FRAMES)
    for number in range(files):
        album, artist = number // SONGS_OF_ALBUM, number // SONGS_OF_ALBUM // ALBUMS_OF_ARTIST
        path = folder / f"Artist {artist:04d}" / f"Album {album:05d}" / f"{number % SONGS_OF_ALBUM + 1:02d}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        tags = {
            "TIT2": f"Song {number}",
            "TPE1": f"Artist {artist:04d}",
            "TALB": f"Album {album:05d}",
            "TRCK": str(number % SONGS_OF_ALBUM + 1),
            "TCON": ("Folk", "Jazz", "Rock", "Techno")[album % 4],
            "TYER": str(1960 + album % 60),
        }
        path.write_bytes(_id3(tags) + b"".join(frames[number : number + FRAMES]))


def _noise(folder: Path, frames: int) -> tuple[bytes, ...]:
    """Frames of MP3 that stand alone, each of another sound."""
    from dodeca.commons.pipeline import ffmpeg
    from dodeca.products.music.radio.frames import split

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "noise"
    ffmpeg.run(
        [
            *("-loglevel", "error", "-f", "lavfi", "-i", f"anoisesrc=r=48000:a=0.3:seed=5:d={frames * 0.024 + 1:.0f}"),
            *("-ac", "2", "-c:a", "libmp3lame", "-b:a", "128k", "-reservoir", "0", "-write_xing", "0"),
            *("-id3v2_version", "0", "-f", "mp3", f"file:{target}"),
        ]
    )
    found = split("mp3", target.read_bytes())
    target.unlink()
    return found


def long_song(folder: Path, seconds: int = 240) -> Path:
    """A tagged file that lasts some minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "long.mp3"
    path.write_bytes(_id3({"TIT2": "Long", "TPE1": "Bench"}) + b"".join(_noise(folder, round(seconds / 0.024))))
    return path


def _id3(tags: dict[str, str]) -> bytes:
    """Tags as ID3v2.3 (https://id3.org/id3v2.3.0), in Latin-1."""
    frames = b"".join(
        name.encode() + (len(text) + 1).to_bytes(4, "big") + b"\0\0" + b"\0" + text.encode("latin-1")
        for name, text in tags.items()
    )
    size = len(frames)
    return b"ID3\x03\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frames


class Supysonic:
    """Its commands on a folder of its own."""

    def __init__(self, python: str, folder: Path) -> None:
        self._python, self._folder = Path(python), folder
        folder.mkdir(parents=True)
        (folder / "supysonic.conf").write_text(
            f"[base]\ndatabase_uri = sqlite:///{folder}/supysonic.db\n[webapp]\ncache_dir = {folder}/cache\n"
        )

    def scan(self, library: Path) -> float:
        """Take a folder in; gives the seconds of the scan."""
        self._run("user", "add", "--password", NAME, NAME)
        self._run("folder", "add", "library", str(library))
        began = time.perf_counter()
        self._run("folder", "scan", "library")
        return time.perf_counter() - began

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its server, with one worker; gives the address."""
        port = free_port()
        program = str(self._python.with_name("supysonic-server"))
        command = [program, "-S", "gunicorn", "-h", "127.0.0.1", "-p", str(port), "--processes", "1"]
        with contextlib.chdir(self._folder), process(command, f"http://127.0.0.1:{port}/"):
            yield f"http://127.0.0.1:{port}"

    def _run(self, *arguments: str) -> None:
        program = str(self._python.with_name("supysonic-cli"))
        subprocess.run(  # noqa: S603 - a program that whoever benches has named
            [program, *arguments], cwd=self._folder, check=True, capture_output=True
        )


def album_pages(base: str, credentials: dict[str, str], albums: int, size: int = 20) -> list[str]:
    """The paths of all pages of getAlbumList2, as an app turns them."""
    given = {**credentials, "v": "1.16.1", "c": "bench", "f": "json", "type": "alphabeticalByName", "size": str(size)}
    return [f"{base}?{urlencode({**given, 'offset': str(offset)})}" for offset in range(0, max(1, albums - size), size)]
