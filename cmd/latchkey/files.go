package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
