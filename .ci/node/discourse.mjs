// Plays a forum's part with discourse-sso. In: SECRET, and SSO and SIG of our answer. Out: whether the signature is right, the
// nonce, and the answer that the package gives with the same fields, as JSON.
import discourse from 'discourse-sso'

const { SECRET, SSO, SIG } = process.env
const sso = new discourse(SECRET)
const fields = Object.fromEntries(new URLSearchParams(Buffer.from(SSO, 'base64').toString()))
console.log(JSON.stringify({
  valid: sso.validate(encodeURIComponent(SSO), SIG),
  flipped: sso.validate(encodeURIComponent(SSO), SIG.replace(/.$/, (c) => (c === '0' ? '1' : '0'))),
  nonce: sso.getNonce(encodeURIComponent(SSO)),
  theirs: sso.buildLoginString(fields),
}))
