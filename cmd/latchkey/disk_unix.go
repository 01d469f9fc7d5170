//go:build linux || darwin || freebsd

package main

import "syscall"

// freeOf returns which part of a folder's disk is free for this user, 0 to 1.
func freeOf(dir string) (float64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	free, used := float64(st.Bavail), float64(st.Blocks)-float64(st.Bfree)
	if free+used <= 0 {
		return 1, nil
	}
	return free / (free + used), nil
}
