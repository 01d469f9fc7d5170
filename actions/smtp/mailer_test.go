package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-message"
	"go.uber.org/goleak"

	"latchkey/actions"
	"latchkey/actions/smtp/sink"
	"latchkey/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"

var day = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// listen starts a sink and a mailer that uses it.
func listen(t testing.TB, opts sink.Options, change func(*Config)) (*sink.Sink, *Mailer) {
	t.Helper()
	srv, err := sink.Listen("127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return srv, mailer(t, srv.Addr(), change)
}

func mailer(t testing.TB, addr string, change func(*Config)) *Mailer {
	t.Helper()
	host, p, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(p)
	cfg := Config{Host: host, Port: port, Timeout: 5 * time.Second, AcceptTimeout: 5 * time.Second}
	if change != nil {
		change(&cfg)
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func letterTo(to string) actions.Mail {
	return actions.Mail{
		MessageID: "abc123@acme.test", From: "Acme Academy <hello@acme.test>", To: to, Date: day,
		Subject: "Willkommen – schön, dass du da bist", Location: "academy", TaskID: engine.NewID(day, 1, "t"),
		Text: "Hello Ada\n.\n..two\r\nhttps://learn.acme.test/l/" + token + "\n",
		HTML: `<p>Hello Ada, schön</p><a href="https://learn.acme.test/l/` + token + `">Come in</a>`,
	}
}

// parts reads a mail as its receiver would: decoded bodies by type.
func parts(t testing.TB, data []byte) (message.Header, map[string]string) {
	t.Helper()
	e, err := message.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	got := map[string]string{}
	err = e.Walk(func(_ []int, p *message.Entity, err error) error {
		if kind, _, _ := p.Header.ContentType(); err == nil && !strings.HasPrefix(kind, "multipart/") {
			b, err := io.ReadAll(p.Body)
			got[kind] = strings.ReplaceAll(string(b), "\r\n", "\n")
			return err
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return e.Header, got
}

func TestSendArrivesAsWritten(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000)
	for name, change := range map[string]func(*actions.Mail){
		"both":         func(*actions.Mail) {},
		"text alone":   func(m *actions.Mail) { m.HTML = "" },
		"html alone":   func(m *actions.Mail) { m.Text = "" },
		"long line":    func(m *actions.Mail) { m.HTML += long },
		"NUL":          func(m *actions.Mail) { m.Text += "\x00" },
		"boundary":     func(m *actions.Mail) { m.Text += "\n--partabc123acmetest\n--partabc123acmetest--\n" },
		"ascii":        func(m *actions.Mail) { m.HTML, m.Subject = "<p>plain</p>", "plain" },
		"encoded word": func(m *actions.Mail) { m.Subject = "=?utf-8?q?=0D=0A?= " + strings.Repeat("für ", 40) + "=?x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var got []sink.Mail
			_, m := listen(t, sink.Options{OnMail: func(m sink.Mail) { mu.Lock(); got = append(got, m); mu.Unlock() }}, nil)
			in := letterTo("ada@example.com")
			in.ReplyTo, in.Unsubscribe = "Help <help@acme.test>", "https://learn.acme.test/u/x"
			change(&in)
			for range 2 {
				receipt, err := m.Send(t.Context(), in)
				if err != nil || receipt.ID == "" {
					t.Fatalf("%q, %v", receipt.ID, err)
				}
			}
			if got[0].From != "hello@acme.test" || got[0].To != "ada@example.com" {
				t.Errorf("envelope %q %q", got[0].From, got[0].To)
			}
			h, bodies := parts(t, got[0].Data)
			wantText := strings.TrimSuffix(strings.ReplaceAll(in.Text, "\r\n", "\n"), "\n")
			if strings.TrimSuffix(bodies["text/plain"], "\n") != wantText || strings.TrimSuffix(bodies["text/html"], "\n") != in.HTML {
				t.Errorf("got %q", bodies)
			}
			for key, want := range map[string]string{"Message-Id": "<abc123@acme.test>", "Auto-Submitted": "auto-generated", "User-Agent": "", "X-Mailer": "",
				"From": `"Acme Academy" <hello@acme.test>`, "To": "<ada@example.com>", "Reply-To": `"Help" <help@acme.test>`, "Date": "Sun, 22 Nov 2026 09:30:00 +0000",
				"List-Unsubscribe": "<https://learn.acme.test/u/x>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} {
				if h.Get(key) != want {
					t.Errorf("%s: %q, want %q", key, h.Get(key), want)
				}
			}
			if subject, err := h.Text("Subject"); err != nil || subject != in.Subject {
				t.Errorf("subject %q, %v", subject, err)
			}
			for i, line := range strings.Split(string(got[0].Data), "\r\n") {
				if len(line) > maxLine || strings.ContainsAny(line, "\r\n") {
					t.Errorf("line %d has %d bytes, or a bare CR or LF", i, len(line))
				}
			}
			if h.Get("Message-Id") == "" || body(got[0].Data) != body(got[1].Data) {
				t.Error("the second attempt is not the same bytes")
			}
		})
	}
}

func body(data []byte) string {
	_, b, _ := strings.Cut(string(data), "\r\n\r\n")
	return b
}

// The standard library reads our MIME too.
func TestMIMEIsReadByNetMail(t *testing.T) {
	t.Parallel()
	got := make(chan sink.Mail, 1)
	_, m := listen(t, sink.Options{OnMail: func(m sink.Mail) { got <- m }}, nil)
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
		t.Fatal(err)
	}
	msg, err := netmail.ReadMessage(bytes.NewReader((<-got).Data))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatal(kind, err)
	}
	r := multipart.NewReader(msg.Body, params["boundary"])
	for _, want := range []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8"} {
		p, err := r.NextPart()
		if err != nil || p.Header.Get("Content-Type") != want {
			t.Fatalf("%v, %v", p, err)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	srv, m := listen(t, sink.Options{}, func(c *Config) { c.Conns = 4 })
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 10 {
				if _, err := m.Send(t.Context(), letterTo(fmt.Sprintf("c%d@example.com", w*10+i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, _ := srv.Taken(); n != 160 || len(srv.Counts()) != 160 || srv.Conns() > 4 {
		t.Errorf("%d mails to %d people on %d connections", n, len(srv.Counts()), srv.Conns())
	}
}

func TestConnectionIsReplacedAfterMaxPerConn(t *testing.T) {
	t.Parallel()
	srv, m := listen(t, sink.Options{}, func(c *Config) { c.MaxPerConn = 3 })
	for range 7 {
		if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
			t.Fatal(err)
		}
	}
	if srv.Conns() != 3 {
		t.Errorf("%d connections for 7 mails", srv.Conns())
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	_, m := listen(t, sink.Options{}, func(c *Config) { c.Idle = 20 * time.Millisecond })
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		m.mu.Lock()
		left := len(m.idle)
		m.mu.Unlock()
		if left == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the idle connection is still there")
}

func TestClosed(t *testing.T) {
	t.Parallel()
	_, m := listen(t, sink.Options{}, nil)
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil {
		t.Fatal(err)
	}
	m.Close()
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// marks says how an error is marked.
func marks(err error) string {
	switch {
	case err == nil:
		return "ok"
	case engine.IsFinal(err):
		return "final"
	case engine.IsUnknown(err):
		return "unknown"
	case engine.IsDown(err):
		return "down"
	}
	return "temporary"
}

func TestRepliesOfARealServer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		at   sink.Stage
		code int
		text string
		want string
	}{
		"recipient unknown":     {sink.Rcpt, 550, "no such user", "final"},
		"recipient full":        {sink.Rcpt, 552, "mailbox full", "final"},
		"recipient greylisted":  {sink.Rcpt, 451, "come back later", "temporary"},
		"recipient busy":        {sink.Rcpt, 450, "mailbox busy", "temporary"},
		"relay denied":          {sink.Rcpt, 554, "Relay access denied", "down"},
		"login needed at rcpt":  {sink.Rcpt, 530, "log in", "down"},
		"sender refused":        {sink.Sender, 553, "not yours", "down"},
		"sender login needed":   {sink.Sender, 530, "log in", "down"},
		"sender throttled":      {sink.Sender, 452, "slow down", "temporary"},
		"server closing":        {sink.Sender, 421, "closing", "down"},
		"contents refused":      {sink.Dot, 554, "spam", "final"},
		"contents too big":      {sink.Dot, 552, "too big", "final"},
		"contents later":        {sink.Dot, 451, "disk full", "temporary"},
		"closing after the dot": {sink.Dot, 421, "closing", "down"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mended atomic.Bool
			_, m := listen(t, sink.Options{Answer: func(at sink.Stage, _ sink.Mail) sink.Answer {
				if at == tc.at && !mended.Load() {
					return sink.Answer{Code: tc.code, Text: tc.text}
				}
				return sink.Answer{}
			}}, nil)
			_, err := m.Send(t.Context(), letterTo("ada@example.com"))
			var e *Error
			if marks(err) != tc.want || !errors.As(err, &e) || e.Code != tc.code || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%s: %v", marks(err), err)
			}
			if (m.Down() != nil) != (tc.want == "down") {
				t.Errorf("down: %v", m.Down())
			}
			mended.Store(true)
			if _, err := m.Send(t.Context(), letterTo("ada@example.com")); err != nil || m.Down() != nil {
				t.Errorf("the next mail: %v, %v", err, m.Down())
			}
		})
	}
}

// A refused recipient does not cost the connection.
func TestRefusalKeepsTheConnection(t *testing.T) {
	t.Parallel()
	srv, m := listen(t, sink.Options{Answer: func(at sink.Stage, mail sink.Mail) sink.Answer {
		if at == sink.Rcpt && strings.HasPrefix(mail.To, "bad") {
			return sink.Answer{Code: 550, Text: "no"}
		}
		return sink.Answer{}
	}}, nil)
	for i := range 10 {
		if _, err := m.Send(t.Context(), letterTo("bad@example.com")); marks(err) != "final" {
			t.Error(err)
		}
		if _, err := m.Send(t.Context(), letterTo(fmt.Sprint("good", i, "@example.com"))); err != nil {
			t.Error(err)
		}
	}
	if n, _ := srv.Taken(); n != 10 || srv.Conns() != 1 {
		t.Errorf("%d taken on %d connections", n, srv.Conns())
	}
}

func TestErrorsHoldNoAddress(t *testing.T) {
	t.Parallel()
	_, m := listen(t, sink.Options{Answer: func(at sink.Stage, _ sink.Mail) sink.Answer {
		if at == sink.Rcpt {
			return sink.Answer{Code: 550, Text: "<ada@example.com>: user ada@example.com, unknown"}
		}
		return sink.Answer{}
	}}, nil)
	_, err := m.Send(t.Context(), letterTo("ada@example.com"))
	if err == nil || strings.Contains(err.Error(), "ada@") || !strings.Contains(err.Error(), "<a•••@e•••>: user a•••@e•••, unknown") {
		t.Error(err)
	}
	bad := letterTo("ada@example.com\r\nRCPT TO:<eve@evil.test>")
	if _, err := m.Send(t.Context(), bad); marks(err) != "final" || strings.Contains(err.Error(), "eve") {
		t.Error(err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", bad, bad, &bad, []actions.Mail{bad}); strings.Contains(s, token) || strings.Contains(s, "ada@") {
		t.Error(s)
	}
}

func TestBadMailIsFinal(t *testing.T) {
	t.Parallel()
	srv, m := listen(t, sink.Options{}, nil)
	for name, change := range map[string]func(*actions.Mail){
		"two recipients":      func(m *actions.Mail) { m.To = "a@b.test, c@d.test" },
		"named recipient":     func(m *actions.Mail) { m.To = "Ada <ada@example.com>" },
		"full-width at":       func(m *actions.Mail) { m.To = "victim＠evil.test@example.com" },
		"newline in subject":  func(m *actions.Mail) { m.Subject = "hi\r\nBcc: eve@evil.test" },
		"newline in sender":   func(m *actions.Mail) { m.From = "Acme\r\nBcc: eve@evil.test <a@b.test>" },
		"newline in reply-to": func(m *actions.Mail) { m.ReplyTo = "a@b.test\nBcc: eve@evil.test" },
		"no sender":           func(m *actions.Mail) { m.From = "" },
		"no recipient":        func(m *actions.Mail) { m.To = "" },
		"no body":             func(m *actions.Mail) { m.HTML, m.Text = "", "" },
		"no date":             func(m *actions.Mail) { m.Date = time.Time{} },
		"no message id":       func(m *actions.Mail) { m.MessageID = "" },
		"odd message id":      func(m *actions.Mail) { m.MessageID = "<a@b>" },
		"unsubscribe by mail": func(m *actions.Mail) { m.Unsubscribe = "mailto:x@y.test>\r\nBcc: eve@evil.test" },
		"unsubscribe by http": func(m *actions.Mail) { m.Unsubscribe = "http://x.test/" },
	} {
		in := letterTo("ada@example.com")
		change(&in)
		if _, err := m.Send(t.Context(), in); marks(err) != "final" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, _ := srv.Taken(); n != 0 || srv.Conns() != 0 {
		t.Errorf("%d mails on %d connections", n, srv.Conns())
	}
}

func TestUnreachableServerIsDown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	m := mailer(t, addr, nil)
	if _, err := m.Send(t.Context(), letterTo("ada@example.com")); marks(err) != "down" || m.Down() == nil {
		t.Errorf("%s: %v", marks(err), err)
	}
}
