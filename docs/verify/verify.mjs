// Verifies webhooks of Recado. Node.js 18 or newer, no packages.
//
// Copy this file, and call verify() with the request's body exactly as it came in: a Buffer, before any JSON parser. To try it:
//
//     WEBHOOK_SECRET=whsec_... node verify.mjs 9000

import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { argv, env } from 'node:process'
import { fileURLToPath } from 'node:url'

/** Seconds that webhook-timestamp may be from this clock, either way. */
export const TOLERANCE = 300

/**
 * Tells whether a request is Recado's, by its webhook-... headers.
 *
 * @param {string[]} secrets all that may sign: one, or the new and the old one during a change, as secret or as standard_secret
 * @param {Record<string, string | string[] | undefined>} headers names in lower case: request.headersDistinct, or request.headers
 * @param {Buffer} body
 * @param {number} now in seconds
 */
export function verify(secrets, headers, body, now = Date.now() / 1000) {
  const id = single(headers['webhook-id'])
  const stamp = single(headers['webhook-timestamp'])
  const given = single(headers['webhook-signature'])
  if (!id || !given || !/^[0-9]{1,12}$/.test(stamp)) return false
  if (given.includes(', ')) return false // two headers that were joined
  let right = false
  for (const secret of secrets) {
    const want = 'v1,' + createHmac('sha256', key(secret)).update(`${id}.${stamp}.`).update(body).digest('base64')
    for (const entry of given.split(' ')) {
      if (equal(entry, want)) right = true
    }
  }
  return right && Math.abs(Math.floor(now) - Number(stamp)) <= TOLERANCE
}

/**
 * Tells whether the body signature, "sha256=<hex>", is right. It does not say when: refuse an event_id (in the body) that you have seen.
 *
 * @param {string[]} secrets as secret, not as standard_secret
 */
export function verifyBody(secrets, signature, body) {
  let right = false
  for (const secret of secrets) {
    if (equal(signature ?? '', 'sha256=' + createHmac('sha256', secret).update(body).digest('hex'))) right = true
  }
  return right
}

function single(value) {
  if (Array.isArray(value)) return value.length === 1 ? value[0] : ''
  return value ?? ''
}

function key(secret) {
  if (!secret.startsWith('whsec_')) return Buffer.from(secret, 'utf8')
  const text = secret.slice('whsec_'.length)
  const bytes = Buffer.from(text, 'base64')
  // Buffer.from passes over what is not base64.
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw new Error('what follows whsec_ is not base64')
  return bytes
}

function equal(a, b) {
  const x = Buffer.from(a)
  const y = Buffer.from(b)
  return x.length === y.length && timingSafeEqual(x, y)
}

function receive(request, response) {
  const chunks = []
  let size = 0
  request.on('data', (chunk) => {
    size += chunk.length
    if (size <= 1 << 20) chunks.push(chunk)
  })
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const secrets = [env.WEBHOOK_SECRET, env.WEBHOOK_SECRET_OLD].filter(Boolean)
    if (size > 1 << 20) {
      response.writeHead(413).end()
    } else if (request.method !== 'POST' || !verify(secrets, request.headersDistinct, body)) {
      response.writeHead(401).end()
    } else {
      console.log(request.headers['webhook-id'], body.toString()) // store it; ignore an id that you have
      response.writeHead(204).end()
    }
  })
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  createServer(receive).listen(Number(argv[2]), '127.0.0.1')
}
