package twilio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"latchkey/actions"
	"latchkey/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sid   = "AC0123456789abcdef0123456789abcdef"
	token = "topsecret99"
	link  = "https://learn.acme.test/l/AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
)

// lookalike is Twilio's Messages API as far as we use it. answer may be nil.
func lookalike(t *testing.T, answer http.HandlerFunc) (*Texter, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != sid || password != token || r.Method != "POST" || r.URL.Path != "/2010-04-01/Accounts/"+sid+"/Messages.json" {
			reply(w, 401, 20003, "Authenticate")
			return
		}
		if answer != nil {
			answer(w, r)
			return
		}
		taken(w)
	}))
	t.Cleanup(srv.Close)
	return texter(t, srv.URL, nil), srv
}

func texter(t *testing.T, base string, change func(*Config)) *Texter {
	t.Helper()
	cfg := Config{AccountSID: sid, AuthToken: engine.NewSecret(token), From: "+14155550100", BaseURL: base, Timeout: 5 * time.Second}
	if change != nil {
		change(&cfg)
	}
	tx, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Close() })
	return tx
}

func reply(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%d,"message":%q,"more_info":"https://www.twilio.com/docs/errors/%d","status":%d}`, code, message, code, status)
}

func taken(w http.ResponseWriter) {
	w.WriteHeader(201)
	io.WriteString(w, `{"sid":"SM42","status":"queued","num_segments":"1","error_code":null}`)
}

func sms() actions.Text {
	return actions.Text{To: "+14155550123", Body: "Come in: " + link, Location: "academy"}
}

func TestSend(t *testing.T) {
	t.Parallel()
	got := make(chan url.Values, 1)
	tx, _ := lookalike(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got <- r.PostForm
		taken(w)
	})
	for _, tc := range []struct{ from, key, want string }{
		{"", "From", "+14155550100"}, {"Acme", "From", "Acme"}, {"MG0123456789abcdef0123456789abcdef", "MessagingServiceSid", "MG0123456789abcdef0123456789abcdef"},
	} {
		in := sms()
		in.From = tc.from
		receipt, err := tx.Send(t.Context(), in)
		if err != nil || receipt.ID != "SM42" {
			t.Fatalf("%+v, %v", receipt, err)
		}
		form := <-got
		if form.Get(tc.key) != tc.want || form.Get("To") != in.To || form.Get("Body") != in.Body || len(form) != 3 {
			t.Errorf("%v", form)
		}
	}
}

func marks(err error) string {
	wait, later := engine.LaterBy(err)
	switch {
	case err == nil:
		return "ok"
	case engine.IsFinal(err):
		return "final"
	case engine.IsUnknown(err):
		return "unknown"
	case engine.IsDown(err):
		return "down"
	case later:
		return "later " + wait.String()
	}
	return "temporary"
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status, code int
		retryAfter   string
		want         string
	}{
		{400, 21211, "", "final"}, {400, 21614, "", "final"}, {403, 21408, "", "final"}, {400, 21610, "", "final"}, {400, 21617, "", "final"}, {400, 21612, "", "final"},
		{401, 20003, "", "down"}, {403, 20005, "", "down"}, {404, 20404, "", "down"}, {400, 21606, "", "down"}, {400, 21659, "", "down"}, {400, 21212, "", "down"}, {400, 21703, "", "down"},
		{429, 20429, "", "temporary"}, {429, 20429, "7", "later 7s"}, {429, 20429, "soon", "temporary"}, {400, 21611, "", "temporary"}, {429, 14107, "1", "later 1s"},
		{503, 20503, "30", "later 30s"}, {500, 20500, "", "unknown"},
	} {
		t.Run(fmt.Sprint(tc.status, " ", tc.code, " ", tc.retryAfter), func(t *testing.T) {
			t.Parallel()
			tx, _ := lookalike(t, func(w http.ResponseWriter, _ *http.Request) {
				if tc.retryAfter != "" {
					w.Header().Set("Retry-After", tc.retryAfter)
				}
				reply(w, tc.status, tc.code, "The number +14155550123 will not do")
			})
			_, err := tx.Send(t.Context(), sms())
			var e *Error
			if marks(err) != tc.want || !errors.As(err, &e) || e.Code != tc.code || e.Status != tc.status {
				t.Errorf("%s: %v", marks(err), err)
			}
			if errors.Is(err, actions.ErrStopped) != (tc.code == 21610) || (tx.Down() != nil) != (tc.want == "down") {
				t.Errorf("stopped %v, down %v", errors.Is(err, actions.ErrStopped), tx.Down())
			}
			for _, private := range []string{"4155550123", sid, token, link} {
				if strings.Contains(err.Error(), private) {
					t.Errorf("%v holds %q", err, private)
				}
			}
		})
	}
}

func TestRepliesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{503: "temporary", 502: "unknown", 504: "unknown", 429: "temporary", 400: "final", 404: "down", 201: "unknown", 302: "unknown"} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			calls := 0
			tx, _ := lookalike(t, func(w http.ResponseWriter, _ *http.Request) {
				calls++
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
				io.WriteString(w, "<html>upstream</html>")
			})
			if _, err := tx.Send(t.Context(), sms()); marks(err) != want || calls != 1 {
				t.Errorf("%s after %d calls: %v", marks(err), calls, err)
			}
		})
	}
	t.Run("503 with Retry-After", func(t *testing.T) {
		t.Parallel()
		tx, _ := lookalike(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(503)
		})
		_, err := tx.Send(t.Context(), sms())
		if wait, ok := engine.LaterBy(err); !ok || wait < 59*time.Minute || wait > time.Hour {
			t.Errorf("%v: %v", wait, err)
		}
	})
}

func TestNoReply(t *testing.T) {
	t.Parallel()
	hang := func(t *testing.T) http.HandlerFunc {
		ended := make(chan struct{})
		t.Cleanup(func() { close(ended) })
		return func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-ended:
			}
		}
	}
	t.Run("timeout", func(t *testing.T) {
		t.Parallel()
		_, srv := lookalike(t, hang(t))
		tx := texter(t, srv.URL, func(c *Config) { c.Timeout = 50 * time.Millisecond })
		if _, err := tx.Send(t.Context(), sms()); marks(err) != "unknown" {
			t.Errorf("%s: %v", marks(err), err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		tx, _ := lookalike(t, hang(t))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := tx.Send(ctx, sms()); marks(err) != "unknown" || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", marks(err), err)
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		t.Parallel()
		tx, _ := lookalike(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tx.Send(ctx, sms()); marks(err) != "temporary" || !errors.Is(err, context.Canceled) || tx.Down() != nil {
			t.Errorf("%s: %v", marks(err), err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		t.Parallel()
		tx, _ := lookalike(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
		})
		if _, err := tx.Send(t.Context(), sms()); marks(err) != "unknown" {
			t.Errorf("%s: %v", marks(err), err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		tx := texter(t, "http://"+l.Addr().String(), nil)
		_, err = tx.Send(t.Context(), sms())
		if marks(err) != "down" || tx.Down() == nil || strings.Contains(err.Error(), sid) {
			t.Errorf("%s: %v", marks(err), err)
		}
	})
}

func TestDownEndsWithAMessage(t *testing.T) {
	t.Parallel()
	bad := true
	tx, _ := lookalike(t, func(w http.ResponseWriter, _ *http.Request) {
		if bad {
			reply(w, 401, 20003, "Authenticate")
			return
		}
		taken(w)
	})
	if _, err := tx.Send(t.Context(), sms()); marks(err) != "down" || tx.Down() == nil {
		t.Error(err)
	}
	bad = false
	if _, err := tx.Send(t.Context(), sms()); err != nil || tx.Down() != nil {
		t.Error(err, tx.Down())
	}
}

func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	addrs := map[string]bool{}
	n := 0
	tx, _ := lookalike(t, func(w http.ResponseWriter, r *http.Request) {
		addrs[r.RemoteAddr] = true
		if n++; n%2 == 0 {
			reply(w, 400, 21211, "no")
			return
		}
		taken(w)
	})
	for range 6 {
		tx.Send(t.Context(), sms())
	}
	if n != 6 || len(addrs) != 1 {
		t.Errorf("%d requests on %d connections", n, len(addrs))
	}
}

func TestBadNumberIsFinal(t *testing.T) {
	t.Parallel()
	tx, _ := lookalike(t, func(http.ResponseWriter, *http.Request) { t.Error("asked Twilio") })
	for _, to := range []string{"", "4155550123", "+0155550123", "+1415555012a", "+1 415 555 0123", "+14155550123,+14155550124", "+1234", "+1234567890123456", "+14155550123\r\n", "+1415555０123", "whatsapp:+14155550123"} {
		in := sms()
		in.To = to
		if _, err := tx.Send(t.Context(), in); marks(err) != "final" || strings.Contains(err.Error(), "555012") {
			t.Errorf("%q: %v", to, err)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	good := Config{AccountSID: sid, AuthToken: engine.NewSecret(token)}
	for name, change := range map[string]func(*Config){
		"sid":      func(c *Config) { c.AccountSID = "" },
		"needed":   func(c *Config) { c.AuthToken = engine.Secret{} },
		"letters":  func(c *Config) { c.AccountSID += "/../x" },
		"base_url": func(c *Config) { c.BaseURL = "api.twilio.com" },
		"https":    func(c *Config) { c.BaseURL = "http://api.example.com" },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, base := range []string{"", "https://api.dublin.ie1.twilio.com", "http://127.0.0.1:1", "http://localhost:1/mock"} {
		cfg := good
		cfg.BaseURL = base
		if _, err := New(cfg); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	path := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { path = r.URL.Path; taken(w) }))
	t.Cleanup(srv.Close)
	if _, err := texter(t, srv.URL+"/mock/", nil).Send(t.Context(), sms()); err != nil || path != "/mock/2010-04-01/Accounts/"+sid+"/Messages.json" {
		t.Errorf("%q, %v", path, err)
	}
}

func TestTextIsNotPrinted(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, []actions.Text{sms()}); strings.Contains(s, "/l/") || strings.Contains(s, "55550123") {
			t.Errorf("%s: %s", verb, s)
		}
	}
}
