// <live-source src="/…"> keeps a page up to date from server-sent events. The events:
//   text    {"id": "new text", …}                         changes the text of the elements with these ids
//   html    {"target": "id", "html": "…", "swap": "…"}    swap: innerHTML (default), outerHTML, beforebegin,
//                                                         afterbegin, beforeend, afterend, delete
//   toast   {"text": "…", "kind": "good"}
//   say     {"text": "…"}                                 for screen readers only
//   reload  {}                                            loads the page again
// The element carries data-state: connecting, open, lost. Products listen to further events by
// `source.addEventListener("live:NAME", event => event.detail)` when NAME stands in its attribute `events`.
import { announce, toast } from "./announce.js"

const FIRST_RETRY_MS = 1000
const LAST_RETRY_MS = 30_000

const EVENTS = {
  text(texts) {
    for (const [id, text] of Object.entries(texts)) setText(document.getElementById(id), text)
  },
  html({ target, html, swap = "innerHTML" }) {
    const element = document.getElementById(target)
    if (!element) return
    window.htmx.swap(element, html ?? "", { swapStyle: swap })
  },
  toast({ text, kind }) { toast(text, kind) },
  say({ text }) { announce(text) },
  reload() { location.reload() },
}

function setText(element, text) {
  if (!element || element.textContent === String(text)) return
  element.textContent = text
  element.classList.remove("is-fresh")
  void element.offsetWidth // restarts the animation
  element.classList.add("is-fresh")
}

customElements.define("live-source", class extends HTMLElement {
  connectedCallback() {
    this.retry = FIRST_RETRY_MS
    this.open()
  }

  disconnectedCallback() {
    clearTimeout(this.timer)
    this.source?.close()
  }

  open() {
    this.dataset.state = "connecting"
    this.source = new EventSource(this.getAttribute("src"))
    this.source.onopen = () => {
      this.retry = FIRST_RETRY_MS
      this.dataset.state = "open"
    }
    this.source.onerror = () => this.lost()
    for (const [name, apply] of Object.entries(EVENTS)) this.on(name, apply)
    for (const name of (this.getAttribute("events") ?? "").split(/\s+/).filter(Boolean)) {
      this.on(name, detail => this.dispatchEvent(new CustomEvent(`live:${name}`, { detail, bubbles: true })))
    }
  }

  on(name, apply) {
    this.source.addEventListener(name, event => apply(JSON.parse(event.data || "{}")))
  }

  // The browser reconnects by itself after a broken connection, but gives up on an answer such as 503: then we go on.
  lost() {
    this.dataset.state = "lost"
    if (this.source.readyState !== EventSource.CLOSED) return
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.open(), this.retry * (0.5 + Math.random()))
    this.retry = Math.min(this.retry * 2, LAST_RETRY_MS)
  }
})
