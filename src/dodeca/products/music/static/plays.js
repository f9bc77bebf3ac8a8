// What was heard is kept on this device until the server has taken it: without a connection too, and once only. Each
// play knows whose it is: somebody else may sign in on the same device.
import { api } from "./talk.js"

const KEY = "music-plays"
const read = () => { try { return JSON.parse(localStorage.getItem(KEY)) || [] } catch { return [] } }

const member = () => document.querySelector("music-player")?.dataset.member

export function heard(song, startedAt, msPlayed) {
  if (msPlayed < 1000 || !member()) return
  const play = { member: member(), play_id: crypto.randomUUID(), song_id: song.id, listened_at: new Date(startedAt).toISOString(), ms_played: Math.round(msPlayed), device: device() }
  localStorage.setItem(KEY, JSON.stringify([...read(), play].slice(-2000)))
  send()
}

export const device = () => {
  let name = localStorage.getItem("music-device")
  if (!name) localStorage.setItem("music-device", name = `${/Mobi/.test(navigator.userAgent) ? "Phone" : "Browser"} ${Math.random().toString(36).slice(2, 6)}`)
  return name
}

let sending = false
export async function send() {
  const who = member()
  if (sending || !who || !navigator.onLine) return
  sending = true
  const own = () => read().filter(play => play.member === who)
  try {
    for (let plays = own(); plays.length; plays = own()) {
      const some = plays.slice(0, 200).map(({ member: _, ...play }) => play)
      await api("/plays", { method: "POST", body: { plays: some } })
      const told = new Set(some.map(play => play.play_id))
      localStorage.setItem(KEY, JSON.stringify(read().filter(play => !told.has(play.play_id))))
    }
  } catch { /* they stay, and go with the next ones */ } finally { sending = false }
}
addEventListener("online", send)
