// Every method of npm's `bitly`. Prints what came back.
const { BitlyClient } = require('bitly')

async function main([key, code]) {
  const bitly = new BitlyClient(key, { apiUrl: 'short.example', apiVersion: 'shortener/v4' })
  const seen = {}
  seen.shorten = await bitly.shorten('https://example.com/npm')
  const id = seen.shorten.id
  seen.again = await bitly.shorten('https://example.com/npm')
  seen.getBitlink = await bitly.getBitlink(id)
  seen.info = await bitly.info(seen.shorten.link)
  seen.expand = await bitly.expand(id)
  seen.clicks = await bitly.clicks(code)
  seen.clicksByMinute = await bitly.clicksByMinute(code)
  seen.clicksByDay = await bitly.clicksByDay(code)
  seen.referrers = await bitly.referrers(code)
  seen.countries = await bitly.countries(code)
  seen.patched = await bitly.bitlyRequest(`bitlinks/${id}`, { title: 'Changed' }, 'PATCH')
  seen.refused = await bitly.shorten('javascript:alert(1)').catch((error) => error)
  seen.forbidden = await new BitlyClient('wrong-wrong', { apiUrl: 'short.example', apiVersion: 'shortener/v4' })
    .shorten('https://example.com/')
    .catch((error) => error)
  return seen
}

main(process.argv.slice(2)).then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => {
    console.error(error)
    process.exitCode = 1
  },
)
