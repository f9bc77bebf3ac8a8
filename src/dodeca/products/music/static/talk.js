// Talking to the API: the page's CSRF token goes along, answers are JSON.
export const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content ?? ""

export async function api(path, { method = "GET", body } = {}) {
  const headers = { Accept: "application/json" }
  if (method !== "GET") headers["X-CSRF-Token"] = csrf()
  if (body !== undefined) headers["Content-Type"] = "application/json"
  const answer = await fetch(`/api/music${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}))
    throw Object.assign(new Error(problem.message || "The server cannot do this now."), { status: answer.status, problem })
  }
  return answer.status === 204 ? null : answer.json()
}

export const clock = ms => {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60, rest = String(seconds % 60).padStart(2, "0")
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`
}
