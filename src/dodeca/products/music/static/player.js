import { toast } from "/static/shell/js/announce.js"
import { Deck } from "./deck.js"
import { device, heard, send } from "./plays.js"
import { api, clock } from "./talk.js"

// A song of the API as the player has it.
const played = song => ({ id: song.song_id, title: song.title, artist: song.artist, album_id: song.album_id, ms: song.duration_ms, cover: `/api/music/songs/${song.song_id}/cover`, audio: true, lyrics: song.has_lyrics, gain: song.replay_gain?.track_gain, peak: song.replay_gain?.track_peak, album_gain: song.replay_gain?.album_gain, album_peak: song.replay_gain?.album_peak })

// The songs with sound of the list that a button is in, else of the page's first list.
const listed = button => {
  const list = button.closest("[data-songs]") ?? button.closest("main")?.querySelector("[data-songs]")
  return list ? [...list.querySelectorAll("[data-song]")].map(element => JSON.parse(element.dataset.song)).filter(song => song.audio) : []
}

class MusicPlayer extends HTMLElement {
  connectedCallback() {
    if (this.deck) return
    this.deck = new Deck()
    this.queue = []
    this.index = -1
    this.order = []
    this.repeat = "off"
    this.shuffle = false
    this.revision = null
    const find = selector => this.querySelector(selector)
    this.parts = { title: find(".player__title"), artist: find(".player__artist"), cover: find(".player__cover"), at: find(".player__at"), length: find(".player__length"), seek: find(".player__seek input"), volume: find(".player__volume input"), panel: find(".panel"), lyrics: find(".panel__lyrics"), list: find(".panel__list"), wave: find("song-wave"), spectrum: find(".panel__spectrum"), toggle: find(".player__play") }
    document.addEventListener("click", event => this.click(event))
    document.addEventListener("keydown", event => this.key(event))
    this.parts.seek.addEventListener("input", () => this.deck.seek(this.parts.seek.value / 1000 * this.deck.duration))
    this.parts.volume.addEventListener("input", () => { this.deck.setVolume(this.parts.volume.value / 100); localStorage.setItem("music-volume", this.parts.volume.value) })
    this.parts.volume.value = localStorage.getItem("music-volume") ?? 100
    this.deck.setVolume(this.parts.volume.value / 100)
    this.deck.addEventListener("time", () => this.showTime())
    this.deck.addEventListener("change", () => this.show())
    this.deck.addEventListener("advanced", () => { this.finish(); this.index = this.following(); this.begin() })
    this.deck.addEventListener("over", () => { this.finish(); const next = this.following(); next == null ? this.rest() : this.start(next) })
    this.deck.addEventListener("broken", event => { toast(`${event.detail.title} cannot be played now.`, "bad"); this.finish(); const next = this.following(true); if (next != null && next !== this.index) this.start(next) })
    addEventListener("pagehide", () => this.finish(true))
    this.session()
    this.restore()
    send()
  }

  get song() { return this.queue[this.index] }

  // What people press

  click(event) {
    const button = event.target.closest?.("[data-do]")
    if (!button) return
    const act = button.dataset.do
    const songs = listed(button)
    if (act === "play") { const song = JSON.parse(button.closest("[data-song]").dataset.song); this.song?.id === song.id && this.deck.current ? this.toggle() : this.playAll(songs.length ? songs : [song], songs.findIndex(other => other.id === song.id)) }
    else if (act === "play-all") this.plays(songs) ? this.toggle() : songs.length ? this.playAll(songs, 0) : toast("Nothing here can be heard yet.", "warn")
    else if (act === "queue") this.enqueue(JSON.parse(button.closest("[data-song]").dataset.song))
    else if (act === "toggle") this.toggle()
    else if (act === "next") this.skip(1)
    else if (act === "back") this.deck.position > 4 ? this.deck.seek(0) : this.skip(-1)
    else if (act === "shuffle") { this.shuffle = !this.shuffle; this.deal(); this.show() }
    else if (act === "repeat") { this.repeat = { off: "all", all: "one", one: "off" }[this.repeat]; this.deck.prepare(this.upcoming()); this.show() }
    else if (act === "panel") this.togglePanel()
    else if (act === "jump") this.start(Number(button.dataset.place))
    else if (act === "seek") { const ms = Number(button.dataset.ms); if (this.song?.id === button.dataset.songId) this.deck.seek(ms / 1000); else { const own = songs.find(song => song.id === button.dataset.songId); if (own) this.playAll([own], 0, ms / 1000) } }
    else return
    event.preventDefault()
  }

  key(event) {
    if (event.target.closest?.("input, textarea, select, button, a, summary, video, audio, [contenteditable]") || event.metaKey || event.ctrlKey || event.altKey || !this.song) return
    const keys = { " ": () => this.toggle(), ArrowRight: () => this.deck.seek(this.deck.position + 10), ArrowLeft: () => this.deck.seek(this.deck.position - 10), n: () => this.skip(1), p: () => this.skip(-1) }
    if (keys[event.key]) { event.preventDefault(); keys[event.key]() }
  }

  playAll(songs, at, seconds = 0) {
    this.finish()
    this.queue = songs
    this.deal(Math.max(at, 0))
    this.start(Math.max(at, 0), seconds)
  }

  // Whether a list is what the player goes through
  plays(songs) { return !!this.deck.current && songs.length === this.queue.length && songs.every((song, place) => song.id === this.queue[place].id) }

  enqueue(song) {
    if (!song.audio) return toast("This song has no sound yet.", "warn")
    this.queue.splice(this.index + 1, 0, song)
    this.deal()
    if (this.index < 0) this.start(0)
    else { this.deck.prepare(this.upcoming()); this.show(); this.save(); toast(`${song.title} plays next.`) }
  }

  toggle() { this.deck.current ? (this.deck.paused ? this.deck.resume() : this.deck.pause()) : this.song && this.start(this.index, this.savedAt ?? 0) }

  skip(by) {
    this.finish()
    const place = this.order.indexOf(this.index) + by
    const next = this.order[this.repeat === "all" ? (place + this.order.length) % this.order.length : place]
    if (next != null) this.start(next)
  }

  start(index, seconds = 0) {
    this.index = index
    this.deck.play(this.song, seconds)
    this.begin()
  }

  rest() { this.deck.stop(); this.show() }

  // The order of songs

  deal(first = this.index) {
    this.order = this.queue.map((_, place) => place)
    const album = this.queue[0]?.album_id
    this.deck.whole = !this.shuffle && !!album && this.queue.length > 1 && this.queue.every(song => song.album_id === album)
    if (!this.shuffle) return
    for (let last = this.order.length - 1; last > 0; last--) { const other = Math.floor(Math.random() * (last + 1)); [this.order[last], this.order[other]] = [this.order[other], this.order[last]] }
    if (first >= 0) { this.order.splice(this.order.indexOf(first), 1); this.order.unshift(first) }
  }

  following(skipping = false) {
    if (this.repeat === "one" && !skipping) return this.index
    const place = this.order.indexOf(this.index) + 1
    return place < this.order.length ? this.order[place] : this.repeat === "all" ? this.order[0] : null
  }

  upcoming() { const next = this.following(); return next == null ? null : this.queue[next] }

  // One listen

  begin() {
    this.startedAt = Date.now()
    this.heardMs = 0
    this.lastTick = null
    this.deck.prepare(this.upcoming())
    this.savedAt = 0
    this.show()
    this.showLyrics()
    this.showWave()
    this.save()
  }

  finish() {
    if (this.song && this.heardMs) heard(this.song, this.startedAt, this.heardMs)
    this.heardMs = 0
  }

  // The queue goes from device to device

  async restore() {
    if (this.dataset.member) {
      try {
        const queue = await api("/queue")
        this.revision = queue.revision
        if (queue.songs.length && !this.deck.current) {
          this.queue = queue.songs.filter(song => song.has_audio).map(played)
          this.index = Math.min(queue.current_index ?? 0, this.queue.length - 1)
          this.savedAt = queue.position_ms / 1000
          this.deal()
          const told = `${queue.device} ${queue.revision}`  // once, not on each page
          if (queue.device && queue.device !== device() && queue.position_ms && sessionStorage.getItem("music-queue-told") !== told) {
            sessionStorage.setItem("music-queue-told", told)
            toast(`Go on where ${queue.device} stopped: press play.`, "info")
          }
          this.show()
        }
      } catch { /* without a connection the device's own queue is all there is */ }
    }
  }

  save() {
    clearTimeout(this.saving)
    if (!this.dataset.member) return
    this.saving = setTimeout(async () => {
      const body = { items: this.queue.map(song => song.id).slice(0, 5000), current_index: this.queue.length ? this.index : null, position_ms: Math.round(this.deck.position * 1000), device: device() }
      if (this.revision != null) body.revision = this.revision
      try { this.revision = (await api("/queue", { method: "PUT", body })).revision } catch (error) {
        if (error.status === 409) { this.revision = error.problem.revision ?? null; this.save() }
      }
    }, 800)
  }

  // What is shown

  show() {
    this.hidden = !this.song
    if (!this.song) return
    const song = this.song
    this.toggleAttribute("data-playing", this.deck.playing)
    this.dataset.repeat = this.repeat
    this.parts.title.textContent = song.title
    this.parts.title.href = `/music/songs/${song.id}`
    this.parts.artist.textContent = song.artist
    const cover = `${song.cover}?size=160`
    if (!this.parts.cover.src.endsWith(cover)) this.parts.cover.src = cover
    this.parts.toggle.setAttribute("aria-label", this.deck.playing ? "Pause" : "Play")
    this.querySelector("[data-do=shuffle]").setAttribute("aria-pressed", this.shuffle)
    this.querySelector("[data-do=repeat]").setAttribute("aria-pressed", this.repeat !== "off")
    this.parts.length.textContent = clock(song.ms || this.deck.duration * 1000)
    this.mark()
    this.parts.list.replaceChildren(...this.order.slice(0, 200).map(place => {
      const item = document.createElement("li"), button = document.createElement("button")
      Object.assign(button, { type: "button", textContent: `${this.queue[place].title} · ${this.queue[place].artist}` })
      Object.assign(button.dataset, { do: "jump", place })
      if (place === this.index) button.setAttribute("aria-current", "true")
      item.append(button)
      return item
    }))
    this.showSession()
    this.showTime()
  }

  // On the page: which song it is, and what a press on its button, or its list's, would do
  mark() {
    for (const row of document.querySelectorAll(".song")) row.toggleAttribute("data-current", this.isCurrent(row))
    for (const button of document.querySelectorAll("[data-do=play], [data-do=play-all]")) {
      const own = button.dataset.do === "play" ? this.isCurrent(button.closest("[data-song]")) : this.plays(listed(button))
      const playing = own && this.deck.playing, word = playing ? "Pause" : "Play"
      button.toggleAttribute("data-playing", playing)
      if (button.hasAttribute("aria-label")) button.setAttribute("aria-label", button.getAttribute("aria-label").replace(/^\S+/, word))
      else button.lastElementChild.textContent = word
    }
  }

  isCurrent(element) { return !!this.song && JSON.parse(element.dataset.song).id === this.song.id }

  showTime() {
    const position = this.deck.current ? this.deck.position : this.savedAt ?? 0
    const duration = this.deck.current ? this.deck.duration : (this.song?.ms ?? 0) / 1000
    const now = performance.now()
    if (this.deck.playing) { if (this.lastTick) this.heardMs += Math.min(now - this.lastTick, 1000); this.lastTick = now } else this.lastTick = null
    this.parts.at.textContent = clock(position * 1000)
    if (document.activeElement !== this.parts.seek || !this.parts.seek.matches(":active")) this.parts.seek.value = duration ? position / duration * 1000 : 0
    this.parts.seek.setAttribute("aria-valuetext", `${clock(position * 1000)} of ${clock(duration * 1000)}`)
    for (const wave of document.querySelectorAll("song-wave")) wave.progress?.(wave.dataset.for === this.song?.id || wave === this.parts.wave ? position / duration : 0)
    this.follow(position * 1000)
    const field = document.querySelector(`form[data-comment="${this.song?.id}"] input[name=at]`)
    if (field && this.deck.playing && document.activeElement !== field && !document.activeElement?.closest("form[data-comment]")) field.value = position.toFixed(1)
    if (!this.parts.panel.hidden) this.draw()
  }

  togglePanel() {
    const open = this.parts.panel.hidden
    this.parts.panel.hidden = !open
    this.querySelector(".player__open").setAttribute("aria-expanded", open)
    this.querySelector(".player__open").setAttribute("aria-label", open ? "Hide what is playing" : "Show what is playing")
    if (open) { this.showLyrics(); this.showWave() }
  }

  async showLyrics() {
    const song = this.song
    if (!song || this.parts.panel.hidden || this.lyricsOf === song.id) return
    this.lyricsOf = song.id
    this.lines = []
    const say = text => { const p = document.createElement("p"); p.className = "muted"; p.textContent = text; this.parts.lyrics.replaceChildren(p) }
    if (!song.lyrics) return say("No lyrics.")
    try {
      const lyrics = await api(`/songs/${song.id}/lyrics`)
      if (this.song?.id !== song.id) return
      this.lines = lyrics.lines.map(line => { const p = document.createElement("p"); p.textContent = line.text || "\u00a0"; return { at: line.start_ms, p } })
      this.parts.lyrics.replaceChildren(...this.lines.map(line => line.p))
    } catch { say("The lyrics cannot be shown now.") }
  }

  follow(ms) {
    if (this.parts.panel.hidden || !this.lines?.length || this.lines[0].at == null) return
    let current = null
    for (const line of this.lines) if (line.at <= ms) current = line
    if (current === this.line) return
    this.line?.p.removeAttribute("aria-current")
    this.line = current
    if (current) { current.p.setAttribute("aria-current", "true"); this.parts.lyrics.scrollTop = current.p.offsetTop - this.parts.lyrics.offsetTop - this.parts.lyrics.clientHeight / 2 }
  }

  async showWave() {
    const song = this.song
    if (!song || this.parts.panel.hidden || this.parts.wave.dataset.for === song.id) return
    this.parts.wave.dataset.for = song.id
    try { this.parts.wave.peaks = (await api(`/songs/${song.id}/waveform`)).peaks } catch { this.parts.wave.peaks = [] }
  }

  draw() {
    const canvas = this.parts.spectrum, context = canvas.getContext("2d"), analyser = this.deck.analyser
    if (!analyser || matchMedia("(prefers-reduced-motion: reduce)").matches) return
    this.bins ??= new Uint8Array(analyser.frequencyBinCount)
    analyser.getByteFrequencyData(this.bins)
    context.clearRect(0, 0, canvas.width, canvas.height)
    context.fillStyle = getComputedStyle(canvas).color
    const bars = 60, width = canvas.width / bars
    for (let bar = 0; bar < bars; bar++) { const height = this.bins[Math.floor(bar * this.bins.length * 0.8 / bars)] / 255 * canvas.height; context.fillRect(bar * width, canvas.height - height, width - 2, height) }
  }

  // The keys of the keyboard, the lock screen and headphones

  session() {
    if (!navigator.mediaSession) return
    const acts = { play: () => this.toggle(), pause: () => this.deck.pause(), nexttrack: () => this.skip(1), previoustrack: () => this.skip(-1), seekto: event => this.deck.seek(event.seekTime), seekforward: event => this.deck.seek(this.deck.position + (event.seekOffset || 10)), seekbackward: event => this.deck.seek(this.deck.position - (event.seekOffset || 10)), stop: () => this.rest() }
    for (const [name, act] of Object.entries(acts)) { try { navigator.mediaSession.setActionHandler(name, act) } catch { /* an older browser knows fewer */ } }
  }

  showSession() {
    if (!navigator.mediaSession) return
    const song = this.song
    navigator.mediaSession.metadata = new MediaMetadata({ title: song.title, artist: song.artist, album: song.album ?? "", artwork: [{ src: `${location.origin}${song.cover}?size=320`, sizes: "320x320" }] })
    navigator.mediaSession.playbackState = this.deck.playing ? "playing" : "paused"
    const duration = this.deck.duration
    if (duration) { try { navigator.mediaSession.setPositionState({ duration, position: Math.min(this.deck.position, duration), playbackRate: 1 }) } catch { /* not known yet */ } }
  }
}

class SongWave extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", event => {
      if (event.target.closest("a")) return
      const player = document.querySelector("music-player"), box = this.getBoundingClientRect()
      const share = document.dir === "rtl" ? (box.right - event.clientX) / box.width : (event.clientX - box.left) / box.width
      if (player.song?.id === this.dataset.for && player.deck.current) player.deck.seek(share * player.deck.duration)
      else { const song = this.closest("[data-song]"); if (song) { const data = JSON.parse(song.dataset.song); player.playAll([data], 0, share * data.ms / 1000) } }
    })
    for (const mark of this.querySelectorAll(".wave__mark")) mark.style.insetInlineStart = `${mark.dataset.share / 10}%`
  }

  set peaks(peaks) {
    const name = "http://www.w3.org/2000/svg", svg = document.createElementNS(name, "svg"), bars = 200
    svg.setAttribute("viewBox", "0 0 200 60")
    svg.setAttribute("preserveAspectRatio", "none")
    svg.setAttribute("aria-hidden", "true")
    for (let bar = 0; bar < bars && peaks.length; bar++) {
      const height = 1 + peaks[Math.floor(bar * peaks.length / bars)] * 58 / 255, rect = document.createElementNS(name, "rect")
      for (const [key, value] of Object.entries({ x: bar, y: 30 - height / 2, width: 0.7, height })) rect.setAttribute(key, value)
      svg.append(rect)
    }
    this.replaceChildren(svg)
  }

  progress(share) {
    const bars = this.querySelectorAll("rect"), heard = Math.round((share || 0) * bars.length)
    if (heard === this.heard) return
    this.heard = heard
    bars.forEach((bar, place) => bar.classList.toggle("heard", place < heard))
  }
}

// A station: everybody at the same point. The server's clock is asked for with each event; drift is corrected.
class MusicStation extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", event => { if (event.target.closest("[data-do=tune]")) this.toggle(event.target.closest("button")) })
    this.source = new EventSource(this.dataset.events)
    this.source.addEventListener("now", event => this.hear(JSON.parse(event.data)))
  }

  disconnectedCallback() { this.source?.close(); this.audio?.pause(); clearInterval(this.timer) }

  hear(now) {
    this.now = now
    this.tell(Date.parse(now.server_time) - Date.now())
    this.querySelector('[data-now="title"]').textContent = now.song?.title ?? now.show?.title ?? "Silence"
    this.querySelector('[data-now="artist"]').textContent = now.song?.artist ?? ""
    if (this.on) this.align(true)
  }

  // The server's clock against ours, in ms. An event that was on its way for long makes it seem too small: of all that is
  // known the largest is right, until a question that is answered quickly says it better.
  tell(skew) { if (!this.asked) this.skew = Math.max(skew, this.skew ?? -Infinity) }

  async ask() {
    let best = Infinity
    for (let turn = 0; turn < 6; turn++) {
      const sent = Date.now()
      try {
        const now = await (await fetch(this.dataset.events.replace("/events", "/now"), { cache: "no-store" })).json()
        const took = Date.now() - sent
        if (took < best) { best = took; this.skew = Date.parse(now.server_time) - sent - took / 2; this.asked = true }
      } catch { return }
    }
  }

  toggle(button) {
    this.on = !this.on
    button.lastChild.textContent = this.on ? "Stop listening" : "Listen in"
    if (!this.on) { this.audio?.pause(); clearInterval(this.timer); return }
    document.querySelector("music-player")?.deck.pause()
    this.audio ??= new Audio()
    this.align(true)
    this.ask().then(() => this.on && this.align(true))
    this.timer = setInterval(() => this.align(false), 1000)
  }

  place() { return (Date.now() + this.skew - Date.parse(this.now.server_time) + this.now.position_ms) / 1000 }

  // Somebody speaks: there is no file, the station's own stream has it.
  async join() {
    if (this.playing === this.dataset.stream) return
    this.playing = this.audio.src = this.dataset.stream
    this.audio.playbackRate = 1
    this.querySelector('[data-now="drift"]').textContent = "Live"
    await this.audio.play().catch(() => {})
  }

  async align(loud) {
    if (!this.now?.song) { this.now?.show?.live ? this.join() : this.audio.pause(); return }
    const url = `/api/music/songs/${this.now.song.song_id}/stream` // nothing private goes on the air
    if (this.playing !== url) { this.playing = url; this.audio.src = url; this.audio.currentTime = this.place(); await this.audio.play().catch(() => {}) }
    const drift = this.place() - this.audio.currentTime
    if (Math.abs(drift) > 0.8) this.audio.currentTime = this.place() + 0.05
    this.audio.playbackRate = Math.abs(drift) > 0.04 && Math.abs(drift) <= 0.8 ? 1 + Math.max(-0.08, Math.min(0.08, drift / 2)) : 1
    if (loud) this.querySelector('[data-now="drift"]').textContent = "In step with everybody"
  }
}

customElements.define("song-wave", SongWave)
customElements.define("music-player", MusicPlayer)
customElements.define("music-station", MusicStation)
