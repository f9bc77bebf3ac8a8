// Every method of @shlinkio/shlink-js-sdk, with its Node client and with its fetch client. Prints what came back.
import { ShlinkApiClient } from '@shlinkio/shlink-js-sdk'
import { FetchHttpClient } from '@shlinkio/shlink-js-sdk/fetch'
import { NodeHttpClient } from '@shlinkio/shlink-js-sdk/node'

const [baseUrl, apiKey, domain, kind] = process.argv.slice(2)
const http = kind === 'fetch' ? new FetchHttpClient() : new NodeHttpClient()
const shlink = new ShlinkApiClient(http, { baseUrl, apiKey })
const failing = (promise) => promise.then(() => null, (error) => error)
const longUrl = `https://example.com/shlink/${kind}`

const seen = {}
seen.createShortUrl = await shlink.createShortUrl({ longUrl, tags: ['one', 'two'], title: 'Title', maxVisits: 9 })
const which = { shortCode: seen.createShortUrl.shortCode }
seen.findIfExists = await shlink.createShortUrl({ longUrl, findIfExists: true })
seen.getShortUrl = await shlink.getShortUrl(which)
seen.updateShortUrl = await shlink.updateShortUrl(which, { title: null, maxVisits: null, validUntil: '2040-01-01T00:00:00Z' })
seen.listShortUrls = await shlink.listShortUrls({
  page: '1', itemsPerPage: 5, searchTerm: 'shlink', tags: ['one', 'two'], tagsMode: 'all', excludeTags: ['three'],
  orderBy: { field: 'visits', dir: 'DESC' }, domain: 'DEFAULT', excludeMaxVisitsReached: true, excludePastValidUntil: true,
})
const condition = { type: 'query-param', matchKey: 'lang', matchValue: 'de' }
const redirectRules = [{ longUrl: 'https://example.org/de', conditions: [condition] }]
seen.setShortUrlRedirectRules = await shlink.setShortUrlRedirectRules(which, { redirectRules })
seen.getShortUrlRedirectRules = await shlink.getShortUrlRedirectRules(which)

await fetch(seen.createShortUrl.shortUrl, { redirect: 'manual', headers: { 'User-Agent': 'Mozilla/5.0 Firefox/140.0' } })
for (let tries = 0; tries < 100; tries++) {
  if ((await shlink.getShortUrl(which)).visitsSummary.total) break
  await new Promise((resolve) => setTimeout(resolve, 100))
}
seen.getVisitsOverview = await shlink.getVisitsOverview()
seen.getShortUrlVisits = await shlink.getShortUrlVisits(which, { page: 1, itemsPerPage: 10, excludeBots: true })
seen.getTagVisits = await shlink.getTagVisits('one', { domain: 'DEFAULT' })
seen.getDomainVisits = await shlink.getDomainVisits('DEFAULT')
seen.getNonOrphanVisits = await shlink.getNonOrphanVisits()
seen.getOrphanVisits = await shlink.getOrphanVisits({ type: 'invalid_short_url' })
seen.deleteOrphanVisits = await shlink.deleteOrphanVisits()
seen.listTags = await shlink.listTags()
seen.tagsStats = await shlink.tagsStats()
seen.editTag = await shlink.editTag({ oldName: 'two', newName: `two ${kind}` })
seen.deleteTags = await shlink.deleteTags(['one'])
seen.tagsLeft = await shlink.listTags()
seen.listDomains = await shlink.listDomains()
seen.editDomainRedirects = await shlink.editDomainRedirects({ domain, baseUrlRedirect: 'https://example.com/home' })
seen.health = await shlink.health()
seen.mercureInfo = await failing(shlink.mercureInfo())
seen.deleteShortUrlVisits = await shlink.deleteShortUrlVisits(which)
await shlink.deleteShortUrl(which)
seen.missing = await failing(shlink.getShortUrl(which))
seen.refused = await failing(shlink.createShortUrl({ longUrl: 'javascript:alert(1)' }))
const stranger = new ShlinkApiClient(http, { baseUrl, apiKey: 'wrong-wrong' })
seen.forbidden = await failing(stranger.listTags())
const methods = Object.getOwnPropertyNames(ShlinkApiClient.prototype).filter((name) => name !== 'constructor')
seen.uncalled = methods.filter((name) => !(name in seen) && name !== 'deleteShortUrl')
console.log(JSON.stringify(seen))
