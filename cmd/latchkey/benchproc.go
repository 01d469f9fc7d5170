package main

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A child is a process of bench events. One goroutine waits for it, since two that do may wait for ever.
type child struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
}

// self makes a command line of this program.
func (a *app) self(ctx context.Context, args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, exe, args...)
	c.Env = a.env
	c.Stderr = a.err
	return c, nil
}

func startChild(c *exec.Cmd) (*child, error) {
	if err := c.Start(); err != nil {
		return nil, err
	}
	ch := &child{cmd: c, gone: make(chan struct{})}
	go func() {
		defer close(ch.gone)
		_ = c.Wait() // how it ended is of no interest: what it did is measured
	}()
	return ch, nil
}

// end asks a process, if there is one, to end, and returns when it has.
func (c *child) end() {
	if c == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.gone:
	case <-time.After(15 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.gone
	}
}
