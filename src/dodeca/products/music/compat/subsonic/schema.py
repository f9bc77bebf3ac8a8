"""What Subsonic's XML has room for: for each type of its schema 1.16.1, the attributes and the order of elements.

http://www.subsonic.org/pages/inc/api/schema/subsonic-rest-api-1.16.1.xsd. Answers in JSON carry OpenSubsonic's fields
beside these; the schema is closed, so XML leaves them out.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Kind(NamedTuple):
    """A type: names of its attributes, and of its child elements in their order."""

    attributes: frozenset[str]
    elements: tuple[str, ...] = ()


def _kind(attributes: str, elements: str = "") -> Kind:
    return Kind(frozenset(attributes.split()), tuple(elements.split()))


CHILD: Final = _kind(
    "id parent isDir title album artist track year genre coverArt size contentType suffix transcodedContentType"
    " transcodedSuffix duration bitRate path isVideo userRating averageRating playCount discNumber created starred"
    " albumId artistId type bookmarkPosition originalWidth originalHeight"
)
NOW_PLAYING_ENTRY: Final = Kind(CHILD.attributes | {"username", "minutesAgo", "playerId", "playerName"})
PODCAST_EPISODE: Final = Kind(CHILD.attributes | {"streamId", "channelId", "description", "status", "publishDate"})
ARTIST: Final = _kind("id name artistImageUrl starred userRating averageRating")
ARTIST_ID3: Final = _kind("id name coverArt artistImageUrl albumCount starred", "album")
ALBUM_ID3: Final = _kind(
    "id name artist artistId coverArt songCount duration playCount created starred year genre", "song"
)
INDEX: Final = _kind("name", "artist")
INDEXES: Final = _kind("lastModified ignoredArticles", "shortcut index child")
ARTISTS: Final = _kind("ignoredArticles", "index")
DIRECTORY: Final = _kind("id parent name starred userRating averageRating playCount", "child")
GENRE: Final = _kind("songCount albumCount value")
PLAYLIST: Final = _kind("id name comment owner public songCount duration created changed coverArt", "allowedUser entry")
SHARE: Final = _kind("id url description username created expires lastVisited visitCount", "entry")
BOOKMARK: Final = _kind("position username comment created changed", "entry")
PLAY_QUEUE: Final = _kind("current position username changed changedBy", "entry")
USER: Final = _kind(
    "username email scrobblingEnabled maxBitRate adminRole settingsRole downloadRole uploadRole playlistRole"
    " coverArtRole commentRole podcastRole streamRole jukeboxRole shareRole videoConversionRole avatarLastChanged",
    "folder",
)
LYRICS: Final = _kind("artist title value")
_INFO: Final = "notes biography musicBrainzId lastFmUrl smallImageUrl mediumImageUrl largeImageUrl"
ALBUM_INFO: Final = _kind("", _INFO)
ARTIST_INFO: Final = _kind("", _INFO + " similarArtist")
RADIO_STATION: Final = _kind("id name streamUrl homePageUrl")
PODCAST_CHANNEL: Final = _kind("id url title description coverArt originalImageUrl status errorMessage", "episode")
SEARCH_RESULT: Final = _kind("offset totalHits", "match")
THREE: Final = _kind("", "artist album song")
"""searchResult2, searchResult3, starred, starred2."""
ERROR: Final = _kind("code message")
VIDEO_INFO: Final = _kind("id", "captions audioTrack conversion")
LICENSE: Final = _kind("valid email licenseExpires trialExpires")
SCAN_STATUS: Final = _kind("scanning count")


class Node(dict[str, Any]):
    """A part of an answer. Without `kind` it is OpenSubsonic's own, and XML shows all of it."""

    kind: Kind | None = None


def node(_kind: Kind | None = None, /, **fields: Any) -> Node:
    """A part of an answer, without what is None."""
    made = Node({name: value for name, value in fields.items() if value is not None})
    made.kind = _kind
    return made
