//go:build !(linux || darwin || freebsd)

package main

import "errors"

// freeOf is not known how to ask for here.
func freeOf(string) (float64, error) { return 0, errors.ErrUnsupported }
