package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// smallDisk mounts a file system of so many bytes. For a user who may not, it runs the test once more in a user namespace,
// where everybody may, and reports that there is nothing left to do here.
func smallDisk(t *testing.T, dir string, size int) (goOn bool) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("latchkey-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	if errors.Is(err, syscall.EPERM) && os.Getenv(inNamespace) == "" {
		runInNamespace(t)
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return true
}

const inNamespace = "LATCHKEY_TEST_IN_NAMESPACE"

func runInNamespace(t *testing.T) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), inNamespace+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	if ee := (*exec.ExitError)(nil); errors.As(err, &ee) {
		t.Fatalf("in a namespace of its own: %v\n%s", err, tail(string(out), 8000))
	} else if err != nil {
		t.Skipf("neither mount nor user namespaces are allowed here: %v", err)
	}
}

// fill takes all room of a disk, but for left bytes, until the returned func gives it back.
func fill(t *testing.T, dir string, left int64) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	var size int64
	for err == nil {
		var n int
		n, err = f.Write(block)
		size += int64(n)
	}
	if err := f.Truncate(max(0, size-left)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// TestFullDiskOfTheStore fills the disk under the store while events come. The streams are elsewhere and take them.
func TestFullDiskOfTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	disk := filepath.Join(w.dir, "data", "store")
	if !smallDisk(t, disk, 16<<20) {
		return
	}
	i, _ := w.start()
	nc := w.connect()
	publish := func(from, to int) {
		for k := from; k < to; k++ {
			data := string(eventData(fmt.Sprintf("c-%d", k), map[string]string{"offer": "gold"}))
			// Large enough that some of them do not fit into the pages that the store has already.
			data = fmt.Sprintf(`{"note": %q, %s`, strings.Repeat("x", 40<<10), data[1:])
			w.send(nc, "offer_access_granted", fmt.Sprint(k), data)
		}
	}
	publish(0, 2)
	w.waitTexts(2)
	w.quiet(i, nc)
	free := fill(t, disk, 0)
	publish(2, 40)
	w.wait("an error that says so", func() bool { return strings.Contains(w.log.String(), "no space left on device") })
	select {
	case <-i.runner.Ready():
	default:
		t.Error("not ready")
	}
	free()
	w.waitMails(40)
	w.waitTexts(40)
	w.quiet(i, nc)
	for address, n := range w.smtp.Counts() {
		if n != 1 {
			t.Errorf("%s got %d mails", address, n)
		}
	}
	if mails, texts := w.waitMails(40), w.waitTexts(40); len(mails) != 40 || len(texts) != 40 {
		t.Errorf("%d mails and %d SMS", len(mails), len(texts))
	}
}

// TestFullDisk fills the disk under the whole data folder. What the stream then does not confirm the publisher
// publishes again, as publishers do.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	disk := filepath.Join(w.dir, "data")
	if !smallDisk(t, disk, 48<<20) {
		return
	}
	i, _ := w.start()
	nc := w.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	const n = 12
	confirmed := map[int]bool{}
	publish := func(upTo int) (all bool) {
		for k := range upTo {
			if confirmed[k] {
				continue
			}
			m := forms["bare"]("offer_access_granted", fmt.Sprint(k), eventData(fmt.Sprintf("c-%d", k), map[string]string{"offer": "gold"}))
			m.Data = fmt.Appendf(nil, `{"note": %q, %s`, strings.Repeat("x", 40<<10), m.Data[1:])
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			_, err := js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
			cancel()
			if confirmed[k] = err == nil; err != nil {
				return false
			}
		}
		return true
	}
	comes(func() bool { return publish(2) })
	w.waitTexts(2)
	w.quiet(i, nc)
	free := fill(t, disk, 256<<10)
	if publish(n) {
		t.Fatal("the disk was not full")
	}
	w.wait("an error that says so", func() bool { return strings.Contains(w.log.String(), "the disk of the streams is full") })
	free()
	comes(func() bool { return publish(n) })
	w.waitMails(n)
	w.waitTexts(n)
	w.quiet(i, nc)
	for address, n := range w.smtp.Counts() {
		if n != 1 {
			t.Errorf("%s got %d mails", address, n)
		}
	}
	if mails, texts := w.waitMails(n), w.waitTexts(n); len(mails) != n || len(texts) != n {
		t.Errorf("%d mails and %d SMS", len(mails), len(texts))
	}
}

// TestDiskNearlyFull leaves three per cent of the data folder's disk: events wait, links open, and it goes on when
// there is room.
func TestDiskNearlyFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/once.yaml": onceWorkflow})
	const size = 128 << 20
	if !smallDisk(t, filepath.Join(w.dir, "data"), size) {
		return
	}
	i, _ := w.start()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.waitMails(1)
	w.quiet(i, nc)
	if status, says := w.get("/readyz"); status != http.StatusOK || !strings.Contains(says, "disk: ok") {
		t.Fatalf("with room: %d %s", status, says)
	}
	acknowledged := func() uint64 {
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		c, err := js.Consumer(t.Context(), "COURSES", "latchkey")
		if err != nil {
			t.Fatal(err)
		}
		return c.CachedInfo().AckFloor.Stream
	}
	comes(func() bool { return acknowledged() == 1 }) // after the commit that quiet waits for
	free := fill(t, filepath.Join(w.dir, "data"), size*3/100)
	w.grant(nc, "bob", "gold")
	w.wait("a word in the log", func() bool { return strings.Contains(w.log.String(), "no events are taken below 5 %") })
	if status, says := w.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(says, "% free") {
		t.Errorf("nearly full: %d %s", status, says)
	}
	if code, _, errs := w.command("explain", "of-bob", "--server="+w.admin("")); code != exitFailed || !strings.Contains(errs, "one event is not processed yet") {
		t.Errorf("explain of an event that waits in the stream: %d %s", code, errs)
	}
	event := string(eventData("eve", map[string]string{"offer": "gold"}))
	if status, says := w.do(http.MethodPost, "/v1/events/offer_access_granted", event, asJSON); status != http.StatusServiceUnavailable {
		t.Errorf("an event over HTTP: %d %s", status, says)
	}
	letsIn(t, "a link", w.linksTo("ada")[0], "Title of gold")
	if floor := acknowledged(); floor != 1 {
		t.Errorf("acknowledged up to %d, want 1", floor)
	}
	if mails := w.waitMails(0); len(mails) != 1 {
		t.Errorf("%d mails, want 1", len(mails))
	}
	free()
	w.waitMails(2)
	w.quiet(i, nc)
	if status, says := w.get("/readyz"); status != http.StatusOK {
		t.Errorf("with room again: %d %s", status, says)
	}
	if mails := w.waitMails(2); len(mails) != 2 {
		t.Errorf("%d mails, want 2", len(mails))
	}
}

func asJSON(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
