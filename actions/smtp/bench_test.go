package smtp

import (
	"context"
	"strings"
	"testing"

	"latchkey/actions/smtp/sink"
)

// BenchmarkSend hands mails of 6 KB to a server in this process: the figure holds the server's work too.
func BenchmarkSend(b *testing.B) {
	_, m := listen(b, sink.Options{}, nil)
	mail := letterTo("ada@example.com")
	mail.HTML = strings.Repeat(mail.HTML+"\n", 40)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Send(context.Background(), mail); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRender is what a mail costs before it is on the wire.
func BenchmarkRender(b *testing.B) {
	for name, eightBit := range map[string]bool{"8bit": true, "qp": false} {
		b.Run(name, func(b *testing.B) {
			_, m := listen(b, sink.Options{}, nil)
			c, err := dial(b.Context(), &m.cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer c.quit()
			c.eightBit = eightBit
			mail := letterTo("ada@example.com")
			mail.HTML = strings.Repeat(mail.HTML+"\n", 40)
			b.ReportAllocs()
			for b.Loop() {
				l, err := compose(mail)
				if err == nil {
					err = c.render(l)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSendParallel is many senders on the default number of connections.
func BenchmarkSendParallel(b *testing.B) {
	_, m := listen(b, sink.Options{}, nil)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		mail := letterTo("ada@example.com")
		mail.HTML = strings.Repeat(mail.HTML+"\n", 40)
		for pb.Next() {
			if _, err := m.Send(context.Background(), mail); err != nil {
				b.Error(err)
			}
		}
	})
}
