package smtp

import (
	"bufio"
	"bytes"
	"net/textproto"
	"testing"

	"pgregory.net/rapid"
)

// What goes over the wire is what net/textproto writes, byte for byte. No mail holds a lone \r: see newlines.
func TestStuffed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mail := []byte(rapid.StringMatching(`(\.|a|\n|\r\n)+`).Draw(t, "mail"))
		var b bytes.Buffer
		w := bufio.NewWriter(&b)
		d := textproto.NewWriter(w).DotWriter()
		if _, err := d.Write(mail); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if got := appendStuffed(nil, mail); !bytes.Equal(got, b.Bytes()) {
			t.Fatalf("%q, and not %q", got, b.Bytes())
		}
	})
}
