"""Subsonic's API, as apps speak it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import func, select
from tests.products.music.compat.conftest import Listener, NewListener, Sound
from tests.support.platform import Client, Factory, work

from dodeca.kernel.platform import Platform
from dodeca.products.music.compat.subsonic import schema
from dodeca.products.music.compat.subsonic.asking import METHODS
from dodeca.products.music.models import Scan
from dodeca.products.music.service import lyrics

NAMESPACE = "{http://subsonic.org/restapi}"


@pytest.fixture
def prepared_url(sqlite_url: str) -> str:
    """SQLite alone: what depends on the engine is in test_subsonic_lists.py."""
    return sqlite_url


@pytest.fixture
def ann(listener: NewListener) -> Listener:
    return listener("ann")


@pytest.fixture
def evening(ann: Listener, sound: Sound) -> str:
    """The id of a song."""
    return str(sound(ann.account).id)


# Signing in


def test_all_ways_of_signing_in_open_the_door(ann: Listener) -> None:
    token = hashlib.md5((ann.password + "salt").encode()).hexdigest()
    ways: tuple[dict[str, Any], ...] = (
        {},
        {"p": "enc:" + ann.password.encode().hex()},
        {"p": None, "t": token, "s": "salt"},
        {"p": None, "t": token, "s": "salt"},
        {"u": None, "p": None, "apiKey": ann.password},
    )

    assert all(ann.told("ping", **way)["openSubsonic"] is True for way in ways)
    assert ann.told("tokenInfo", u=None, p=None, apiKey=ann.password)["tokenInfo"] == {"username": "ann"}


def test_the_accounts_own_password_and_a_platform_key_open_it_too(make: Factory, listener: NewListener) -> None:
    bob = listener("bob", password="correct horse battery staple")
    _, secret = make.key(bob.account, ["music"])
    _, other = make.key(bob.account, ["payments"])

    assert bob.told("ping", p="correct horse battery staple")
    assert bob.told("ping", u=None, p=None, apiKey=secret)
    assert bob.code("ping", u=None, p=None, apiKey=other) == 44


def test_a_key_that_may_only_read_writes_nothing(make: Factory, ann: Listener, evening: str) -> None:
    _, secret = make.key(ann.account, ["music"], permissions="read")
    way = {"u": None, "p": None, "apiKey": secret}

    assert ann.told("getSong", id=evening, **way)
    assert ann.code("star", id=evening, **way) == 50


@pytest.mark.parametrize(
    ("way", "code"),
    [
        ({"p": "wrong"}, 40),
        ({"u": "nobody"}, 40),
        ({"p": None, "t": "0" * 32, "s": "salt"}, 40),
        ({"u": None}, 10),
        ({"p": None}, 10),
        ({"c": None}, 10),
        ({"v": None}, 10),
        ({"v": "x"}, 0),
        ({"v": "0.9"}, 20),
        ({"v": "2.0.0"}, 30),
        ({"p": "enc:zz"}, 0),
        ({"apiKey": "x"}, 43),
        ({"u": None, "p": None, "apiKey": "x"}, 44),
    ],
)
def test_wrong_ways_have_their_numbers(ann: Listener, way: dict[str, Any], code: int) -> None:
    assert ann.code("ping", **way) == code


def test_tokens_without_an_app_password_are_explained(make: Factory, client: Client) -> None:
    carl = Listener(make.account("carl"), "", client)

    error = carl.ask("ping", p=None, t="0" * 32, s="salt").json()["subsonic-response"]["error"]

    assert error["code"] == 41
    assert error["helpUrl"].endswith("/music/apps")


def test_too_many_wrong_sign_ins_are_refused_even_if_the_next_is_right(ann: Listener, standing_clock: None) -> None:
    for _ in range(12):
        ann.code("ping", p=None, t="0" * 32, s="salt")

    answer = ann.ask("ping").json()["subsonic-response"]

    assert answer["status"] == "failed"
    assert "Wait" in answer["error"]["message"]


def test_extensions_are_told_to_everybody(client: Client) -> None:
    answer = client.get("/music/rest/getOpenSubsonicExtensions", params={"f": "json"}).json()["subsonic-response"]

    names = {row["name"]: row["versions"] for row in answer["openSubsonicExtensions"]}
    assert names["songLyrics"] == [1, 2]
    assert set(names) == {
        *("apiKeyAuthentication", "formPost", "indexBasedQueue", "playbackReport", "songLyrics", "sonicSimilarity"),
        *("topSongsByArtistId", "transcodeOffset", "transcoding"),
    }


def test_every_method_of_the_protocol_is_there() -> None:
    wanted = """
    ping getLicense getMusicFolders getIndexes getMusicDirectory getGenres getArtists getArtist getAlbum getSong
    getVideos getVideoInfo getArtistInfo getArtistInfo2 getAlbumInfo getAlbumInfo2 getSimilarSongs
    getSimilarSongs2 getTopSongs getAlbumList getAlbumList2 getRandomSongs getSongsByGenre getNowPlaying
    getStarred getStarred2 search search2 search3 getPlaylists getPlaylist createPlaylist updatePlaylist
    deletePlaylist stream download hls getCaptions getCoverArt getLyrics getAvatar star unstar setRating
    scrobble getShares createShare updateShare deleteShare getPodcasts getNewestPodcasts refreshPodcasts
    createPodcastChannel deletePodcastChannel deletePodcastEpisode downloadPodcastEpisode jukeboxControl
    getInternetRadioStations createInternetRadioStation updateInternetRadioStation deleteInternetRadioStation
    getChatMessages addChatMessage getUser getUsers createUser updateUser deleteUser changePassword getBookmarks
    createBookmark deleteBookmark getPlayQueue savePlayQueue getScanStatus startScan getLyricsBySongId
    getPlayQueueByIndex savePlayQueueByIndex reportPlayback getSonicSimilarTracks findSonicPath
    getTranscodeDecision getTranscodeStream tokenInfo getPodcastEpisode
    """

    assert set(wanted.split()) - set(METHODS) == set()


def test_what_is_not_done_through_apps_is_refused(ann: Listener) -> None:
    for method in ("createUser", "changePassword", "jukeboxControl", "createPodcastChannel"):
        assert ann.code(method) == 50
    for method in ("getUsers", "startScan", "createInternetRadioStation"):
        assert ann.code(method, name="x", streamUrl="http://x.example/") == 50
    assert ann.code("getUser", username="admin") == 50
    assert ann.code("nothing") == 70


# Formats


def test_forms_are_read_as_queries_are(ann: Listener, evening: str) -> None:
    answer = ann.ask("getSong", post=True, id=evening)

    assert answer.json()["subsonic-response"]["song"]["title"] == "Evening"


def test_jsonp_calls_functions_and_nothing_else(ann: Listener) -> None:
    answer = ann.ask("ping", f="jsonp", callback="app.done")

    assert answer.text.startswith("/**/app.done({")
    assert answer.headers["content-type"].startswith("application/javascript")
    assert ann.code("ping", f="jsonp", callback="alert(1)//") == 0


def test_any_page_may_ask(ann: Listener) -> None:
    assert ann.ask("ping").headers["access-control-allow-origin"] == "*"
    assert ann.ask("ping", p="wrong").headers["access-control-allow-origin"] == "*"


NODES: dict[str, schema.Kind] = {
    "album": schema.ALBUM_ID3,
    "artist": schema.ARTIST_ID3,
    "song": schema.CHILD,
    "entry": schema.CHILD,
    "child": schema.CHILD,
    "playlist": schema.PLAYLIST,
    "user": schema.USER,
    "genre": schema.GENRE,
    "directory": schema.DIRECTORY,
    "indexes": schema.INDEXES,
    "share": schema.SHARE,
    "bookmark": schema.BOOKMARK,
    "playQueue": schema.PLAY_QUEUE,
}
REQUIRED = {
    "child": {"id", "isDir", "title"},
    "entry": {"id", "isDir", "title"},
    "playlist": {"id", "name", "songCount", "duration", "created", "changed"},
    "directory": {"id", "name"},
    "indexes": {"lastModified", "ignoredArticles"},
    "share": {"id", "url", "username", "created", "visitCount"},
    "bookmark": {"position", "username", "created", "changed"},
    "genre": {"songCount", "albumCount"},
}


def _walk(element: ElementTree.Element) -> list[ElementTree.Element]:
    return [element, *(inner for child in element for inner in _walk(child))]


def test_xml_holds_what_the_schema_has_room_for(ann: Listener, evening: str) -> None:
    """The schema is closed: an attribute or element more, or one out of order, and strict apps give up."""
    ann.told("star", id=evening)
    ann.told("createPlaylist", name="Mine", songId=evening)
    ann.told("createShare", id=evening)
    ann.told("createBookmark", id=evening, position=5)
    ann.told("savePlayQueue", id=evening, current=evening)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("getSong", {"id": evening}),
        ("getAlbumList2", {"type": "newest"}),
        ("getAlbumList", {"type": "newest"}),
        ("getArtists", {}),
        ("getIndexes", {}),
        ("getMusicDirectory", {"id": ann.told("getSong", id=evening)["song"]["albumId"]}),
        ("getPlaylists", {}),
        ("getShares", {}),
        ("getBookmarks", {}),
        ("getPlayQueue", {}),
        ("getGenres", {}),
        ("getUser", {}),
        ("getStarred2", {}),
        ("search3", {"query": "Evening"}),
    ]

    for method, given in asked:
        root = ann.xml(method, **given)
        assert root.tag == f"{NAMESPACE}subsonic-response"
        assert root.get("version") == "1.16.1"
        for element in _walk(root)[1:]:
            name = element.tag.removeprefix(NAMESPACE)
            kind = NODES.get(name)
            if name == "album" and element.get("isDir"):
                kind = schema.CHILD
            if name == "artist" and element.get("albumCount") is None:
                kind = schema.ARTIST
            if kind is None:
                continue
            assert set(element.attrib) <= kind.attributes, (method, name)
            assert REQUIRED.get(name, set()) <= set(element.attrib), (method, name)
            inside = [child.tag.removeprefix(NAMESPACE) for child in element]
            assert inside == sorted(inside, key=kind.elements.index), (method, name)


def test_names_that_xml_has_no_place_for_do_not_break_it(ann: Listener, sound: Sound) -> None:
    song = sound(ann.account, title='A "quoted" <b> & \x01 ]]> title', artist="Bö \ufffe")

    assert ann.xml("getSong", id=song.id)[0].get("title") == 'A "quoted" <b> &  ]]> title'


# Browsing


def test_artists_lead_to_albums_and_albums_to_songs(ann: Listener, evening: str) -> None:
    (index,) = ann.told("getIndexes")["indexes"]["index"]
    artist = ann.told("getMusicDirectory", id=index["artist"][0]["id"])["directory"]
    album = ann.told("getMusicDirectory", id=artist["child"][0]["id"])["directory"]

    assert index["name"] == "A"
    assert artist["child"][0]["isDir"] is True
    assert album["child"][0]["id"] == evening
    assert album["parent"] == artist["id"]


def test_a_song_has_the_fields_that_apps_read(ann: Listener, evening: str) -> None:
    song = ann.told("getSong", id=evening)["song"]

    wanted = {
        "id": evening,
        "isDir": False,
        "title": "Evening",
        "album": "Days",
        "artist": "Ann",
        "track": 1,
        "year": 1999,
        "genre": "Folk",
        "suffix": "mp3",
        "contentType": "audio/mpeg",
        "duration": 12,
        "type": "music",
        "mediaType": "song",
        "samplingRate": 44100,
        "path": "Ann/Days/01 - Evening.mp3",
        "genres": [{"name": "Folk"}],
        "isrc": [],
    }
    assert {name: song[name] for name in wanted} == wanted
    assert song["artists"] == [{"id": song["artistId"], "name": "Ann"}]


@pytest.mark.parametrize("thing", ["../../x", "' OR 1=1", "NaN", "9" * 30, "-1", "al-", "al-1 ", "xx-5", "999999"])
def test_ids_that_name_nothing_are_not_found(ann: Listener, evening: str, thing: str) -> None:
    for method in ("getSong", "getAlbum", "getArtist", "getPlaylist", "stream", "getCoverArt", "getMusicDirectory"):
        assert ann.code(method, id=thing) == 70


@pytest.mark.parametrize("number", ["NaN", "1e9", "x", "1.5", "9" * 40])
def test_numbers_that_are_none_are_malformed(ann: Listener, number: str) -> None:
    assert ann.code("getAlbumList2", type="newest", size=number) == 0


# Bytes


def test_bytes_out_are_bytes_in(ann: Listener, evening: str, originals: Callable[[str], Path]) -> None:
    whole = originals("mp3").read_bytes()

    answer = ann.ask("stream", id=evening)

    assert answer.content == whole
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["accept-ranges"] == "bytes"
    assert ann.ask("download", id=evening).content == whole


def test_a_stream_is_converted_and_has_ranges_the_second_time(ann: Listener, evening: str) -> None:
    first = ann.ask("stream", id=evening, format="opus", maxBitRate=64)
    second = ann.ask("stream", id=evening, format="opus", maxBitRate=64)
    later = ann.ask("stream", id=evening, format="opus", maxBitRate=64, timeOffset=6)

    assert first.headers["content-type"] == "audio/ogg"
    assert first.content[:4] == b"OggS"
    assert first.content == second.content
    assert second.headers["content-length"] == str(len(second.content))
    assert 0.3 < len(later.content) / len(first.content) < 0.7
    assert ann.code("stream", id=evening, format="exe") == 0


def test_albums_are_downloaded_as_a_zip(ann: Listener, evening: str, originals: Callable[[str], Path]) -> None:
    album = ann.told("getSong", id=evening)["song"]["albumId"]

    answer = ann.ask("download", id=album)

    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == "application/zip"
    assert archive.namelist() == ["01 - Evening.mp3"]
    assert archive.read("01 - Evening.mp3") == originals("mp3").read_bytes()


def test_covers_and_pictures_are_drawn_where_there_are_none(ann: Listener, evening: str) -> None:
    for method, given in (("getCoverArt", {"id": evening, "size": 80}), ("getAvatar", {"username": "ann"})):
        answer = ann.ask(method, **given)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["access-control-allow-origin"] == "*"


def test_hls_names_three_bit_rates(ann: Listener, evening: str) -> None:
    answer = ann.ask("hls.m3u8", id=evening)

    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert answer.text.count("#EXT-X-STREAM-INF") == 3


def test_an_app_is_told_how_it_gets_a_song_and_gets_it_so(ann: Listener, sound: Sound) -> None:
    number = str(sound(ann.account, "flac").id)
    info = {
        "name": "Player",
        "platform": "tests",
        "maxTranscodingAudioBitrate": 128_000,
        "directPlayProfiles": [{"containers": ["mp3"], "audioCodecs": ["mp3"], "protocols": ["http"]}],
        "transcodingProfiles": [
            {"container": "mp4", "audioCodec": "aac", "protocol": "hls"},
            {"container": "mp3", "audioCodec": "mp3", "protocol": "http", "maxAudioChannels": 2},
        ],
    }
    query = {"u": "ann", "p": ann.password, "v": "1.16.1", "c": "tests", "f": "json", "mediaType": "song"}

    answer = ann.client.post("/music/rest/getTranscodeDecision", params={**query, "mediaId": number}, json=info)

    decision = answer.json()["subsonic-response"]["transcodeDecision"]
    assert (decision["canDirectPlay"], decision["canTranscode"]) == (False, True)
    assert decision["transcodeReason"] == ["ContainerNotSupported"]
    assert decision["transcodeStream"]["audioBitrate"] == 128_000
    parameters = decision["transcodeParams"]
    stream = ann.ask("getTranscodeStream", mediaId=number, mediaType="song", transcodeParams=parameters)
    assert stream.headers["content-type"] == "audio/mpeg"
    assert 180_000 < len(stream.content) < 210_000
    refused = ann.ask("getTranscodeStream", mediaId=number, mediaType="song", transcodeParams=parameters[:-2] + "00")
    assert refused.status_code == 400


# What listeners leave behind


def test_playlists_are_made_changed_and_deleted(ann: Listener, sound: Sound) -> None:
    one, two, three = (str(sound(ann.account, title=title).id) for title in ("One", "Two", "Three"))

    made = ann.told("createPlaylist", name="Mine", songId=[one, two, one])["playlist"]
    ann.told(
        "updatePlaylist", playlistId=made["id"], songIndexToRemove=[0], songIdToAdd=three, name="Ours", public="true"
    )

    found = ann.told("getPlaylist", id=made["id"])["playlist"]
    assert [song["id"] for song in made["entry"]] == [one, two, one]
    assert [song["id"] for song in found["entry"]] == [two, one, three]
    assert (found["name"], found["public"], found["songCount"]) == ("Ours", True, 3)
    ann.told("createPlaylist", playlistId=made["id"], songId=three)
    assert [song["id"] for song in ann.told("getPlaylist", id=made["id"])["playlist"]["entry"]] == [three]
    assert ann.code("createPlaylist", name="Broken", songId=[one, "999999"]) == 70
    ann.told("deletePlaylist", id=made["id"])
    assert ann.code("getPlaylist", id=made["id"]) == 70
    assert ann.told("getPlaylists")["playlists"] == {"playlist": []}


def test_anothers_playlist_is_not_theirs_to_change(ann: Listener, listener: NewListener, evening: str) -> None:
    bob = listener("bob")
    private = ann.told("createPlaylist", name="Mine", songId=evening)["playlist"]["id"]

    assert bob.code("getPlaylist", id=private) == bob.code("deletePlaylist", id=private) == 70
    ann.told("updatePlaylist", playlistId=private, public="true")
    assert bob.told("getPlaylist", id=private)
    assert bob.code("deletePlaylist", id=private) == bob.code("updatePlaylist", playlistId=private, name="x") == 50


def test_stars_and_ratings_are_kept(ann: Listener, evening: str) -> None:
    song = ann.told("getSong", id=evening)["song"]
    ann.told("star", id=[evening, song["albumId"]], artistId=song["artistId"])
    ann.told("setRating", id=evening, rating=4)

    starred = ann.told("getStarred2")["starred2"]
    assert [len(starred[kind]) for kind in ("artist", "album", "song")] == [1, 1, 1]
    assert starred["song"][0]["userRating"] == 4
    ann.told("unstar", id=evening, albumId=song["albumId"])
    assert ann.told("getStarred")["starred"]["song"] == []
    assert ann.code("star") == 10
    assert ann.code("setRating", id=evening, rating=6) == 0


def test_a_scrobble_counts_once_and_now_playing_not(ann: Listener, evening: str) -> None:
    ann.told("scrobble", id=evening, submission="false")
    assert ann.told("getSong", id=evening)["song"]["playCount"] == 0
    playing = ann.told("getNowPlaying")["nowPlaying"]["entry"]

    for _ in range(2):
        ann.told("scrobble", id=evening, time="1700000000000")

    song = ann.told("getSong", id=evening)["song"]
    assert [(entry["id"], entry["username"], entry["playerName"]) for entry in playing] == [(evening, "ann", "tests")]
    assert song["playCount"] == 1
    assert song["played"] == "2023-11-14T22:13:20.000Z"


def test_following_a_player_makes_one_listen(ann: Listener, evening: str) -> None:
    given = {"mediaId": evening, "mediaType": "song"}
    ann.told("reportPlayback", **given, positionMs=0, state="starting")
    ann.told("reportPlayback", **given, positionMs=2000, state="playing")
    assert ann.told("getSong", id=evening)["song"]["playCount"] == 0

    ann.told("reportPlayback", **given, positionMs=8000, state="playing")
    ann.told("reportPlayback", **given, positionMs=12000, state="stopped")

    assert ann.told("getSong", id=evening)["song"]["playCount"] == 1
    assert ann.told("getNowPlaying")["nowPlaying"]["entry"] == []
    assert ann.code("reportPlayback", **given, positionMs=1, state="flying") == 0


def test_the_queue_goes_from_device_to_device(ann: Listener, sound: Sound) -> None:
    one, two = (str(sound(ann.account, title=title).id) for title in ("One", "Two"))
    assert "playQueue" not in ann.told("getPlayQueue")

    ann.told("savePlayQueue", id=[one, two], current=two, position=5000)
    by_id = ann.told("getPlayQueue", c="other")["playQueue"]
    ann.told("savePlayQueueByIndex", id=[one, one], currentIndex=1, position=7)
    by_index = ann.told("getPlayQueueByIndex")["playQueueByIndex"]

    assert (by_id["current"], by_id["position"], by_id["changedBy"], len(by_id["entry"])) == (two, 5000, "tests", 2)
    assert (by_index["currentIndex"], [song["id"] for song in by_index["entry"]]) == (1, [one, one])
    assert ann.code("savePlayQueueByIndex", id=[one], currentIndex=1) == 10
    ann.told("savePlayQueue")
    assert ann.told("getPlayQueue")["playQueue"]["entry"] == []


def test_bookmarks_and_shares_are_kept(ann: Listener, evening: str) -> None:
    ann.told("createBookmark", id=evening, position=4000, comment="here")
    share = ann.told("createShare", id=evening, description="For you", expires=0)["shares"]["share"][0]

    (bookmark,) = ann.told("getBookmarks")["bookmarks"]["bookmark"]
    assert (bookmark["position"], bookmark["comment"], bookmark["entry"]["id"]) == (4000, "here", evening)
    assert "/music/share/" in share["url"]
    assert "expires" not in share
    ann.told("updateShare", id=share["id"], description="For all", expires=4102444800000)
    changed = ann.told("getShares")["shares"]["share"][0]
    assert (changed["description"], changed["expires"]) == ("For all", "2100-01-01T00:00:00.000Z")
    ann.told("deleteShare", id=share["id"])
    ann.told("deleteBookmark", id=evening)
    assert ann.told("getShares")["shares"]["share"] == ann.told("getBookmarks")["bookmarks"]["bookmark"] == []


def test_lyrics_come_in_time_and_word_by_word(ann: Listener, make: Factory, evening: str) -> None:
    text = "[00:01.00]<00:01.00> Good <00:01.50> nïght\n[00:03.00]Sleep well"
    make.run(lambda session: lyrics.write(session, ann.viewer, int(evening), text))

    plain = ann.told("getLyrics", artist="Ann", title="Evening")["lyrics"]
    (synced,) = ann.told("getLyricsBySongId", id=evening)["lyricsList"]["structuredLyrics"]
    (enhanced,) = ann.told("getLyricsBySongId", id=evening, enhanced="true")["lyricsList"]["structuredLyrics"]

    assert plain["value"] == "Good nïght\nSleep well"
    assert synced["line"] == [{"start": 1000, "value": "Good nïght"}, {"start": 3000, "value": "Sleep well"}]
    assert (synced["synced"], "cueLine" in synced) == (True, False)
    cues = enhanced["cueLine"][0]["cue"]
    assert [(cue["start"], cue["byteStart"], cue["byteEnd"], cue["value"]) for cue in cues] == [
        (1000, 0, 3, "Good"),
        (1500, 5, 10, "nïght"),
    ]
    assert ann.xml("getLyrics", artist="Ann", title="Evening")[0].text == "Good nïght\nSleep well"


def test_a_scan_is_going_on_until_it_is_done(platform: Platform, listener: NewListener) -> None:
    root = listener("root", roles_too=["admin"])

    def scanning(method: str) -> bool:
        return bool(root.told(method)["scanStatus"]["scanning"])

    assert [scanning(name) for name in ("getScanStatus", "startScan", "startScan", "getScanStatus")] == [
        False,
        True,
        True,
        True,
    ]
    work(platform)
    assert not scanning("getScanStatus")
    assert platform.db.read(lambda session: session.scalar(select(func.count(Scan.id)))) == 1


def test_people_chat_and_admins_add_stations_of_elsewhere(listener: NewListener) -> None:
    ada = listener("ada", roles_too=["admin"])
    bob = listener("bob")
    bob.told("addChatMessage", message="<b>Hello</b>")
    ada.told("createInternetRadioStation", name="Far", streamUrl="https://far.example/stream")

    (message,) = ada.told("getChatMessages")["chatMessages"]["chatMessage"]
    (station,) = bob.told("getInternetRadioStations")["internetRadioStations"]["internetRadioStation"]
    assert (message["username"], message["message"]) == ("bob", "<b>Hello</b>")
    assert station["streamUrl"] == "https://far.example/stream"
    assert ada.code("createInternetRadioStation", name="Bad", streamUrl="javascript:alert(1)") == 0
    ada.told("deleteInternetRadioStation", id=station["id"])
    assert bob.told("getInternetRadioStations")["internetRadioStations"]["internetRadioStation"] == []
    assert [user["username"] for user in ada.told("getUsers")["users"]["user"]] == ["ada", "bob"]


def test_a_browser_of_another_origin_may_ask_everything(listener: NewListener, sound: Sound) -> None:
    """What Feishin, Airsonic-refix and other apps that run in a browser need: preflights, and readable answers."""
    ann = listener("ann")
    song = sound(ann.account)
    asks = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-requested-with",
    }

    preflight = ann.client.request("OPTIONS", "/music/rest/getTranscodeDecision.view", headers=asks)
    decided = ann.client.post(
        "/music/rest/getTranscodeDecision.view",
        params={"u": "ann", "p": ann.password, "v": "1.16.1", "c": "x", "f": "json"}
        | {"mediaId": song.id, "mediaType": "song"},
        json={"name": "app", "directPlayProfiles": [{}]},
        headers={"Origin": "https://app.example"},
    )
    answers = [
        decided,
        ann.ask("ping"),
        ann.ask("ping", p="wrong"),
        ann.ask("stream", id=song.id),
        ann.ask("getCoverArt", id=song.id),
        ann.client.get("/music/1/validate-token"),
        ann.client.get("/music/radio/nothing.mp3"),
    ]

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == "content-type,x-requested-with"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert decided.json()["subsonic-response"]["status"] == "ok"
    assert [answer.headers.get_list("access-control-allow-origin") for answer in answers] == [["*"]] * len(answers)
    assert "content-range" in answers[3].headers["access-control-expose-headers"].lower()
    for path in ("/music/1/submit-listens", "/1/submit-listens", "/music/radio/late.mp3"):
        assert ann.client.request("OPTIONS", path, headers=asks).status_code == 204
