"""Music: starts of songs beside nginx, a scan and the next one, lists of albums, search, radio listeners, and how well
recommendations guess.

Options: `--listeners N` (default 10,000) who start songs, `--radio N` (default 2,000) who hear a station, `--files N`
(default 6,000) to scan, `--songs N` (default 100,000) to search in, `--listens N` (default 1,000,000) to learn from,
`--albums N` (default 100,000) to page through, `--supysonic PYTHON`: an interpreter that has Supysonic and gunicorn, to
scan and list the same files beside us.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from dodeca.bench.harness import Result, Say, compared, dodeca, free_port, load, nginx, process, quantile
from dodeca.bench.parts import music_first, music_library, music_radio
from dodeca.kernel.errors import Invalid

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

OPTIONS = {
    "listeners": 10_000,
    "radio": 2_000,
    "files": 6_000,
    "songs": 100_000,
    "albums": 100_000,
    "listens": 1_000_000,
}
PEER = "supysonic"
SOUND_BYTES = 5_000_000
SOUNDS = 40
RANGE = {"Range": "bytes=0-65535"}
STARTED_PATHS = 10_000
NO_LIMITS = {"DODECA_REQUESTS_PER_MINUTE": "0", "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}
QUERIES = 300
FEW_ALBUMS = 1_000
USERS, KNOWN_SONGS = 10_000, 20_000


def run(*, runs: int, seconds: float, options: Mapping[str, str], say: Say) -> list[Result]:
    """What section 10 of the description asks, on this machine."""
    python = options.get(PEER, "")
    wanted = _read({name: value for name, value in options.items() if name != PEER})
    with tempfile.TemporaryDirectory(prefix="dodeca-bench-") as name:
        folder = Path(name)
        results = [_first(folder / "first", say)]
        results += _starts(folder / "starts", wanted["listeners"], runs, seconds, say)
        results += _scans(folder / "scans", wanted["files"], python, runs, seconds, say)
        results.append(_pages(folder / "pages", wanted["albums"], say))
        results += _search(folder / "search", wanted["songs"], say)
        results.append(_radio(folder / "radio", wanted["radio"], seconds, say))
    return results + _taste(wanted["listens"], say)


def _read(options: Mapping[str, str]) -> dict[str, int]:
    if unknown := sorted(set(options) - set(OPTIONS)):
        known = ", ".join(f"--{name}" for name in (*OPTIONS, PEER))
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


def _first(data: Path, say: Say) -> Result:
    """How soon a new installation can be heard, demo included."""
    say("First sound of a new installation")
    first, three = music_first.seconds_to_sound(data)
    name = f"Three songs of a new installation (one: {first:.1f} s)"
    return Result(name=name, value=three, unit="s", target="≤ 20 s", met=three <= 20)


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
    from dodeca.kernel import clock
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
            song = songs.add(session, None, Tags(title=f"Song {place}", artist="Bench"), audio=audio)
            song.analysed_at = clock.now()  # noise: nothing is to be measured while starts are
            made.append(song.id)
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


# Scans and lists


def _scans(folder: Path, files: int, python: str, runs: int, seconds: float, say: Say) -> list[Result]:
    from dodeca.products.music import scanning
    from dodeca.products.music.service import folders

    say(f"Writing {files:,} files")
    library = folder / "library"
    music_library.write(library, files)
    with opened(folder / "data") as platform:
        platform.db.write(lambda session: folders.add(session, str(library)))
        took = []
        for turn in ("Scanning", "Scanning again"):
            say(turn)
            began = time.perf_counter()
            done = asyncio.run(scanning.scan(platform))
            took.append(time.perf_counter() - began)
            if done.error_count or done.count != files:
                raise RuntimeError(f"{done.error_count} of {files} files were not read.")
        paths = _paths(platform, 1, [1])
    peer, theirs = None, 0.0
    if python:
        say("Supysonic scans the same")
        peer = music_library.Supysonic(python, folder / "supysonic")
        theirs = files / peer.scan(library)
    else:
        say("No --supysonic PYTHON: nothing to compare scans and lists with.")
    again = files / took[1]
    first = compared(f"Scan of {files:,} files", [files / took[0]], [theirs], unit="files/s", at_least=5)
    second = Result(name="The same again", value=again, unit="files/s", target="≥ 10,000", met=again >= 10_000)
    return [first, second, _albums(folder / "data", paths[0], files, peer, runs, seconds, say)]


def _albums(
    data: Path, path: str, files: int, peer: music_library.Supysonic | None, runs: int, seconds: float, say: Say
) -> Result:
    """getAlbumList2, page after page, by an app that signs in with a token."""
    albums = files // music_library.SONGS_OF_ALBUM
    given = dict(parse_qsl(path.partition("?")[2]))
    own = {name: given[name] for name in ("u", "t", "s")}
    pages = music_library.album_pages("/music/rest/getAlbumList2.view", own, albums)
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(dodeca(data, "--only", "music", "--no-demo", environment=NO_LIMITS))
        other = stack.enter_context(peer.serving()) if peer is not None else None
        ours, theirs = [], []
        for turn in range(runs):
            say(f"Lists of albums, run {turn + 1} of {runs}")
            measured = load(base, seconds=seconds, connections=16, paths=pages)
            if measured.errors:
                raise RuntimeError(f"{measured.errors} of {measured.answers} lists failed.")
            ours.append(measured.rate)
            if other is not None:
                plain = {"u": music_library.NAME, "p": music_library.NAME}
                same = music_library.album_pages("/rest/getAlbumList2.view", plain, albums)
                theirs.append(load(other, seconds=seconds, connections=16, paths=same).rate)
    return compared(f"getAlbumList2, {files:,} songs, beside Supysonic", ours, theirs or [0.0], at_least=30)


def _pages(folder: Path, count: int, say: Say) -> Result:
    """Any page of many albums beside any page of a thousand, as the service reads them: the order that fares worst."""
    from dodeca.bench.parts import music_catalogue, music_pages

    say(f"Adding {count:,} albums")
    for wanted in (FEW_ALBUMS, count):
        with opened(folder / str(wanted)) as platform:
            music_catalogue.add_albums(platform, wanted)
    with opened(folder / str(FEW_ALBUMS)) as few, opened(folder / str(count)) as many:
        found = music_pages.compared((few, FEW_ALBUMS), (many, count))
    order = max(found, key=lambda name: found[name][1] / found[name][0])
    reference, value = found[order]
    ratio = value / reference
    return Result(
        name=f"A page of {count:,} albums ({order}), p95, beside {FEW_ALBUMS:,}",
        value=value,
        unit="ms",
        reference=reference,
        ratio=ratio,
        target="≤ 1.50",
        met=ratio <= 1.5,
    )


# Radio


def _radio(data: Path, listeners: int, seconds: float, say: Say) -> Result:
    """What share of a core a station takes that many hear."""
    from dodeca.commons.accounts.public import account_by_id, create_many_without_login
    from dodeca.kernel.db import WriteSession
    from dodeca.products.music.service import stations
    from dodeca.products.music.service.viewers import Viewer

    say(f"{listeners:,} listeners of a station")
    _allow_files(listeners * 2 + 200)
    sound = music_library.long_song(data.parent / "radio-sound")
    with opened(data) as platform:
        song_id = _sounding(platform, sound)

        def unit(session: WriteSession) -> str:
            (number,) = create_many_without_login(session, ["host"]).values()
            account = account_by_id(session, number)
            assert account is not None
            viewer = Viewer(number)
            return stations.create(session, account, viewer, title="Bench", slug="bench", song_ids=[song_id]).key

        key = platform.db.write(unit)
    port = free_port()
    command = [sys.executable, "-m", "dodeca", "serve", "--data", str(data), "--port", str(port)]
    command += ["--only", "music", "--no-demo"]
    with process(command, f"http://127.0.0.1:{port}/healthz", NO_LIMITS) as server:
        url = f"http://127.0.0.1:{port}/music/radio/bench.mp3?key={key}"
        heard = asyncio.run(music_radio.listen(url, listeners, max(10.0, seconds), server))
    if heard.lost or heard.bytes_each < 12_000:
        raise RuntimeError(f"{heard.lost} listeners heard nothing; on average {heard.bytes_each:,.0f} bytes a second.")
    share = heard.cores * 100
    return Result(
        name=f"{listeners:,} radio listeners", value=share, unit="% of a core", target="≤ 100", met=share <= 100
    )


def _allow_files(wanted: int) -> None:
    """Let this process, and those that it starts, have so many connections."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _sounding(platform: Platform, path: Path) -> int:
    """The id of a file's song."""
    from dodeca.kernel.db import WriteSession
    from dodeca.products.music import uploads
    from dodeca.products.music.service import songs

    upload = asyncio.run(uploads.receive(platform, uploads.pieces_of(path), path.name))

    def unit(session: WriteSession) -> int:
        return songs.add(session, None, upload.tags, audio=upload.audio).id

    return platform.db.write(unit)


# Search


def _search(data: Path, count: int, say: Say) -> list[Result]:
    from dodeca.bench.parts import music_catalogue

    say(f"Indexing {count:,} songs")
    generator = random.Random(20261126)  # noqa: S311 - repeatable
    with opened(data) as platform:
        titles = music_catalogue.add_songs(platform, count, generator, sample=QUERIES)[:QUERIES]
        named = [title.split() for title in titles]
        whole = [f"{a} {b[:4]}" if generator.random() < 0.5 else f"{c} {d}" for a, b, c, d in named]
        inside = [f"{a[1:]} {b[:-1]}" if generator.random() < 0.5 else f"{a[1:4]}{b[2:5]}" for a, b, _, _ in named]
        return [
            _found(platform, whole, f"Search among {count:,} songs, p95"),
            _found(platform, inside, "Search for what no word fits, p95"),
        ]


def _found(platform: Platform, texts: list[str], name: str) -> Result:
    from dodeca.products.music.service import searching
    from dodeca.products.music.service.viewers import VISITOR

    times = []
    for text in texts:
        began = time.perf_counter()
        platform.db.read(lambda session, text=text: searching.find(session, VISITOR, text, "song", limit=20))  # type: ignore[misc]
        times.append(time.perf_counter() - began)
    p95 = quantile(sorted(times), 0.95)
    return Result(name=name, value=p95, unit="ms", target="≤ 30 ms", met=p95 <= 30)


# Taste


def _taste(listens: int, say: Say) -> list[Result]:
    from dodeca.bench.parts import music_world
    from dodeca.commons.recommendations import learn

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
