package smtp

import (
	"errors"
	netmail "net/mail"
	"strings"
	"testing"

	gosmtp "github.com/wneessen/go-mail/smtp"
)

func serverInfo(auth []string) *gosmtp.ServerInfo {
	return &gosmtp.ServerInfo{Name: "mail.acme.test", Auth: auth}
}

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"ada@example.com":                        "ada@example.com",
		"Ada.L+go@Example.COM":                   "Ada.L+go@example.com",
		"o'brien@example.ie":                     "o'brien@example.ie",
		"ada@bücher.example":                     "ada@xn--bcher-kva.example",
		"ada@BÜCHER.example":                     "ada@xn--bcher-kva.example",
		"root@localhost":                         "root@localhost",
		"a@" + strings.Repeat("b", 63) + ".test": "a@" + strings.Repeat("b", 63) + ".test",
	}
	for in, want := range good {
		if got, err := CheckAddress(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "ada", "@", "ada@", "@example.com", "a@b@c.test", "ada@example.com,eve@evil.test", "ada@example.com eve@evil.test",
		"Ada <ada@example.com>", "<ada@example.com>", " ada@example.com", "ada@example.com ", "ada@example.com\n", "ada@exam\rple.com", "a\x00b@example.com",
		`"ada"@example.com`, `"e@evil.test"@example.com`, "ada(comment)@example.com", "ada@[127.0.0.1]", "ada@127.0.0.1", "ada@example.com.", "ada@.example.com",
		"victim＠evil.test@example.com", "ada＠example.com", "ada@example．com", "ada@ｅxample.com", "ada@example。com", "ädä@example.com", ".ada@example.com", "a..b@example.com",
		"ada.@example.com", "ada@-example.com", "ada@example-.com", "ada@exa_mple.com", "ada@example.com> SIZE=1", "ada@example.com\r\nDATA",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b", 64) + ".test", "a@" + strings.Repeat("b.", 130) + "test", "a@exam\u200bple.com", "a@ex\u202eample.com",
	} {
		if got, err := CheckAddress(in); !errors.Is(err, ErrAddress) {
			t.Errorf("%q became %q, %v", in, got, err)
		} else if len(in) > 3 && strings.Contains(err.Error(), in) {
			t.Errorf("the error repeats %q", in)
		}
	}
}

// What passes is one address, for everybody: it is printable ASCII that cannot end a command or begin a parameter, and the
// standard library reads the same from it.
func FuzzCheckAddress(f *testing.F) {
	for _, s := range []string{"ada@example.com", "a@b,c@d", `"a@b"@c`, "a＠b@c", "a@b\r\nRCPT TO:<x@y>", "a@bücher.example", "a@xn--bcher-kva.example", "a@[1.2.3.4]", "=?utf-8?q?a?=@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := CheckAddress(s)
		if err != nil {
			if got != "" || !errors.Is(err, ErrAddress) {
				t.Fatalf("%q: %q, %v", s, got, err)
			}
			return
		}
		if len(got) > 254 || strings.Count(got, "@") != 1 || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>()[]\,;:"`, r) }) {
			t.Fatalf("%q became %q", s, got)
		}
		again, err := CheckAddress(got)
		if err != nil || again != got {
			t.Fatalf("%q became %q and then %q, %v", s, got, again, err)
		}
		if a, err := netmail.ParseAddress(got); err != nil || a.Address != got || a.Name != "" {
			t.Fatalf("net/mail reads %q as %v, %v", got, a, err)
		}
	})
}
