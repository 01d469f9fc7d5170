package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey/engine/console"
)

// access says who may take a route: o the owner, p the operator, s support.
type access struct {
	who, method, target, body string
}

// whoMay is who may do what, route by route.
var whoMay = []access{
	{"ops", "GET", "/v1/status", ""}, {"ops", "GET", "/v1/messages", ""}, {"ops", "GET", "/v1/messages/m", ""},
	{"ops", "GET", "/v1/runs", ""}, {"ops", "GET", "/v1/runs/r", ""}, {"ops", "GET", "/v1/events", ""}, {"ops", "GET", "/v1/events/e", ""},
	{"ops", "GET", "/v1/contacts/k", ""}, {"ops", "GET", "/v1/contacts/k/links", ""}, {"ops", "GET", "/v1/contacts/k/sessions", ""},
	{"ops", "GET", "/v1/links", ""}, {"ops", "GET", "/v1/links/lnk_1", ""}, {"ops", "GET", "/v1/links/lnk_1/timeline", ""},
	{"ops", "POST", "/v1/links", `{"contact": "k"}`}, {"ops", "POST", "/v1/links", `{"app": "courses"}`},
	{"ops", "POST", "/v1/links/lnk_1/revoke", ""}, {"ops", "POST", "/v1/links/lnk_1/check", `{"token": "t"}`}, {"ops", "POST", "/v1/contacts/k/send", `{}`},
	{"op", "POST", "/v1/links", `{"kind": "user"}`}, {"op", "POST", "/v1/revoke", `{"contact": "k"}`}, {"op", "POST", "/v1/revoke", `{"workflow": "w"}`},
	{"op", "POST", "/v1/revoke", `{"run": "r"}`}, {"o", "POST", "/v1/revoke", `{"location": true}`}, {"o", "POST", "/v1/revoke", `{"everything": true}`},
	{"op", "GET", "/v1/dead", ""}, {"op", "GET", "/v1/dead/7", ""}, {"op", "POST", "/v1/dead/7/replay", ""}, {"op", "POST", "/v1/dead/replay", `{"letters": [7]}`},
	{"op", "POST", "/v1/pause", ""}, {"op", "POST", "/v1/resume", ""}, {"op", "POST", "/v1/messages/m/retry", ""}, {"op", "POST", "/v1/messages/m/resend", ""},
	{"op", "POST", "/v1/runs/r/cancel", ""}, {"op", "POST", "/v1/runs/r/retry", ""}, {"op", "POST", "/v1/contacts", `[]`},
	{"op", "POST", "/v1/contacts/k/forget", ""}, {"op", "GET", "/v1/audit", ""}, {"o", "POST", "/v1/signin", ""},

	{"ops", "GET", "/", ""}, {"ops", "GET", "/workflows", ""}, {"ops", "GET", "/workflows/welcome", ""}, {"ops", "GET", "/runs", ""}, {"ops", "GET", "/runs/r", ""},
	{"ops", "GET", "/messages", ""}, {"ops", "GET", "/messages/m", ""}, {"ops", "GET", "/contacts", ""}, {"ops", "GET", "/contacts/k", ""},
	{"ops", "GET", "/links", ""}, {"ops", "GET", "/links/lnk_1", ""}, {"ops", "GET", "/portal", ""},
	{"op", "GET", "/dead", ""}, {"op", "GET", "/dead/7", ""}, {"op", "GET", "/audit", ""},
	{"ops", "POST", "/portal", "kind=learner&contact=k"}, {"ops", "POST", "/portal", "kind=app&app=courses"}, {"op", "POST", "/portal", "kind=user"},
	{"op", "POST", "/portal/invite", "email=a@b.example"}, {"ops", "POST", "/contacts/k/send", "kind=login"}, {"op", "POST", "/contacts/k/end", "x=1"},
	{"ops", "POST", "/links/lnk_1/revoke", "x=1"}, {"op", "POST", "/runs/r/end", "x=1"}, {"op", "POST", "/workflows/welcome/end", "x=1"},
	{"op", "POST", "/messages/m/retry", "x=1"}, {"op", "POST", "/messages/m/resend", "x=1"}, {"op", "POST", "/runs/r/cancel", "x=1"}, {"op", "POST", "/runs/r/retry", "x=1"},
	{"op", "POST", "/dead/7/replay", "x=1"}, {"o", "POST", "/audit/ses_1/signout", "x=1"}, {"op", "POST", "/pause", "reason=x"}, {"op", "POST", "/resume", "x=1"},
}

func (o *office) take(who string, a access) *http.Response {
	if strings.HasPrefix(a.target, "/v1/") {
		return o.asBody(who, a.method, a.target, a.body)
	}
	form, _ := url.ParseQuery(a.body)
	if a.method == "GET" {
		form = nil
	}
	return o.as(who, a.method, a.target, form)
}

// TestRoles tries each route as each role and as nobody. Whoever may not take it is told so, and nothing is done.
func TestRoles(t *testing.T) {
	t.Parallel()
	for _, a := range whoMay {
		name := a.method + " " + a.target + " " + a.body
		for letter, who := range map[string]string{"o": "olga", "p": "otto", "s": "sue"} {
			o := newOffice()
			res := o.take(who, a)
			allowed := strings.Contains(a.who, letter)
			if allowed != (res.StatusCode < 400) || !allowed && res.StatusCode != http.StatusForbidden {
				t.Errorf("%s as %s: %d %s", name, who, res.StatusCode, text(res))
			}
			if !allowed && (len(o.asked) > 0 || len(o.notes) > 0 || len(o.mailings) > 0) {
				t.Errorf("%s as %s: did %v %v", name, who, o.asked, o.notes)
			}
			asks := a.method == "GET" || strings.HasSuffix(a.target, "/check")
			acts := !asks && !strings.Contains(a.target, "/end") && a.target != "/v1/revoke" // which note it themselves
			if allowed && acts && (len(o.notes) != 1 || o.notes[0].Who != who+"@acme.test" || o.notes[0].Did == "") {
				t.Errorf("%s as %s: noted %+v", name, who, o.notes)
			}
			if asks && len(o.notes) > 0 {
				t.Errorf("%s as %s: noted %+v", name, who, o.notes)
			}
		}
		o := newOffice()
		res := o.take("stranger", a)
		want := http.StatusSeeOther
		if strings.HasPrefix(a.target, "/v1/") {
			want = http.StatusUnauthorized
		}
		if res.StatusCode != want || want == 303 && !strings.HasPrefix(res.Header.Get("Location"), "/signin") || len(o.asked)+len(o.notes)+len(o.mailings) > 0 {
			t.Errorf("%s as nobody: %d %v", name, res.StatusCode, o.asked)
		}
	}
}

// TestStaffsLinksAreTheirs: whoever may end a learner's link may not end a link of staff by that, nor sign anybody of them out.
func TestStaffsLinksAreTheirs(t *testing.T) {
	t.Parallel()
	for kind, may := range map[string]string{"learner": "ops", "app": "ops", "user": "op", "staff": "o"} {
		for letter, who := range map[string]string{"o": "olga", "p": "otto", "s": "sue"} {
			for _, target := range []string{"/v1/links/lnk_1/revoke", "/links/lnk_1/revoke"} {
				o := newOffice()
				o.kind = kind
				res := o.take(who, access{method: "POST", target: target, body: "x=1"})
				allowed := strings.Contains(may, letter)
				if allowed != (res.StatusCode < 400) || strings.Contains(strings.Join(o.asked, " "), "revoke") != allowed {
					t.Errorf("%s ends a link of kind %s at %s: %d %v", who, kind, target, res.StatusCode, o.asked)
				}
				if seen := strings.Contains(text(o.as(who, "GET", "/links/lnk_1", nil)), "Revoke this link"); seen != allowed {
					t.Errorf("%s sees the button of a link of kind %s: %v", who, kind, seen)
				}
			}
		}
	}
}

// TestRoutesAreTried: every route of the API is in the table above, so that a new one gets its line.
func TestRoutesAreTried(t *testing.T) {
	t.Parallel()
	o := newOffice()
	for _, pattern := range console.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		found := false
		for _, a := range whoMay {
			found = found || a.method == method && fits(path, strings.Split(a.target, "?")[0])
		}
		if !found {
			t.Errorf("nobody tries %s", pattern)
		}
	}
	if len(o.asked) > 0 {
		t.Error(o.asked)
	}
}

// fits reports whether a path is one of a pattern.
func fits(pattern, path string) bool {
	p, q := strings.Split(strings.TrimSuffix(pattern, "{$}"), "/"), strings.Split(path, "/")
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] && !strings.HasPrefix(p[i], "{") {
			return false
		}
	}
	return true
}

// TestRail: everybody sees the entries that they may open, and no others.
func TestRail(t *testing.T) {
	t.Parallel()
	for who, want := range map[string][3]bool{"olga": {true, true, true}, "otto": {true, true, true}, "sue": {false, false, true}} {
		body := text(newOffice().as(who, "GET", "/", nil))
		for i, path := range []string{"/audit", "/dead", "/portal"} {
			if got := strings.Contains(body, `<a href="`+path+`"`); got != want[i] {
				t.Errorf("%s sees %s: %v", who, path, got)
			}
		}
	}
	body := text(newOffice().as("sue", "GET", "/contacts/k", nil))
	if strings.Contains(body, "/contacts/k/end") || !strings.Contains(body, "Send login e-mail") {
		t.Error("support sees the wrong buttons")
	}
}

// TestCheckLink: whether a URL's token is its link's, without repeating it.
func TestCheckLink(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{`{"token": "right"}`: `"genuine": true`, `{"token": "wrong"}`: `"genuine": false`, `{}`: `"genuine": false`, `{"tokn": "right"}`: `unknown field`} {
		o := newOffice()
		got := text(o.asBody("sue", "POST", "/v1/links/lnk_1/check", body))
		if !strings.Contains(got, want) || strings.Contains(got, "right") {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// TestListsTakeFilters: what is asked of the lists of links and of acts comes to who has them.
//
// Red when listLinks leaves Kind out, and when listAudit leaves out Limit.
func TestListsTakeFilters(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]any{
		"/v1/links?kind=app&limit=3&before=lnk_2":            console.LinkQuery{Location: "academy", Kind: "app", Before: "lnk_2", Limit: 3},
		"/v1/audit?limit=3&before=7&who=olga&did=end&on=lnk": console.AuditQuery{Limit: 3, Before: "7", Who: "olga", Did: "end", On: "lnk"},
	} {
		o := newOffice()
		if res := o.asBody("olga", "GET", target, ""); res.StatusCode != http.StatusOK || len(o.queries) != 1 || o.queries[0] != want {
			t.Errorf("%s: %d %+v", target, res.StatusCode, o.queries)
		}
	}
}
