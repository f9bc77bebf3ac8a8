// Preloaded (node --require): clients that know no port reach the server under test. Whatever host they name, plain HTTP goes
// to PORT and TLS to TLS_PORT, both on loopback; names, certificates and the clients themselves stay what they are.
const http = require('node:http')
const https = require('node:https')
const net = require('node:net')
const tls = require('node:tls')

http.globalAgent.createConnection = (options, done) =>
  net.connect({ host: '127.0.0.1', port: Number(process.env.PORT) }, done)
https.globalAgent.createConnection = (options, done) =>
  tls.connect({ ...options, path: undefined, host: '127.0.0.1', port: Number(process.env.TLS_PORT) }, done)
