// <live-counts> around a list: the numbers in [data-clicks=ID] follow the clicks.
const words = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })

customElements.define("live-counts", class extends HTMLElement {
  connectedCallback() { this.addEventListener("live:clicks", this) }

  handleEvent({ detail }) {
    const number = this.querySelector(`[data-clicks="${CSS.escape(detail.id)}"]`)
    if (!number) return
    number.textContent = detail.clicks < 10_000 ? detail.clicks.toLocaleString("en") : words.format(detail.clicks)
    number.classList.remove("is-fresh")
    void number.offsetWidth // restarts the animation
    number.classList.add("is-fresh")
  }
})
