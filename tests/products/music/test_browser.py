"""Music in a real browser: sound with one click, pages that change around it, no gap, no connection, a party."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.products.music.test_sound import encoded
from tests.support.browser import chromium, needs_chromium, served, violations

from dodeca.commons.pipeline.ffmpeg import executable

PASSWORD = "dodeca-demo-2026"
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)
pytestmark = [needs_chromium, pytest.mark.browser, pytest.mark.slow]
FIFTH = 9600
"""Samples of a fifth of a second, at 48 kHz."""
PUBLIC = (
    "/music/",
    "/music/search?q=satz",
    "/music/library",
    "/music/albums/{album}",
    "/music/songs/{song}",
    "/music/radio",
)
OWN = (
    "/music/",
    "/music/upload",
    "/music/apps",
    "/music/taste",
    "/music/stats",
    "/music/smart",
    "/music/songs/{song}/edit",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the demo's people; its pieces are not rendered, three short songs take their place."""
    folder = tmp_path_factory.mktemp("site")
    limits = {
        "DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0",
        "DODECA_REQUESTS_PER_MINUTE": "0",
        "DODECA_MUSIC_RENDER_DEMO": "0",
    }
    with served(folder / "data", "--only", "music", "--demo", environment=limits) as address:
        token = httpx.post(
            f"{address}/api/accounts/login", json={"username": "bob", "password": PASSWORD}, timeout=60
        ).json()["token"]
        for number, hertz in enumerate((330, 440, 550), 1):
            path = encoded(
                folder / f"{number}.mp3",
                seconds=6.0,
                hertz=hertz,
                title=f"Satz {number}",
                artist="Trio",
                album="Sonate",
                track=str(number),
            )
            answer = httpx.post(
                f"{address}/api/music/songs",
                headers={"Authorization": f"Bearer {token}"},
                files={"file": (path.name, path.read_bytes())},
                timeout=60,
            )
            assert answer.status_code == 201, answer.text
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def somebody(browser: Browser, site: str) -> Iterator[BrowserContext]:
    """A browser of nobody yet."""
    context = browser.new_context(base_url=site)
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture(scope="module")
def ids(site: str) -> dict[str, str]:
    """The ids of the first song and its album."""
    found = httpx.get(f"{site}/api/music/albums?sort=newest&limit=100", timeout=60).json()["albums"]
    album = next(one["album_id"] for one in found if one["title"] == "Sonate")
    songs = httpx.get(f"{site}/api/music/albums/{album}", timeout=60).json()["songs"]
    return {"album": album, "song": songs[0]["song_id"]}


def signed_in(context: BrowserContext) -> Page:
    """A page of alice."""
    page = context.new_page()
    page.goto("/login?next=/music/")
    page.fill("main input[name=username]", "alice")
    page.fill("main input[name=password]", PASSWORD)
    page.click("main form:has(input[name=password]) button")
    page.wait_for_url(re.compile("/music"))
    return page


def until(page: Page, expression: str) -> None:
    """Wait for something to be true; the page's policy forbids Playwright's own way, which is eval."""
    for _ in range(WAIT_MS // 100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {expression}")


PLAYING = "document.querySelector('music-player').deck.playing"
POSITION = "document.querySelector('music-player').deck.position"
STATION = "(document.querySelector('music-station'))"
TITLE = "music-player .player__title"


def test_sound_starts_with_one_click_and_plays_on_from_page_to_page(
    somebody: BrowserContext, ids: dict[str, str]
) -> None:
    page = signed_in(somebody)
    page.goto(f"/music/albums/{ids['album']}")
    page.evaluate("window.same = true")

    page.evaluate("document.querySelector('music-player').repeat = 'all'")  # however long the rest takes
    page.click("main [data-do=play-all]")
    until(page, f"{PLAYING} && {POSITION} > 0.3")
    page.click(".subnav a:has-text('Library')")
    expect(page.locator("main h1")).to_have_text("Library")

    assert page.evaluate("window.same") is True
    assert page.evaluate(PLAYING)
    page.go_back()
    expect(page.locator("main h1")).to_have_text("Sonate")
    assert page.evaluate("window.same && " + PLAYING)
    row = page.locator("main .song[data-current] .song__play")
    expect(row).to_have_attribute("aria-label", re.compile("^Pause Satz"))
    page.click("main [data-do=play-all]:has-text('Pause')")
    expect(row).to_have_attribute("aria-label", re.compile("^Play Satz"))
    expect(page.locator("main [data-do=play-all]")).to_have_text("Play")


RECORD = """() => {
  const deck = document.querySelector('music-player').deck, parts = []
  const out = deck.context.createMediaStreamDestination()
  deck.master.connect(out)
  const recorder = new MediaRecorder(out.stream, { mimeType: 'audio/webm;codecs=pcm' })
  recorder.addEventListener('dataavailable', event => parts.push(event.data))
  recorder.start()
  window.recorded = () => new Promise(done => {
    recorder.addEventListener('stop', () => {
      const reader = new FileReader()
      reader.addEventListener('load', () => done(reader.result.split(',')[1]))
      reader.readAsDataURL(new Blob(parts))
    })
    recorder.stop()
  })
}"""


def test_a_warning_is_shown_as_one_where_the_page_is_only_replaced(somebody: BrowserContext) -> None:
    page = signed_in(somebody)
    page.goto("/music/upload", wait_until="networkidle")
    page.evaluate("window.isTheSame = true")
    sent = {
        "name": "mine.m3u8",
        "mimeType": "audio/x-mpegurl",
        "buffer": b"#EXTM3U\n#EXTINF:9,Nobody - Nothing\nx.mp3\n",
    }
    page.locator("form[action='/music/upload/import'] input[type=file]").set_input_files(sent)  # type: ignore[arg-type]

    page.get_by_role("button", name="Import").click()

    expect(page.locator("#toasts .tone--warn")).to_contain_text("0 songs found here, 1 not.")
    assert page.evaluate("window.isTheSame")


def test_songs_follow_one_another_without_a_gap(somebody: BrowserContext, ids: dict[str, str], tmp_path: Path) -> None:
    """What the player's graph gives out is recorded, without loss, and looked through for silence."""
    page = signed_in(somebody)
    page.goto(f"/music/albums/{ids['album']}")
    page.evaluate(RECORD)
    page.click("main [data-do=play-all]")

    expect(page.locator(TITLE)).to_have_text("Satz 2")
    expect(page.locator(TITLE)).to_have_text("Satz 3")
    until(page, f"{POSITION} > 1")

    (tmp_path / "heard.webm").write_bytes(base64.b64decode(page.evaluate("recorded()")))
    sound = samples(tmp_path / "heard.webm")
    heard = pitches(sound)
    assert list(heard) == [330, 440, 550]
    assert max(silence_ms(sound, heard[pitch]) for pitch in (440, 550)) <= 10
    until(page, "JSON.parse(localStorage.getItem('music-plays') || '[]').length === 0")
    told = page.evaluate("fetch('/api/music/users/alice/history').then(a => a.json())")
    assert "Satz 1" in [play["title"] for play in told["plays"]]


def samples(path: Path) -> NDArray[np.float64]:
    """A recording at 48 kHz."""
    command = [executable(), "-loglevel", "error", "-i", str(path), "-ac", "1", "-ar", "48000", "-f", "f32le", "-"]
    done = subprocess.run(command, check=True, capture_output=True)
    return np.frombuffer(done.stdout, dtype="<f4").astype(np.float64)


def pitches(sound: NDArray[np.float64]) -> dict[int, int]:
    """The pitches that follow one another, in tens of hertz, and the first fifth of a second that each fills.

    A fifth in which a tone begins, or one takes over from another, has a blurred spectrum: only what two in a row
    agree upon is a pitch.
    """
    found: dict[int, int] = {}
    before = None
    for place in range(len(sound) // FIFTH):
        piece = sound[place * FIFTH : (place + 1) * FIFTH]
        peak = float(np.abs(np.fft.rfft(piece * np.hanning(FIFTH))).argmax()) * 5
        pitch = round(peak / 10) * 10 if np.abs(piece).max() > 0.01 else None
        if pitch is not None and pitch == before:
            found.setdefault(pitch, place - 1)
        before = pitch
    return found


def silence_ms(sound: NDArray[np.float64], place: int) -> float:
    """The longest time around a fifth of a second that is quieter than a tenth of the rest; in steps of 3 ms."""
    near = sound[(place - 2) * FIFTH : (place + 2) * FIFTH]
    blocks = np.sqrt((near[: len(near) // 144 * 144].reshape(-1, 144) ** 2).mean(axis=1))  # 3 ms: a wave of 330 Hz
    loud = np.flatnonzero(blocks > 0.1 * np.median(blocks))
    return float((np.diff(loud).max() - 1) * 3)


QUEUED = "(localStorage.getItem('music-plays') || '[]')"
TIMES_HEARD = """fetch('/api/music/users/alice/history').then(a => a.json())
  .then(a => a.plays.filter(play => play.title === 'Satz 1').length)"""


def test_what_is_kept_plays_without_a_connection_and_is_told_once(
    somebody: BrowserContext, ids: dict[str, str]
) -> None:
    page = signed_in(somebody)
    page.goto(f"/music/albums/{ids['album']}")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.goto("/music/offline")
    expect(page.locator("offline-songs")).to_contain_text("Nothing is kept")
    page.goto(f"/music/albums/{ids['album']}")
    page.click("main [data-do=keep]")
    expect(page.locator("body")).to_contain_text("3 songs are on this device.")

    before = page.evaluate(TIMES_HEARD)

    somebody.set_offline(True)
    page.goto("/music/offline")
    page.click("offline-songs .song__play >> nth=0")

    until(page, f"{PLAYING} && {POSITION} > 0.3")
    expect(page.locator(TITLE)).to_have_text("Satz 2")
    until(page, f"JSON.parse{QUEUED}.length > 0")
    waiting = page.evaluate(QUEUED)
    somebody.set_offline(False)
    page.goto("/music/offline")
    until(page, f"JSON.parse{QUEUED}.length === 0")
    assert page.evaluate(TIMES_HEARD) == before + 1
    page.evaluate("waiting => localStorage.setItem('music-plays', waiting)", waiting)  # as if no answer had come
    page.reload()
    until(page, f"JSON.parse{QUEUED}.length === 0")
    assert page.evaluate(TIMES_HEARD) == before + 1


def test_two_browsers_hear_a_party_in_step(
    browser: Browser, somebody: BrowserContext, site: str, ids: dict[str, str]
) -> None:
    page = signed_in(somebody)
    page.goto(f"/music/albums/{ids['album']}")
    page.click("main button:has-text('Start a party')")
    expect(page).to_have_url(re.compile("/music/party/"))
    guest = browser.new_context(base_url=site).new_page()
    guest.goto(page.url)

    for one in (page, guest):
        one.click("[data-do=tune]")
        until(one, "document.querySelector('music-station').audio?.currentTime > 0")

    titles = [one.locator("[data-now=title]").inner_text() for one in (page, guest)]
    assert all(title.startswith("Satz") for title in titles)
    for one in (page, guest):  # each follows the server's clock, so they are as near to each other
        until(one, "(s => s.now?.song && Math.abs(s.place() - s.audio.currentTime) < 0.1)" + STATION)
    guest.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])  # what fits has no colour
def test_pages_are_accessible_and_fit(
    browser: Browser, site: str, ids: dict[str, str], width: int, scheme: str
) -> None:
    context = browser.new_context(
        base_url=site,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    context.set_default_timeout(WAIT_MS)
    visitor = context.new_page()
    wrong: list[str] = []
    for path in PUBLIC:
        visitor.goto(path.format(**ids))
        wrong += _look(visitor, path, width)
    page = signed_in(context)
    for path in OWN:
        page.goto(path.format(**ids) if path != "/music/songs/{song}/edit" else f"/music/songs/{ids['song']}")
        wrong += _look(page, path, width)
    context.close()
    assert wrong == []


def _look(page: Page, path: str, width: int) -> list[str]:
    found = [f"{path}: {one}" for one in violations(page)]
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append(f"{path} is wider than {width}")
    return found


def test_a_songs_menu_opens_within_a_phone(browser: Browser, site: str, ids: dict[str, str]) -> None:
    context = browser.new_context(base_url=site, viewport={"width": 360, "height": 800})
    page = signed_in(context)
    page.goto(f"/music/songs/{ids['song']}")

    page.click(".hero .menu summary")

    box = page.locator(".hero .menu__panel").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    context.close()


def test_a_song_is_heard_without_scripts(browser: Browser, site: str, ids: dict[str, str]) -> None:
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/music/songs/{ids['song']}")

    assert page.locator("audio").count() == 1
    assert Path(page.locator("audio").get_attribute("src") or "").name == "stream"
    context.close()
