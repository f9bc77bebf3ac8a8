// What makes the pages of news quick: one-click votes, replies in place, the keyboard, live counts and comments.
// Each of them has a plain link or form below it.
import { announce, toast } from "/static/shell/js/announce.js"

const words = (count, one) => `${count.toLocaleString("en")}\u00a0${one}${count === 1 ? "" : "s"}`
const inField = event => event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, summary, [contenteditable]")

function fresh(element) {
  element.classList.remove("is-fresh")
  void element.offsetWidth // restarts the animation
  element.classList.add("is-fresh")
}

async function send(url, data) {
  const token = document.querySelector("meta[name=csrf-token]")?.content ?? ""
  const headers = { "HX-Request": "true", "X-CSRF-Token": token }
  return fetch(url, data ? { method: "POST", headers, body: new URLSearchParams(data) } : { headers })
}

async function complain(answer) {
  let text = "That did not work. Try again."
  try { text = (await answer.json()).detail ?? text } catch { /* no JSON: the sentence above stays */ }
  toast(text, "bad")
}

const rowOf = element => element.closest(".athing, .comment, .options li")

// Votes and marks

async function act(button) {
  const answer = await send("/news/act", { do: button.value, goto: location.pathname })
  if (!answer.ok) return complain(answer)
  const done = await answer.json()
  const row = rowOf(button)
  if (["up", "down", "un"].includes(done.do)) showVote(row, done)
  else if (done.do === "hide") row.remove()
  else if (done.do.endsWith("accept")) return location.reload()
  else row.querySelector(".inline")?.toggleAttribute("hidden", true)
  if (done.text) toast(done.text, "good")
}

function showVote(row, done) {
  for (const [name, direction] of [["up", 1], ["down", -1]]) {
    const arrow = row.querySelector(`.${name}`)
    if (!arrow) continue
    const pressed = done.my_vote === direction
    arrow.setAttribute("aria-pressed", pressed)
    arrow.value = `${pressed ? "un" : name}-${done.id}`
  }
  const score = document.getElementById(`score_${done.id}`)
  if (score && done.score !== null) score.textContent = words(done.score, "point")
  announce(done.my_vote === 1 ? "Voted up" : done.my_vote === -1 ? "Voted down" : "Vote taken back")
}

// Pieces that open in place

async function openInline(link) {
  const slot = slotOf(rowOf(link))
  if (!slot.hidden && slot.dataset.of === link.pathname) {
    slot.hidden = true
    return
  }
  const answer = await send(link.href)
  if (!answer.ok || answer.redirected) return location.assign(link.href)
  slot.innerHTML = await answer.text()
  slot.dataset.of = link.pathname
  slot.hidden = false
  slot.querySelector("textarea, button, a, input:not([type=hidden])")?.focus()
}

// Where pieces of a row open: below all else in it.
function slotOf(row) {
  const place = row.querySelector(":scope > .title") ?? (row.matches(".fat") ? row.lastElementChild : row)
  let slot = place.querySelector(":scope > .inline")
  if (!slot) {
    slot = Object.assign(document.createElement("div"), { className: "inline", hidden: true })
    place.append(slot)
  }
  return slot
}

async function reply(form) {
  const button = form.querySelector("button[type=submit], button:not([type])")
  button.disabled = true
  const answer = await send(form.action, new FormData(form))
  button.disabled = false
  const text = await answer.text()
  if (answer.status === 400) {
    const slot = form.closest(".inline")
    if (slot) slot.innerHTML = text
    else toast(new DOMParser().parseFromString(text, "text/html").querySelector(".error")?.textContent ?? "Write something.", "bad")
    return
  }
  if (!answer.ok) return toast(JSON.parse(text).detail ?? "That did not work.", "bad")
  const slot = form.closest(".inline")
  if (slot) slot.hidden = true
  else form.reset()
  const comment = insert(text)
  if (comment) comment.scrollIntoView({ block: "nearest" })
  else toast("Your reply is posted.", "good")
}

// Puts a comment behind the last answer to its parent; one that is there already stays as it is.
function insert(html) {
  const tree = document.getElementById("tree")
  const comment = new DOMParser().parseFromString(html, "text/html").querySelector(".comment")
  if (!tree || !comment || document.getElementById(comment.id)) return null
  const parent = document.getElementById(comment.dataset.parent)
  let depth = 0
  if (parent && tree.contains(parent)) {
    depth = Number(parent.dataset.depth) + 1
    let last = parent
    while (last.nextElementSibling && Number(last.nextElementSibling.dataset.depth) >= depth) last = last.nextElementSibling
    last.after(comment)
  } else if (parent || comment.dataset.parent === tree.closest("comment-tree").dataset.root) tree.prepend(comment)
  else return null // it belongs to a branch that another page shows
  comment.dataset.depth = depth
  comment.classList.add("is-arrived")
  finish(comment)
  return comment
}

// What only scripts use is not sent with every row: the button that collapses, and times that go on.
function finish(within) {
  for (const comment of [within, ...within.querySelectorAll("[data-depth]")]) {
    if (!comment.matches("[data-depth]")) continue
    const button = Object.assign(document.createElement("button"), { className: "togg", type: "button", textContent: "–" })
    button.setAttribute("aria-expanded", true)
    button.setAttribute("aria-label", "Collapse")
    comment.querySelector("header").append(button)
  }
  for (const age of within.querySelectorAll(".age[title]")) {
    const time = Object.assign(document.createElement("time"), { dateTime: age.title })
    time.title = age.title
    time.dataset.relative = ""
    time.append(...age.childNodes)
    age.append(time)
    age.removeAttribute("title")
  }
}

customElements.define("news-page", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this)
    this.addEventListener("submit", this)
    this.addEventListener("toggle", this, true)
    finish(this)
    this.keys = event => this.key(event)
    document.addEventListener("keydown", this.keys)
  }

  disconnectedCallback() { document.removeEventListener("keydown", this.keys) }

  handleEvent(event) {
    const { target } = event
    if (event.type === "toggle") return this.load(target)
    if (event.type === "submit") {
      if (!target.matches("[data-reply]")) return
      event.preventDefault()
      return void reply(target)
    }
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    const button = target.closest("button[form=acts]")
    const link = target.closest("a[href*='/reply?'], a[href*='/more?']")
    const toggle = target.closest(".togg")
    const isMember = document.getElementById("acts")?.method === "post"
    // A page of what can be done has no row to change: the form brings it back as it is then.
    if (button && isMember && rowOf(button)) { event.preventDefault(); void act(button) }
    else if (link && isMember && rowOf(link)) { event.preventDefault(); void openInline(link) }
    else if (toggle) this.collapse(toggle.closest(".comment"))
    else if (target.closest("[data-close]")) target.closest(".inline").hidden = true
  }

  async load(details) {
    if (!details.open || !details.dataset.lazy) return
    const answer = await send(details.dataset.lazy)
    if (!answer.ok) return
    details.querySelector("[data-slot]").innerHTML = await answer.text()
    delete details.dataset.lazy
  }

  collapse(comment) {
    const collapsed = comment.classList.toggle("is-collapsed")
    const depth = Number(comment.dataset.depth)
    let hidden = 0
    for (let next = comment.nextElementSibling; next && Number(next.dataset.depth) > depth; next = next.nextElementSibling) {
      next.hidden = collapsed
      if (!collapsed) { next.classList.remove("is-collapsed"); this.label(next, 0) }
      hidden += 1
    }
    this.label(comment, collapsed ? hidden + 1 : 0)
  }

  label(comment, hidden) {
    const toggle = comment.querySelector(".togg")
    if (!toggle) return
    toggle.textContent = hidden ? `+${hidden}` : "–"
    toggle.setAttribute("aria-expanded", !hidden)
    toggle.setAttribute("aria-label", hidden ? `Expand ${words(hidden, "comment")}` : "Collapse")
  }

  key(event) {
    if (inField(event)) return
    const rows = [...this.querySelectorAll(".athing, .comment")].filter(row => !row.hidden)
    const current = this.querySelector(".is-current")
    const at = rows.indexOf(current)
    const step = { j: 1, k: -1 }[event.key]
    if (step && rows.length) {
      event.preventDefault()
      this.go(rows[Math.min(Math.max(at + step, 0), rows.length - 1)])
    } else if (event.key === "n") {
      const unread = rows.filter(row => row.classList.contains("is-unread"))
      const next = unread.find(row => rows.indexOf(row) > at) ?? unread[0]
      if (next) this.go(next)
    } else if (!current) {
      return
    } else if (event.key === "Enter" && (event.target === document.body || event.target === current)) {
      current.querySelector(".titleline > a, .age")?.click()
    } else if (event.key === "u") {
      current.querySelector(".up")?.click()
    } else if (event.key === "c") {
      const link = current.querySelector(".comments, a[href*='/reply?']")
      if (link) { event.preventDefault(); link.click() }
    }
  }

  go(row) {
    this.querySelector(".is-current")?.classList.remove("is-current")
    row.classList.add("is-current")
    if (row.matches(".comment")) row.tabIndex = -1
    const focused = row.matches(".comment") ? row : row.querySelector(".titleline > a")
    focused?.focus({ preventScroll: true })
    row.scrollIntoView({ block: "nearest" })
  }
})

// <post-list data-watches>: counts follow; new posts are announced in a bar, and no row jumps.
customElements.define("post-list", class extends HTMLElement {
  connectedCallback() {
    this.waiting = new Set()
    for (const name of ["live:score", "live:rank", "live:post"]) this.addEventListener(name, this)
  }

  handleEvent({ type, detail }) {
    if (type === "live:score") return this.count(detail)
    if (type === "live:post" && this.dataset.watches === "new") this.waiting.add(detail.id)
    if (type === "live:rank" && this.dataset.watches === "top") {
      this.waiting = new Set(detail.ids.filter(id => !document.getElementById(id)))
    }
    const bar = this.querySelector("[data-newbar]")
    bar.hidden = this.waiting.size === 0
    bar.firstElementChild.textContent = `${this.waiting.size} new: show ${this.waiting.size === 1 ? "it" : "them"}`
  }

  count({ id, score, comments_count: comments }) {
    const points = document.getElementById(`score_${id}`)
    if (points && points.textContent !== words(score, "point")) { points.textContent = words(score, "point"); fresh(points) }
    const link = document.getElementById(id)?.querySelector(".comments")
    if (link && comments) link.textContent = words(comments, "comment")
  }
})

// <comment-tree data-root>: comments slide in marked; opening a thread notes up to where it was read.
customElements.define("comment-tree", class extends HTMLElement {
  connectedCallback() {
    this.addEventListener("live:comment", this)
    this.addEventListener("live:score", this)
    this.querySelector("[data-next]")?.addEventListener("click", () => {
      document.dispatchEvent(new KeyboardEvent("keydown", { key: "n" }))
    })
    this.addEventListener("click", event => {
      const link = event.target.closest(".morelink")
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return
      event.preventDefault()
      void this.goOn(link)
    })
    const form = this.querySelector(".seen")
    if (form) void send(form.action, new FormData(form)).then(() => { form.hidden = true })
  }

  handleEvent({ type, detail }) {
    if (type === "live:comment") return void this.add(detail.id)
    const points = document.getElementById(`score_${detail.id}`)
    if (points) { points.textContent = words(detail.score, "point"); fresh(points) }
    const link = document.getElementById(detail.id)?.querySelector(".comments")
    if (link && detail.comments_count) {
      link.textContent = words(detail.comments_count, "comment")
      this.querySelector("h2").textContent = words(detail.comments_count, "comment")
    }
  }

  // The next page of comments below this one.
  async goOn(link) {
    const answer = await fetch(link.href)
    if (!answer.ok) return location.assign(link.href)
    const page = new DOMParser().parseFromString(await answer.text(), "text/html")
    const comments = [...page.querySelectorAll("#tree > .comment")].filter(comment => !document.getElementById(comment.id))
    this.querySelector("#tree").append(...comments)
    comments.forEach(finish)
    const further = page.querySelector("comment-tree .morelinks")
    if (further) link.closest(".morelinks").replaceWith(further)
    else link.closest(".morelinks").remove()
    announce(`${words(comments.length, "more comment")} below`)
  }

  async add(id) {
    if (document.getElementById(id)) return
    const answer = await send(`/news/comment?id=${id}&fresh=true`)
    if (answer.ok && insert(await answer.text())) announce("A new comment")
  }
})

// <submit-form>: the title of the link is filled in while the field is empty.
customElements.define("submit-form", class extends HTMLElement {
  connectedCallback() { this.querySelector("[name=url]").addEventListener("change", this) }

  async handleEvent({ target }) {
    const title = this.querySelector("[name=title]")
    if (title.value || !target.value || !target.checkValidity()) return
    const answer = await send(`/news/title?url=${encodeURIComponent(target.value)}`)
    if (!answer.ok) return
    const found = (await answer.json()).title
    if (found && !title.value) title.value = found
  }
})
