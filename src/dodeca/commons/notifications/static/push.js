// <push-switch data-on data-off>: a button that turns Web Push on and off in this browser.
import { toast } from "/static/shell/js/announce.js"

const decode = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0))
const send = (url, method, body) => fetch(url, {
  method,
  headers: { "Content-Type": "application/json", "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content },
  body: JSON.stringify(body),
})

customElements.define("push-switch", class extends HTMLElement {
  async connectedCallback() {
    if (!("serviceWorker" in navigator) || !("PushManager" in window)) return
    this.registration = await navigator.serviceWorker.register("/push-worker.js")
    this.button = this.querySelector("button")
    this.button.addEventListener("click", () => this.toggle().catch(() => toast("This browser could not be told. Try again later.", "bad")))
    await this.show()
    this.button.hidden = false
  }

  async show() {
    this.subscription = await this.registration.pushManager.getSubscription()
    this.button.textContent = this.subscription ? this.dataset.off : this.dataset.on
  }

  async toggle() {
    if (this.subscription) {
      await send("/api/notifications/subscriptions", "DELETE", { endpoint: this.subscription.endpoint })
      await this.subscription.unsubscribe()
    } else if (await Notification.requestPermission() === "granted") {
      const { public_key } = await (await fetch("/api/notifications/push-key")).json()
      const made = await this.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: decode(public_key) })
      const { endpoint, keys } = made.toJSON()
      await send("/api/notifications/subscriptions", "POST", { endpoint, keys })
    }
    await this.show()
  }
})
