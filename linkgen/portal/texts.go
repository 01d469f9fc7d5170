package portal

import (
	"strconv"
	"strings"
	"unicode"
)

// texts is all that the portal says, in English. Of a message with a head, "head" says what happened, "text" why, and
// "next" what to do. A %s is what the code that says it passes.
var texts = map[string]string{
	"lang":        "en",
	"time_format": "Monday 2 January 2006, 15:04 MST",
	"day_format":  "2 January 2006",

	"sign_in_to":   "Sign in to %s",
	"sign_in_as":   "Sign in as",
	"continue":     "Continue",
	"not_you":      "Not you? Close this page.",
	"signed_in_as": "You are signed in as %s.",
	"continue_as":  "Continue as",
	"switch":       "Switch and continue",
	"switch_note":  "This signs %s out in this browser. Not you? Close this page.",
	"your_account": "your account",

	"hello":        "Hello, %s",
	"hello_nobody": "Hello",
	"sign_out":     "Sign out",
	"your_offers":  "Your offers",
	"your_courses": "Your courses",
	"since":        "Yours since %s",
	"via":          "Part of %s",
	"no_course":    "You have no course yet.",
	"no_course.2":  "If you just bought one, it can take a minute. Then reload this page.",

	"stopped":            "It stopped working %s.",
	"write_to":           "Write to %s",
	"expired.head":       "This link has expired",
	"expired.text":       "Links work for a limited time, to keep your account safe.",
	"expired.next":       "Ask %s for a new one.",
	"replaced.head":      "A newer link has taken this one’s place",
	"replaced.text":      "%s sent you another message since. The link in the newest one works.",
	"replaced.next":      "Cannot find it? Ask for a new one.",
	"used_up.head":       "This link has been used up",
	"used_up.text.one":   "It worked once, and it was used.",
	"used_up.text.other": "It worked %s times, and all of them were used.",
	"used_up.next":       "Ask %s for a new one.",
	"moved.head":         "This link no longer works",
	"moved.text":         "It was sent to an address that your account does not use any more.",
	"moved.next":         "Look for a message at your new address, or ask %s for a link.",
	"revoked.head":       "This link was ended",
	"revoked.text":       "%s has ended it, so it lets nobody in.",
	"revoked.next":       "Ask for a new one.",

	"no_access.head":   "You have no course here yet",
	"no_access.text":   "If you just bought one, it can take a minute. Then open the link in your message again.",
	"no_access.next":   "Should there be one by now? Ask %s.",
	"access_lost.head": "Your access has ended",
	"access_lost.text": "You have no course at %s any more, so you were signed out.",
	"access_lost.next": "Is that a mistake? Ask us.",
	"signed_out.head":  "You are not signed in",
	"signed_out.text":  "Open the link in the newest message from %s. It brings you straight in.",
	"signed_out.next":  "No message at hand? Ask for a new link.",
	"dead.head":        "This link does not work",
	"dead.text":        "It may have been cut short on its way. Open it from the message itself, or copy all of it.",
	"dead.next":        "Still no luck? Ask %s for a new one.",

	"not_found.head":    "There is no such page",
	"not_found.text":    "The address may be mistyped.",
	"not_found.next":    "Looking for your courses? Open the newest link from %s.",
	"wrong_method.head": "That does not work here",
	"wrong_method.text": "This page cannot be asked in that way.",
	"wrong_method.next": "Open the newest link from %s.",
	"too_large.head":    "That was too much",
	"too_large.text":    "More was sent than a login link needs.",
	"too_large.next":    "Open the newest link from %s again.",
	"wrong_form.head":   "That did not work",
	"wrong_form.text":   "Something was missing from what your browser sent.",
	"wrong_form.next":   "Open the newest link from %s again and press Continue.",
	"failed.head":       "We cannot do that just now",
	"failed.text":       "The fault is ours. Your link still works.",
	"failed.next":       "Try again in a minute.",

	"your_courses_link": "Go to your courses",
	"still_signed_in":   "You are still signed in.",

	"just_now":          "just now",
	"minutes_ago.one":   "a minute ago",
	"minutes_ago.other": "%s minutes ago",
	"hours_ago.one":     "an hour ago",
	"hours_ago.other":   "%s hours ago",
	"days_ago.one":      "yesterday",
	"days_ago.other":    "%s days ago",
}

// say returns a text of the catalogue. Arguments that it has no place for are left out. A name written right to left is
// set apart (U+2068, U+2069), so that it does not turn the sentence around.
func say(key string, args ...string) string {
	text, ok := texts[key]
	if !ok {
		return key
	}
	return fill(text, args)
}

// plural returns the form of a text that fits n.
func plural(key string, n int) string {
	if n == 1 {
		return say(key + ".one")
	}
	return say(key+".other", strconv.Itoa(n))
}

// fill puts each argument in its place. What is put in is never read for places of its own.
func fill(text string, args []string) string {
	var b strings.Builder
	for _, a := range args {
		before, after, ok := strings.Cut(text, "%s")
		if !ok {
			break
		}
		if strings.IndexFunc(a, rightToLeft) >= 0 {
			a = "\u2068" + a + "\u2069"
		}
		b.WriteString(before + a)
		text = after
	}
	return b.String() + text
}

func rightToLeft(r rune) bool {
	return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko)
}
