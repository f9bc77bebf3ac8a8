// Calls of npm's subsonic-api, by token and by API key, with GET and POST. Prints what came back.
import { SubsonicAPI } from 'subsonic-api'

const [url, username, password] = process.argv.slice(2)
const seen = {}
for (const [name, auth, post] of [['token', { username, password }, false], ['key', { apiKey: password }, true]]) {
  const api = new SubsonicAPI({ url, auth, post })
  const said = (seen[name] = {})
  said.ping = await api.ping()
  said.extensions = await api.getOpenSubsonicExtensions()
  said.artists = await api.getArtists()
  said.albums = await api.getAlbumList2({ type: 'newest' })
  said.album = await api.getAlbum({ id: said.albums.albumList2.album[0].id })
  const song = said.album.album.song[0]
  said.search = await api.search3({ query: song.title })
  said.star = await api.star({ id: song.id })
  said.starred = await api.getStarred2()
  said.playlist = await api.createPlaylist({ name: `By ${name}`, songId: [song.id] })
  said.playlists = await api.getPlaylists()
  said.scrobble = await api.scrobble({ id: song.id })
  said.similar = await api.getSimilarSongs2({ id: song.artistId })
  said.error = await api.getSong({ id: '999999' }).catch((error) => ({ thrown: String(error) }))
  const stream = await api.stream({ id: song.id })
  said.stream = { type: stream.headers.get('content-type'), bytes: (await stream.arrayBuffer()).byteLength }
  const cover = await api.getCoverArt({ id: song.id })
  said.cover = { status: cover.status, type: cover.headers.get('content-type') }
}
console.log(JSON.stringify(seen))
