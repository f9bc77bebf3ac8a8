// What this device keeps: files in the browser's cache, their names in a list beside them.
import { toast } from "/static/shell/js/announce.js"
import { api, clock } from "./talk.js"

const FILES = "music-files"
const LIST = "/music/offline/list"
const OWNER = "music-offline-owner"

export async function kept() {
  const found = await (await caches.open(FILES)).match(LIST)
  return found ? found.json() : []
}

async function note(list) {
  await (await caches.open(FILES)).put(LIST, new Response(JSON.stringify(list), { headers: { "Content-Type": "application/json" } }))
}

async function forget(cache, id) {
  for (const part of ["stream", "cover"]) await cache.delete(`/api/music/songs/${id}/${part}`)
}

async function keep(button) {
  const songs = [...document.querySelectorAll("main [data-song]")].map(element => JSON.parse(element.dataset.song)).filter(song => song.audio)
  if (!document.querySelector("music-player").dataset.member) { toast("Sign in to keep songs on this device.", "warn"); return }
  button.setAttribute("aria-busy", "true")
  localStorage.setItem(OWNER, document.querySelector("music-player").dataset.member)
  try {
    const cache = await caches.open(FILES), list = new Map((await kept()).map(song => [song.id, song]))
    const manifest = await api("/offline/manifest", { method: "POST", body: { songs: songs.map(song => song.id) } })
    for (const item of manifest.items) {
      const answer = await fetch(item.url)
      const bytes = await answer.arrayBuffer()
      const digest = [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map(byte => byte.toString(16).padStart(2, "0")).join("")
      if (!answer.ok || digest !== item.sha256) throw new Error(`${item.song.title} did not arrive whole.`)
      await cache.put(`/api/music/songs/${item.song_id}/stream`, new Response(bytes, { headers: { "Content-Type": item.content_type, "Content-Length": String(bytes.byteLength) } }))
      const cover = await fetch(`/api/music/songs/${item.song_id}/cover?size=160`)
      if (cover.ok) await cache.put(`/api/music/songs/${item.song_id}/cover`, cover)
      list.set(item.song_id, { ...songs.find(song => song.id === item.song_id), words: item.lyrics })
      await note([...list.values()])
    }
    const count = manifest.items.length
    toast(count === 1 ? "1 song is on this device." : `${count} songs are on this device.`)
  } catch (error) { toast(error.message, "bad") } finally { button.removeAttribute("aria-busy") }
}

// Withdrawn songs go when the device is next in touch; all of them, when somebody else signs in or their owner signs out:
// what is here needs no permission any more, and some of it may be private.
export async function sync() {
  const member = document.querySelector("music-player")?.dataset.member
  if (navigator.onLine && localStorage.getItem(OWNER) && localStorage.getItem(OWNER) !== member) {
    await caches.delete(FILES)
    localStorage.removeItem(OWNER)
    return
  }
  const list = await kept()
  if (!list.length || !navigator.onLine || !member) return
  try {
    const manifest = await api("/offline/manifest", { method: "POST", body: { songs: list.map(song => song.id) } })
    const still = new Set(manifest.items.map(item => item.song_id)), cache = await caches.open(FILES)
    for (const song of list) if (!still.has(song.id)) await forget(cache, song.id)
    await note(list.filter(song => still.has(song.id)))
  } catch { /* next time */ }
}

class OfflineSongs extends HTMLElement {
  async connectedCallback() {
    const list = await kept()
    if (!list.length) { const p = document.createElement("p"); p.className = "muted"; p.textContent = "Nothing is kept here yet."; this.replaceChildren(p); return }
    const songs = document.createElement("ol")
    songs.className = "songs"
    songs.dataset.songs = ""
    for (const song of list) {
      const row = document.createElement("li")
      row.className = "song"
      row.dataset.song = JSON.stringify({ ...song, audio: true })
      const play = Object.assign(document.createElement("button"), { type: "button", className: "song__play" })
      play.append(...[...document.querySelectorAll(".player__play > *")].map(icon => icon.cloneNode(true)))
      play.dataset.do = "play"
      play.setAttribute("aria-label", `Play ${song.title}`)
      const names = Object.assign(document.createElement("div"), { className: "song__names" }), title = Object.assign(document.createElement("span"), { className: "song__title", textContent: song.title }), by = Object.assign(document.createElement("p"), { className: "song__by", textContent: song.artist })
      names.append(title, by)
      const time = Object.assign(document.createElement("span"), { className: "song__time number", textContent: clock(song.ms) })
      const gone = Object.assign(document.createElement("button"), { type: "button", className: "button button--quiet", textContent: "Remove" })
      gone.addEventListener("click", async () => {
        await forget(await caches.open(FILES), song.id)
        await note((await kept()).filter(other => other.id !== song.id))
        this.connectedCallback()
      })
      row.append(play, names, time, gone)
      songs.append(row)
    }
    this.replaceChildren(songs)
    document.querySelector("music-player")?.mark?.()
  }
}
customElements.define("offline-songs", OfflineSongs)

document.addEventListener("click", event => {
  const button = event.target.closest?.("[data-do=keep]")
  if (button) keep(button)
})
sync()
