// Sound without gaps. The first song streams from an <audio> element, so that it starts at once; the next one is decoded
// while it plays and is scheduled on the audio clock for the sample after the last. From there on each follows so.
const LONGEST_DECODED_MS = 15 * 60_000 // a decoded minute takes 20 MB
const PREPARE_SECONDS = 25
const SCHEDULE_SECONDS = 3

export class Deck extends EventTarget {
  constructor() {
    super()
    this.current = null // {song, element?, node?, buffer?, startedAt, offset, gain}
    this.next = null // {song, buffer, gain} once decoded; scheduled: {node, at}
    this.volume = 1
    this.generation = 0
    setInterval(() => this.tick(), 150)
  }

  get context() {
    if (!this.ctx) {
      this.ctx = new AudioContext({ latencyHint: "playback" })
      this.master = this.ctx.createGain()
      this.analyser = this.ctx.createAnalyser()
      this.analyser.fftSize = 256
      this.master.connect(this.analyser).connect(this.ctx.destination)
      this.master.gain.value = this.volume
    }
    return this.ctx
  }

  get playing() { return !!this.current && !this.paused }

  get position() { // seconds
    const now = this.current
    if (!now) return 0
    if (now.element) return now.element.currentTime
    return this.paused ? now.offset : Math.min(this.ctx.currentTime - now.startedAt + now.offset, now.buffer.duration)
  }

  get duration() {
    const now = this.current
    if (!now) return 0
    if (now.buffer) return now.buffer.duration
    return Number.isFinite(now.element.duration) && now.element.duration ? now.element.duration : now.song.ms / 1000
  }

  setVolume(value) {
    this.volume = value
    if (this.master) this.master.gain.value = value
  }

  url(song) { return `/api/music/songs/${song.id}/stream` }

  gainOf(song) { // ReplayGain, never beyond full scale
    if (song.gain == null) return 1
    const factor = 10 ** (song.gain / 20)
    return song.peak ? Math.min(factor, 1 / song.peak) : Math.min(factor, 1)
  }

  async play(song, at = 0) {
    this.stop()
    const generation = ++this.generation
    await this.context.resume()
    const element = new Audio()
    element.src = this.url(song)
    element.preload = "auto"
    const gain = this.ctx.createGain()
    gain.gain.value = this.gainOf(song)
    this.ctx.createMediaElementSource(element).connect(gain).connect(this.master)
    this.current = { song, element, gain }
    this.paused = false
    element.addEventListener("ended", () => this.generation === generation && this.current?.element === element && this.ended())
    element.addEventListener("error", () => this.generation === generation && this.dispatchEvent(new CustomEvent("broken", { detail: song })))
    if (at) element.currentTime = at
    this.changed()
    try { await element.play() } catch (error) {
      if (error.name === "NotAllowedError") { this.paused = true; this.changed() }
    }
  }

  stop() {
    this.generation++
    const now = this.current
    if (now?.element) { now.element.pause(); now.element.removeAttribute("src"); now.element.load() }
    if (now?.node) { now.node.onended = null; now.node.stop() }
    now?.gain?.disconnect()
    this.unschedule()
    this.current = null
    this.paused = true
  }

  async pause() {
    const now = this.current
    if (!now || this.paused) return
    this.unschedule()
    if (now.element) now.element.pause()
    else { now.offset = this.position; now.node.onended = null; now.node.stop(); now.node = null }
    this.paused = true
    this.changed()
  }

  async resume() {
    const now = this.current
    if (!now || !this.paused) return
    await this.context.resume()
    this.paused = false
    if (now.element) await now.element.play()
    else this.startBuffer(now, now.offset)
    this.changed()
  }

  seek(seconds) {
    const now = this.current
    if (!now) return
    const place = Math.max(0, Math.min(seconds, this.duration - 0.05))
    this.unschedule()
    if (now.element) now.element.currentTime = place
    else if (this.paused) now.offset = place
    else { now.node.onended = null; now.node.stop(); this.startBuffer(now, place) }
    this.changed()
  }

  startBuffer(deck, offset, when = 0) {
    const generation = this.generation
    const node = this.ctx.createBufferSource()
    node.buffer = deck.buffer
    node.connect(deck.gain)
    node.start(when, offset)
    node.onended = () => this.generation === generation && this.current?.node === node && this.ended()
    Object.assign(deck, { node, offset, startedAt: when || this.ctx.currentTime })
  }

  // What follows: the player says which song, and it is decoded in good time.
  prepare(song) {
    if (this.next?.song.id === song?.id) return
    this.unschedule()
    this.next = null
    if (!song || song.ms > LONGEST_DECODED_MS) return
    this.next = { song }
  }

  async decode(next) {
    next.loading = true
    try {
      const answer = await fetch(this.url(next.song))
      if (!answer.ok) throw new Error(String(answer.status))
      next.buffer = await this.ctx.decodeAudioData(await answer.arrayBuffer())
    } catch { next.failed = true } // it will stream instead
  }

  unschedule() {
    const next = this.next
    if (next?.node) { next.node.onended = null; next.node.stop(); next.gain.disconnect(); next.node = null }
  }

  tick() {
    if (!this.current || this.paused) return
    const left = this.duration - this.position
    const next = this.next
    if (next && !next.loading && left < PREPARE_SECONDS) this.decode(next)
    if (next?.buffer && !next.node && left < SCHEDULE_SECONDS && left > 0.03) {
      next.gain = this.ctx.createGain()
      next.gain.gain.value = this.gainOf(next.song)
      next.gain.connect(this.master)
      const when = this.current.node ? this.current.startedAt + this.current.buffer.duration - this.current.offset : this.ctx.currentTime + left
      this.startBuffer(next, 0, when)
      next.at = when
    }
    this.dispatchEvent(new Event("time"))
  }

  ended() {
    const next = this.next
    if (next?.node) { // it sounds already
      this.current.gain?.disconnect()
      this.lastGap = next.at - (this.current.node ? this.current.startedAt + this.current.buffer.duration - this.current.offset : next.at)
      this.current = next
      this.next = null
      this.dispatchEvent(new CustomEvent("advanced", { detail: next.song }))
    } else {
      this.dispatchEvent(new Event("over"))
    }
  }

  changed() { this.dispatchEvent(new Event("change")) }
}
