// Custom elements that improve what the server sent; each starts by itself, also after a swap by htmx.
import { announce, toast } from "./announce.js"

// <theme-switch> around the form of the three colour choices: applies at once, and tells the server in the background.
customElements.define("theme-switch", class extends HTMLElement {
  connectedCallback() { this.addEventListener("submit", this) }

  async handleEvent(event) {
    event.preventDefault()
    const form = event.target
    const data = new FormData(form, event.submitter)
    const theme = data.get("theme")
    show(theme)
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(data), redirect: "manual" })
      if (answer.type !== "opaqueredirect" && !answer.ok) throw new Error(answer.status)
    } catch {
      toast("The colours could not be saved for your next visit.", "warn")
    }
  }
})

function show(theme) {
  const root = document.documentElement
  if (theme === "system") delete root.dataset.theme
  else root.dataset.theme = theme
  const meta = document.querySelector('meta[name="color-scheme"]')
  if (meta) meta.content = theme === "system" ? "light dark" : theme
  document.querySelectorAll("theme-switch button").forEach(button => button.setAttribute("aria-pressed", button.value === theme))
}

// <toast-item>: goes by itself unless it reports trouble; waits while it is pointed at or focused.
const TOAST_MS = 6000
customElements.define("toast-item", class extends HTMLElement {
  connectedCallback() {
    this.querySelector("button").addEventListener("click", () => this.remove())
    if (this.matches(".tone--bad, .tone--warn")) return
    this.start()
    for (const type of ["pointerenter", "focusin"]) this.addEventListener(type, () => clearTimeout(this.timer))
    for (const type of ["pointerleave", "focusout"]) this.addEventListener(type, () => this.start())
  }

  start() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.remove(), TOAST_MS)
  }

  disconnectedCallback() { clearTimeout(this.timer) }
})

// <copy-button> around a button with data-copy.
const COPIED_MS = 1600
customElements.define("copy-button", class extends HTMLElement {
  connectedCallback() { this.addEventListener("click", this) }

  async handleEvent() {
    const button = this.querySelector("[data-copy]")
    const use = button.querySelector("use")
    try {
      await copy(button.dataset.copy)
    } catch {
      return toast("The browser did not allow copying. Select the text and copy it yourself.", "warn")
    }
    announce("Copied")
    const href = use.getAttribute("href").replace(/#.*/, "")
    use.setAttribute("href", `${href}#check`)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => use.setAttribute("href", `${href}#copy`), COPIED_MS)
  }

  disconnectedCallback() { clearTimeout(this.timer) }
})

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  // Plain http on a local network has no clipboard API: the old command still works there.
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "sr" })
  document.body.append(area)
  area.select()
  const done = document.execCommand("copy")
  area.remove()
  if (!done) throw new Error("refused")
}

// <drop-down> around <details>: closes at Escape, at a click outside and when focus leaves; arrow keys walk the items.
customElements.define("drop-down", class extends HTMLElement {
  connectedCallback() {
    this.details = this.querySelector("details")
    this.summary = this.querySelector("summary")
    this.addEventListener("keydown", this)
    this.addEventListener("focusout", event => { if (event.relatedTarget && !this.contains(event.relatedTarget)) this.close() })
    this.outside = event => { if (!this.contains(event.target)) this.close() }
    document.addEventListener("click", this.outside)
  }

  disconnectedCallback() { document.removeEventListener("click", this.outside) }

  handleEvent(event) {
    if (event.key === "Escape" && this.details.open) {
      event.stopPropagation()
      this.close()
      return this.summary.focus()
    }
    if (event.target.matches("input, textarea, select")) return
    const items = [...this.querySelectorAll(".menu__panel :is(a, button)")].filter(item => item.checkVisibility())
    const at = items.indexOf(document.activeElement)
    const next = { ArrowDown: at + 1, ArrowUp: at < 0 ? items.length - 1 : at - 1, Home: 0, End: -1 }[event.key]
    if (next === undefined || (!this.details.open && !event.key.startsWith("Arrow"))) return
    event.preventDefault()
    if (this.details.open) return items.at(next % (items.length || 1))?.focus()
    this.details.open = true
    requestAnimationFrame(() => this.querySelector(".menu__panel :is(a, button)")?.focus())
  }

  close() { this.details.open = false }
})
