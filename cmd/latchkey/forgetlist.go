package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"latchkey/engine"
	"latchkey/engine/runner"
)

// The forget list says whom this project was told to forget. It is in the keys folder, so that no backup of data/ has it and a
// restored one can be held against it: the store notes which entries it has carried out, and an older copy of the store
// has not noted the later ones. It names nobody: contact keys are made up, and the rest are keyed hashes.

// A forgotten is one entry: a line of JSON.
type forgotten struct {
	ID       string      `json:"id"`
	At       time.Time   `json:"at"`
	Location string      `json:"location"`
	Contacts []engine.ID `json:"contacts"` // contact keys
	Key      string      `json:"key"`      // of the hashes
	Who      []string    `json:"who"`      // of ids, addresses and phone numbers
	// Events is the last message of COURSES at that time: what the contact's site tells later makes them known anew.
	Events engine.Offset `json:"events"`
}

const forgetListName = "forgotten"

func forgetList(keys string) string { return filepath.Join(keys, forgetListName) }

// readForgetList returns the entries; none if there is no list. A last line that was cut short is no entry: whoever wrote it
// was not answered.
func readForgetList(file string) ([]forgotten, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("forget list: %w", err)
	}
	var list []forgotten
	for n, line := range bytes.SplitAfter(b, []byte("\n")) {
		if !bytes.HasSuffix(line, []byte("\n")) || len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var e forgotten
		if err := json.Unmarshal(line, &e); err != nil || e.ID == "" || len(e.Contacts) == 0 || e.Key == "" {
			return nil, fmt.Errorf("forget list: %s:%d is no entry of a forget list", file, n+1)
		}
		list = append(list, e)
	}
	return list, nil
}

// addForgotten adds entries that the list does not have. They are on disk when it returns.
func addForgotten(file string, entries ...forgotten) (added int, err error) {
	list, err := readForgetList(file)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !slices.ContainsFunc(list, func(o forgotten) bool { return o.ID == e.ID }) {
			list = append(list, e)
			added++
		}
	}
	var out bytes.Buffer
	for _, e := range list {
		line, err := json.Marshal(e)
		if err != nil {
			return 0, err
		}
		out.Write(append(line, '\n'))
	}
	return added, replaceFile(file, out.Bytes())
}

// replaceFile writes a file for the owner's eyes only, whole or not at all.
func replaceFile(file string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it has its name
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(file))
}

// newForgotten makes an entry. All entries of a list that is made here have one key.
func newForgotten(list []forgotten, location string, at time.Time, contacts []engine.ID, last engine.Offset) forgotten {
	e := forgotten{ID: rand.Text(), At: at.UTC(), Location: location, Contacts: contacts, Events: last}
	if len(list) > 0 {
		e.Key = list[0].Key
		return e
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	e.Key = base64.RawStdEncoding.EncodeToString(key)
	return e
}

// Kinds of what is hashed.
const (
	whoID    = "id"
	whoEmail = "email"
	whoPhone = "phone"
)

// add remembers one way in which the contact is named.
func (e *forgotten) add(kind, value string) {
	if h := e.hash(kind, value); !slices.Contains(e.Who, h) {
		e.Who = append(e.Who, h)
	}
}

// addAll remembers every way in which the contact of a survey is named.
func (e *forgotten) addAll(s *runner.Survey) {
	for kind, values := range map[string][]string{whoID: s.IDs, whoEmail: s.Emails, whoPhone: s.Phones} {
		for _, v := range values {
			e.add(kind, v)
		}
	}
	slices.Sort(e.Who)
}

// is reports whether a value names the contact.
func (e *forgotten) is(kind, value string) bool {
	return value != "" && slices.Contains(e.Who, e.hash(kind, value))
}

func (e *forgotten) hash(kind, value string) string {
	if kind == whoEmail {
		value = engine.NormalAddress(value)
	}
	key, _ := base64.RawStdEncoding.DecodeString(e.Key)
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "forget\x00v1\x00%s\x00%s\x00%s", e.Location, kind, value)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
