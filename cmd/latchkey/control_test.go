package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/actions/smtp/sink"
	"latchkey/engine/console"
)

const controlWorkflow = `class: transactional
triggers: [offer_access_granted]
steps:
  - email: {subject: Hello, text: 'Come in: <<login_url>>'}
    on_unknown: hold
  - wait: 1d
`

// TestControl goes through what operators do about messages and runs, with a real server's refusals.
func TestControl(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": controlWorkflow})
	asked := w.answerAt(sink.Dot, func(n int64, _ sink.Mail) sink.Answer {
		switch n {
		case 1:
			return sink.Answer{Cut: true} // taken, and nobody knows
		case 2:
			return sink.Answer{Code: 554, Text: "5.6.0 no"}
		}
		return sink.Answer{}
	})
	i, _ := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	unknown := w.message("email", "unknown")
	run := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := command(t, append(args, "--server", fmt.Sprintf("http://127.0.0.1:%d", w.ports[1]))...)
		if code != want {
			t.Fatalf("%v: code %d\n%s%s", args, code, stdout, stderr)
		}
		return stdout + stderr
	}
	if out := run(exitOK, "messages", "list", "--state", "unknown"); !strings.Contains(out, unknown.ID) {
		t.Errorf("unknown messages: %s", out)
	}

	// One that is unknown is tried again: the same mail.
	if out := run(exitOK, "messages", "retry", unknown.ID); !strings.Contains(out, "message "+unknown.ID+" is ") {
		t.Errorf("retry says %s", out)
	}
	w.message("email", "failed")
	if out := run(exitOK, "messages", "retry", "--state", "failed", "--since", "1h"); out != "1 message is chosen; --yes tries them again.\n" || asked.Load() != 2 {
		t.Errorf("without --yes: %s", out)
	}
	run(exitOK, "messages", "retry", "--state", "failed", "--since", "1h", "--yes")
	sent := w.message("email", "sent")
	mails := w.waitMails(2)
	if len(mails) != 2 || mails[0].id != mails[1].id || mails[1].id == "" {
		t.Errorf("%d mails: %+v", len(mails), mails)
	}
	letsIn(t, "the first mail", links(mails[0].text)[0], "Gold")
	letsIn(t, "the second mail", links(mails[1].text)[0], "Gold")
	show := strings.Join(strings.Fields(run(exitOK, "messages", "show", sent.ID)), " ")
	for _, want := range []string{" unknown smtp: after the final dot", " failed smtp: after the final dot: 554", "attempt 3 "} {
		if !strings.Contains(show, want) {
			t.Errorf("show does not say %q:\n%s", want, show)
		}
	}
	if out := run(exitFailed, "messages", "retry", sent.ID); !strings.Contains(out, "it is sent") {
		t.Errorf("retry of one that was sent: %s", out)
	}

	// A copy is a mail of its own.
	run(exitOK, "messages", "resend", sent.ID)
	mails = w.waitMails(3)
	if mails[2].id == mails[1].id || links(mails[2].text)[0] == links(mails[1].text)[0] {
		t.Errorf("the copy is the same mail: %+v", mails)
	}
	letsIn(t, "the copy", links(mails[2].text)[0], "Gold")
	w.quiet(i, nc)

	// The run was moved once, and is cancelled once.
	for range 2 {
		if out := run(exitOK, "runs", "cancel", sent.Run); !strings.Contains(out, "is stopped: cancelled by an operator") {
			t.Errorf("cancel says %s", out)
		}
	}
	if out := run(exitFailed, "runs", "retry", sent.Run); !strings.Contains(out, "it is stopped") {
		t.Errorf("runs retry says %s", out)
	}
	w.pass(48 * time.Hour)
	w.quiet(i, nc)
	if ms := w.messages(""); len(ms) != 2 || len(w.waitMails(3)) != 3 {
		t.Errorf("%d messages, %d mails", len(ms), len(w.waitMails(3)))
	}
	w.refuses(sent)
}

// refuses asks the API for what it cannot do.
func (w *world) refuses(sent console.Message) {
	w.t.Helper()
	post := func(path, origin string) int {
		req, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", w.ports[1], path), nil)
		if err != nil {
			w.t.Fatal(err)
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for path, want := range map[string]int{
		"/v1/messages/" + sent.ID + "/retry": http.StatusConflict, "/v1/messages/" + sent.Run + "/retry": http.StatusNotFound,
		"/v1/messages/x/resend": http.StatusBadRequest, "/v1/runs/" + sent.ID + "/cancel": http.StatusNotFound,
	} {
		if got := post(path, ""); got != want {
			w.t.Errorf("POST %s: %d, want %d", path, got, want)
		}
		if got := post(path, "https://evil.example"); got != http.StatusForbidden {
			w.t.Errorf("POST %s from another origin: %d", path, got)
		}
	}
}
