// A form with data-show-refusals is shown again with its messages, whatever status the refusal has.
document.addEventListener("htmx:beforeSwap", event => {
  const { elt, xhr } = event.detail
  const html = xhr.getResponseHeader("Content-Type")?.startsWith("text/html")
  if (xhr.status < 400 || !html || !event.detail.requestConfig?.elt?.matches?.("[data-show-refusals], [data-show-refusals] *")) return
  if (!xhr.responseText.includes(`id="${elt.id}"`)) return
  event.detail.shouldSwap = true
  event.detail.isError = false
})
