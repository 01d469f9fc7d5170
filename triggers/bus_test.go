package triggers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"latchkey/engine"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	_, port, _ := net.SplitHostPort(taken)
	user := []User{{Name: "ada", Password: engine.NewSecret("pw")}}
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"port taken", Config{Listen: taken}, "nats.listen: port " + port + " is taken"},
		{"open to all", Config{Listen: "0.0.0.0:0"}, "nats.users and nats.tls"},
		{"open to all, no host", Config{Listen: ":4222"}, "nats.users and nats.tls"},
		{"users without tls", Config{Listen: "0.0.0.0:0", Users: user}, "nats.users and nats.tls"},
		{"tls without users", Config{Listen: "[::]:0", TLS: TLS{Cert: "c", Key: "k"}}, "nats.users and nats.tls"},
		{"no port", Config{Listen: "127.0.0.1"}, "want host:port"},
		{"bad port", Config{Listen: "127.0.0.1:nats"}, `"nats" is not a port`},
		{"foreign address", Config{Listen: "192.0.2.1:0", Users: user, TLS: testCert(t)}, "nats.listen: listen tcp 192.0.2.1"},
		{"user without password", Config{Users: []User{{Name: "ada"}}}, "nats.users[0]"},
		{"no certificate", Config{Listen: "127.0.0.1:0", TLS: TLS{Cert: "none.pem", Key: "none.pem"}}, "nats.tls: open none.pem"},
		{"key alone", Config{Listen: "127.0.0.1:0", TLS: TLS{Key: "k"}}, "needs cert and key"},
		{"nobody there", Config{URL: "nats://bob:secret@" + taken[:len(taken)-len(port)] + "1"}, "nats.url nats://redacted@127.0.0.1:1: "},
		{"password without escapes", Config{URL: "nats://bob:secret%zz@127.0.0.1:1"}, "nats.url (not a URL): invalid URL escape"},
		{"port that is none", Config{URL: "nats://bob:secret@127.0.0.1:nats"}, "nats.url (not a URL): invalid port"},
		{"url and context", Config{URL: "nats://x", Context: "y"}, "nats.url and nats.context"},
		{"unknown context", Config{Context: "no-such-context"}, `nats.context "no-such-context"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Dir, tt.cfg.Logger = t.TempDir(), zerolog.Nop()
			b, err := Open(t.Context(), tt.cfg)
			if err == nil {
				b.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := Open(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("no folder: %v", err)
	}
}

// testCert writes a certificate for 127.0.0.1 that is its own authority.
func testCert(t *testing.T) TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := TLS{CA: filepath.Join(dir, "cert.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for name, b := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestUsersAndTLS serves beyond loopback, with users, TLS and client certificates, and connects to it as a server elsewhere.
func TestUsersAndTLS(t *testing.T) {
	t.Parallel()
	files := testCert(t)
	password := engine.NewSecret("s3cret")
	b := openBus(t, func(c *Config) {
		c.Listen, c.TLS, c.Users = "0.0.0.0:0", files, []User{{Name: "ada", Password: password}}
	})
	url := "tls://127.0.0.1:" + b.URL()[strings.LastIndexByte(b.URL(), ':')+1:]
	client := Config{URL: url, User: "ada", Password: password, TLS: files, Logger: zerolog.Nop()}
	c, err := Open(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := c.PublishEvents(t.Context(), []engine.Event{fullEventWithID("1")}); err != nil || n != 0 {
		t.Errorf("publish: %d, %v", n, err)
	}
	if err := c.Healthy(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"wrong password": func(c *Config) { c.Password = engine.NewSecret("no") },
		"no certificate": func(c *Config) { c.TLS.Cert, c.TLS.Key = "", "" },
		"cert alone":     func(c *Config) { c.TLS.Key = "" },
	} {
		bad := client
		change(&bad)
		if c, err := Open(t.Context(), bad); err == nil {
			c.Close()
			t.Errorf("%s: connected", name)
		}
	}
}

func fullEventWithID(id string) engine.Event {
	ev := fullEvent(OfferAccessGranted)
	ev.ID = id
	return ev
}

// TestElsewhere runs consumer and publisher over a connection to a server of another instance, found by a context of the
// nats CLI.
func TestElsewhere(t *testing.T) {
	server := openBus(t, func(c *Config) {
		c.Listen, c.Users = "127.0.0.1:0", []User{{Name: "ada", Password: engine.NewSecret("pw")}}
	})
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	dir := filepath.Join(home, "nats", "context")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "academy.json"), []byte(`{"url":"`+server.URL()+`","user":"ada","password":"pw"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := Open(t.Context(), Config{Context: "academy", Logger: server.log})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := newMemory()
	stop := consume(t, b, h, nil)
	if _, err := b.PublishEvents(t.Context(), []engine.Event{fullEventWithID("1"), fullEventWithID("2")}); err != nil {
		t.Fatal(err)
	}
	h.awaitEvents(t, 2)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestServerRestart keeps a consumer running while the server that it reads from goes away and comes back on its port.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := Config{Listen: "127.0.0.1:0", Dir: dir, Logger: zerolog.Nop()}
	server, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen = strings.TrimPrefix(server.URL(), "nats://")
	b, err := Open(t.Context(), Config{URL: server.URL(), Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := newMemory()
	consume(t, b, h, nil)
	if _, err := server.PublishEvents(t.Context(), []engine.Event{fullEventWithID("1")}); err != nil {
		t.Fatal(err)
	}
	h.awaitEvents(t, 1)
	server.Close()
	if server, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if n, err := server.PublishEvents(t.Context(), []engine.Event{fullEventWithID("1"), fullEventWithID("2")}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	h.awaitEvents(t, 2)
	if h.events[1].ID != "2" {
		t.Errorf("got %v", h.ids())
	}
}

func TestUnfitStreams(t *testing.T) {
	t.Parallel()
	good := jetstream.StreamConfig{Name: StreamCourses, Subjects: []string{"courses.*.*"}}
	tests := []struct {
		name   string
		change func(*jetstream.StreamConfig)
		want   string
	}{
		{"fit", func(*jetstream.StreamConfig) {}, ""},
		{"wider", func(c *jetstream.StreamConfig) { c.Subjects = []string{"orders.*", "courses.>"} }, ""},
		{"subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"courses.academy.*"} }, "do not include courses.*.*"},
		{"work queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "retention is WorkQueue"},
		{"interest", func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }, "retention is Interest"},
		{"memory", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "kept in memory"},
		{"discard new", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew }, "set discard to old"},
		{"small", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1024 }, "at most 1024 bytes"},
		{"one a subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, "only 1 messages of a subject"},
		{"no ack", func(c *jetstream.StreamConfig) { c.NoAck = true }, "does not confirm"},
		{"sealed and in memory", func(c *jetstream.StreamConfig) { c.Storage, c.MaxMsgSize = jetstream.MemoryStorage, 10 }, "in memory: make it anew with storage file; it takes messages of at most 10"},
	}
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	for _, tt := range tests { // one server: each stream takes the place of the one before
		if err := js.DeleteStream(t.Context(), StreamCourses); err != nil {
			t.Fatal(err)
		}
		cfg := good
		tt.change(&cfg)
		if _, err := js.CreateStream(t.Context(), cfg); err != nil {
			t.Fatal(tt.name, err)
		}
		err := b.EnsureStreams(t.Context())
		if (tt.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		c, cerr := NewConsumer(b, ConsumerConfig{Handler: newMemory(), StoreID: "s", Logger: b.log})
		if cerr != nil {
			t.Fatal(cerr)
		}
		if tt.want != "" {
			if err := c.Run(t.Context()); !engine.IsFinal(err) {
				t.Errorf("%s: Run: %v", tt.name, err)
			}
		}
	}
	s, err := js.Stream(t.Context(), StreamCourses)
	if err != nil || s.CachedInfo().Config.MaxAge != 0 {
		t.Errorf("a stream of somebody else was changed: %v", err)
	}
}

func TestSubjectsOfAnotherStream(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	if err := js.DeleteStream(t.Context(), StreamCourses); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "MINE", Subjects: []string{"courses.>"}}); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureStreams(t.Context()); err == nil || !strings.Contains(err.Error(), "stream COURSES") || !strings.Contains(err.Error(), "overlap") {
		t.Errorf("got %v", err)
	}
}

func TestStreamsFollowTheSettingsAndSurvive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, age := range []time.Duration{time.Hour, 48 * time.Hour} {
		b, err := Open(t.Context(), Config{Dir: dir, EventsAge: age, Logger: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		err = b.EnsureStreams(t.Context())
		s, serr := b.js.Stream(t.Context(), StreamCourses)
		if err != nil || serr != nil {
			t.Fatal(err, serr)
		}
		if info := s.CachedInfo(); info.Config.MaxAge != age || info.State.Msgs != uint64(i) || !info.Config.AllowAtomicPublish || info.Config.Storage != jetstream.FileStorage {
			t.Errorf("%+v %+v", info.Config, info.State)
		}
		if _, err := b.PublishEvents(t.Context(), []engine.Event{fullEventWithID("1")}); err != nil {
			t.Fatal(err)
		}
		b.Close()
	}
}

func TestCovered(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want, have string
		ok         bool
	}{
		{"courses.*.*", "courses.*.*", true}, {"courses.*.*", "courses.>", true}, {"courses.*.*", ">", true}, {"courses.*.*", "*.*.*", true},
		{"courses.*.*", "courses.*", false}, {"courses.*.*", "courses.*.*.*", false}, {"courses.*.*", "courses.a.*", false},
		{"latchkey.>", "latchkey.*", false}, {"latchkey.>", "latchkey.>", true}, {"latchkey.>", ">", true},
	}
	for _, tt := range tests {
		if got := covered(tt.want, []string{"other", tt.have}); got != tt.ok {
			t.Errorf("%s by %s: %v", tt.want, tt.have, got)
		}
	}
}

func TestInProcessOnly(t *testing.T) {
	t.Parallel()
	if b := openBus(t, nil); b.URL() != "" {
		t.Errorf("reachable at %s", b.URL())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b, err := Open(ctx, Config{Dir: t.TempDir(), Logger: zerolog.Nop()}); !errors.Is(err, context.Canceled) {
		b.Close()
		t.Errorf("opened: %v", err)
	}
}
