// The shell's script. Every page works without it; each part improves what the server has sent.
import "./elements.js"
import "./live.js"
import { toast } from "./announce.js"

const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content ?? ""

// htmx: requests go to our own origin only (selfRequestsOnly), so the token never leaves it.
document.addEventListener("htmx:configRequest", event => { event.detail.headers["X-CSRF-Token"] = csrf() })

// A refused form comes back as HTML with status 400 and its messages: it is shown like any answer.
document.addEventListener("htmx:beforeSwap", event => {
  const { xhr } = event.detail
  if (xhr.status === 400 && xhr.getResponseHeader("Content-Type")?.startsWith("text/html")) {
    event.detail.shouldSwap = true
    event.detail.isError = false
  }
})

document.addEventListener("htmx:responseError", event => toast(reason(event.detail.xhr), "bad"))
document.addEventListener("htmx:sendError", () => toast("The server cannot be reached. Check the connection and try again.", "bad"))

// The server may send `HX-Trigger: {"toast": {"text": …, "kind": …}}` with any answer.
document.addEventListener("toast", event => toast(event.detail.text, event.detail.kind))

document.addEventListener("htmx:afterSwap", event => {
  const invalid = event.detail.elt?.querySelector?.('[aria-invalid="true"]')
  if (invalid) invalid.focus()
})

// Inside a page of another origin browsers complain of `autofocus` and ignore it: pages for there say `data-focus`.
document.querySelector("[data-focus]")?.focus()

function reason(xhr) {
  try {
    const problem = JSON.parse(xhr.responseText)
    return problem.message ?? problem.detail ?? problem.title
  } catch {
    return xhr.status === 429 ? "That was very fast. Wait a moment." : "That did not work. Try again."
  }
}

// A form is sent once: a second press while the first is under way does nothing. `data-repeatable` opts out.
const UNLOCK_MS = 8000 // an answer that is a download leaves the page where it is
document.addEventListener("submit", event => {
  const form = event.target
  if (event.defaultPrevented || form.method !== "post" || form.target || "repeatable" in form.dataset) return
  if ("sent" in form.dataset) return event.preventDefault()
  form.dataset.sent = ""
  event.submitter?.setAttribute("aria-busy", "true")
  setTimeout(unlock, UNLOCK_MS, form)
})
document.addEventListener("htmx:beforeRequest", event => event.detail.elt.querySelector?.("button:not([type=button])")?.setAttribute("aria-busy", "true"))
document.addEventListener("htmx:afterRequest", event => unlock(event.detail.elt))
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(unlock))

function unlock(form) {
  delete form.dataset?.sent
  form.querySelectorAll?.('[aria-busy="true"]').forEach(button => button.removeAttribute("aria-busy"))
}

// Command-K, Ctrl-K or a slash goes to the search box.
document.addEventListener("keydown", event => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]")
  const wanted = (event.key === "k" && (event.metaKey || event.ctrlKey)) || (event.key === "/" && !typing)
  const box = wanted && [...document.querySelectorAll("[data-shortcut]")].find(input => input.checkVisibility())
  if (!box || event.altKey || event.shiftKey) return
  event.preventDefault()
  box.focus()
  box.select()
})
if (/Mac|iP(hone|ad)/.test(navigator.platform)) document.querySelectorAll(".search > kbd").forEach(key => { key.textContent = "⌘ K" })

// A row of tabs that is wider than the screen starts at the tab one is on.
for (const bar of document.querySelectorAll(".tabs, .subnav")) {
  const tab = bar.querySelector("[aria-current]")?.getBoundingClientRect()
  const box = bar.getBoundingClientRect()
  if (tab) bar.scrollBy(tab.left + tab.width / 2 - box.left - box.width / 2, 0)
}

// Dialogs: a link to #id opens one as a modal; without this script :target shows it.
document.addEventListener("click", event => {
  const opener = event.target.closest("a[data-dialog]")
  const dialog = opener && document.querySelector(opener.getAttribute("href"))
  if (dialog) {
    event.preventDefault()
    dialog.showModal()
  } else if (event.target.closest("[data-dialog-close]") && event.target.closest("dialog[open]")) {
    event.preventDefault()
    event.target.closest("dialog").close()
  } else if (event.target.matches("dialog[open]") && outside(event)) {
    event.target.close()
  }
})
document.addEventListener("keydown", event => {
  if (event.key === " " && event.target.matches?.('a[role="button"]')) {
    event.preventDefault()
    event.target.click()
  }
})

function outside({ target, clientX: x, clientY: y }) {
  const box = target.getBoundingClientRect()
  return x < box.left || x > box.right || y < box.top || y > box.bottom
}

// Times: the tooltip in the reader's own zone, and "5 minutes ago" kept true.
const WORDS = new Intl.RelativeTimeFormat("en", { numeric: "always" })
const STEPS = [[86400, "day"], [3600, "hour"], [60, "minute"]]

function relative(then) {
  const seconds = (then - Date.now()) / 1000
  if (Math.abs(seconds) < 45) return seconds <= 0 ? "just now" : "in a moment"
  if (Math.abs(seconds) >= 30 * 86400) return null
  const [size, unit] = STEPS.find(([step]) => Math.abs(seconds) >= step * 0.96) ?? STEPS[2]
  return WORDS.format(Math.sign(seconds) * Math.max(1, Math.round(Math.abs(seconds) / size)), unit)
}

function tick() {
  document.querySelectorAll("time[datetime*='T']").forEach(time => {
    const then = new Date(time.dateTime)
    if (!("zoned" in time.dataset)) {
      time.title = then.toLocaleString([], { dateStyle: "long", timeStyle: "short" })
      time.dataset.zoned = ""
    }
    const text = "relative" in time.dataset && relative(then)
    if (text && time.textContent !== text) time.textContent = text
  })
}
// The server's texts stand until the first minute is over: its clock may be a test clock that was moved.
const drift = Number(document.querySelector('meta[name="server-time"]')?.content ?? Date.now()) - Date.now()
if (Math.abs(drift) < 60_000) setInterval(tick, 30_000)
