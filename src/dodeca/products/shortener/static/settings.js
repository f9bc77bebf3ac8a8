// Forms about one link: times in the reader's zone, conditions of rules, the QR designer.
import "./refusals.js"

// <local-moment> around a datetime-local control that holds UTC: shown in the reader's zone, sent in UTC.
const pad = number => String(number).padStart(2, "0")
const local = date => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}T${pad(date.getHours())}:${pad(date.getMinutes())}`
customElements.define("local-moment", class extends HTMLElement {
  connectedCallback() {
    const input = this.querySelector("input")
    const hint = this.querySelector(".hint")
    if (input.value) input.value = local(new Date(`${input.value}Z`))
    if (hint) hint.textContent = hint.textContent.replace("UTC", `In your time zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}`)
    input.form?.addEventListener("formdata", ({ formData }) => {
      if (input.value) formData.set(input.name, new Date(input.value).toISOString().slice(0, 16))
    })
  }
})

// <rule-condition>: shows the fields that its type needs.
const NEEDS_KEY = new Set(["query-param", "any-value-query-param", "valueless-query-param"])
const NEEDS_NO_VALUE = new Set(["any-value-query-param", "valueless-query-param"])
customElements.define("rule-condition", class extends HTMLElement {
  connectedCallback() {
    this.select = this.querySelector("select")
    this.addEventListener("change", () => this.show())
    this.show()
  }

  show() {
    const type = this.select.value
    const value = this.querySelector("[data-value]")
    this.querySelector("[data-key]").hidden = !NEEDS_KEY.has(type)
    value.hidden = NEEDS_NO_VALUE.has(type)
    value.placeholder = this.select.selectedOptions[0].dataset.example || "Value"
    if (type === "device") value.setAttribute("list", "devices")
    else value.removeAttribute("list")
  }
})

// <qr-designer>: the picture follows the form.
const WAIT_MS = 200
customElements.define("qr-designer", class extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form")
    this.image = this.querySelector("[data-preview]")
    this.problem = this.querySelector("[data-problem]")
    this.form.addEventListener("input", () => this.plan())
    // What was typed before this script came, or was put back by the browser, counts as well.
    if ([...this.form.querySelectorAll("input")].some(input => input.value !== input.defaultValue)) this.plan()
  }

  plan() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.draw(), WAIT_MS)
  }

  disconnectedCallback() {
    clearTimeout(this.timer)
    if (this.shown) URL.revokeObjectURL(this.shown)
  }

  async draw() {
    const data = new FormData(this.form)
    data.set("format", "svg")
    data.set("inline", "yes")
    this.image.parentElement.setAttribute("aria-busy", "true")
    try {
      const answer = await fetch(this.form.action, { method: "POST", body: data, headers: { Accept: "application/json" } })
      if (answer.ok) this.show(await answer.blob())
      else this.explain(answer)
    } finally {
      this.image.parentElement.removeAttribute("aria-busy")
    }
  }

  show(blob) {
    if (this.shown) URL.revokeObjectURL(this.shown)
    this.shown = URL.createObjectURL(blob)
    this.image.src = this.shown
    this.problem.hidden = true
  }

  // The refusal comes as the page with its messages: the first of them is what matters here.
  async explain(answer) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html")
    this.problem.textContent = page.querySelector("#errors li, #errors strong")?.textContent ?? "This cannot be drawn."
    this.problem.hidden = false
  }
})
