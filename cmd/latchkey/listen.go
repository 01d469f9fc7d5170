package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen"
)

// listen opens an address; a taken one is an error that names the port and the key to change.
func listen(key, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is taken by another program; end it, or choose another port", key, addr)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return l, nil
}

// serveHTTP serves until ctx ends, then lets requests under way finish for a few seconds.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log zerolog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          newStdLogger(log),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close()
	}
	<-done
	return nil
}

// accessLog logs each request by the route that took it, never by its path: a path may hold a token.
func accessLog(name string, log zerolog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			route := routeOf(r)
			p := recover()
			if p == http.ErrAbortHandler { // what is on its way must not look whole
				log.Debug().Str("listener", name).Str("route", route).Msg("answer broken off")
				panic(p)
			}
			if p != nil {
				log.Error().Str("listener", name).Str("route", route).Str("panic", engine.WithoutTokens(p)).Msg("request failed")
				if !rec.wrote {
					http.Error(rec, "Something went wrong. Please try again.", http.StatusInternalServerError)
				}
				rec.status = http.StatusInternalServerError
			}
			log.Debug().Str("listener", name).Str("method", r.Method).Str("route", route).Int("status", rec.status).
				Dur("took", time.Since(start)).Msg("request")
		}()
		next.ServeHTTP(rec, r)
	})
}

// routeOf names what a request is for. A path that nobody serves stays out of the log, for it may be a link's with a
// slip: "//l/…", "/L/…".
func routeOf(r *http.Request) string {
	switch path := r.URL.Path; {
	case r.Pattern != "" && r.Pattern != "/":
		return r.Pattern
	case path == "/", path == "/l", path == "/l/new", path == "/l/staff", path == "/login", path == "/logout",
		path == "/staff", path == "/staff/logout":
		return path
	case strings.HasPrefix(path, "/l/"):
		return linkgen.Redact(path)
	}
	return "unknown"
}

// A recorder remembers the status that was written.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is beneath.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// sameOrigin refuses writes that another site's page makes with the visitor's browser. Programs, which send neither
// Origin nor Sec-Fetch-Site, pass.
func sameOrigin(next http.Handler, origins ...string) http.Handler {
	return sameOriginOr(func(w http.ResponseWriter, _ *http.Request) {
		console.WriteProblem(w, http.StatusForbidden, "this request came from another site's page")
	}, next, origins...)
}

// sameOriginOr is sameOrigin with another answer to such writes.
func sameOriginOr(deny http.HandlerFunc, next http.Handler, origins ...string) http.Handler {
	cop := http.NewCrossOriginProtection()
	for _, o := range origins {
		_ = cop.AddTrustedOrigin(o) // base_url was checked when the file was read
	}
	cop.SetDenyHandler(deny)
	return cop.Handler(next)
}

// onlyHosts answers 421 to requests for any other Host name, so that a page elsewhere cannot reach this listener
// through a name that it controls.
func onlyHosts(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(hosts, strings.ToLower(r.Host)) {
			console.WriteProblem(w, http.StatusMisdirectedRequest, "this listener does not answer for that Host; admin.hosts lists further names")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// adminHosts are the Host names that the admin listener answers for.
func adminHosts(l net.Listener, more []string) []string {
	addr := l.Addr().(*net.TCPAddr)
	port := fmt.Sprint(addr.Port)
	var hosts []string
	for _, h := range []string{addr.IP.String(), "localhost", "127.0.0.1", "::1"} {
		hosts = append(hosts, strings.ToLower(net.JoinHostPort(h, port)))
	}
	for _, h := range more {
		h = strings.ToLower(h)
		hosts = append(hosts, h, net.JoinHostPort(strings.Trim(h, "[]"), port))
	}
	return hosts
}

// forStaff serves what the console does not to those who may have it; where the API is open, to all who reach it and bring no key. What is of
// all locations at once takes a key to all of them.
func (i *instance) forStaff(a console.Action, next http.Handler) http.Handler {
	return staffOnly(i.cfg.adminOpen(), i.sites, a, next)
}

// forStaff is the same for what is of one location.
func (s *site) forStaff(a console.Action, next http.Handler) http.Handler {
	return staffOnly(s.cfg.adminOpen(), []*site{s}, a, next)
}

func staffOnly(open bool, sites []*site, a console.Action, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keyed := a != console.Publish && !console.ProofOf(r, "").Key.IsZero() // who publishes may bring events.token
		if open && !keyed && !console.Forwarded(r) {
			next.ServeHTTP(w, r)
			return
		}
		known := false
		for _, s := range sites {
			who, ok, err := adminStaff{s}.Known(r.Context(), console.ProofOf(r, s.staffCookie()))
			switch {
			case err != nil:
				console.WriteProblem(w, http.StatusInternalServerError, err.Error())
				return
			case ok && who.Role.May(a) && (len(sites) == 1 || who.Everywhere):
				next.ServeHTTP(w, r)
				return
			}
			known = known || ok
		}
		switch {
		case known:
			console.WriteProblem(w, http.StatusForbidden, "your role may not "+string(a)+", or not in all locations")
		case r.Method == http.MethodGet && r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.Redirect(w, r, "/signin", http.StatusSeeOther)
		default:
			console.NeedKey(w)
		}
	})
}

// originOf returns scheme://host of a URL.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
