package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestWebhookTogether has 64 clients post at once, with ids that several of them use, and finds each id once in the
// stream, in far fewer batches than events.
func TestWebhookTogether(t *testing.T) {
	t.Parallel()
	const clients, each, own = 64, 20, 15
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	srv := httptest.NewServer(webhook(t, b))
	defer srv.Close()
	var mu sync.Mutex
	first := map[string]int{}
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := range each {
				id := fmt.Sprintf("own-%d-%d", c, i)
				if i >= own {
					id = fmt.Sprint("shared-", i)
				}
				a, err := postOne(client, srv.URL, id)
				if err != nil || a.ID != id {
					t.Errorf("%s: %+v, %v", id, a, err)
					return
				}
				if !a.Duplicate {
					mu.Lock()
					first[id]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	want := clients*own + each - own
	s, err := js.Stream(t.Context(), StreamCourses)
	if err != nil || s.CachedInfo().State.Msgs != uint64(want) {
		t.Errorf("%d messages, want %d, %v", s.CachedInfo().State.Msgs, want, err)
	}
	for id, n := range first {
		if n != 1 {
			t.Errorf("%s: %d clients were told that it is new", id, n)
		}
	}
	if len(first) != want {
		t.Errorf("%d ids were told to be new, want %d", len(first), want)
	}
}

func postOne(client *http.Client, url, id string) (a accepted, err error) {
	req, err := http.NewRequest(http.MethodPost, url+"/v1/events/user_login", strings.NewReader(login(id)))
	if err != nil {
		return a, err
	}
	req.Header.Set("Idempotency-Key", id)
	res, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(res.Body)
		return a, fmt.Errorf("%s: %s", res.Status, text)
	}
	return a, json.NewDecoder(res.Body).Decode(&a)
}

// TestGather stores what waited as one batch if there is enough of it, although an id is in it twice; and all of it too if
// another was stored before.
func TestGather(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	w := NewWebhook(b, "academy", b.log)
	if out := httpPosts(t, w, "old"); out[0] != `{"id":"old","duplicate":false}` {
		t.Fatal(out)
	}
	for _, c := range []struct {
		ids      string
		new, dup int
	}{
		{"1 2 1 3", 3, 1},
		{"a b c d e f g h i j a k l m n o p q r s t", 20, 1},
		{"A B old C D E F G H I J K L M N O P old", 16, 2},
	} {
		got := strings.Join(httpPosts(t, w, strings.Fields(c.ids)...), " ")
		if strings.Count(got, "false") != c.new || strings.Count(got, "true") != c.dup {
			t.Errorf("%v: %s", c.ids, got)
		}
	}
	s, err := js.Stream(t.Context(), StreamCourses)
	if err != nil || s.CachedInfo().State.Msgs != 40 {
		t.Fatalf("%+v, %v", s.CachedInfo().State, err)
	}
	for seq, want := range map[uint64]string{4: "", 5: "1", 24: "20", 25: ""} {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil || m.Header.Get("Nats-Batch-Sequence") != want {
			t.Errorf("message %d: batch sequence %q, want %q, %v", seq, m.Header.Get("Nats-Batch-Sequence"), want, err)
		}
	}
}

// httpPosts posts all ids before Run begins and returns the answers once it stored them.
func httpPosts(t *testing.T, w *Webhook, ids ...string) []string {
	t.Helper()
	w.ended, w.posts = make(chan struct{}), make(chan *post, len(ids)) // with room, to see them stand in line
	out := make([]string, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			out[i] = strings.TrimSpace(httpPost(w, "/v1/events/user_login", login("c"), "Nats-Msg-Id", id).Body.String())
		})
	}
	for end := time.Now().Add(patience); len(w.posts) < len(ids); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d stand in line", len(w.posts), len(ids))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	all.Wait()
	cancel()
	<-done
	return out
}

func BenchmarkWebhook(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			bus := openBus(b, nil)
			srv := httptest.NewServer(webhook(b, bus))
			defer srv.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
			defer client.CloseIdleConnections()
			ids := make(chan string)
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for id := range ids {
						if _, err := postOne(client, srv.URL, id); err != nil {
							b.Error(err)
						}
					}
				})
			}
			n := 0
			for b.Loop() {
				n++
				ids <- fmt.Sprint("bench-", n)
			}
			close(ids)
			wg.Wait()
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
