// Pages of Music change in place, so that what plays goes on. Without this module every link and form works as it is.
import { announce, toast } from "/static/shell/js/announce.js"
import { csrf } from "./talk.js"

let turn = 0

async function go(url, { push = true, method = "GET", body, keep = false } = {}) {
  const mine = ++turn
  const headers = { Accept: "text/html" }
  if (method !== "GET") headers["X-CSRF-Token"] = csrf()
  let answer
  try { answer = await fetch(url, { method, headers, body }) } catch {
    if (method === "GET") { location.href = url; return }
    toast("The server cannot be reached. Check the connection and try again.", "bad")
    return
  }
  const final = new URL(answer.url), type = answer.headers.get("Content-Type") ?? ""
  if (!final.pathname.startsWith("/music/") || !type.startsWith("text/html")) { location.href = answer.url; return }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html")
  if (mine !== turn) return
  const main = page.querySelector("#main")
  if (!main) { location.href = answer.url; return }
  const scrolled = scrollY
  document.querySelector("#main").replaceWith(document.adoptNode(main))
  const player = page.querySelector("music-player"), own = document.querySelector("music-player")
  if (player && own) own.dataset.member = player.dataset.member
  const nav = page.querySelector(".subnav")
  if (nav) document.querySelector(".subnav")?.replaceWith(document.adoptNode(nav))
  document.title = page.title
  const token = page.querySelector('meta[name="csrf-token"]')
  if (token) document.querySelector('meta[name="csrf-token"]').content = token.content
  document.querySelector("#toasts").append(...page.querySelectorAll("#toasts toast-item"))
  const target = method === "GET" && new URL(url, location.href).hash || final.hash
  if (push && final.href !== location.href) history.pushState({ music: true }, "", final.pathname + final.search + target)
  if (keep) scrollTo(0, scrolled)
  else if (target) document.querySelector(target)?.scrollIntoView()
  else scrollTo(0, 0)
  if (!keep) { document.querySelector("#main").focus({ preventScroll: true }); announce(document.title) }
  own?.mark?.()
  document.dispatchEvent(new Event("music:page"))
}

document.addEventListener("click", event => {
  const link = event.target.closest?.("a[href]")
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.hasAttribute("download")) return
  const url = new URL(link.href)
  if (url.origin !== location.origin || !url.pathname.startsWith("/music/") || !link.closest("main, .subnav, music-player")) return
  if (url.pathname === location.pathname && url.search === location.search && url.hash) return
  event.preventDefault()
  go(url.href)
})

document.addEventListener("submit", event => {
  const form = event.target
  if (event.defaultPrevented || !form.closest("main")) return
  const url = new URL(form.getAttribute("action") ?? "", location.href)
  if (url.origin !== location.origin || !url.pathname.startsWith("/music/")) return
  event.preventDefault()
  const data = new FormData(form, event.submitter)
  if (form.method === "get") { go(`${url.pathname}?${new URLSearchParams(data)}`); return }
  if (form.matches("[data-drop]")) { upload(form, url, data); return }
  const body = form.enctype === "multipart/form-data" ? data : new URLSearchParams(data)
  go(url.href, { method: "POST", body, keep: form.hasAttribute("data-here") }).finally(() => form.isConnected && form.removeAttribute("data-sent"))
})

addEventListener("popstate", () => { if (location.pathname.startsWith("/music/")) go(location.href, { push: false }) })

// Search as one types
let waiting
document.addEventListener("input", event => {
  const form = event.target.closest?.("form[data-live-search]")
  if (!form) return
  clearTimeout(waiting)
  waiting = setTimeout(async () => {
    const mine = ++turn, query = new URLSearchParams(new FormData(form))
    try {
      const page = new DOMParser().parseFromString(await (await fetch(`/music/search?${query}`, { headers: { Accept: "text/html" } })).text(), "text/html")
      if (mine !== turn) return
      document.querySelector("#found")?.replaceWith(document.adoptNode(page.querySelector("#found")))
      history.replaceState(history.state, "", `/music/search?${query}`)
    } catch { /* the next letter tries again */ }
  }, 180)
})

// Files
for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(name, event => {
    const zone = event.target.closest?.("[data-drop]")
    if (!zone) return
    event.preventDefault()
    zone.toggleAttribute("data-over", over)
    if (name === "drop" && event.dataTransfer.files.length) { zone.querySelector("input[type=file]").files = event.dataTransfer.files; zone.requestSubmit() }
  })
}

function upload(form, url, data) {
  const bar = form.querySelector("progress"), request = new XMLHttpRequest()
  bar.hidden = false
  request.upload.addEventListener("progress", event => { if (event.lengthComputable) bar.value = event.loaded / event.total * 100 })
  request.addEventListener("load", () => {
    bar.hidden = true
    const page = new DOMParser().parseFromString(request.responseText, "text/html"), main = page.querySelector("#main")
    if (!main) { toast("The upload did not work.", "bad"); return }
    document.querySelector("#main").replaceWith(document.adoptNode(main))
    document.title = page.title
    document.querySelector("#toasts").append(...page.querySelectorAll("#toasts toast-item"))
    if (request.status < 400) history.pushState({ music: true }, "", new URL(request.responseURL).pathname)
    document.querySelector("#main").focus({ preventScroll: true })
  })
  request.addEventListener("error", () => { bar.hidden = true; toast("The upload broke off. Try again.", "bad") })
  request.open("POST", url.href)
  request.setRequestHeader("Accept", "text/html")
  request.setRequestHeader("X-CSRF-Token", csrf())
  request.send(data)
}

// How far uploaded songs are
document.addEventListener("live:preparation", ({ detail: { song_id: id, state, share, told } }) => {
  const shown = document.querySelector(`[data-preparing="${id}"]`)
  if (!shown) return
  const over = state === "ready" || state === "failed"
  if (over && shown.dataset.state !== state) announce(told)
  const publish = document.querySelector(`[name="publish-${id}"]`)
  if (publish && state === "failed") publish.checked = false
  shown.dataset.state = state
  const [label, number] = shown.querySelectorAll("span"), bar = shown.querySelector("progress")
  label.textContent = told
  number.textContent = `${Math.round(share * 100)}%`
  bar.value = share
  bar.setAttribute("aria-label", told)
})

// Songs of a playlist are dragged to another place; their menus do the same
let dragged
document.addEventListener("dragstart", event => { dragged = event.target.closest?.(".song[data-item]"); if (dragged) event.dataTransfer.effectAllowed = "move" })
document.addEventListener("dragover", event => {
  const over = dragged && event.target.closest?.(".song[data-item]")
  if (!over) return
  event.preventDefault()
  for (const row of document.querySelectorAll(".song[data-before]")) row.removeAttribute("data-before")
  over.setAttribute("data-before", "")
})
document.addEventListener("drop", event => {
  const before = dragged && event.target.closest?.(".song[data-item]")
  if (!before || before === dragged) return
  event.preventDefault()
  const down = [...before.parentElement.children].indexOf(dragged) < [...before.parentElement.children].indexOf(before)
  const target = down ? before.nextElementSibling : before
  go(dragged.dataset.move, { method: "POST", body: new URLSearchParams({ item_id: dragged.dataset.item, before: target?.dataset.item ?? "" }), keep: true })
})
document.addEventListener("dragend", () => { dragged = null; for (const row of document.querySelectorAll(".song[data-before]")) row.removeAttribute("data-before") })

if ("serviceWorker" in navigator) navigator.serviceWorker.register("/music/worker.js", { scope: "/music/", type: "module" }).catch(() => {})
