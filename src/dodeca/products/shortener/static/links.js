// The list of links, and the numbers of one.
import { announce, toast } from "/static/shell/js/announce.js"
import "./counts.js"

// <link-list>: j and k move, x selects, c copies, Shift-click selects a range; the bar below appears with a selection.
customElements.define("link-list", class extends HTMLElement {
  connectedCallback() {
    this.rows = [...this.querySelectorAll("[data-link]")]
    this.all = this.querySelector("[data-all]")
    this.addEventListener("change", this)
    this.addEventListener("click", this)
    this.keys = event => this.key(event)
    document.addEventListener("keydown", this.keys)
    this.count()
  }

  disconnectedCallback() { document.removeEventListener("keydown", this.keys) }

  get boxes() { return this.rows.map(row => row.querySelector(".tick")) }

  handleEvent(event) {
    const { target } = event
    if (event.type === "change" && target === this.all) this.boxes.forEach(box => { box.checked = target.checked })
    if (event.type === "click" && target.matches("[data-link] .tick")) {
      const at = this.boxes.indexOf(target)
      if (event.shiftKey && this.last !== undefined) {
        const [from, to] = [Math.min(at, this.last), Math.max(at, this.last)]
        this.boxes.slice(from, to + 1).forEach(box => { box.checked = target.checked })
      }
      this.last = at
    }
    this.count()
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input:not(.tick), textarea, select, summary")) return
    const at = this.rows.findIndex(row => row.contains(document.activeElement))
    const step = { j: 1, k: -1 }[event.key]
    if (step) {
      event.preventDefault()
      const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), this.rows.length - 1)
      const link = this.rows[next].querySelector("[data-row]")
      link.focus()
      link.scrollIntoView({ block: "nearest" })
    } else if (event.key === "x" && at >= 0) {
      this.boxes[at].click()
    } else if (event.key === "c" && at >= 0) {
      this.rows[at].querySelector("[data-copy]")?.click()
    } else if (event.key === "Escape" && this.boxes.some(box => box.checked)) {
      this.boxes.forEach(box => { box.checked = false })
      this.count()
    }
  }

  count() {
    const selected = this.boxes.filter(box => box.checked).length
    if (this.all) {
      this.all.checked = selected === this.rows.length
      this.all.indeterminate = selected > 0 && selected < this.rows.length
    }
    this.toggleAttribute("data-selecting", selected > 0)
    this.querySelector("[data-count]").textContent = `${selected} selected`
    if (selected !== this.told) announce(selected ? `${selected} selected` : "")
    this.told = selected
  }
})

// <csv-drop data-form>: a file that is dropped goes into the form's file input, and the form is sent.
customElements.define("csv-drop", class extends HTMLElement {
  connectedCallback() {
    this.depth = 0
    for (const type of ["dragenter", "dragover", "dragleave", "drop"]) this.addEventListener(type, this)
  }

  handleEvent(event) {
    if (!event.dataTransfer?.types.includes("Files")) return
    event.preventDefault()
    this.depth = event.type === "drop" ? 0 : this.depth + ({ dragenter: 1, dragleave: -1 }[event.type] ?? 0)
    this.toggleAttribute("data-over", this.depth > 0)
    if (event.type !== "drop") return
    const files = event.dataTransfer.files
    if (files.length !== 1) return toast("Drop one file at a time.", "warn")
    const form = document.getElementById(this.dataset.form)
    form.querySelector("input[type=file]").files = files
    form.requestSubmit()
  }
})

// <live-numbers data-src>: asks for the numbers again when clicks come in, at most every two seconds.
const PAUSE_MS = 2000
customElements.define("live-numbers", class extends HTMLElement {
  connectedCallback() { this.addEventListener("live:clicks", () => this.plan()) }
  disconnectedCallback() { clearTimeout(this.timer) }

  plan() {
    if (this.timer) return
    const wait = Math.max(0, (this.next ?? 0) - Date.now())
    this.timer = setTimeout(() => this.refresh(), wait)
  }

  async refresh() {
    this.timer = undefined
    this.next = Date.now() + PAUSE_MS
    const place = this.querySelector("#numbers")
    // Whoever reads an opened table or stands in it with the keyboard is not interrupted.
    if (place.querySelector("details[open]") || place.contains(document.activeElement)) return
    try {
      const answer = await fetch(this.dataset.src, { headers: { Accept: "text/html" } })
      if (answer.ok) window.htmx.swap(place, await answer.text(), { swapStyle: "innerHTML" })
    } catch {
      // The connection is lost: <live-source> comes back, and its next event asks again.
    }
  }
})
