package smtp

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A script is a server that misbehaves in ways that a real library does not: a reply for each command, by the command's
// first word; "." is the final dot. An empty reply cuts the connection, and so does a reply that ends in "!" once it
// is sent. What has no reply gets the usual one.
type script struct {
	extensions []string
	replies    func(conn int, command string) (reply string, ok bool)

	mu    sync.Mutex
	conns int
	taken int // mails whose final dot came
	seen  []string
}

func (s *script) listen(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var open sync.Map
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(c, nil)
			s.mu.Lock()
			s.conns++
			n := s.conns
			s.mu.Unlock()
			wg.Go(func() { s.serve(c, n) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		wg.Wait()
	})
	return l.Addr().String()
}

func (s *script) serve(c net.Conn, n int) {
	defer c.Close()
	r := bufio.NewReader(c)
	said := "" // the last reply
	answer := func(command, usual string) bool {
		said = usual
		if s.replies != nil {
			if reply, ok := s.replies(n, command); ok {
				said = reply
			}
		}
		if said != "" {
			c.Write([]byte(strings.TrimSuffix(said, "!") + "\r\n"))
		}
		return said != "" && !strings.HasSuffix(said, "!")
	}
	if !answer("CONNECT", "220 script.test") {
		return
	}
	inData := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		command, _, _ := strings.Cut(line, " ")
		switch {
		case inData && line != ".":
			continue
		case inData:
			inData = false
			s.mu.Lock()
			s.taken++
			s.mu.Unlock()
			if !answer(".", "250 2.0.0 queued as 42") {
				return
			}
			continue
		}
		s.mu.Lock()
		s.seen = append(s.seen, command)
		s.mu.Unlock()
		usual := "250 2.0.0 ok"
		switch command {
		case "EHLO":
			usual = "250-script.test"
			for _, e := range s.extensions {
				usual += "\r\n250-" + e
			}
			usual += "\r\n250 HELP"
		case "DATA":
			usual = "354 go on"
		case "QUIT":
			usual = "221 bye!"
		}
		if !answer(command, usual) {
			return
		}
		inData = strings.HasPrefix(said, "354")
	}
}

func (s *script) counts() (conns, taken int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns, s.taken
}

// certificate makes a certificate for the name, and the pool that trusts it.
func certificate(t testing.TB, name string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}
