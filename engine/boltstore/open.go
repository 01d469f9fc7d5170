package boltstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"latchkey/engine"
)

// ErrInUse is returned by Open when another process holds a file of the store.
var ErrInUse = errors.New("another process holds it; is Latchkey already running on this data folder?")

// Options of a store. The zero value is one partition without a journal.
type Options struct {
	// Partitions is how many files and writers share the shards, 1 to 256; 0 means 1. It is recorded when the store
	// is made and cannot change after.
	Partitions int
	// Journal returns the journal of a partition, or nil. A nil func means no journals.
	Journal func(partition int) engine.Journal
	// OnCommit, if set, is told of each commit by the writer: it must be quick.
	OnCommit func(Commit)
	// Logger is told of what went wrong; the zero value logs nothing.
	Logger zerolog.Logger
	// NoSync leaves flushing to the operating system: for a file that a journal can rebuild, and for tests.
	NoSync bool
}

const (
	maxPartitions = 256
	lockTimeout   = time.Second
	// mapSize is address space, not memory. As long as the file is smaller, the writer never waits for readers
	// so that the file can be mapped anew.
	mapSize = 1 << 30
)

// Stores are the partitions of one data folder. It implements engine.Stores.
type Stores struct {
	parts []*Store
	all   []engine.Store
}

var _ engine.Stores = (*Stores)(nil)

// Open opens the store in dir and makes it if there is none; dir is made with mode 0700 and files with 0600.
// It fails if another process holds the store (ErrInUse, after a second), if it has another number of partitions,
// or if one of its files is missing, damaged or of another store.
func Open(dir string, opt Options) (_ *Stores, err error) {
	defer faultsPanic()()
	defer guard(dir, opt.Logger, &err)
	n := opt.Partitions
	if n == 0 {
		n = 1
	}
	if n < 1 || n > maxPartitions {
		return nil, fmt.Errorf("store %s: %d partitions, 1 to %d are possible", dir, n, maxPartitions)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	files, err := openFiles(dir, n, opt.NoSync)
	if err != nil {
		return nil, err
	}
	s := &Stores{}
	for i, db := range files {
		var journal engine.Journal
		if opt.Journal != nil {
			journal = opt.Journal(i)
		}
		p, err := newStore(db, journal, opt.OnCommit, opt.Logger.With().Int("partition", i).Logger())
		if err != nil {
			closeFiles(files[i:])
			return nil, errors.Join(err, s.Close())
		}
		s.parts = append(s.parts, p)
		s.all = append(s.all, p)
	}
	return s, nil
}

// For returns the partition that holds the shard.
func (s *Stores) For(shard uint16) engine.Store {
	return s.parts[engine.Partition(shard, len(s.parts))]
}

// Global returns the first partition.
func (s *Stores) Global() engine.Store { return s.parts[0] }

// All returns every partition once, the global one first.
func (s *Stores) All() []engine.Store { return s.all }

// Partition returns the i-th partition as what it is, for following a journal and for backups.
func (s *Stores) Partition(i int) *Store { return s.parts[i] }

// Close stops the writers and closes the files. Functions that were taken up are still committed; others get
// engine.ErrClosed. It waits for views to end. Closing again does nothing.
func (s *Stores) Close() error {
	errs := make([]error, len(s.parts))
	for i, p := range s.parts {
		errs[i] = p.close()
	}
	return errors.Join(errs...)
}

// Stats sums the partitions' figures; LastCommit is the longest of them.
func (s *Stores) Stats() Stats {
	var sum Stats
	for _, p := range s.parts {
		one := p.Stats()
		sum.Commits += one.Commits
		sum.Functions += one.Functions
		sum.Bytes += one.Bytes
		sum.LastCommit = max(sum.LastCommit, one.LastCommit)
	}
	return sum
}

// openFiles opens the n files of the store. The first file is the last to be given its identity: so a store
// whose making was cut short is made again, and one that has lost a file is noticed.
func openFiles(dir string, n int, noSync bool) (files []*bbolt.DB, err error) {
	defer func() {
		if err != nil {
			closeFiles(files)
		}
	}()
	first, err := openFile(fileName(dir, 0), noSync)
	if err != nil {
		return nil, err
	}
	files = append(files, first)
	id, made, err := readIdentity(first)
	if err != nil {
		return files, err
	}
	if !made {
		id = identity{count: n}
		rand.Read(id.store[:])
	}
	if id.count != n || id.index != 0 {
		return files, fmt.Errorf("store %s was made with %d partitions and cannot be opened with %d", dir, id.count, n)
	}
	for i := 1; i < n; i++ {
		path := fileName(dir, i)
		if _, err := os.Stat(path); made && errors.Is(err, fs.ErrNotExist) {
			return files, fmt.Errorf("store file %s is missing: the store has %d partitions", path, n)
		}
		db, err := openFile(path, noSync)
		if err != nil {
			return files, err
		}
		files = append(files, db)
	}
	if made {
		return files, checkIdentities(files, id)
	}
	return files, makeStore(dir, files, id)
}

func fileName(dir string, i int) string { return filepath.Join(dir, FileName(i)) }

// FileName returns the name of the i-th partition's file in the folder of a store.
func FileName(i int) string { return fmt.Sprintf("p%02d.db", i) }

func openFile(path string, noSync bool) (*bbolt.DB, error) {
	if err := checkSize(path); err != nil {
		return nil, openError(path, err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         lockTimeout,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapSize,
		NoSync:          noSync,
		NoStatistics:    true,
	})
	if err != nil {
		return nil, openError(path, err)
	}
	return db, nil
}

var errCut = errors.New("it is shorter than it says")

// checkSize refuses a file that was cut, by a full disk or a copy that broke off: reading a page beyond the end of
// a mapped file ends the process. A reader, unlike a writer, looks at the first two pages only.
func checkSize(path string) error {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return db.View(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return errCut
		}
		return nil
	})
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("store file %s: %w", path, ErrInUse)
	case errors.Is(err, errCut), errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum),
		errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("store file %s is damaged or no store: %w", path, err)
	}
	return fmt.Errorf("open store file %s: %w", path, err)
}

func closeFiles(files []*bbolt.DB) {
	for _, db := range files {
		db.Close()
	}
}

// An identity says which partition of which store a file is.
type identity struct {
	index, count int
	store        [16]byte
}

var (
	identityBucket = []byte("\x00store") // no space's name begins with a zero byte
	identityKey    = []byte("partition")
)

const identityVersion = 1

// readIdentity returns false for a file that has none yet. Such a file must hold nothing else.
func readIdentity(db *bbolt.DB) (id identity, made bool, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(identityBucket)
		if b == nil {
			if name, _ := tx.Cursor().First(); name != nil {
				return fmt.Errorf("file %s is not of a Latchkey store", db.Path())
			}
			return nil
		}
		v := b.Get(identityKey)
		if len(v) != 21 || v[0] != identityVersion {
			return fmt.Errorf("store file %s: made by a later version", db.Path())
		}
		made = true
		id.index = int(binary.BigEndian.Uint16(v[1:]))
		id.count = int(binary.BigEndian.Uint16(v[3:]))
		copy(id.store[:], v[5:])
		return nil
	})
	return id, made, err
}

func writeIdentity(db *bbolt.DB, id identity) error {
	v := []byte{identityVersion}
	v = binary.BigEndian.AppendUint16(v, uint16(id.index))
	v = binary.BigEndian.AppendUint16(v, uint16(id.count))
	v = append(v, id.store[:]...)
	err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(identityBucket)
		if err != nil {
			return err
		}
		return b.Put(identityKey, v)
	})
	if err != nil {
		return fmt.Errorf("make store file %s: %w", db.Path(), err)
	}
	return nil
}

func checkIdentities(files []*bbolt.DB, first identity) error {
	for i, db := range files {
		want := first
		want.index = i
		if id, _, err := readIdentity(db); err != nil {
			return err
		} else if id != want {
			return fmt.Errorf("store file %s belongs to another store or partition", db.Path())
		}
	}
	return nil
}

// makeStore gives new files their identity. Files left by a making that was cut short hold no space yet.
func makeStore(dir string, files []*bbolt.DB, id identity) error {
	for i := len(files) - 1; i >= 0; i-- {
		err := files[i].View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
				if string(name) != string(identityBucket) {
					return fmt.Errorf("store file %s has data but %s is missing", files[i].Path(), fileName(dir, 0))
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		id.index = i
		if err := writeIdentity(files[i], id); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// syncDir makes the new files' names durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open data folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("flush data folder: %w", err)
	}
	return nil
}
