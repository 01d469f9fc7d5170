package triggers

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
)

var stored = time.Date(2026, 11, 22, 8, 0, 0, 500_000_000, time.UTC)

const bareData = `{"contact": {"id": "c-17", "email": "ada@example.com", "phone": "+14155550123", "first_name": "Ada",
  "last_name": "Lovelace", "timezone": "Europe/London", "locale": "en",
  "consent": {"email": true, "sms": false}, "custom": {"cohort": "2026-11", "n": 12345678, "f": 1.5}},
  "offer": {"id": "gold", "title": "Gold"}, "product": {"id": "go-101", "title": "Go 101"},
  "category": {"id": "basics", "title": "Basics"}, "lesson": {"id": 101, "title": "Introduction"},
  "cart": "x-1", "total": 99, "nothing": null}`

func fullEvent(trigger string) engine.Event {
	yes, no := true, false
	return engine.Event{
		Type: trigger, Location: "academy", Time: stored, Ordinal: 7,
		Contact: engine.Contact{
			ID: "c-17", Email: "ada@example.com", Phone: "+14155550123", FirstName: "Ada", LastName: "Lovelace",
			Timezone: "Europe/London", Locale: "en", Consent: engine.Consent{Email: &yes, SMS: &no},
			Custom: map[string]any{"cohort": "2026-11", "n": int64(12345678), "f": 1.5},
		},
		Offer: &engine.Noun{ID: "gold", Title: "Gold"}, Product: &engine.Noun{ID: "go-101", Title: "Go 101"},
		Category: &engine.Noun{ID: "basics", Title: "Basics"}, Lesson: &engine.Noun{ID: "101", Title: "Introduction"},
		Custom: map[string]any{"cart": "x-1", "total": int64(99)},
	}
}

func TestDecodeFormsOfEachTrigger(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	ce := func(e *engine.Event) { e.ID, e.Source, e.Time, e.Depth = "e 1", "/shop", at, 2 }
	forms := []struct {
		name   string
		header map[string][]string
		data   func(trigger string) string
		want   func(*engine.Event)
	}{
		{"structured", map[string][]string{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}, func(tr string) string {
			return `{"specversion":"1.0","id":"e 1","source":"/shop","type":"com.acme.` + tr + `","time":"2026-11-21T11:00:00+01:00","latchkeydepth":2,"data":` + bareData + `}`
		}, ce},
		{"structured without content type", nil, func(tr string) string {
			return `{"specversion":"1.0","id":"e 1","source":"/shop","type":"` + tr + `","time":"2026-11-21T10:00:00Z","latchkeydepth":"2","data":` + bareData + `}`
		}, ce},
		{"structured base64", map[string][]string{"content-type": {"application/cloudevents"}}, func(tr string) string {
			return `{"specversion":"1.0","id":"e 1","source":"/shop","type":"` + tr + `","time":"2026-11-21T10:00:00Z","latchkeydepth":"2","data_base64":"` +
				base64.StdEncoding.EncodeToString([]byte(bareData)) + `"}`
		}, ce},
		{"bare", nil, func(string) string { return bareData }, func(e *engine.Event) {
			e.ID, e.Source = "seq-7@2026-11-22T08:00:00.5Z", "nats:courses.academy"
		}},
		{"bare with id", map[string][]string{"Nats-Msg-Id": {" x:1 "}, "Content-Type": {"application/json"}}, func(string) string { return bareData }, func(e *engine.Event) {
			e.ID, e.Source = "x:1", "nats:courses.academy"
		}},
	}
	for _, k := range Kinds() {
		for _, f := range forms {
			t.Run(k.Name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				want := fullEvent(k.Name)
				f.want(&want)
				got, err := (&Decoder{}).Decode(Message{Subject: "courses.academy." + k.Name, Header: f.header, Data: []byte(f.data(k.Name)), Seq: 7, Time: stored})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
			})
		}
		t.Run(k.Name+"/binary", func(t *testing.T) {
			t.Parallel()
			want := fullEvent(k.Name)
			ce(&want)
			got, err := (&Decoder{}).Decode(Message{Subject: "courses.academy." + k.Name, Data: []byte(bareData), Seq: 7, Time: stored, Header: map[string][]string{
				"Content-Type": {"text/plain"}, "CE-SpecVersion": {"1.0"}, "ce-id": {"e%201"}, "Ce-Source": {"/shop"}, "ce-type": {"shop." + k.Name},
				"ce-time": {"2026-11-21T10:00:00Z"}, "ce-latchkeydepth": {"2"}, "ce-datacontenttype": {"application/json"}, "Nats-Msg-Id": {"other"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const subject = "courses.academy.offer_access_granted"
	ok := `"contact":{"id":"c"},"offer":{"id":"gold"}`
	ce := func(attrs string) string { return `{"specversion":"1.0",` + attrs + `,"data":{` + ok + `}}` }
	d := &Decoder{Known: func(l string) bool { return l == "academy" }}
	tests := []struct{ name, subject, data, want string }{
		{"no JSON", subject, `offer gold`, "malformed JSON"},
		{"cut", subject, `{"contact":{"id":`, "malformed JSON"},
		{"two values", subject, `{` + ok + `} {}`, "more follows"},
		{"empty", subject, " ", "empty"},
		{"list", subject, `[]`, "the data is a list"},
		{"null", subject, `null`, "want a JSON object"},
		{"not UTF-8", subject, "{\"contact\":{\"id\":\"\xff\"}}", "not UTF-8"},
		{"deep", subject, strings.Repeat(`{"a":`, 100_000), "nested"},
		{"huge", subject, `{` + ok + `,"x":"` + strings.Repeat("x", MaxEvent) + `"}`, "at most 1048576"},
		{"short subject", "courses.academy", `{` + ok + `}`, "want courses.<location>.<trigger>"},
		{"long subject", "courses.academy.a.b", `{` + ok + `}`, `unknown trigger "a.b"`},
		{"unknown trigger", "courses.academy.offer_gone", `{` + ok + `}`, `unknown trigger "offer_gone"`},
		{"unknown location", "courses.elsewhere.user_login", `{` + ok + `}`, `unknown location "elsewhere"`},
		{"other type", subject, ce(`"id":"1","source":"s","type":"product_started"`), `type "product_started" and the subject's trigger "offer_access_granted" differ`},
		{"unknown type", subject, ce(`"id":"1","source":"s","type":"com.acme.bought"`), `unknown trigger "com.acme.bought"`},
		{"no id", subject, ce(`"source":"s","type":"offer_access_granted"`), "CloudEvent id is missing"},
		{"no source", subject, ce(`"id":"1","type":"offer_access_granted"`), "CloudEvent source is missing"},
		{"no type", subject, ce(`"id":"1","source":"s"`), "CloudEvent type is missing"},
		{"old version", subject, `{"specversion":"0.3","id":"1"}`, `specversion "0.3"`},
		{"no data", subject, `{"specversion":"1.0","id":"1","source":"s","type":"offer_access_granted"}`, "data is missing"},
		{"text data", subject, `{"specversion":"1.0","id":"1","source":"s","type":"offer_access_granted","data":"{}"}`, "data is a text"},
		{"loop", subject, ce(`"id":"1","source":"s","type":"offer_access_granted","latchkeydepth":8`), "loop"},
		{"no contact", subject, `{"offer":{"id":"gold"}}`, "no contact"},
		{"null contact", subject, `{"contact":null,"offer":{"id":"gold"}}`, "no contact"},
		{"contact without identity", subject, `{"contact":{"id":" ","email":null},"offer":{"id":"gold"}}`, "no contact"},
		{"contact of text", subject, `{"contact":"c-1","offer":{"id":"gold"}}`, "contact is a text"},
		{"bad address and no id", subject, `{"contact":{"email":"ada at example"},"offer":{"id":"gold"}}`, "contact.email is not an e-mail address"},
		{"bad id and no address", subject, `{"contact":{"id":{}},"offer":{"id":"gold"}}`, "contact.id is an object"},
		{"NUL in id", subject, `{"contact":{"id":"a\u0000b"},"offer":{"id":"gold"}}`, "control character"},
		{"no offer", subject, `{"contact":{"id":"c"}}`, "offer.id is missing"},
		{"offer of text", subject, `{"contact":{"id":"c"},"offer":"gold"}`, "offer is a text"},
		{"offer without id", subject, `{"contact":{"id":"c"},"offer":{"title":"Gold"}}`, "offer.id is missing"},
		{"long offer id", subject, `{"contact":{"id":"c"},"offer":{"id":"` + strings.Repeat("x", 257) + `"}}`, "offer.id is longer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := d.Decode(Message{Subject: tt.subject, Data: []byte(tt.data), Seq: 1, Time: stored})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	_, err := d.Decode(Message{Subject: subject, Data: []byte(`[{}]`), Header: map[string][]string{"Content-Type": {"application/cloudevents-batch+json"}}})
	if err == nil || !strings.Contains(err.Error(), "batch") {
		t.Errorf("batch: %v", err)
	}
}

func TestDecodeLeavesOutWhatIsOptional(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, contact, rest string
		want                func(*engine.Event)
	}{
		{"address", `"id":1e3,"email":"no"`, ``, func(e *engine.Event) { e.Contact.ID = "1e3" }},
		{"id", `"id":true,"email":" ada@example.com "`, ``, func(e *engine.Event) { e.Contact.ID, e.Contact.Email = "", "ada@example.com" }},
		{"phone", `"id":"c","phone":"0170 1234567"`, ``, nil},
		{"phone number", `"id":"c","phone":14155550123`, ``, nil},
		{"timezone", `"id":"c","timezone":"Mars/Olympus"`, ``, nil},
		{"timezone path", `"id":"c","timezone":"../../etc/passwd"`, ``, nil},
		{"timezone Local", `"id":"c","timezone":"Local"`, ``, nil},
		{"locale", `"id":"c","locale":"e"`, ``, nil},
		{"consent", `"id":"c","consent":{"email":"yes","sms":0}`, ``, func(e *engine.Event) { e.Warnings = append(e.Warnings, "") }},
		{"consent of text", `"id":"c","consent":true`, ``, nil},
		{"name", `"id":"c","first_name":["Ada"]`, ``, nil},
		{"control in name", `"id":"c","first_name":"Ada\r\nBcc: x"`, ``, func(e *engine.Event) { e.Contact.FirstName = "Ada  Bcc: x" }},
		{"long name", `"id":"c","last_name":"` + strings.Repeat("x", 2000) + `"`, ``, nil},
		{"custom", `"id":"c","custom":[1]`, ``, nil},
		{"huge number", `"id":"c"`, `,"n":1e999`, nil},
		{"other noun", `"id":"c"`, `,"product":"go-101"`, nil},
		{"unread member", `"id":"c","firstname":"Ada"`, ``, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := engine.Event{ID: "1", Source: "nats:courses.academy", Type: OfferAccessGranted, Location: "academy", Time: stored, Ordinal: 1,
				Contact: engine.Contact{ID: "c"}, Offer: &engine.Noun{ID: "gold"}, Warnings: []string{""}}
			if tt.want != nil {
				tt.want(&want)
			}
			got, err := (&Decoder{}).Decode(Message{Subject: "courses.academy.offer_access_granted", Seq: 1, Time: stored, Header: map[string][]string{"Nats-Msg-Id": {"1"}},
				Data: []byte(`{"contact":{` + tt.contact + `},"offer":{"id":"gold"}` + tt.rest + `}`)})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Warnings) != len(want.Warnings) {
				t.Errorf("warnings: %q", got.Warnings)
			}
			want.Warnings = got.Warnings
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	got, err := (&Decoder{}).Decode(Message{Subject: "courses.academy.user_login", Seq: 1, Time: stored, Data: []byte("\xef\xbb\xbf" +
		`{"contact":{"id":42,"phone":"+1 (415) 555-0123","locale":"pt_BR","consent":{"email":"False"}},"via":"latchkey","blob":"` + strings.Repeat("x", 900<<10) + `"}`)})
	if err != nil || len(got.Warnings) > 0 {
		t.Fatal(err, got.Warnings)
	}
	c := got.Contact
	if c.ID != "42" || c.Phone != "+14155550123" || c.Locale != "pt-BR" || c.Consent.Email == nil || *c.Consent.Email || got.Custom["via"] != "latchkey" || len(got.Custom["blob"].(string)) != 900<<10 {
		t.Errorf("got %+v", c)
	}
	for _, at := range []string{"2026-13-01T00:00:00Z", "9999-12-31T23:59:59-23:00", "1066-10-14T09:00:00Z", "yesterday"} {
		got, err := (&Decoder{}).Decode(Message{Subject: "courses.a.user_login", Time: stored, Data: fmt.Appendf(nil,
			`{"specversion":"1.0","id":1,"source":"s","type":"user_login","time":%q,"data":{"contact":{"id":1}}}`, at)})
		if err != nil || !got.Time.Equal(stored) || len(got.Warnings) != 1 {
			t.Errorf("%s: %v %v %v", at, got.Time, got.Warnings, err)
		}
	}
	got, err = (&Decoder{}).Decode(Message{Subject: "courses.a.user_login", Time: stored, Data: []byte(
		`{"specversion":"1.0","id":1,"source":"s","type":"user_login","time":"2027-11-22T08:00:00Z","data":{"contact":{"id":1}}}`)})
	if err != nil || got.Time.Year() != 2027 || len(got.Warnings) != 1 {
		t.Errorf("future: %v %v %v", got.Time, got.Warnings, err)
	}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	if n := len(Catalogue()); n != 12 {
		t.Errorf("%d triggers", n)
	}
	for name, k := range Catalogue() {
		if k.Name != name || k.Label == "" || k.Course == (name == UserLogin) {
			t.Errorf("%+v", k)
		}
		if k.Noun != "" && k.Filters[len(k.Filters)-1] != k.Noun {
			t.Errorf("%s: own noun %s is not the last filter of %v", name, k.Noun, k.Filters)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	d := &Decoder{}
	m := Message{Subject: "courses.academy.offer_access_granted", Data: []byte(bareData), Seq: 7, Time: stored}
	b.SetBytes(int64(len(m.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(m); err != nil {
			b.Fatal(err)
		}
	}
}
