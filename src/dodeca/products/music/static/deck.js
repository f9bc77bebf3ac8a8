// Sound without gaps. The first song streams from an <audio> element, so that it starts at once, and goes on from its
// decoded samples as soon as these are there: an element's end is not known to the sample. The next one is decoded while
// it plays and is scheduled on the audio clock for the sample after the last. From there on each follows so.
const LONGEST_DECODED_MS = 15 * 60_000 // a decoded minute takes 20 MB
const PREPARE_SECONDS = 25
const SCHEDULE_SECONDS = 3
const SEAM_SECONDS = 0.02 // from the element to the samples, which are at the same place by then
const TAPPED = 4096 // samples of the element that are looked for among the decoded ones: 85 ms

export class Deck extends EventTarget {
  constructor() {
    super()
    this.current = null // {song, element?, tap?, node?, buffer?, startedAt, offset, gain}
    this.next = null // {song, buffer, gain} once decoded; scheduled: {node, at}
    this.volume = 1
    this.whole = false // an album is played as it is: its songs keep their loudness beside each other
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
    const album = this.whole && song.album_gain != null
    const gain = album ? song.album_gain : song.gain, peak = album ? song.album_peak : song.peak
    if (gain == null) return 1
    const factor = 10 ** (gain / 20)
    return peak ? Math.min(factor, 1 / peak) : Math.min(factor, 1)
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
    const tap = this.ctx.createAnalyser(), source = this.ctx.createMediaElementSource(element)
    tap.fftSize = TAPPED
    source.connect(tap)
    source.connect(gain).connect(this.master)
    this.current = { song, element, tap, gain }
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
    try { next.buffer = await this.samples(next.song) } catch { next.failed = true } // it will stream instead
  }

  async samples(song) {
    const answer = await fetch(this.url(song))
    if (!answer.ok) throw new Error(String(answer.status))
    return this.ctx.decodeAudioData(await answer.arrayBuffer())
  }

  // From the element to the song's samples, unheard: both are at the same place when one fades into the other.
  async promote(now) {
    now.promoting = true
    let buffer
    try { buffer = await this.samples(now.song) } catch { return } // it goes on streaming
    if (this.current !== now || this.paused || this.duration - this.position < 1) { now.promoting = this.current !== now; return }
    const when = this.ctx.currentTime + 0.15, offset = this.place(now, buffer) + 0.15
    const { element, gain: before } = now, after = this.ctx.createGain(), factor = this.gainOf(now.song)
    after.connect(this.master)
    after.gain.setValueAtTime(0, when)
    after.gain.linearRampToValueAtTime(factor, when + SEAM_SECONDS)
    before.gain.setValueAtTime(factor, when)
    before.gain.linearRampToValueAtTime(0, when + SEAM_SECONDS)
    this.unschedule()
    Object.assign(now, { element: null, tap: null, buffer, gain: after })
    this.startBuffer(now, offset, when)
    setTimeout(() => { element.pause(); element.removeAttribute("src"); element.load(); before.disconnect() }, 400)
  }

  // Where among the decoded samples the element is now, in seconds: its own clock is right to some hundredths only.
  place(now, buffer) {
    const heard = new Float32Array(TAPPED), rate = buffer.sampleRate
    now.tap.getFloatTimeDomainData(heard)
    const guess = now.element.currentTime, first = Math.round(guess * rate) - TAPPED, reach = Math.round(0.25 * rate)
    const all = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel))
    const likeness = (at, step) => {
      let dot = 0, power = 1e-9
      for (let i = 0; i < TAPPED; i += step) {
        let sample = 0
        for (const channel of all) sample += channel[at + i] ?? 0
        dot += sample * heard[i]
        power += sample * sample
      }
      return dot / Math.sqrt(power)
    }
    let best = first, most = 1e-3 // silence is alike everywhere: then the guess stands
    for (let at = first - reach; at <= first + reach; at += 4) { const found = likeness(at, 16); if (found > most) { most = found; best = at } }
    const near = best
    most = likeness(near, 1)
    for (let at = near - 4; at <= near + 4; at++) { const found = likeness(at, 1); if (found > most) { most = found; best = at } }
    return (best + TAPPED) / rate
  }

  unschedule() {
    const next = this.next
    if (next?.node) { next.node.onended = null; next.node.stop(); next.gain.disconnect(); next.node = null }
  }

  tick() {
    if (!this.current || this.paused) return
    const left = this.duration - this.position
    const next = this.next, now = this.current
    if (now.element && !now.promoting && now.song.ms <= LONGEST_DECODED_MS && now.element.currentTime > 0.5) {
      const { buffered, duration } = now.element
      const here = buffered.length && buffered.end(buffered.length - 1) >= duration - 0.1
      if (here || now.element.currentTime > 5) this.promote(now) // what is still to come goes before
    }
    if (next && !next.loading && left < PREPARE_SECONDS) this.decode(next)
    if (next?.buffer && !next.node && left < SCHEDULE_SECONDS && left > 0.03) {
      next.gain = this.ctx.createGain()
      next.gain.gain.value = this.gainOf(next.song)
      next.gain.connect(this.master)
      const when = this.current.node ? this.current.startedAt + this.current.buffer.duration - this.current.offset : this.ctx.currentTime + left
      this.startBuffer(next, 0, when)
    }
    this.dispatchEvent(new Event("time"))
  }

  ended() {
    const next = this.next
    if (next?.node) { // it sounds already
      this.current.gain?.disconnect()
      this.current = next
      this.next = null
      this.dispatchEvent(new CustomEvent("advanced", { detail: next.song }))
    } else {
      this.dispatchEvent(new Event("over"))
    }
  }

  changed() { this.dispatchEvent(new Event("change")) }
}
