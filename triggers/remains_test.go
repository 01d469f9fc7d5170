package triggers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestRemainsOfConsumer: a process that is killed while the server removes a consumer's folder may leave the consumer's
// state there without its settings. The server then knows no such consumer, but gives the old state to the next one of
// that name, which would begin behind messages that nobody has seen.
func TestRemainsOfConsumer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(c *Config) { c.Dir = dir }
	b := openBus(t, in)
	_, js := rawClient(t, b)
	for i := range 10 {
		put(t, js, "courses.academy.user_login", login(fmt.Sprint("c-", i)))
	}
	m := newMemory()
	stop := consume(t, b, m, nil)
	m.awaitEvents(t, 10)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.Close()
	for _, name := range []string{"meta.inf", "meta.sum"} {
		remains, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", StreamCourses, "obs", durableName))
		if err != nil || len(remains) != 1 {
			t.Fatalf("the server keeps consumers elsewhere: %q, %v", remains, err)
		}
		if err := os.Remove(filepath.Join(remains[0], name)); err != nil {
			t.Fatal(err)
		}
	}
	m.offset.Seq, m.events = 4, m.events[:4] // the store knows no more
	b = openBus(t, in)
	consume(t, b, m, nil)
	m.awaitEvents(t, 10)
}
