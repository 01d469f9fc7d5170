// Verifies a token with jose as a site does. In: TOKEN, AUD, ISSUER, and SECRET for HS256. Out: what it says, as JSON.
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { TOKEN, AUD, ISSUER, SECRET } = process.env
const key = SECRET ? new TextEncoder().encode(SECRET) : createRemoteJWKSet(new URL(ISSUER + '/.well-known/jwks.json'))
const { payload } = await jwtVerify(TOKEN, key, {
  issuer: ISSUER,
  audience: AUD,
  algorithms: [SECRET ? 'HS256' : 'EdDSA'],
  maxTokenAge: '60s',
  requiredClaims: ['sub', 'jti', 'exp', 'to'],
})
let elsewhere = 'taken'
try {
  await jwtVerify(TOKEN, key, { issuer: ISSUER, audience: 'https://elsewhere.test' })
} catch (e) {
  elsewhere = e.code
}
console.log(JSON.stringify({ payload, elsewhere }))
