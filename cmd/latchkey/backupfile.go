package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"latchkey/engine"
	"latchkey/engine/boltstore"
)

// A backup is a tar file: one file for each partition of the store, then manifest.json. The manifest comes last, so that
// a backup which was cut short has none.

const (
	backupFormat = 1
	manifestName = "manifest.json"
	maxManifest  = 1 << 20
)

// A manifest says what a backup holds.
type manifest struct {
	Format   int       `json:"format"`
	Version  string    `json:"version"` // of Latchkey
	Time     time.Time `json:"time"`
	Location string    `json:"location"`
	Store    string    `json:"store"` // its id
	// Events tells up to which message of the stream all events are in the backup, at least.
	Events   offset   `json:"events"`
	LinkKeys []string `json:"link_keys"` // ids of the keys that links were made with; not the keys
	Parts    []part   `json:"parts"`
}

type offset struct {
	Stream   string    `json:"stream"`
	Created  time.Time `json:"created"`
	Sequence uint64    `json:"sequence"`
}

// A part is one partition's file.
type part struct {
	Name    string   `json:"name"`
	Size    int64    `json:"size"`
	SHA256  string   `json:"sha256"`
	Journal position `json:"position"`
}

// position is where a partition stands in its journal; zero without one.
type position struct {
	Sequence uint64 `json:"sequence"`
	Commit   uint64 `json:"commit"`
}

func partName(i int) string { return "store/" + boltstore.FileName(i) }

// writeBackup writes the parts, completes the manifest by them, and writes that.
func writeBackup(w io.Writer, m manifest, snaps []*boltstore.Snapshot) error {
	tw := tar.NewWriter(w)
	for i, snap := range snaps {
		p := part{Name: partName(i), Size: snap.Size(), Journal: position{snap.Position.Seq, snap.Position.N}}
		if err := tw.WriteHeader(tarHeader(p.Name, p.Size, m.Time)); err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := snap.WriteTo(io.MultiWriter(tw, sum)); err != nil {
			return err
		}
		p.SHA256 = hex.EncodeToString(sum.Sum(nil))
		m.Parts = append(m.Parts, p)
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(tarHeader(manifestName, int64(len(b)), m.Time)); err != nil {
		return err
	}
	if _, err := tw.Write(b); err != nil {
		return err
	}
	return tw.Close()
}

func tarHeader(name string, size int64, at time.Time) *tar.Header {
	return &tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: at, Typeflag: tar.TypeReg}
}

var errCut = errors.New("it ends too early: the backup was cut short")

// readBackup reads a backup to its end, gives each part to keep, and checks all against the manifest. What keep was given
// is good only if it returns nil.
func readBackup(r io.Reader, keep func(i int, r io.Reader) error) (m manifest, err error) {
	tr := tar.NewReader(r)
	var found []part
	for {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return m, errCut
		case err != nil:
			return m, fmt.Errorf("it is no backup of Latchkey: %w", err)
		}
		if h.Name == manifestName && len(found) > 0 {
			break
		}
		if h.Name != partName(len(found)) || h.Typeflag != tar.TypeReg {
			return m, fmt.Errorf("it is no backup of Latchkey: it holds %q where %q should be", h.Name, partName(len(found)))
		}
		sum := sha256.New()
		if err := keep(len(found), io.TeeReader(tr, sum)); errors.Is(err, io.ErrUnexpectedEOF) {
			return m, errCut
		} else if err != nil {
			return m, err
		}
		found = append(found, part{Name: h.Name, Size: h.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
	b, err := io.ReadAll(io.LimitReader(tr, maxManifest))
	if err == nil {
		_, err = io.Copy(io.Discard, r) // what fills the last block
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return m, errCut
	case err != nil:
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s: %w", manifestName, err)
	}
	return m, m.check(found)
}

// check compares what a backup holds with what it should.
func (m manifest) check(found []part) error {
	if m.Format != backupFormat {
		return fmt.Errorf("it has format %d, and this version reads %d", m.Format, backupFormat)
	}
	if len(found) != len(m.Parts) {
		return fmt.Errorf("it has %d of %d parts", len(found), len(m.Parts))
	}
	for i, want := range m.Parts {
		if found[i].SHA256 != want.SHA256 || found[i].Size != want.Size {
			return fmt.Errorf("%s is damaged: its SHA-256 is not the one that %s names", want.Name, manifestName)
		}
	}
	return nil
}

func offsetOf(o engine.Offset) offset { return offset{o.Stream, o.Created, o.Seq} }
