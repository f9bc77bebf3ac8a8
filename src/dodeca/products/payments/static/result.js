// The checkout inside a shop's page tells that page what came of the payment; opened alone, nobody listens.
customElements.define("payment-result", class extends HTMLElement {
  connectedCallback() {
    if (window.parent === window || this.dataset.status === "created") return
    const fields = {}
    for (const [name, value] of Object.entries(this.dataset))
      if (name.startsWith("razorpay")) fields[name.replace(/[A-Z]/g, (c) => "_" + c.toLowerCase())] = value
    window.parent.postMessage({ source: "dodeca-checkout", status: this.dataset.status, fields }, "*")
  }
})
