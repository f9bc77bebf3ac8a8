"""Demo data: six albums that a job renders while the server already answers, and people who listen to them."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from dodeca.commons import following
from dodeca.commons.accounts.public import Account, account_by_name, create_without_login
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.jobs import JobContext, Nothing, job
from dodeca.products.music.models import Album, Listen, Song, Station
from dodeca.products.music.service import comments, likes, listens, playlists, searching, songs, stations
from dodeca.products.music.service.counting import Touched, recount
from dodeca.products.music.service.tags import Tags
from dodeca.products.music.service.viewers import PRODUCT, Viewer
from dodeca.products.music.settings import MusicSettings

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform
    from dodeca.products.music.audio.synth import Piece

log = structlog.get_logger(__name__)
_SEED = 20261126
UPLOADER = "dodeca_players"
LISTENERS = ("mara", "tomas", "yuki", "lena", "amir", "sofia", "otto", "nadia")
FIRST = ("sakura", "watt-3", "scarborough_fair")
"""Pieces that are rendered before anything else, so that the first sound comes soon: those that take least, of three
albums."""
AT_ONCE = 2
"""Of these, how many at the same time. The others leave one core to whoever looks around meanwhile."""
_SAYINGS = (
    "This turn gets me every time.",
    "I play this one to the children in the evening.",
    "Is that the harp, or the harpsichord?",
    "Listen to the bass here.",
    "The silence before it is the best part.",
)


def fill(platform: Platform) -> None:
    """Songs without sound yet, playlists and likes; the rest is a job's."""
    platform.db.write(_begin)


def _begin(session: WriteSession) -> None:
    from dodeca.products.music.audio.synth.pieces import pieces

    uploader = create_without_login(session, UPLOADER, name="Dodeca Players")
    made: dict[str, Song] = {}
    touched = Touched()
    for place, piece in enumerate(pieces()):
        tags = Tags(
            title=piece.title,
            artist=piece.artist,
            album=piece.album.title,
            album_artist=piece.album.artist,
            composers=[piece.composer] if piece.composer != "Traditional" else [],
            genres=[piece.album.genre],
            track=piece.track,
            year=piece.year,
        )
        published = clock.ago(days=40 - place, hours=place)
        song = songs.add(session, uploader.id, tags, published_at=published, touched=touched)
        song.created_at = published
        made[piece.key] = song
    recount(session, touched)
    searching.put(session, searching.names_of(touched))
    _playlists(session, list(made.values()))
    make_demo.enqueue(session, key="demo")


def _playlists(session: WriteSession, made: Sequence[Song]) -> None:
    alice, admin = account_by_name(session, "alice"), account_by_name(session, "admin")
    generator = random.Random(_SEED)  # noqa: S311 - repeatable demo data
    if alice is not None:
        look = Viewer(alice.id)
        for song in made[:4]:
            likes.like(session, look, "song", song.id)
        playlists.create(
            session, look, "Before breakfast", [song.id for song in made[1:7]], description="Quiet ones first."
        )
        rules = {"all": [{"is": {"loved": True}}], "sort": "-dateloved", "limit": 100}
        playlists.create(session, look, "What I love", rules=rules, description="Finds itself.")
    if admin is not None:
        chosen = generator.sample(list(made), k=min(12, len(made)))
        first = playlists.create(
            session,
            Viewer(admin.id),
            "A first listen",
            [song.id for song in chosen],
            visibility="public",
            description="Two pieces of each album.",
        )
        first.curated = True
        session.flush()


@job("music.make_demo", attempts=3)
async def make_demo(context: JobContext, _payload: Nothing) -> None:
    """Render the demo's pieces one by one, and let people listen to them. What is done already is left."""
    platform = context.platform
    if platform.config.group(MusicSettings).render_demo:
        await _render(platform, FIRST)
    await platform.db.awrite(people_listen)
    if platform.config.group(MusicSettings).render_demo:
        await _render(platform)
    await platform.db.awrite(_open_stations)


async def _render(platform: Platform, keys: Collection[str] = ()) -> None:
    """Render the pieces with these keys; without, all that are left, and the video."""
    from dodeca.products.music.audio import synth

    waiting = await platform.db.aread(_silent)
    places = asyncio.Semaphore(AT_ONCE if keys else 1)

    async def one(piece: Piece) -> None:
        number = waiting.get((piece.title, piece.album.title))
        if number is not None:
            async with places:
                await _give_sound(platform, piece, number)

    chosen = [piece for piece in synth.pieces() if not keys or piece.key in keys]
    async with asyncio.TaskGroup() as rendering:
        for piece in sorted(chosen, key=lambda piece: FIRST.index(piece.key) if piece.key in FIRST else len(FIRST)):
            rendering.create_task(one(piece))
    if not keys:
        await _give_video(platform)


def _silent(session: ReadSession) -> dict[tuple[str, str], int]:
    """The demo's songs that have no sound yet: (title, album) → id."""
    uploader = account_by_name(session, UPLOADER)
    statement = select(Song.id, Song.title, Album.title).join(Album, Album.id == Song.album_id)
    mine = statement.where(Song.uploader_id == (uploader.id if uploader is not None else ""), Song.audio_hash.is_(None))
    return {(row[1], row[2]): row[0] for row in session.execute(mine)}


async def _give_sound(platform: Platform, piece: Piece, song_id: int) -> None:
    from dodeca.products.music import uploads
    from dodeca.products.music.audio import synth
    from dodeca.products.music.jobs import SongRef, analyse_song

    with tempfile.TemporaryDirectory(dir=platform.data) as name:
        path = await asyncio.to_thread(synth.render, piece, Path(name))
        upload = await uploads.receive(platform, uploads.pieces_of(path), path.name)

    def unit(session: WriteSession) -> None:
        song = session.get_locked(Song, song_id)
        if song is None or song.audio_hash is not None:
            return
        songs.set_audio(session, song, upload.audio)
        song.lyrics = synth.lrc(piece) or None
        analyse_song.enqueue(session, SongRef(song.id), key=str(song.id))

    await platform.db.awrite(unit)


async def _give_video(platform: Platform) -> None:
    """A video of one song, made of its waveform."""
    from dodeca.products.music import sound
    from dodeca.products.music.audio import synth

    def find(session: ReadSession) -> sound.Where | None:
        uploader = account_by_name(session, UPLOADER)
        mine = Song.uploader_id == (uploader.id if uploader is not None else "")
        if session.scalar(select(Song.id).where(mine, Song.video_key.is_not(None)).limit(1)) is not None:
            return None
        song = session.scalar(select(Song).where(mine, Song.audio_hash.is_not(None)).order_by(Song.id.desc()).limit(1))
        return sound.where(session, song) if song is not None else None

    found = await platform.db.aread(find)
    if found is None:
        return
    with tempfile.TemporaryDirectory(dir=platform.data) as name:
        target = Path(name) / "video.webm"
        source = await sound.source(platform, found)
        await asyncio.to_thread(synth.render_video, source, target, seconds=20.0)
        data = await asyncio.to_thread(target.read_bytes)
    blob = await asyncio.to_thread(platform.media.save_bytes, data)

    def unit(session: WriteSession) -> None:
        song = session.get_locked(Song, found.song_id)
        if song is not None:
            song.video_key, song.video_type = blob.key, "video/webm"
            session.flush()

    await platform.db.awrite(unit)


def people_listen(session: WriteSession) -> None:
    """Members with tastes: what they hear, like, say and whom they follow. Happens once."""
    if session.scalar(select(Listen.id).limit(1)) is not None or account_by_name(session, LISTENERS[0]) is not None:
        return
    uploader = account_by_name(session, UPLOADER)
    if uploader is None:
        return
    made = list(session.scalars(select(Song).where(Song.uploader_id == uploader.id).order_by(Song.id)))
    if not made:
        return
    generator = random.Random(_SEED)  # noqa: S311 - repeatable demo data
    genres = sorted({song.genres[0] for song in made})
    people = [create_without_login(session, name) for name in LISTENERS]
    alice, bob = account_by_name(session, "alice"), account_by_name(session, "bob")
    everybody = [*people, *(one for one in (alice, bob) if one is not None)]
    for place, person in enumerate(everybody):
        loved = {genres[place % len(genres)], genres[(place + 2) % len(genres)]}
        _hear(session, generator, person, made, loved)
    for one, other in pairwise(everybody):
        for who, whom in ((one, other), (other, one)):
            following.follow(session, who.id, product=PRODUCT, target_type="user", target_id=whom.id)
    for place, text in enumerate(_SAYINGS):
        song = made[place * 4 % len(made)]
        at = generator.randrange(song.duration_ms) if song.duration_ms else None
        comments.add(session, Viewer(people[place].id), song.id, text, at_ms=at)


def _hear(
    session: WriteSession, generator: random.Random, person: Account, made: Sequence[Song], loved: set[str]
) -> None:
    """Two weeks of somebody's evenings."""
    own = [song for song in made if song.genres[0] in loved]
    reports = []
    for day in range(14):
        at = clock.ago(days=day, hours=generator.uniform(1, 5))
        for _ in range(generator.randint(1, 3)):
            song = generator.choice(own if generator.random() < 0.85 else list(made))
            reports.append(listens.Report(song_id=song.id, listened_at=at, counts=True, device="kitchen radio"))
            at += timedelta(minutes=generator.uniform(2, 6))
    listens.record(session, person.id, reports)
    for song in own:
        if generator.random() < 0.3:
            likes.like(session, Viewer(person.id), "song", song.id)


def _open_stations(session: WriteSession) -> None:
    """Two stations that everybody hears, once there is something to hear."""
    admin = account_by_name(session, "admin")
    if admin is None or session.scalar(select(Station.id).limit(1)) is not None:
        return
    sounding = select(Song).where(Song.listed, Song.audio_hash.is_not(None), Song.duration_ms > 0).order_by(Song.id)
    found = list(session.scalars(sounding))
    halves = (
        ("early", "Early Music", {"Baroque", "Classical", "Folk"}),
        ("late", "Late Shift", {"Ambient", "Electronic", "Jazz"}),
    )
    for slug, title, genres in halves:
        wanted = [song.id for song in found if song.genres and song.genres[0] in genres]
        if wanted:
            look = Viewer(admin.id, is_moderator=True, is_admin=True)
            stations.create(session, admin, look, title=title, slug=slug, song_ids=wanted, visibility="public")
