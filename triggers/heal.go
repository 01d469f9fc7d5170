package triggers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
)

const (
	roomEvery  = time.Second // how often a full disk is looked at
	roomNeeded = 1 << 20     // bytes that must fit before streams are opened again
)

// A healer opens the streams of the server in the process anew after their disk was full. The server keeps the error of
// a write that failed: it then takes no message of that stream and answers none, even when there is room again.
type healer struct {
	srv  *server.Server
	conf server.JetStreamConfig // what JetStream was started with
	dir  string
	full <-chan struct{} // told by the server's log
	log  zerolog.Logger
}

// run heals until ctx ends.
func (h *healer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.full:
		}
		h.log.Error().Msg("the disk of the streams is full: no event is taken until there is room")
		for !h.room() || !h.reopen() {
			if pause(ctx, roomEvery) != nil {
				return
			}
		}
		h.log.Info().Msg("the disk of the streams has room again")
	}
}

// room reports whether something can be written.
func (h *healer) room() bool {
	name := filepath.Join(h.dir, "room.tmp")
	defer os.Remove(name)
	f, err := os.Create(name)
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, roomNeeded))
	if err == nil {
		err = f.Sync()
	}
	return f.Close() == nil && err == nil
}

// reopen closes JetStream, which forgets the error, and opens it again. Consumers and publishers outlive that.
func (h *healer) reopen() bool {
	err := h.srv.ShutdownJetStream()
	if err == nil {
		conf := h.conf
		conf.StoreDir = h.dir // the server adds its own folder to it
		err = h.srv.EnableJetStream(&conf)
	}
	if err != nil {
		h.log.Error().Err(err).Msg("the streams cannot be opened again")
	}
	return err == nil
}

// saysFull reports whether a line of the server's log is about a disk without room.
func saysFull(line string) bool {
	return strings.Contains(line, syscall.ENOSPC.Error()) || strings.Contains(line, syscall.EDQUOT.Error())
}
