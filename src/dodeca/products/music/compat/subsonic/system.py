"""The server itself, its users, its chat, radio stations and podcasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select

from dodeca.commons.accounts.public import Account, account_by_name, accounts_by_ids, roles_of
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.music.compat.subsonic import schema
from dodeca.products.music.compat.subsonic.answering import moment
from dodeca.products.music.compat.subsonic.asking import (
    NOT_ALLOWED,
    NOT_FOUND,
    Asked,
    Refused,
    id_of,
    of_kind,
    reading,
    writing,
)
from dodeca.products.music.compat.subsonic.browsing import FOLDER
from dodeca.products.music.compat.subsonic.schema import Node, node
from dodeca.products.music.models import Show, Station
from dodeca.products.music.service import apps, folders, stations

EXTENSIONS: Final = {
    "apiKeyAuthentication": [1],
    "formPost": [1],
    "indexBasedQueue": [1],
    "playbackReport": [1],
    "songLyrics": [1, 2],
    "sonicSimilarity": [1],
    "topSongsByArtistId": [1],
    "transcodeOffset": [1],
    "transcoding": [1],
}
MOST_USERS: Final = 1000
EPISODES: Final = 200


@reading("ping")
def ping(_session: ReadSession, _asked: Asked) -> None:
    """Only whether the sign-in is right."""


@reading("getLicense")
def license(_session: ReadSession, _asked: Asked) -> Node:
    """Free software needs none, and old apps ask for it."""
    return node(license=node(schema.LICENSE, valid=True))


def extensions() -> Node:
    """What is spoken beyond Subsonic; the one thing that is told without a sign-in."""
    found = [node(name=name, versions=versions) for name, versions in EXTENSIONS.items()]
    return node(openSubsonicExtensions=found)


@reading("tokenInfo")
def token_info(_session: ReadSession, asked: Asked) -> Node:
    """Whose key it is."""
    return node(tokenInfo=node(username=asked.username))


# Users


def _user(session: ReadSession, account: Account) -> Node:
    admin = "admin" in roles_of(session, account.id)
    roles = {
        "adminRole": admin,
        "settingsRole": False,
        "downloadRole": True,
        "uploadRole": False,
        "playlistRole": True,
        "coverArtRole": False,
        "commentRole": True,
        "podcastRole": False,
        "streamRole": True,
        "jukeboxRole": False,
        "shareRole": True,
        "videoConversionRole": False,
    }
    return node(schema.USER, username=account.username, scrobblingEnabled=True, folder=[FOLDER], **roles)


@reading("getUser")
def user(session: ReadSession, asked: Asked) -> Node:
    """The caller; admins may ask for others."""
    name = asked.text("username") or asked.username
    account = account_by_name(session, name)
    if account is None or account.id != asked.account_id:
        asked.require_admin()
    if account is None or not account.is_active:
        raise Refused(NOT_FOUND, "The requested data was not found.")
    return node(user=_user(session, account))


@reading("getUsers")
def users(session: ReadSession, asked: Asked) -> Node:
    """All users, for admins."""
    asked.require_admin()
    active = select(Account).where(Account.deleted_at.is_(None)).order_by(Account.username_key).limit(MOST_USERS)
    found = [account for account in session.scalars(active) if account.is_active]
    return node(users=node(user=[_user(session, account) for account in found]))


@reading(
    *("createUser", "updateUser", "deleteUser", "changePassword", "jukeboxControl"),
    *("refreshPodcasts", "createPodcastChannel", "deletePodcastChannel", "deletePodcastEpisode"),
    "downloadPodcastEpisode",
)
def not_here(_session: ReadSession, _asked: Asked) -> None:
    """Accounts are the platform's affair, podcasts are recordings of stations, and no sound comes out of the server."""
    raise Refused(NOT_ALLOWED, "This is not done through apps here.")


# Chat


@reading("getChatMessages")
def chat_messages(session: ReadSession, asked: Asked) -> Node:
    """What was said lately."""
    since = asked.number("since", 0, 0, 1 << 43)
    found = apps.messages(session, datetime.fromtimestamp(since / 1000, UTC) if since else None)
    names = accounts_by_ids(session, [message.user_id for message in found])
    shown = [
        node(
            username=names[message.user_id].username if message.user_id in names else "",
            time=int(message.created_at.timestamp() * 1000),
            message=message.text,
        )
        for message in found
    ]
    return node(chatMessages=node(chatMessage=shown))


@writing("addChatMessage")
def add_chat_message(session: WriteSession, asked: Asked) -> None:
    """Say something to all."""
    apps.say(session, asked.account_id, asked.required("message"))


# Scanning


@reading("getScanStatus")
def scan_status(session: ReadSession, _asked: Asked) -> Node:
    """Whether the folders are being looked through, and how many files were found."""
    return _scan_status(session)


@writing("startScan")
def start_scan(session: WriteSession, asked: Asked) -> Node:
    """Look through the folders, for admins."""
    from dodeca.products.music.jobs import scan_folders  # which imports much of the product

    asked.require_admin()
    scan_folders.enqueue(session, key="scan")
    return _scan_status(session)


def _scan_status(session: ReadSession) -> Node:
    last, scanning = folders.last_scan(session), folders.is_scanning(session)
    return node(scanStatus=node(schema.SCAN_STATUS, scanning=scanning, count=last.count if last is not None else 0))


# Radio


@reading("getInternetRadioStations")
def radio_stations(session: ReadSession, asked: Asked) -> Node:
    """The platform's own stations, and those of elsewhere that admins put in."""
    own = session.scalars(
        select(Station).where(stations.stations_for(asked.viewer)).order_by(Station.title, Station.id).limit(500)
    ).all()
    shown = [
        node(
            schema.RADIO_STATION,
            id=id_of("station", station.id),
            name=station.title,
            streamUrl=asked.url(stream_path(station)),
            homePageUrl=asked.url(f"/music/stations/{station.slug}"),
        )
        for station in own
    ]
    shown += [
        node(
            schema.RADIO_STATION,
            id=str(link.id),
            name=link.name,
            streamUrl=link.stream_url,
            homePageUrl=link.home_page_url or None,
        )
        for link in apps.radio_links(session)
    ]
    return node(internetRadioStations=node(internetRadioStation=shown))


def stream_path(station: Station) -> str:
    """Where a station is heard; a private one's address carries its key."""
    key = f"?key={station.key}" if station.visibility == "private" else ""
    return f"/music/radio/{station.slug}.mp3{key}"


@writing("createInternetRadioStation", "updateInternetRadioStation")
def write_radio_station(session: WriteSession, asked: Asked) -> None:
    """Put in a station of elsewhere, or change one, for admins."""
    asked.require_admin()
    creating = asked.text("_method").startswith("create")
    apps.write_radio_link(
        session,
        None if creating else _link_id(asked),
        name=asked.required("name"),
        stream_url=asked.required("streamUrl"),
        home_page_url=asked.text("homepageUrl") or asked.text("homePageUrl"),
    )


@writing("deleteInternetRadioStation")
def delete_radio_station(session: WriteSession, asked: Asked) -> None:
    """Take out a station of elsewhere, for admins."""
    asked.require_admin()
    apps.remove_radio_link(session, _link_id(asked))


def _link_id(asked: Asked) -> int:
    text = asked.required("id")
    if text.startswith("st-"):
        raise Refused(NOT_ALLOWED, "Stations of this platform are changed on their own pages.")
    return of_kind("song", text)  # a plain number too


# Podcasts: what was live on a station


def _episodes(session: ReadSession, asked: Asked, station_ids: Sequence[int]) -> Sequence[Show]:
    kept = select(Show).where(Show.live, Show.media_key.is_not(None), Show.station_id.in_(station_ids))
    return session.scalars(kept.order_by(Show.starts_at.desc(), Show.id).limit(EPISODES)).all()


def _episode(show: Show) -> Node:
    return node(
        schema.PODCAST_EPISODE,
        id=id_of("episode", show.id),
        streamId=id_of("episode", show.id),
        channelId=id_of("channel", show.station_id),
        title=show.title,
        isDir=False,
        isVideo=False,
        type="podcast",
        status="completed",
        description="",
        publishDate=moment(show.starts_at),
        created=moment(show.created_at),
        duration=round((show.ends_at - show.starts_at).total_seconds()),
        size=show.media_size,
        contentType=show.media_type,
        suffix="mp3" if show.media_type == "audio/mpeg" else "ogg",
    )


def _recorded(session: ReadSession, asked: Asked) -> Sequence[Station]:
    """Stations that the caller may hear and that have recordings."""
    recorded = select(Show.station_id).where(Show.live, Show.media_key.is_not(None))
    statement = select(Station).where(stations.stations_for(asked.viewer), Station.id.in_(recorded))
    return session.scalars(statement.order_by(Station.title, Station.id).limit(500)).all()


@reading("getPodcasts")
def podcasts(session: ReadSession, asked: Asked) -> Node:
    """Stations with recordings of live shows, as channels."""
    found = _recorded(session, asked)
    if asked.text("id"):
        number = of_kind("channel", asked.text("id"))
        found = [station for station in found if station.id == number]
        if not found:
            raise Refused(NOT_FOUND, "The requested data was not found.")
    shows = _episodes(session, asked, [s.id for s in found]) if asked.flag("includeEpisodes", True) else []
    channels = [
        node(
            schema.PODCAST_CHANNEL,
            id=id_of("channel", station.id),
            url=asked.url(f"/music/radio/{station.slug}.rss"),
            title=station.title,
            description=station.description,
            status="completed",
            episode=[_episode(show) for show in shows if show.station_id == station.id],
        )
        for station in found
    ]
    return node(podcasts=node(channel=channels))


@reading("getNewestPodcasts")
def newest_podcasts(session: ReadSession, asked: Asked) -> Node:
    """The last recordings."""
    count = asked.number("count", 20, 0, EPISODES)
    shows = _episodes(session, asked, [station.id for station in _recorded(session, asked)])
    return node(newestPodcasts=node(episode=[_episode(show) for show in shows[:count]]))


def episode(session: ReadSession, asked: Asked, number: int) -> Show:
    """A recording that the caller may hear. Raises Refused."""
    show = session.get(Show, number)
    if show is None or show.media_key is None:
        raise Refused(NOT_FOUND, "The requested data was not found.")
    stations.find(session, asked.viewer, show.station_id)
    return show


@reading("getPodcastEpisode")
def podcast_episode(session: ReadSession, asked: Asked) -> Node:
    """One recording."""
    return node(podcastEpisode=_episode(episode(session, asked, of_kind("episode", asked.required("id")))))
