// Package portal owns what a learner sees: the page that a login link opens, the session that its button makes, and
// the client portal with what was granted to that learner.
//
// Reading a page never changes anything but when its session was last seen; only the button's POST lets someone in.
// No page needs script, cookies before the button, or a second request.
//
// It does not check the request's host or origin, limit rates or keep an access log: the command does, around it.
package portal
