package smtp

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

// ErrAddress is wrapped by the error of an address that is not sent to.
var ErrAddress = errors.New("not an e-mail address")

// CheckAddress returns the form of a bare address that goes on the wire: the local part as it is, the domain
// lower-case and in ASCII (RFC 5891). It is stricter than RFC 5321, so that no two programs on the way can read
// it differently: a local part of ASCII letters, digits and !#$%&'*+/=?^_`{|}~- between single dots, no quotes,
// comments, address literals or look-alikes of @ and dot; at most 64, 253 and 254 bytes. The error wraps
// ErrAddress and does not repeat the address.
func CheckAddress(s string) (string, error) {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || strings.Contains(domain, "@") {
		return "", fmt.Errorf("%w: it needs exactly one @", ErrAddress)
	}
	if !dotAtom(local) || len(local) > 64 {
		return "", fmt.Errorf("%w: the part before the @ is empty, too long, or holds a character that is not allowed", ErrAddress)
	}
	ascii, err := domainToASCII(domain)
	if err != nil {
		return "", err
	}
	if len(local)+1+len(ascii) > 254 {
		return "", fmt.Errorf("%w: it is longer than 254 bytes", ErrAddress)
	}
	return local + "@" + ascii, nil
}

func dotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !alnum(c) && strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", c) < 0 {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func domainToASCII(d string) (string, error) {
	d = strings.ToLower(d)
	// Registration, unlike Lookup, maps nothing: a full-width dot or letter is refused, not turned into another domain.
	ascii, err := idna.Registration.ToASCII(d)
	if err != nil || len(ascii) > 253 || ascii == "" {
		return "", fmt.Errorf("%w: the domain is not a host name", ErrAddress)
	}
	digits := false
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", fmt.Errorf("%w: the domain is not a host name", ErrAddress)
		}
		digits = true
		for i := range len(label) {
			if !alnum(label[i]) && label[i] != '-' {
				return "", fmt.Errorf("%w: the domain is not a host name", ErrAddress)
			}
			digits = digits && label[i] >= '0' && label[i] <= '9'
		}
	}
	if digits { // the last label: an IP address is not a domain
		return "", fmt.Errorf("%w: the domain is a number", ErrAddress)
	}
	return ascii, nil
}
