package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"testing"
	"time"

	"latchkey/engine"
)

func hashOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(h[:])
}

func hexOf(c byte) string { return fmt.Sprintf("%02x", c) }

func styleSheet(t testing.TB) string { t.Helper(); return sheetNamed(t, "style.css") }

func sheetNamed(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   engine.Contact
		want string
	}{
		{engine.Contact{Email: "ada@example.com"}, "a•••@e•••.com"}, {engine.Contact{Email: "a@b.co.uk"}, "a•••@b•••.uk"},
		{engine.Contact{Email: "élodie@exemple.fr"}, "é•••@e•••.fr"}, {engine.Contact{Email: "root@localhost"}, "r•••@l•••"},
		{engine.Contact{Email: "@x"}, "•••@x•••"}, {engine.Contact{Email: `"<b>"@x.y`}, "•••@x•••.y"}, {engine.Contact{Email: "+tag@x.io"}, "•••@x•••.io"},
		{engine.Contact{Phone: "+14155550123"}, "•••• ••23"}, {engine.Contact{Phone: "+1415"}, "your account"},
		{engine.Contact{FirstName: "Ada"}, "A•••"}, {engine.Contact{}, "your account"},
	} {
		if got := spoken.of("en").mask(&c.in); got != c.want {
			t.Errorf("%+v: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "just now", 59 * time.Second: "just now", time.Minute: "a minute ago", 59 * time.Minute: "59 minutes ago", time.Hour: "an hour ago",
		47 * time.Hour: "47 hours ago", 48 * time.Hour: "2 days ago", 30 * 24 * time.Hour: "30 days ago",
	} {
		if got := spoken.of("en").ago(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// Whatever the brand, what stands on it can be read.
func TestAccentContrast(t *testing.T) {
	t.Parallel()
	for n := 0; n < 1<<24; n += 4099 {
		a := brandOf(&engine.Location{Brand: fmt.Sprintf("#%06x", n)})
		for _, c := range []struct {
			colour, beside string
			least          float64
		}{{a.text, a.fill, 4.5}, {a.line, besideLight, 3}, {a.line, "#ffffff", 3}, {a.line, "#f4f4f5", 3}, {a.darkLine, besideDark, 3}, {a.darkLine, "#1d1d20", 3}, {a.darkLine, "#121214", 3}} {
			if got := contrast(c.colour, c.beside); got < c.least {
				t.Fatalf("%s beside %s: %.2f, want %v", c.colour, c.beside, got, c.least)
			}
		}
	}
	for _, bad := range []string{"", "red", "#12345", "#12345g", "#1234567", "#+1234f", "}body{display:none"} {
		if a := brandOf(&engine.Location{Brand: bad}); a.fill != defaultBrand {
			t.Errorf("%q is taken for a colour", bad)
		}
	}
}
