// The script that shops include. It opens the hosted checkout in a frame over the page and hands back what it says.
(() => {
  const base = new URL(document.currentScript.src)
  const root = base.href.split("/v1/")[0]

  class Razorpay {
    constructor(options) {
      if (!options || !options.key || !options.order_id) throw new Error("key and order_id are needed")
      this.options = options
      this.listeners = {}
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
      const dialog = document.createElement("dialog")
      dialog.setAttribute("aria-label", "Payment")
      dialog.style.cssText = "border:0;padding:0;width:min(30rem,100vw);height:min(46rem,100vh);max-width:100vw;max-height:100vh;border-radius:12px;overflow:hidden"
      const close = document.createElement("button")
      close.textContent = "×"
      close.setAttribute("aria-label", "Close")
      close.style.cssText = "position:absolute;top:4px;right:4px;width:44px;height:44px;border:0;background:none;font-size:24px;cursor:pointer"
      close.onclick = () => this.close()
      const frame = document.createElement("iframe")
      frame.title = "Payment"
      frame.src = `${root}/checkout/${encodeURIComponent(this.options.order_id)}?embedded=1`
      frame.style.cssText = "border:0;width:100%;height:100%"
      dialog.append(frame, close)
      dialog.addEventListener("cancel", (event) => { event.preventDefault(); this.close() })
      document.body.append(dialog)
      dialog.showModal()
      this.dialog = dialog
      this.frame = frame
      window.addEventListener("message", this.receive)
    }

    close() {
      this.end()
      const modal = this.options.modal
      if (modal && modal.ondismiss) modal.ondismiss()
    }

    end() {
      window.removeEventListener("message", this.receive)
      if (this.dialog) this.dialog.remove()
      this.dialog = null
    }

    received(event) {
      if (event.origin !== base.origin || event.source !== this.frame.contentWindow) return
      const message = event.data
      if (!message || message.source !== "dodeca-checkout") return
      if (message.status === "failed") {
        this.emit("payment.failed", { error: { code: "BAD_REQUEST_ERROR", metadata: message.fields } })
        return
      }
      this.end()
      if (this.options.callback_url) this.send(message.fields)
      else if (this.options.handler) this.options.handler(message.fields)
    }

    send(fields) {
      const target = new URL(this.options.callback_url, location.href)
      if (target.protocol !== "https:" && target.protocol !== "http:") throw new Error("callback_url must be http or https")
      const form = document.createElement("form")
      form.method = "post"
      form.action = target.href
      for (const [name, value] of Object.entries(fields)) {
        const input = document.createElement("input")
        input.type = "hidden"
        input.name = name
        input.value = value
        form.append(input)
      }
      document.body.append(form)
      form.submit()
    }
  }

  window.Razorpay = Razorpay
})()
