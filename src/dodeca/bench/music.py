"""Music: starts of songs beside nginx, a scan and the next one, search, and how well recommendations guess.

Options: `--listeners N` (default 2,000) who start songs, `--files N` (default 6,000) to scan, `--songs N` (default
100,000) to search in, `--listens N` (default 1,000,000) to learn from.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import struct
import tempfile
import time
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from dodeca.bench.harness import Result, Say, compared, dodeca, load, nginx, quantile
from dodeca.kernel.errors import Invalid

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

OPTIONS = {"listeners": 2_000, "files": 6_000, "songs": 100_000, "listens": 1_000_000}
SOUND_BYTES = 5_000_000
SOUNDS = 40
RANGE = {"Range": "bytes=0-65535"}
STARTED_PATHS = 10_000
NO_LIMITS = {"DODECA_REQUESTS_PER_MINUTE": "0", "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}
QUERIES = 300
USERS, KNOWN_SONGS = 10_000, 20_000
WORDS = (
    "river", "night", "little", "paper", "silver", "morning", "garden", "winter", "open", "glass", "window", "northern",
    "slow", "blue", "distant", "copper", "harbour", "letter", "summer", "quiet", "broken", "golden", "mirror", "hollow",
    "thunder", "meadow", "lantern", "shadow", "velvet", "cinder",
)  # fmt: skip


def run(*, runs: int, seconds: float, options: Mapping[str, str], say: Say) -> list[Result]:
    """What section 10 of the description asks, on this machine."""
    wanted = _read(options)
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as name:
        folder = Path(name)
        results = _starts(folder / "starts", wanted["listeners"], runs, seconds, say)
        results += _scans(folder / "scans", wanted["files"], say)
        results.append(_search(folder / "search", wanted["songs"], say))
    return results + _taste(wanted["listens"], say)


def _read(options: Mapping[str, str]) -> dict[str, int]:
    if unknown := sorted(set(options) - set(OPTIONS)):
        known = ", ".join(f"--{name}" for name in OPTIONS)
        raise Invalid(f"There is no option --{unknown[0]}. Known: {known}.")
    if bad := [name for name, value in options.items() if not value.isdecimal() or not int(value)]:
        raise Invalid(f"--{bad[0]} is a number from 1.")
    return OPTIONS | {name: int(value) for name, value in options.items()}


@contextmanager
def opened(data: Path) -> Iterator[Platform]:
    """An installation of the bench's own in this process, while no server runs on it."""
    from dodeca import app
    from dodeca.kernel.db import migrations
    from dodeca.kernel.settings import Config

    platform = app.compose(Config(overrides={"data": data, "workers_inline": False, "only": "music"}))
    migrations.ensure(platform.db)
    try:
        yield platform
    finally:
        platform.close()


# Starts


def _starts(data: Path, listeners: int, runs: int, seconds: float, say: Say) -> list[Result]:
    """The first 64 KiB of a song, for many listeners who each bring a Subsonic token."""
    say(f"Making {SOUNDS} files and {listeners:,} listeners")
    with opened(data) as platform:
        keys, songs = _sounds(platform)
        paths = _paths(platform, listeners, songs)
    block = f"root {data / 'media' / 'files'};"
    with dodeca(data, "--only", "music", "--no-demo", environment=NO_LIMITS) as base, nginx(block) as peer:
        ours, theirs = [], []
        files = [f"/{key[:2]}/{key[2:4]}/{key}" for key in keys]
        for turn in range(runs):
            say(f"Starts, run {turn + 1} of {runs}")
            measured = load(base, seconds=seconds, headers=RANGE, paths=paths)
            if measured.errors:
                raise RuntimeError(f"{measured.errors} of {measured.answers} starts failed.")
            ours.append(measured.rate)
            if peer is not None:
                theirs.append(load(peer, seconds=seconds, headers=RANGE, paths=files).rate)
    return [compared("Song start (64 KiB), beside nginx", ours, theirs, at_least=0.25)]


def _sounds(platform: Platform) -> tuple[list[str], list[int]]:
    from dodeca.kernel.db import WriteSession
    from dodeca.products.music.service import songs
    from dodeca.products.music.service.songs import Audio
    from dodeca.products.music.service.tags import Tags

    keys = [platform.media.save_bytes(os.urandom(SOUND_BYTES)).key for _ in range(SOUNDS)]

    def unit(session: WriteSession) -> list[int]:
        made = []
        for place, key in enumerate(keys):
            audio = Audio(
                audio_hash=key,
                duration_ms=240_000,
                codec="mp3",
                suffix="mp3",
                content_type="audio/mpeg",
                size=SOUND_BYTES,
                bit_rate=160,
                media_key=key,
            )
            made.append(songs.add(session, None, Tags(title=f"Song {place}", artist="Bench"), audio=audio).id)
        return made

    return keys, platform.db.write(unit)


def _paths(platform: Platform, listeners: int, song_ids: list[int]) -> list[str]:
    from dodeca.commons.accounts.public import account_by_id, create_many_without_login
    from dodeca.kernel import clock
    from dodeca.kernel.db import WriteSession
    from dodeca.products.music.service import app_passwords

    def unit(session: WriteSession) -> list[tuple[str, str]]:
        made = create_many_without_login(session, [f"listener{number}" for number in range(listeners)])
        secrets = []
        for account_id in made.values():
            account = account_by_id(session, account_id)
            assert account is not None
            row, password = app_passwords.create(session, platform, account, "Bench")
            row.used_at = clock.now()
            secrets.append((account.username, password))
        return secrets

    known = platform.db.write(unit)
    paths = []
    for number in range(STARTED_PATHS):
        name, password = known[number % len(known)]
        salt = f"{number:08x}"
        token = hashlib.md5(f"{password}{salt}".encode(), usedforsecurity=False).hexdigest()
        query = {"u": name, "t": token, "s": salt, "v": "1.16.1", "c": "bench", "id": song_ids[number % len(song_ids)]}
        paths.append(f"/music/rest/stream.view?{urlencode(query)}")
    return paths


# Scans


def _scans(folder: Path, files: int, say: Say) -> list[Result]:
    from dodeca.products.music import scanning
    from dodeca.products.music.service import folders

    say(f"Writing {files:,} files")
    library = folder / "library"
    for number in range(files):
        _write_wave(library / f"Artist {number // 100}" / f"Album {number // 10}" / f"{number}.wav", number)
    with opened(folder / "data") as platform:
        platform.db.write(lambda session: folders.add(session, str(library)))
        rates = []
        for turn in ("Scanning", "Scanning again"):
            say(turn)
            began = time.perf_counter()
            done = asyncio.run(scanning.scan(platform))
            rates.append(files / (time.perf_counter() - began))
            if done.error_count or done.count != files:
                raise RuntimeError(f"{done.error_count} of {files} files were not read.")
    return [
        Result(name=f"Scan of {files:,} files", value=rates[0], unit="files/s"),
        Result(name="The same again", value=rates[1], unit="files/s", target="≥ 10,000", met=rates[1] >= 10_000),
    ]


def _write_wave(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(struct.pack("<400h", *[(number * 31 + i * i) % 20_000 - 10_000 for i in range(400)]))


# Search


def _search(data: Path, count: int, say: Say) -> Result:
    from dodeca.kernel.db import ReadSession
    from dodeca.products.music.service import searching
    from dodeca.products.music.service.viewers import VISITOR

    say(f"Indexing {count:,} songs")
    generator = random.Random(20261126)  # noqa: S311 - repeatable
    with opened(data) as platform:
        titles = _fill(platform, count, generator)
        times = []
        for title in generator.sample(titles, min(QUERIES, count)):
            words = title.split()
            text = f"{words[0]} {words[1][:4]}" if generator.random() < 0.5 else f"{words[2]} {words[3]}"

            def unit(session: ReadSession, text: str = text) -> list[int]:
                return searching.find(session, VISITOR, text, "song", limit=20)

            began = time.perf_counter()
            platform.db.read(unit)
            times.append(time.perf_counter() - began)
    p95 = quantile(sorted(times), 0.95)
    return Result(name=f"Search among {count:,} songs, p95", value=p95, unit="ms", target="≤ 30 ms", met=p95 <= 30)


def _fill(platform: Platform, count: int, generator: random.Random) -> list[str]:
    """Songs and their index; gives their titles."""
    from sqlalchemy import insert

    from dodeca.kernel import clock
    from dodeca.kernel.db import WriteSession
    from dodeca.products.music.models import Song
    from dodeca.products.music.service import catalogue, folding, searching

    now, titles = clock.now(), []

    def batch(session: WriteSession, start: int) -> None:
        artist = catalogue.artist_for(session, f"{generator.choice(WORDS).title()} {start}")
        rows: list[dict[str, Any]] = []
        for number in range(start, min(start + 2000, count)):
            title = " ".join(generator.sample(WORDS, 3)).title() + f" {number}"
            titles.append(title)
            rows.append(
                {
                    "id": number + 1,
                    "title": title,
                    "title_key": folding.folded(title),
                    "artist_name": artist.name,
                    "artist_id": artist.id,
                    "work_key": folding.work_key(artist.name, title),
                    "library_key": "u:",
                    "genres": [],
                }
            )
        session.execute(insert(Song), rows)
        documents = [searching.document(row["id"], row["title"], row["artist_name"], "", now) for row in rows]
        searching.indexes["song"].index_new(session, documents)

    for start in range(0, count, 2000):
        platform.db.write(lambda session, start=start: batch(session, start))  # type: ignore[misc]
    return titles


# Taste


def _taste(listens: int, say: Say) -> list[Result]:
    from dodeca.bench.parts import music_world
    from dodeca.products.music.taste_model import learn

    say(f"Learning from {listens:,} listens")
    world = music_world.made(listens, USERS, KNOWN_SONGS)
    began = time.perf_counter()
    model = learn(world.data)
    seconds = time.perf_counter() - began
    assert model is not None
    times = []
    for heard in world.heard[:300]:
        began = time.perf_counter()
        model.scores(heard, most=music_world.SHOWN, avoid=set(heard))
        times.append(time.perf_counter() - began)
    p95 = quantile(sorted(times), 0.95)
    ours, theirs = music_world.by_model(world, model), music_world.by_popularity(world)
    return [
        Result(name=f"Learning from {listens:,} listens", value=seconds, unit="s", target="≤ 60 s", met=seconds <= 60),
        Result(name="One list, p95", value=p95, unit="ms", target="≤ 20 ms", met=p95 <= 20),
        _beside("Recall of held-back songs in 20, %", ours.recall, theirs.recall),
        _beside("Catalogue that is shown to anybody, %", ours.coverage, theirs.coverage),
    ]


def _beside(name: str, ours: float, popular: float) -> Result:
    """A share beside that of a list of what is popular."""
    ratio = ours / popular if popular else 0.0
    return Result(
        name=name,
        value=ours * 100,
        unit="%",
        reference=popular * 100,
        ratio=ratio,
        target="above what is popular",
        met=ours > popular,
    )
