package smtp

import (
	"strings"
	"testing"
)

// A server that talks on and on must cost neither memory nor a long error in the store and the log.
func TestRepliesAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	many := strings.Repeat("250-ada@example.com is one of many lines\r\n", 30_000) + "250 ok"
	for _, c := range []struct{ name, at, reply, want string }{
		{"a long greeting", "CONNECT", long, "down"},
		{"a greeting of many lines", "CONNECT", strings.ReplaceAll(many, "250", "220"), "down"},
		{"a long refusal", "RCPT", "550 " + long, "temporary"},
		{"a refusal that is long to read only", "RCPT", "550 ada@example.com " + long[:20_000], "final"},
		{"what is no reply", "MAIL", "ada@example.com " + long[:20_000], "down"},
		{"many lines", "DATA", strings.ReplaceAll(many, "250", "354"), "temporary"},
		{"a long receipt", ".", "250 " + long, "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &script{replies: func(_ int, at string) (string, bool) { return c.reply, at == c.at }}
			_, err := mailer(t, s.listen(t), nil).Send(t.Context(), letterTo("ada@example.com"))
			if marks(err) != c.want || len(err.Error()) > 2*maxShown || strings.Contains(err.Error(), "ada@") {
				t.Errorf("%s: %.200v", marks(err), err)
			}
		})
	}
}

func TestShorten(t *testing.T) {
	for in, want := range map[string]int{"": 0, "short": 5, strings.Repeat("x", 600): 503, strings.Repeat("é", 600): 503, strings.Repeat("€", 600): 501} {
		if got := shorten(in); len(got) != want || !strings.HasPrefix(in, strings.TrimSuffix(got, "…")) {
			t.Errorf("%.20s: %d bytes, want %d", in, len(got), want)
		}
	}
}
