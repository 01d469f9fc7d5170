package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// maxFile is more than any file of a project may have; what reads it says how much that is.
const maxFile = 16 << 20

var errNotPlain = errors.New("it is a pipe, a device or a socket, not a file")

// A projectFS is a project's folder, in which only files and folders are opened: who opens a pipe waits for its other
// end, and a device may never end.
type projectFS struct{ fs.FS }

func openProjectFS(dir string) fs.FS { return projectFS{os.DirFS(dir)} }

// Open implements fs.FS.
func (p projectFS) Open(name string) (fs.File, error) {
	info, err := fs.Stat(p.FS, name)
	if err == nil {
		err = plain(info)
	}
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return p.FS.Open(name)
}

// A sourceFS is a project's folder in which some files are held as they were before, and which keeps what is read.
type sourceFS struct {
	fs.FS
	held map[string][]byte // nil for a file that was not there
	read map[string][]byte
}

// ReadFile implements fs.ReadFileFS.
func (s sourceFS) ReadFile(name string) ([]byte, error) {
	src, held := s.held[name]
	if !held {
		var err error
		if src, err = fs.ReadFile(s.FS, name); err != nil {
			return nil, err
		}
	}
	s.read[name] = src
	return src, nil
}

// ReadDir implements fs.ReadDirFS.
func (s sourceFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		src, held := s.held[path.Join(name, e.Name())]
		return held && src == nil
	}), err
}

// readFile reads a file of a project by its path.
func readFile(path string) ([]byte, error) {
	return fs.ReadFile(openProjectFS(filepath.Dir(path)), filepath.Base(path))
}

func plain(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return nil
	case !info.Mode().IsRegular():
		return errNotPlain
	case info.Size() > maxFile:
		return fmt.Errorf("it has %d MiB", info.Size()>>20)
	}
	return nil
}
