package smtp

import (
	"net"
	"strconv"
	"testing"
	"time"

	"latchkey/actions"
	"latchkey/actions/smtp/sink"
	"latchkey/engine"
)

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
		Text: "Hello Ada\n.\nhttps://learn.acme.test/l/" + token + "\n",
		HTML: `<p>Hello Ada, schön</p><a href="https://learn.acme.test/l/` + token + `">Come in</a>`,
	}
}

const token = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"

func TestSend(t *testing.T) {
	t.Parallel()
	got := make(chan sink.Mail, 1)
	_, m := listen(t, sink.Options{OnMail: func(m sink.Mail) { got <- m }}, nil)
	receipt, err := m.Send(t.Context(), letterTo("ada@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	if receipt.ID == "" {
		t.Error("no receipt")
	}
	mail := <-got
	t.Logf("%s", mail.Data)
}
