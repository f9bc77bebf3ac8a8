// node-hn-api and hacker-news-api with nothing but the host changed: their source is loaded with the address of the server
// under test in place of Hacker News' own. Prints what their calls give.
const fs = require('node:fs')
const Module = require('node:module')

const [base, storyId, commentId, username] = process.argv.slice(2)

function loaded(name, host, replacement) {
  const file = require.resolve(name)
  const source = fs.readFileSync(file, 'utf8')
  if (!source.includes(host)) throw new Error(`${name} does not name ${host}`)
  const made = new Module(file, module)
  made.filename = file
  made.paths = Module._nodeModulePaths(file)
  made._compile(source.replaceAll(host, replacement), file)
  return made.exports
}

const reading = loaded('node-hn-api', 'https://hacker-news.firebaseio.com', `${base}/news`)
const searching = loaded('hacker-news-api', 'https://hn.algolia.com', `${base}/news`)
const called = start => new Promise((resolve, reject) => start((error, data) => (error ? reject(error) : resolve(data))))

async function main() {
  const seen = {}
  for (const name of ['Top', 'New', 'Best', 'Ask', 'Show', 'Job']) seen[name] = await reading[`fetch${name}Stories`](5)
  seen.item = await reading.fetchItem(Number(storyId))
  seen.missing = await reading.fetchItem(99999999)
  seen.user = await reading.fetchUser(username)
  seen.search = await called(done => searching.search('lighthouse', done))
  seen.story = await called(done => searching.story().search('lighthouse', done))
  seen.comment = await called(done => searching.comment().recent(done))
  seen.author = await called(done => searching.author(username).story().recent(done))
  seen.since = await called(done => searching.story().since('past_24h', done))
  seen.storyItem = await called(done => searching.item(storyId, done))
  seen.commentItem = await called(done => searching.item(commentId, done))
  seen.searchUser = await called(done => searching.user(username, done))
  console.log(JSON.stringify(seen))
}

main().catch(error => { console.error(error); process.exit(1) })
