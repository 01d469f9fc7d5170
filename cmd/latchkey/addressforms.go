package main

import (
	"context"
	"strings"

	"golang.org/x/net/idna"

	"latchkey/engine"
)

// holders returns the contacts that hold an address: as it is written, else with its domain written in the other way that means the
// same one on the wire. A mail goes to the address on file, whatever was typed.
func (s *site) holders(ctx context.Context, address string) (keys []engine.ID, err error) {
	for _, form := range append([]string{address}, otherForms(address)...) {
		if keys, err = s.runner.LookupAddress(ctx, s.cfg.Location, form); err != nil || len(keys) > 0 {
			return keys, err
		}
	}
	return nil, nil
}

// otherForms returns an address with its domain in punycode, or out of it, where that is another one. Nothing is mapped, as the mailer
// maps nothing: two domains that only look alike stay two.
func otherForms(address string) (forms []string) {
	as := engine.NormalAddress(address)
	local, domain, ok := strings.Cut(as, "@")
	if !ok {
		return nil
	}
	for _, to := range []func(string) (string, error){idna.Registration.ToASCII, idna.Registration.ToUnicode} {
		if other, err := to(domain); err == nil && other != domain {
			forms = append(forms, local+"@"+other)
		}
	}
	return forms
}
