package boltstore

import (
	"fmt"
	"runtime/debug"

	"github.com/rs/zerolog"
)

// bbolt trusts its file: where a page is not what it should be it panics, or reads from an address that is not there.
// Neither may end the process without saying which file is to be put back from a copy.

// guard makes an error of a panic that comes from beneath the function which defers it.
func guard(path string, log zerolog.Logger, err *error) {
	if v := recover(); v != nil {
		log.Error().Str("file", path).Interface("panic", v).Bytes("stack", debug.Stack()).Msg("store file cannot be read")
		*err = unreadable(path, v)
	}
}

func unreadable(path string, why any) error {
	return fmt.Errorf("store file %s cannot be read (%v): if it is damaged, put back a copy of it", path, why)
}

// faultsPanic makes a panic of an access to memory that is not there, in this goroutine, until what it returns is called.
func faultsPanic() (undo func()) {
	was := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(was) }
}
