package main

import "testing"

// TestLinkID has the URLs that learners send: as it was mailed, with what stands around it, cut short, run into the next word, and as mail
// gateways rewrite it.
func TestLinkID(t *testing.T) {
	t.Parallel()
	const token = "AaIjCBqSNWEAz7HLGMACTRQhvdN3l8q-x2Kb"
	for text, wrong := range map[string]string{
		"lnk_AaIjCBqSNWEA": "", token: "", "https://go.acme.test/l/" + token: "", "<https://go.acme.test/l/" + token + ">.": "",
		"https://go.acme.test/l/" + token + "?utm_source=mail#top": "", "https://go.acme.test/l/" + token + "&x=1": "goes on where the link ends",
		"https://go.acme.test/l/" + token[:35]: "is cut short", "https://go.acme.test/l/" + token[:12]: "is cut short",
		"https://go.acme.test/l/" + token + "Continue": "goes on where the link ends",
		"https://go.acme.test/l/" + token + "/":        "goes on where the link ends",
		"https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fgo.acme.test%2Fl%2F" + token + "&data=05%7C02&reserved=0": "",
		"https://urldefense.com/v3/__https://go.acme.test/l/" + token + "__;!!AbC-d_E$":                                              "",
	} {
		if got := linkToken(text); (got == token) != (wrong == "" && text != "lnk_AaIjCBqSNWEA") || got != token && got != "" {
			t.Errorf("%s: the token %q", text, got)
		}
		if id, got := linkID(text); id != "lnk_AaIjCBqSNWEA" || got != wrong {
			t.Errorf("%s: %s, %q; want %q", text, id, got, wrong)
		}
	}
	for _, text := range []string{"https://go.acme.test/", "%zz", "100%", "a%41", ""} {
		if id, wrong := linkID(text); id != text || wrong != "" {
			t.Errorf("%q: %q, %q", text, id, wrong)
		}
	}
}
