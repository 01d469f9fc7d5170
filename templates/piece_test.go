package templates

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var pieceData = Data{Values: map[string]any{
	"contact": map[string]any{"first_name": "evil.example.com", "email": "a&b@c.test", "custom": map[string]any{"n": int64(7), "m": map[string]any{"k": true}, "bell": "a\x07\r\nb"}},
	"offers":  []any{map[string]any{"id": "gold", "title": "Gold"}}, "products": []any{},
}}

// TestPieceValue keeps what data needs: types, and every character.
func TestPieceValue(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]any{
		"<<contact.custom.n>>": int64(7), "n: <<contact.custom.n>>": "n: 7", "<<contact.custom.m>>": map[string]any{"k": true},
		"<<contact.first_name>>": "evil.example.com", "Hi <<contact.first_name>>": "Hi evil.example.com",
		"<<contact.custom.bell>>": "a\x07\r\nb", "<<contact.custom.bell>>!": "a\x07\r\nb!",
		"<<products>>": []any{}, "all: <<offers>>": "all: Gold", "<<offers | count>>": 1.0, "plain": "plain", "": "",
		`<<contact.custom.gone | default "x">>`: "x", "<<if offers>>some<<else>>none<<end>>": "some",
	} {
		p, _, err := NewPiece(Source{Text: src, File: "body"}, "a test", Options{})
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		got, err := p.Value(pieceData)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", src, err, diff)
		}
	}
	p, _, err := NewPiece(Source{Text: "<<contact.custom.gone>>", File: "body"}, "a test", Options{})
	var missing *MissingError
	if _, got := p.Value(pieceData); err != nil || !errors.As(got, &missing) || missing.Field != "contact.custom.gone" {
		t.Errorf("%v %v", err, got)
	}
}

// TestPieceRender makes values harmless on a line of their own.
func TestPieceRender(t *testing.T) {
	t.Parallel()
	p, _, err := NewPiece(Source{Text: "x <<contact.custom.bell>>", File: "h"}, "a test", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Render(pieceData, true); got != "x a  b" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if text, ok := p.Literal(); ok {
		t.Errorf("literal %q", text)
	}
	if diff := cmp.Diff([]string{"contact"}, p.Roots()); diff != "" {
		t.Error(diff)
	}
}

// FuzzAddress has a value try to leave its place in an address.
func FuzzAddress(f *testing.F) {
	p, _, err := NewAddress(Source{Text: "https://crm.test/a/<<contact.email>>/b?q=<<contact.email>>&end=1", File: "url"}, "a test", Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"..", "a/../b", "?x=1", "#f", "@evil.test/", "a&end=2", "\r\nHost: x", "%2e%2e", "\xff", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := p.Render(Data{Values: map[string]any{"contact": map[string]any{"email": value}}}, true)
		if err != nil {
			return
		}
		checkAddress(t, got, value)
	})
}

func checkAddress(t *testing.T, address, value string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	segments := strings.Split(u.EscapedPath(), "/")
	q, err := url.ParseQuery(u.RawQuery)
	if u.Host != "crm.test" || u.Fragment != "" || len(segments) != 4 || segments[3] != "b" || err != nil || len(q) != 2 || len(q["end"]) != 1 || q.Get("q") != value {
		t.Errorf("%q gives %s", value, address)
	}
	if got, err := url.PathUnescape(segments[2]); got != value || err != nil {
		t.Errorf("%q is %q in the path: %v", value, got, err)
	}
}
