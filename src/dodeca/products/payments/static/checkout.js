// The script that shops include. It opens the hosted checkout in a frame over the page and hands back what it says.
// Options are sent as a form into the frame, so that no answer has to be readable across origins.
(() => {
  const script = document.currentScript
  const base = new URL(script.src)
  const root = base.href.split("/v1/")[0]
  const DIALOG = "border:0;padding:0;width:min(30rem,100vw);height:min(46rem,100vh);max-width:100vw;max-height:100vh;border-radius:12px;overflow:hidden;background:#fff"
  const CLOSE = "position:absolute;top:4px;inset-inline-end:4px;width:44px;height:44px;border:6px solid transparent;border-radius:50%;background:#fff padding-box;color:#111;font-size:24px;line-height:1;cursor:pointer"

  function flat(options, prefix, into) {
    for (const [name, value] of Object.entries(options)) {
      if (value === null || value === undefined || typeof value === "function") continue
      const key = prefix ? `${prefix}[${name}]` : name
      if (typeof value === "object") flat(value, key, into)
      else into[key] = String(value)
    }
    return into
  }

  function post(action, fields, target) {
    const form = document.createElement("form")
    form.method = "post"
    form.action = action
    if (target) form.target = target
    form.hidden = true
    for (const [name, value] of Object.entries(fields)) {
      const input = document.createElement("input")
      input.type = "hidden"
      input.name = name
      input.value = value
      form.append(input)
    }
    document.body.append(form)
    form.submit()
    form.remove()
  }

  function checked(address) {
    const target = new URL(address, location.href)
    if (target.protocol !== "https:" && target.protocol !== "http:") throw new Error("callback_url must be http or https")
    return target.href
  }

  class Razorpay {
    constructor(options) {
      if (!options || !options.key) throw new Error("No key passed")
      if (!options.order_id && !options.subscription_id && !options.amount) throw new Error("Pass an order_id, a subscription_id or an amount")
      if (options.callback_url) checked(options.callback_url)
      this.options = options
      this.listeners = {}
      this.tries = 0
      this.receive = (event) => this.received(event)
    }

    on(name, listener) {
      (this.listeners[name] ||= []).push(listener)
      return this
    }

    emit(name, detail) {
      for (const listener of this.listeners[name] || []) listener(detail)
    }

    open() {
      if (this.dialog) return
      const modal = this.options.modal || {}
      const dialog = document.createElement("dialog")
      dialog.setAttribute("aria-label", `Payment${this.options.name ? " to " + this.options.name : ""}`)
      dialog.style.cssText = DIALOG
      const frame = document.createElement("iframe")
      frame.title = "Payment"
      frame.name = `dodeca-checkout-${Math.random().toString(36).slice(2)}`
      frame.style.cssText = "border:0;width:100%;height:100%"
      const close = document.createElement("button")
      close.type = "button"
      close.textContent = "×"
      close.setAttribute("aria-label", "Close")
      close.style.cssText = CLOSE
      close.onclick = () => this.close()
      dialog.append(frame, close)
      dialog.addEventListener("cancel", (event) => {
        event.preventDefault()
        if (modal.escape !== false) this.close()
      })
      if (modal.backdropclose) dialog.addEventListener("click", (event) => { if (event.target === dialog) this.close() })
      document.body.append(dialog)
      dialog.showModal()
      this.dialog = dialog
      this.frame = frame
      window.addEventListener("message", this.receive)
      const { handler, modal: _modal, callback_url, redirect, ...sent } = this.options
      post(`${root}/v1/checkout/embedded`, { ...flat(sent, "", {}), embedded: "1" }, frame.name)
      if (this.options.timeout) this.timer = setTimeout(() => this.close(), this.options.timeout * 1000)
    }

    close() {
      const modal = this.options.modal || {}
      if (modal.confirm_close && !window.confirm("Do you want to leave the payment?")) return
      if (!this.dialog) return
      this.end()
      if (modal.ondismiss) modal.ondismiss()
    }

    end() {
      clearTimeout(this.timer)
      window.removeEventListener("message", this.receive)
      if (this.dialog) this.dialog.remove()
      this.dialog = null
    }

    received(event) {
      if (!this.frame || event.origin !== base.origin || event.source !== this.frame.contentWindow) return
      const message = event.data
      if (!message || message.source !== "dodeca-checkout") return
      if (message.status === "failed") return this.failed(message.error)
      this.end()
      if (this.options.callback_url) post(checked(this.options.callback_url), message.fields)
      else if (this.options.handler) this.options.handler(message.fields)
    }

    failed(error) {
      this.tries += 1
      this.emit("payment.failed", { error })
      const retry = this.options.retry
      const most = retry === false || (retry && retry.enabled === false) ? 1 : (retry && retry.max_count) || Infinity
      if (this.tries < most) return
      this.end()
      if (this.options.callback_url) post(checked(this.options.callback_url), flat({ error }, "", {}))
    }
  }

  window.Razorpay = Razorpay

  // <form action="…"><script src="…/checkout.js" data-key="…" data-order_id="…"></script></form>
  if (script.dataset.key) {
    const form = script.closest("form")
    const options = {}
    for (const { name, value } of script.attributes) {
      if (!name.startsWith("data-")) continue
      const path = name.slice(5).split(".")
      let here = options
      for (const part of path.slice(0, -1)) here = here[part] ||= {}
      here[path.at(-1)] = value
    }
    const button = document.createElement("input")
    button.type = "button"
    button.className = "razorpay-payment-button"
    button.value = options.buttontext || "Pay now"
    button.onclick = () => new Razorpay({ ...options, handler: (fields) => {
      if (!form) return
      for (const [name, value] of Object.entries(fields)) {
        const input = document.createElement("input")
        input.type = "hidden"
        input.name = name
        input.value = value
        form.append(input)
      }
      form.submit()
    } }).open()
    script.after(button)
  }
})()
