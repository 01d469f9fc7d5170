package console

import (
	"regexp"
	"strings"

	"latchkey/engine"
)

// What publishers wrote may hold anything. What is shown of it names no whole address or number, and no secret.
var (
	mailAddress = regexp.MustCompile(`([^\s"'<>()\[\]{},;:=@/\\])([^\s"'<>()\[\]{},;:=@/\\]*)(@|%40)([\pL\pN-]+(?:\.[\pL\pN-]+)+)`)
	phoneNumber = regexp.MustCompile(`\+[0-9](?:[ ().-]{0,2}[0-9]){6,14}`)
	// secretValue is a member of JSON, or an assignment, whose name says that the value is none of our business.
	secretValue = regexp.MustCompile(`(?i)("?[\w.-]*(?:passw|secret|token|authorization|api[-_]?key|login_url)[\w.-]*"?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|[^\s,;&}"]+)`)
)

const hidden = engine.Hidden

// Mask returns a text with addresses and phone numbers reduced to what lets an operator recognise one that they know, and
// login tokens and values that are named as secrets left out.
func Mask(s string) string {
	s = engine.HideTokens(s)
	s = mailAddress.ReplaceAllString(s, "$1***$3$4")
	return phoneNumber.ReplaceAllStringFunc(s, func(n string) string { return n[:2] + "***" + n[len(n)-2:] })
}

// maskData masks a body, in which secrets are named.
func maskData(s string) string {
	s = secretValue.ReplaceAllStringFunc(s, func(m string) string {
		name := secretValue.FindStringSubmatch(m)[1]
		if strings.HasPrefix(m[len(name):], `"`) {
			return name + `"` + hidden + `"`
		}
		return name + hidden
	})
	return Mask(s)
}
