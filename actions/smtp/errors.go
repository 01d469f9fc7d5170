package smtp

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strings"

	"latchkey/actions"
	"latchkey/engine"
)

// A stage of the conversation. What an error means depends on it.
type stage string

const (
	stageCompose stage = "composing"
	stageConnect stage = "connecting"
	stageMail    stage = "sender"
	stageRcpt    stage = "recipient"
	stageData    stage = "data"
	stageBody    stage = "sending the body"
	stageDot     stage = "after the final dot"
)

// An Error is what the server answered, or why it did not. Addresses in its text are shortened.
type Error struct {
	Stage string // what was going on: "composing", "connecting", "sender", "recipient", "data", "sending the body", "after the final dot"
	Code  int    // the reply's code, 0 if there was no reply
	Reply string // the reply's text with its enhanced code (RFC 3463), if any
	err   error
}

// Error gives stage, code and reply.
func (e *Error) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("smtp: %s: %s", e.Stage, shorten(maskAddresses(fmt.Sprint(e.err)))) // it may quote what is no reply
	}
	return fmt.Sprintf("smtp: %s: %d %s", e.Stage, e.Code, e.Reply)
}

// Unwrap returns the network's error if there was no reply.
func (e *Error) Unwrap() error { return e.err }

func newError(at stage, err error) *Error {
	e := &Error{Stage: string(at), err: err}
	var reply *textproto.Error
	if errors.As(err, &reply) {
		e.Code, e.err = reply.Code, nil
		e.Reply = shorten(maskAddresses(strings.Join(strings.Fields(reply.Msg), " ")))
	}
	return e
}

// classify marks an error by what it means for the mail:
//   - no reply after the final dot: nobody knows;
//   - a reply to the login or the sender, a refusal to relay, or no connection: the channel is at fault, and
//     burning every mail as final would be wrong;
//   - 5xx to the recipient or the contents: final (RFC 5321 section 4.2.1);
//   - all else: temporary.
func classify(ctx context.Context, at stage, err error) error {
	if err == nil {
		return nil
	}
	e := newError(at, err)
	if e.Code == 0 && ctx.Err() != nil {
		e.err = context.Cause(ctx) // and not that the connection was closed, which was us
	}
	switch {
	case at == stageCompose:
		return engine.Final(e)
	case at == stageDot && (e.Code < 400 || e.Code > 599):
		return engine.Unknown(e)
	case e.Code == 0 && errors.Is(ctx.Err(), context.Canceled): // it says nothing of the server
		return e
	case at == stageConnect, at == stageMail && (e.Code == 0 || e.Code >= 500):
		return engine.Down(e)
	case e.Code == 421, e.Code == 530, e.Code == 535, e.Code == 538:
		return engine.Down(e)
	case at == stageRcpt && e.Code >= 500 && strings.Contains(strings.ToLower(e.Reply), "relay"):
		return engine.Down(e) // "554 5.7.1 Relay access denied": we are not let in, whoever the recipient is
	case e.Code >= 500 && e.Code <= 599:
		return engine.Final(e)
	}
	return e
}

// stale reports whether a kept connection was closed by the server before it took anything of this mail, so that
// the mail may go out on a fresh one.
func stale(at stage, err error) bool {
	if at != stageMail && at != stageRcpt && at != stageData {
		return false
	}
	e := newError(at, err)
	return e.Code == 0 || e.Code == 421
}

// maskAddresses shortens every word with an @ in it: replies often repeat the recipient.
func maskAddresses(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	words := strings.Split(s, " ")
	for i, w := range words {
		if strings.Contains(w, "@") {
			bare := strings.Trim(w, `<>()[]"',;:.`)
			words[i] = strings.Replace(w, bare, actions.MaskAddress(bare), 1)
		}
	}
	return strings.Join(words, " ")
}
