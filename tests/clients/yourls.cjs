// Every method of npm's `yourls`. Prints what came back.
const Yourls = require('yourls')

async function main([base, key, word]) {
  const yourls = new Yourls(base, key)
  const call = (name, ...values) =>
    new Promise((resolve, reject) =>
      yourls[name](...values, (error, result) => (error ? reject(error) : resolve(result))),
    )
  const seen = {}
  seen.shorten = await call('shorten', 'https://example.com/npm-yourls')
  seen.again = await call('shorten', 'https://example.com/npm-yourls')
  seen.vanity = await call('vanity', 'https://example.com/npm-vanity', word)
  seen.expand = await call('expand', seen.shorten.shorturl)
  seen.urlstats = await call('urlstats', word)
  seen.stats = await call('stats', 2, 'last')
  seen.dbstats = await call('dbstats')
  return seen
}

main(process.argv.slice(2)).then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => {
    console.error(error)
    process.exitCode = 1
  },
)
