// Passkeys: asks the server for options, the device for an answer, and sends it as a plain form.
// <passkey-sign-in options="/…"> and <new-passkey options="/…"> hold a form, a button and a place for what went wrong.

const bytes = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0))
const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "")
const withIds = list => list?.map(item => ({ ...item, id: bytes(item.id) }))

class Ceremony extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form")
    this.button = this.querySelector("button")
    this.problem = this.querySelector("[role=alert]")
    if (window.PublicKeyCredential) this.start()
    else this.hidden = true
  }

  async run() {
    this.problem.hidden = true
    this.button.setAttribute("aria-busy", "true")
    try {
      const { options, ticket } = await this.options()
      const credential = await this.ask(options)
      this.form.elements.credential.value = JSON.stringify(credential)
      this.form.elements.ticket.value = ticket
      this.form.submit()
    } catch (error) {
      this.problem.textContent = reason(error)
      this.problem.hidden = false
      this.button.removeAttribute("aria-busy")
    }
  }

  async options() {
    const csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? ""
    const answer = await fetch(this.getAttribute("options"), { method: "POST", headers: { "X-CSRF-Token": csrf } })
    const body = await answer.json()
    if (!answer.ok) throw new Error(body.message)
    return body
  }
}

customElements.define("passkey-sign-in", class extends Ceremony {
  start() { this.button.addEventListener("click", () => this.run()) }

  async ask(options) {
    const found = await navigator.credentials.get({
      publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: withIds(options.allowCredentials) },
    })
    const { response } = found
    return {
      ...common(found),
      response: {
        clientDataJSON: text(response.clientDataJSON),
        authenticatorData: text(response.authenticatorData),
        signature: text(response.signature),
        userHandle: response.userHandle ? text(response.userHandle) : null,
      },
    }
  }
})

customElements.define("new-passkey", class extends Ceremony {
  start() {
    this.form.addEventListener("submit", event => {
      event.preventDefault()
      this.run()
    })
  }

  async ask(options) {
    const made = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: withIds(options.excludeCredentials),
      },
    })
    const { response } = made
    return {
      ...common(made),
      response: {
        clientDataJSON: text(response.clientDataJSON),
        attestationObject: text(response.attestationObject),
        transports: response.getTransports?.() ?? [],
      },
    }
  }
})

function common(credential) {
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: credential.getClientExtensionResults(),
  }
}

function reason(error) {
  if (error.name === "NotAllowedError") return "The device did not confirm. Try again, or sign in another way."
  if (error.name === "InvalidStateError") return "This device has a passkey for this account already."
  return error.message || "That did not work. Try again."
}
