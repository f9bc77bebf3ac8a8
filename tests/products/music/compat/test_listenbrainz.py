"""ListenBrainz' API, as scrobblers speak it, on both engines where statistics are counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.products.music.compat.conftest import Listener, NewListener, Sound
from tests.support.platform import Factory

from dodeca.products.music.compat.listenbrainz import statistics
from dodeca.products.music.service import members

AT = 1_700_000_000


@pytest.fixture
def ann(listener: NewListener) -> Listener:
    return listener("ann")


def _ask(who: Listener, method: str, path: str, **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Token {who.password}"}
    return who.client.request(method, f"/1/{path}", headers=headers, **options)


def _listen(artist: str = "Ann", track: str = "Evening", at: int | None = AT, **info: Any) -> dict[str, Any]:
    about = {"artist_name": artist, "track_name": track, "release_name": "Days", "additional_info": info}
    return {"track_metadata": about} | ({"listened_at": at} if at is not None else {})


def _submit(who: Listener, *listens: dict[str, Any], kind: str = "import") -> httpx.Response:
    return _ask(who, "POST", "submit-listens", json={"listen_type": kind, "payload": list(listens)})


def test_listens_are_kept_and_told(ann: Listener, sound: Sound) -> None:
    song = sound(ann.account)

    answer = _submit(ann, _listen(media_player="mpd"), _listen(artist="Else", track="Unknown", at=AT + 500))

    assert answer.json() == {"status": "ok"}
    assert int(answer.headers["x-ratelimit-remaining"]) < 300
    payload = _ask(ann, "GET", "user/ann/listens").json()["payload"]
    assert (payload["count"], payload["latest_listen_ts"], payload["oldest_listen_ts"]) == (2, AT + 500, AT)
    unknown, known = payload["listens"]
    assert (unknown["track_metadata"]["track_name"], unknown["user_name"]) == ("Unknown", "ann")
    assert known["track_metadata"]["additional_info"]["duration_ms"] == song.duration_ms
    assert ann.told("getSong", id=song.id)["song"]["playCount"] == 1
    before = _ask(ann, "GET", "user/ann/listens", params={"max_ts": AT + 500}).json()["payload"]["listens"]
    after = _ask(ann, "GET", "user/ann/listens", params={"min_ts": AT}).json()["payload"]["listens"]
    assert [one["listened_at"] for one in (*before, *after)] == [AT, AT + 500]
    assert _ask(ann, "GET", "user/ann/listen-count").json() == {"payload": {"count": 2}}


def test_one_listen_over_two_protocols_counts_once(ann: Listener, sound: Sound) -> None:
    song = sound(ann.account)

    _submit(ann, _listen(), kind="single")
    ann.told("scrobble", id=song.id, time=(AT + 3) * 1000)

    assert ann.told("getSong", id=song.id)["song"]["playCount"] == 1
    assert _ask(ann, "GET", "user/ann/listen-count").json()["payload"]["count"] == 1


def test_a_listen_is_taken_back(ann: Listener) -> None:
    _submit(ann, _listen(), _listen(track="Other", at=AT + 900))
    wanted = _ask(ann, "GET", "user/ann/listens").json()["payload"]["listens"][1]

    _ask(ann, "POST", "delete-listen", json={name: wanted[name] for name in ("listened_at", "recording_msid")})

    left = _ask(ann, "GET", "user/ann/listens").json()["payload"]["listens"]
    assert [one["track_metadata"]["track_name"] for one in left] == ["Other"]


def test_what_plays_now_is_told(ann: Listener) -> None:
    _submit(ann, _listen(at=None), kind="playing_now")

    payload = _ask(ann, "GET", "user/ann/playing-now").json()["payload"]
    assert payload["listens"][0]["track_metadata"]["track_name"] == "Evening"
    assert _ask(ann, "GET", "user/ann/listen-count").json()["payload"]["count"] == 0


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("single", []),
        ("other", [_listen()]),
        ("single", [_listen(), _listen()]),
        ("single", [_listen(at=1_033_430_399)]),
        ("single", [_listen(at=4_102_444_800)]),
        ("single", [_listen(at=None)]),
        ("single", [_listen(artist="")]),
        ("single", [_listen(tags=["x"] * 51)]),
        ("single", [_listen(tags=["x" * 65])]),
        ("single", [_listen(note="x" * 10_240)]),
        ("single", ["x"]),
        ("single", [{"listened_at": "NaN", "track_metadata": {"artist_name": "a", "track_name": "b"}}]),
        ("playing_now", [_listen()]),
        ("import", "x"),
    ],
)
def test_listens_that_cannot_be_are_refused(ann: Listener, kind: str, payload: Any) -> None:
    answer = _ask(ann, "POST", "submit-listens", json={"listen_type": kind, "payload": payload})

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "error"}
    assert _ask(ann, "GET", "user/ann/listen-count").json()["payload"]["count"] == 0


def test_tokens_are_judged(ann: Listener) -> None:
    good = _ask(ann, "GET", "validate-token").json()
    bad = ann.client.get("/music/1/validate-token", headers={"Authorization": "Token wrong"}).json()

    assert (good["valid"], good["user_name"]) == (True, "ann")
    assert bad["valid"] is False
    none = ann.client.post("/1/submit-listens", json={})
    assert (none.status_code, set(none.json())) == (401, {"code", "error"})
    assert ann.client.get("/1/nothing").status_code == 404


def test_what_is_hidden_from_others_is_not_found(
    ann: Listener, listener: NewListener, make: Factory, sound: Sound
) -> None:
    bob = listener("bob")
    sound(ann.account, title="Secret", visibility="private")
    _submit(ann, _listen(), _listen(track="Secret", at=AT + 700))
    paths = ("listens", "playing-now", "listen-count")

    assert {_ask(bob, "GET", f"user/ann/{path}").status_code for path in paths} == {404}
    make.run(lambda session: members.change(session, ann.account.id, {"history_visibility": "public"}))
    shown = _ask(bob, "GET", "user/ann/listens").json()["payload"]["listens"]
    stats = _ask(bob, "GET", "stats/user/ann/recordings").text
    assert [one["track_metadata"]["track_name"] for one in shown] == ["Evening"]
    assert "Secret" not in stats
    assert "Secret" in _ask(ann, "GET", "stats/user/ann/recordings").text


def test_statistics_count_what_was_heard_most(ann: Listener) -> None:
    _submit(ann, *(_listen(at=AT + 1000 * i) for i in range(3)), _listen(artist="Bo", track="Once", at=AT + 9000))

    artists = _ask(ann, "GET", "stats/user/ann/artists").json()["payload"]
    assert [(one["artist_name"], one["listen_count"]) for one in artists["artists"]] == [("Ann", 3), ("Bo", 1)]
    assert artists["total_artist_count"] == 2
    for entity, name in (("recordings", "recordings"), ("releases", "releases"), ("release-groups", "release_groups")):
        payload = _ask(ann, "GET", f"stats/user/ann/{entity}", params={"count": 1}).json()["payload"]
        assert (payload["count"], payload[name][0]["listen_count"]) == (1, 3)
    assert _ask(ann, "GET", "stats/user/ann/artists", params={"range": "this_week"}).status_code == 204
    assert _ask(ann, "GET", "stats/user/ann/artists", params={"range": "ever"}).status_code == 400
    assert _ask(ann, "GET", "cf/recommendation/user/ann/recording").status_code == 204


def test_love_is_a_like_and_hate_a_dislike(ann: Listener, sound: Sound) -> None:
    number = "11111111-2222-3333-4444-555555555555"
    song = sound(ann.account, mbid=number)

    def score(value: int) -> httpx.Response:
        return _ask(ann, "POST", "feedback/recording-feedback", json={"recording_mbid": number, "score": value})

    def told() -> list[int]:
        answer = _ask(ann, "GET", "feedback/user/ann/get-feedback").json()
        return [one["score"] for one in answer["feedback"]]

    assert score(1).json() == {"status": "ok"}
    assert "starred" in ann.told("getSong", id=song.id)["song"]
    assert told() == [1]
    score(-1)
    assert told() == [-1]
    score(0)
    assert told() == []
    assert score(7).status_code == 400


@pytest.mark.parametrize(
    ("span", "begin", "end"),
    [
        ("week", "2026-03-02", "2026-03-09"),
        ("this_week", "2026-03-09", "2026-03-11"),
        ("month", "2026-02-01", "2026-03-01"),
        ("quarter", "2025-10-01", "2026-01-01"),
        ("half_yearly", "2025-07-01", "2026-01-01"),
        ("year", "2025-01-01", "2026-01-01"),
        ("this_year", "2026-01-01", "2026-03-11"),
    ],
)
def test_spans_end_where_calendars_do(span: str, begin: str, end: str) -> None:
    found = statistics.bounds(span, datetime(2026, 3, 11, tzinfo=UTC))

    assert [str(moment)[:10] for moment in found] == [begin, end]
