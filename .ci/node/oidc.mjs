// Signs in with openid-client as a site does. In: ISSUER, CLIENT, SECRET, REDIRECT, COOKIE (of a browser that is signed in).
// Out: what the id token and userinfo say, as JSON; and what a second exchange of the code ended with.
import * as client from 'openid-client'

const { ISSUER, CLIENT, SECRET, REDIRECT, COOKIE } = process.env
const config = await client.discovery(new URL(ISSUER), CLIENT, undefined, client.ClientSecretBasic(SECRET), {
  execute: [client.allowInsecureRequests],
})
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const to = client.buildAuthorizationUrl(config, {
  redirect_uri: REDIRECT,
  scope: 'openid profile email',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
})
const answer = await fetch(to, { redirect: 'manual', headers: { cookie: COOKIE } })
const back = new URL(answer.headers.get('location'))
const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, back, checks)
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
let replay = 'a token'
try {
  await client.authorizationCodeGrant(config, back, checks)
} catch (e) {
  replay = e.error ?? e.code
}
const out = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: process.env.AFTER })
const bye = await fetch(out, { redirect: 'manual', headers: { cookie: COOKIE } })
console.log(JSON.stringify({ claims, userinfo, replay, bye: bye.headers.get('location') }))
