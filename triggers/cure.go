package triggers

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// This file says what an operator can do about the durable consumer. A server in the process has ended when the
// operator reads it, so there only its files are left to act on.

// foreignConsumer says what to do when another store's instance made the durable consumer.
func (b *Bus) foreignConsumer() string {
	const why = "two instances must not share a stream, as each would get a part of the events. End the other one; "
	if b.srv == nil {
		return why + fmt.Sprintf("if there is none any more, run: nats consumer rm %s %s", StreamCourses, durableName)
	}
	return why + fmt.Sprintf("if there is none, the store in this data folder is not the one that was here before: put that one back, or, to "+
		"begin with an empty one, which has the messages of all events that are kept sent again, remove %s", b.consumerFolder())
}

// damagedConsumer adds a cure to the error of a consumer that cannot be made; it is empty for other errors.
func (b *Bus) damagedConsumer(err error) string {
	const createFailed = 10012 // JSConsumerCreateErrF; the client has no name for it
	var api *jetstream.APIError
	if b.srv == nil || !errors.As(err, &api) || api.ErrorCode != createFailed {
		return ""
	}
	return fmt.Sprintf(": its files may be damaged; remove %s, and it is made anew where the store left off", b.consumerFolder())
}

// consumerFolder is where the server in the process keeps the durable consumer.
func (b *Bus) consumerFolder() string {
	return filepath.Join(b.cfg.Dir, "jetstream", "$G", "streams", StreamCourses, "obs", durableName)
}
