package portal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// maxAddress is how many bytes an e-mail address may have (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

// readAddress returns the one e-mail address that a visitor typed, and whether it is one. It takes no list, name, quotes,
// comment or literal, and no letter that looks like another form of one (as the full-width @): what is read here and
// what is compared with addresses on file must not differ.
func readAddress(typed string) (string, bool) {
	s := strings.TrimSpace(typed)
	if len(s) > maxAddress || !utf8.ValidString(s) || !norm.NFKC.IsNormalString(s) {
		return "", false
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) > 64 || !dotAtom(local) || !strings.Contains(domain, ".") || strings.Contains(domain, "..") || strings.HasSuffix(domain, ".") {
		return "", false
	}
	if _, err := idna.Lookup.ToASCII(domain); err != nil || strings.ContainsFunc(domain, notInDomain) {
		return "", false
	}
	return s, true
}

// dotAtom reports whether s may stand before the @ as it is (RFC 5322, 3.2.3; RFC 6531 for what is not ASCII).
func dotAtom(s string) bool {
	for _, atom := range strings.Split(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, notInAtom) {
			return false
		}
	}
	return true
}

func notInAtom(r rune) bool {
	if r > unicode.MaxASCII {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	}
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func notInDomain(r rune) bool {
	return r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
}
