// The list of payments follows what happens: after an event, once it has been quiet for a moment, it is asked for again.
const QUIET_MS = 400
const EVENTS = ["payment.authorized", "payment.captured", "payment.failed", "refund.processed"]

customElements.define("live-payments", class extends HTMLElement {
  connectedCallback() {
    for (const name of EVENTS) this.addEventListener(`live:${name}`, () => this.later())
  }

  disconnectedCallback() {
    clearTimeout(this.timer)
  }

  later() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.refresh(), QUIET_MS)
  }

  refresh() {
    window.htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerHTML" })
  }
})
