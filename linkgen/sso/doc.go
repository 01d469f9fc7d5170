// Package sso leads a learner who is signed in to the portal on into the course site. /go/{app} asks each time whether the
// session lives and the contact has access, and then does what the app's settings say:
//
//	(nothing)   sends the browser to a page of the app
//	jwt         the same with a signed token of 60 s, which the site checks with /.well-known/jwks.json or a shared secret
//	thinkific   Thinkific's form of that
//	discourse   DiscourseConnect, where the forum asks and we answer
//	oidc        an OpenID provider (code, PKCE S256), where the site asks and we answer
//	moodle      asks Moodle (auth_userkey) for an address that signs in, and sends the browser there
//	minted      asks any server for such an address
//
// Where the browser is sent is made of the app's url and patterns alone, never of what a request says. What is stored (codes and
// tokens of OpenID, in SpaceSSO) is named by random ids and holds no address and no secret; keys are files beside the links'.
package sso
