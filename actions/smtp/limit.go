package smtp

import (
	"errors"
	"net"
	"sync/atomic"
	"unicode/utf8"
)

const (
	maxReply = 128 << 10 // bytes that a server may say to one write of ours, a TLS handshake among them
	maxShown = 500       // bytes of an error's text, which is stored with the message
)

var errLongReply = errors.New("the server's reply does not end")

// shortReplies ends a session whose server talks on and on: who reads replies gathers lines and parts of any length.
type shortReplies struct {
	net.Conn
	left int
	said atomic.Bool // we wrote since the last read; TLS writes and reads from several goroutines
}

func (c *shortReplies) Write(b []byte) (int, error) {
	c.said.Store(true)
	return c.Conn.Write(b)
}

func (c *shortReplies) Read(b []byte) (int, error) {
	if c.said.Swap(false) {
		c.left = maxReply
	}
	if c.left <= 0 {
		return 0, errLongReply
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

// shorten cuts a text that somebody else wrote to maxShown bytes.
func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	n := maxShown
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
