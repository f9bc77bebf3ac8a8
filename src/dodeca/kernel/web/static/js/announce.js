// Telling the person something: a toast that is seen, or a sentence that only a screen reader speaks.

/** Speak `text` in a screen reader. */
export function announce(text) {
  const region = document.getElementById("live-region")
  if (!region) return
  region.textContent = ""
  // In a later task: a region that changes twice at once is spoken as one change, or not at all.
  setTimeout(() => { region.textContent = text }, 50)
}

/** Show a toast. `kind`: neutral, good, warn, bad, info. */
export function toast(text, kind = "neutral") {
  const template = document.getElementById("toast-template")
  const region = document.getElementById("toasts")
  if (!template || !region || !text) return
  const item = template.content.firstElementChild.cloneNode(true)
  const known = ["good", "warn", "bad", "info"].includes(kind) ? kind : "neutral"
  item.classList.replace("tone--neutral", `tone--${known}`)
  item.querySelector("p").textContent = text
  const use = item.querySelector("use")
  const icon = { good: "circle-check", bad: "circle-x", warn: "triangle-alert" }[known] ?? "info"
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${icon}`))
  region.append(item)
}
