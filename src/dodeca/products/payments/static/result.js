// The checkout inside a shop's page tells that page what came of the payment; opened alone, nobody listens.
customElements.define("payment-result", class extends HTMLElement {
  connectedCallback() {
    const told = this.dataset
    if (window.parent === window || told.status === "created") return
    const fields = {}
    for (const [name, value] of Object.entries(told))
      if (name.startsWith("razorpay")) fields[name.replace(/[A-Z]/g, (c) => "_" + c.toLowerCase())] = value
    const error = told.status === "failed" ? {
      code: told.code, description: told.description, source: told.source, step: told.step, reason: told.reason,
      metadata: { payment_id: told.payment, order_id: told.order },
    } : null
    window.parent.postMessage({ source: "dodeca-checkout", status: told.status, fields, error }, "*")
  }
})
