// Making a link: the fresh one goes to the clipboard, alternatives fill the field, counts stay alive.
import { announce } from "/static/shell/js/announce.js"
import "./counts.js"
import "./refusals.js"

// <fresh-link data-url>: copied as soon as it appears; the browser allows that shortly after the key was pressed.
customElements.define("fresh-link", class extends HTMLElement {
  async connectedCallback() {
    if (!document.hasFocus() || !navigator.clipboard || !navigator.userActivation?.hasBeenActive) return
    try {
      await navigator.clipboard.writeText(this.dataset.url)
    } catch {
      return // the button beside it still copies
    }
    this.querySelector("[data-copied]").textContent = "Copied"
    announce(`${this.dataset.url} is copied`)
  }
})

// <alias-choices> around buttons with data-fill.
customElements.define("alias-choices", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", event => {
      const name = event.target.closest("[data-fill]")?.dataset.fill
      const field = document.getElementById("f-alias")
      if (!name || !field) return
      field.value = name
      field.dispatchEvent(new Event("input", { bubbles: true }))
      field.focus()
    })
  }
})
