package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
)

// A client speaks to the admin API of a running server.
type client struct {
	base     string
	key      engine.Secret
	http     *http.Client
	location string // that requests are about; may be empty if the server has but one
}

// clientFlags are the flags of every command that speaks to a running server.
func clientFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "server", Usage: "admin address of a running server, `URL` (else the project in --dir)", Sources: cli.EnvVars("LATCHKEY_SERVER")},
		&cli.StringFlag{Name: "dir", Usage: "the project's `FOLDER`", Value: "."},
		&cli.StringFlag{Name: "location", Usage: "`ID` of the location, where the server has several", Sources: cli.EnvVars("LATCHKEY_LOCATION")},
		outputFlag(),
	}
}

// outputFlag is the flag of print.
func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`text`, json or jsonl", Value: "text",
		Validator: func(s string) error {
			if s != "text" && s != "json" && s != "jsonl" {
				return fmt.Errorf("%q is none of text, json, jsonl", s)
			}
			return nil
		}}
}

// client finds the server: --server or LATCHKEY_SERVER, else the admin listener of the project in --dir.
func (a *app) client(c *cli.Command) (*client, error) {
	cl := &client{base: strings.TrimRight(c.String("server"), "/"), http: &http.Client{Timeout: 60 * time.Second}, location: c.String("location")}
	cl.key = engine.NewSecret(envMap(a.env)["LATCHKEY_KEY"])
	if cl.base != "" {
		if u, err := url.Parse(cl.base); err != nil || u.Host == "" {
			return nil, usagef("--server is no URL; write for instance http://127.0.0.1:8081") // not repeated: it may hold a key
		}
		return cl, nil
	}
	cfg, err := a.config(c.String("dir"), nil)
	if err != nil {
		return nil, err
	}
	cl.base = "http://" + dialable(cfg.Admin.Listen)
	if cl.key.IsZero() {
		if b, err := os.ReadFile(filepath.Join(cfg.Keys, "api.key")); err == nil {
			cl.key = engine.NewSecret(strings.TrimSpace(string(b)))
		}
	}
	return cl, nil
}

// dialable makes an address that can be called of one that is listened on.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// errNotFound marks the answer of a server that does not have what it was asked for.
var errNotFound = errors.New("not found")

// do sends one request and reads the answer into out. An answer that is no success becomes an error with the
// server's own words.
func (cl *client) do(ctx context.Context, method, path string, in, out any) error {
	res, err := cl.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return cl.refused(res)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

const maxAnswer = 64 << 20

func (cl *client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, cl.base+cl.about(path), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if !cl.key.IsZero() {
		req.Header.Set("Authorization", "Bearer "+cl.key.Reveal())
	}
	res, err := cl.http.Do(req)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return nil, fmt.Errorf("no server answers at %s; start one with: latchkey run", cl.shown())
	}
	return res, err
}

// about adds the location to a path.
func (cl *client) about(path string) string {
	switch {
	case cl.location == "":
		return path
	case strings.Contains(path, "?"):
		return path + "&location=" + url.QueryEscape(cl.location)
	}
	return path + "?location=" + url.QueryEscape(cl.location)
}

// refused reads the server's words from an answer that is no success.
func (cl *client) refused(res *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	var p struct{ Detail string }
	switch {
	case json.Unmarshal(b, &p) != nil || p.Detail == "":
	case res.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w%s", silent{errNotFound}, p.Detail)
	case res.StatusCode == http.StatusBadRequest:
		return usagef("%s", p.Detail)
	default:
		return errors.New(p.Detail)
	}
	return fmt.Errorf("%s answered %s", cl.shown(), res.Status)
}

// shown is where the server is, without a key.
func (cl *client) shown() string {
	u, err := url.Parse(cl.base)
	if err != nil {
		return "the server"
	}
	return u.Redacted()
}

// print writes v in the form that --output asks for; text writes the text form.
func (a *app) print(c *cli.Command, v any, text func(io.Writer)) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	switch c.String("output") {
	case "json":
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "jsonl":
		return enc.Encode(v)
	}
	text(a.out)
	return nil
}
