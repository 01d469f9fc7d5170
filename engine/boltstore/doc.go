// Package boltstore keeps engine.Store in bbolt: one file, one writer and one journal per partition.
//
// It owns the files' layout, the group commit, the encoding of a commit for the journal, and what a failed
// commit means. It knows nothing of what is stored: the spaces and their records belong to who writes them.
//
// # Writing
//
// A partition has one writer goroutine. It takes the first function that waits, then every other one that waits by
// then, runs them in that order in one bbolt transaction and commits once. There is no delay to tune: while a
// commit is on its way to the disk the next group gathers. Each function writes to an overlay that is moved to
// the transaction only if it returned nil, so one that fails leaves nothing behind. A group ends at 1,024
// functions or 512 KiB. Everyone in a group gets its answer after the commit, also those who failed or wrote
// nothing, because what they read was written by the others.
//
// # When a commit fails
//
// bbolt writes pages that no reader sees, flushes them, then writes and flushes one page that makes them current.
// If the disk is full before that page is written, nothing of the group was stored: its callers get engine.ErrFull
// and the store goes on. Any other failure leaves open what is on the disk, and so does every failure once a
// journal holds the commit: callers get engine.ErrLost, as does every call after, until the store is opened anew.
//
// # Files
//
// dir/p00.db, p01.db, ...: one per partition, mode 0600. Each space is a bucket, made at its first write. The bucket
// "\x00store" says which partition of which store the file is. The key "journal" in engine.SpaceMeta is the
// position of the last commit that went through a journal or came from one.
package boltstore
