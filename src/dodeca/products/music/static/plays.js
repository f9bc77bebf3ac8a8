// What was heard is kept on this device until the server has taken it: without a connection too, and once only.
import { api } from "./talk.js"

const KEY = "music-plays"
const read = () => { try { return JSON.parse(localStorage.getItem(KEY)) || [] } catch { return [] } }

export function heard(song, startedAt, msPlayed) {
  if (msPlayed < 1000) return
  const play = { play_id: crypto.randomUUID(), song_id: song.id, listened_at: new Date(startedAt).toISOString(), ms_played: Math.round(msPlayed), device: device() }
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
  const member = document.querySelector("music-player")?.dataset.member
  if (sending || !member || !navigator.onLine) return
  sending = true
  try {
    for (let plays = read(); plays.length; plays = read()) {
      const some = plays.slice(0, 200)
      await api("/plays", { method: "POST", body: { plays: some } })
      const told = new Set(some.map(play => play.play_id))
      localStorage.setItem(KEY, JSON.stringify(read().filter(play => !told.has(play.play_id))))
    }
  } catch { /* they stay, and go with the next ones */ } finally { sending = false }
}
addEventListener("online", send)
