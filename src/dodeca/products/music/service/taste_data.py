"""What recommendations are learned from: everything that listeners do with songs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from dodeca.commons.recommendations import Interactions
from dodeca.kernel.db import ReadSession
from dodeca.products.music.models import Exclusion, Like, Listen, Member, Playlist, PlaylistItem, Rating


def changed_at(session: ReadSession) -> datetime | None:
    """When something last changed that they depend on."""
    return session.scalar(select(func.max(Member.taste_at)))


def gather(session: ReadSession) -> Interactions:
    """All interactions of all listeners, without what they struck out or dislike."""
    pairs: dict[tuple[str, int], float] = {}
    heard = select(Listen.user_id, Listen.song_id, func.count()).where(Listen.song_id.is_not(None), Listen.counted)
    struck = select(Exclusion.id).where(
        Exclusion.user_id == Listen.user_id,
        (Exclusion.song_id == Listen.song_id)
        | (Exclusion.device == Listen.device)
        | ((Exclusion.from_at <= Listen.listened_at) & (Exclusion.to_at > Listen.listened_at)),
    )
    if session.scalar(select(Exclusion.id).limit(1)) is not None:
        heard = heard.where(~struck.exists())
    for user_id, song_id, count in session.execute(heard.group_by(Listen.user_id, Listen.song_id)):
        pairs[user_id, int(song_id or 0)] = float(count)
    for user_id, song_id in session.execute(select(Like.user_id, Like.target_id).where(Like.kind == "song")):
        pairs[user_id, song_id] = pairs.get((user_id, song_id), 0.0) + 4.0
    kept = select(Playlist.owner_id, PlaylistItem.song_id).join(PlaylistItem, PlaylistItem.playlist_id == Playlist.id)
    for user_id, song_id in session.execute(kept.distinct()):
        pairs[user_id, song_id] = pairs.get((user_id, song_id), 0.0) + 1.0
    rated = select(Rating.user_id, Rating.target_id, Rating.rating).where(Rating.kind == "song")
    for user_id, song_id, rating in session.execute(rated):
        if rating == -1:
            pairs.pop((user_id, song_id), None)
        elif rating >= 3:
            pairs[user_id, song_id] = pairs.get((user_id, song_id), 0.0) + rating - 2.0
    return Interactions.of(pairs)
