"""What there is to hear now, a song, and search."""

from __future__ import annotations

from sqlalchemy import select

from dodeca.commons import following
from dodeca.commons.accounts.public import accounts_by_ids
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Access, Calling, DbRead, FromPath, FromQuery, Page, get
from dodeca.products.music import views
from dodeca.products.music.acting import Looking, account_named
from dodeca.products.music.formats import lrc
from dodeca.products.music.models import Listen, Playlist, Song
from dodeca.products.music.pages.look import Row, page, rows
from dodeca.products.music.service import browsing, comments, feed, members, songs, taste
from dodeca.products.music.service.viewers import PRODUCT, Viewer, playlists_for
from dodeca.products.music.views import found_for

SHOWN = 8
FOUND = 12


@get("/", access=Access.PUBLIC)
def listen_now(session: DbRead, call: Calling, viewer: Looking) -> Page:
    """For a member: what fits; for all: what is new, and what many hear."""
    picks = taste.recommend(session, call.platform, viewer, limit=SHOWN)
    shown = rows(session, viewer, [pick.song for pick in picks])
    for row, pick in zip(shown, picks, strict=True):
        row.because = _reason(pick)
    parts: list[feed.Part] = []
    if viewer.account_id is not None:
        parts = [part for part in feed.sections(session, call.platform, viewer) if part.title != "Made for you"]
    curated = (
        select(Playlist)
        .where(Playlist.visibility == "public")
        .order_by(Playlist.curated.desc(), Playlist.like_count.desc(), Playlist.id.desc())
    )
    return page(
        session,
        viewer,
        "listen.html",
        "listen",
        picks=shown,
        albums=views.album_views(session, viewer, browsing.albums(session, viewer, "newest", limit=12).items),
        playlists=views.playlist_views(session, viewer, session.scalars(curated.limit(6)).all()),
        feed_parts=[(part, rows(session, viewer, part.songs)) for part in parts if part.songs],
        empty=not shown and session.scalar(select(Song.id).where(Song.listed).limit(1)) is None,
    )


def _reason(pick: taste.Pick) -> str:
    """Why a song is there, in a few words."""
    words = {
        "like": "because you like {}",
        "listen": "because you hear {}",
        "rating": "because you rate {}",
        "playlist": "because {} is on your lists",
        "sound": "sounds like {}",
        "artist": "more by {}",
        "genre": "more {}",
        "popular": "heard by many",
    }
    if not pick.because:
        return ""
    cause = pick.because[0]
    if cause.kind in ("like", "listen", "rating", "playlist") and cause.id == str(pick.song.id):
        return "you come back to this"
    return words[cause.kind].format(cause.title)


def named_comments(session: ReadSession, viewer: Viewer, song_id: int) -> list[dict[str, object]]:
    """What was said of a song, with the names of those who said it."""
    found = comments.of_song(session, viewer, song_id, "time", limit=100).items
    below = comments.replies(session, [comment.id for comment in found])
    everybody = {c.user_id for c in found} | {c.user_id for some in below.values() for c in some}
    names = accounts_by_ids(session, list(everybody))
    return [
        {
            "comment": comment,
            "author": names.get(comment.user_id),
            "replies": [(reply, names.get(reply.user_id)) for reply in below.get(comment.id, [])],
        }
        for comment in found
    ]


@get("/songs/{song_id:int}", access=Access.PUBLIC)
def song_page(session: DbRead, call: Calling, viewer: Looking, song_id: FromPath[int]) -> Page:
    """A song: its sound, words, waveform, comments, and what is like it."""
    song = songs.find(session, viewer, song_id)
    similar = taste.similar(session, call.platform, viewer, song, 6)
    return page(
        session,
        viewer,
        "song.html",
        "",
        song=rows(session, viewer, [song])[0],
        lyrics=lrc.read(song.lyrics) if song.lyrics else None,
        waveform=song.waveform,
        comments=named_comments(session, viewer, song.id),
        similar=rows(session, viewer, similar),
        tags=songs.tags_of(session, song),
        video=song.video_key is not None,
    )


@get("/search", access=Access.PUBLIC)
def search_page(session: DbRead, viewer: Looking, q: FromQuery[str] = "") -> Page:
    """What is found."""
    found = found_for(session, viewer, q, FOUND) if q.strip() else None
    return page(
        session,
        viewer,
        "search.html",
        "search",
        query=q,
        found=found,
        songs=[Row(view) for view in found.songs] if found is not None else [],
    )


@get("/genres/{key:str}", access=Access.PUBLIC)
def genre_page(session: DbRead, viewer: Looking, key: FromPath[str]) -> Page:
    """A genre: its albums and songs."""
    return page(
        session,
        viewer,
        "genre.html",
        "library",
        genre=key,
        albums=views.album_views(session, viewer, browsing.albums(session, viewer, "plays", genre=key, limit=24).items),
        songs=rows(session, viewer, browsing.songs_of_genre(session, viewer, key)),
    )


@get("/users/{user:str}", access=Access.PUBLIC)
def member_page(session: DbRead, viewer: Looking, user: FromPath[str]) -> Page:
    """A member: playlists, and what they hear where they show it."""
    account = account_named(session, user)
    theirs = select(Playlist).where(Playlist.owner_id == account.id, playlists_for(viewer))
    lists = session.scalars(theirs.order_by(Playlist.updated_at.desc()).limit(60)).all()
    follows = viewer.account_id is not None and account.id in set(
        session.scalars(following.followed(PRODUCT, viewer.account_id, "user"))
    )
    heard: list[Song] = []
    if members.history_visible(session, viewer, account.id):
        newest = select(Listen.song_id).where(Listen.user_id == account.id, Listen.song_id.is_not(None))
        ids = list(dict.fromkeys(session.scalars(newest.order_by(Listen.listened_at.desc()).limit(60))))
        heard = songs.find_all(session, viewer, [one for one in ids if one is not None])[:10]
    return page(
        session,
        viewer,
        "member.html",
        "",
        account=account,
        playlists=views.playlist_views(session, viewer, lists),
        follows=follows,
        heard=rows(session, viewer, heard),
    )


routes = [listen_now, song_page, search_page, genre_page, member_page]
