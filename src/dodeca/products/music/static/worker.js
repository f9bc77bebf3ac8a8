// The service worker: kept songs come from this device, pages from the network and, without it, from what was seen last.
const FILES = "music-files"
const PAGES = "music-pages"
const SOUND = /^\/api\/music\/songs\/(\d+)\/(stream|cover)$/

addEventListener("install", event => {
  event.waitUntil((async () => { await (await caches.open(PAGES)).add("/music/offline").catch(() => {}); await skipWaiting() })())
})
addEventListener("activate", event => {
  event.waitUntil((async () => {
    const cache = await caches.open(PAGES)
    for (const request of await cache.keys()) if (new URL(request.url).pathname.startsWith("/static/")) await cache.delete(request) // of an earlier release
    await clients.claim()
  })())
})

addEventListener("fetch", event => {
  const url = new URL(event.request.url)
  if (event.request.method !== "GET" || url.origin !== location.origin) return
  const sound = SOUND.exec(url.pathname)
  if (sound && !url.searchParams.has("format")) event.respondWith(kept(event.request, url))
  else if (url.pathname.startsWith("/static/")) event.respondWith(stored(event.request))
  else if (event.request.mode === "navigate" && url.pathname.startsWith("/music/")) event.respondWith(page(event.request))
})

async function kept(request, url) {
  const found = await (await caches.open(FILES)).match(url.pathname)
  if (!found) return fetch(request)
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.get("Range") ?? "")
  if (!range || (!range[1] && !range[2])) return found
  const whole = await found.arrayBuffer(), size = whole.byteLength
  const start = range[1] ? Number(range[1]) : Math.max(0, size - Number(range[2]))
  const end = range[1] && range[2] ? Math.min(Number(range[2]), size - 1) : size - 1
  if (start >= size) return new Response(null, { status: 416, headers: { "Content-Range": `bytes */${size}` } })
  return new Response(whole.slice(start, end + 1), { status: 206, headers: { "Content-Type": found.headers.get("Content-Type"), "Content-Range": `bytes ${start}-${end}/${size}`, "Content-Length": String(end - start + 1), "Accept-Ranges": "bytes" } })
}

async function stored(request) { // hashed names: what is here is right for ever
  const cache = await caches.open(PAGES), found = await cache.match(request)
  if (found) return found
  const answer = await fetch(request)
  if (answer.ok) cache.put(request, answer.clone())
  return answer
}

async function page(request) {
  try {
    const answer = await fetch(request)
    if (answer.ok && new URL(request.url).pathname === "/music/offline") (await caches.open(PAGES)).put("/music/offline", answer.clone())
    return answer
  } catch {
    return (await (await caches.open(PAGES)).match("/music/offline")) ?? Response.error()
  }
}
