package portal

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"latchkey/engine"
)

// academy is the school of the pictures: the courses of examples/academy, of which Ada is halfway through one.
func academy(t *testing.T) *site {
	s := newSite(t, 1)
	s.ada.Offers, s.ada.Products, s.bob.Offers, s.bob.Products = nil, nil, nil, nil
	s.happen(s.ada, "offer_access_granted", "offer=gold/Gold Membership", "product=go-101/Go from the Ground Up")
	s.happen(s.ada, "product_access_granted", "offer=gold", "product=git-1/Git Without Tears")
	s.happen(s.ada, "product_access_granted", "product=design-7/Design in Seven Evenings")
	for _, chapter := range []string{"basics/Basics: Introduction, Values and Variables, Functions, Control Flow", "types/Types: Structs, Slices and Maps, Methods, Interfaces",
		"together/Together: Errors, Goroutines, Testing, Ship It"} {
		category, lessons, _ := strings.Cut(chapter, ": ")
		for _, title := range strings.Split(lessons, ", ") {
			s.happen(s.bob, "lesson_started", "product=go-101/Go from the Ground Up", "category="+category, "lesson="+strings.ToLower(strings.ReplaceAll(title, " ", "-"))+"/"+title)
		}
	}
	for _, title := range []string{"Commits", "Branches", "Merging"} {
		s.happen(s.bob, "lesson_started", "product=git-1/Git Without Tears", "lesson="+strings.ToLower(title)+"/"+title)
	}
	s.happen(s.bob, "offer_access_granted", "offer=silver/Silver Membership")
	for _, product := range []string{"go-101", "git-1"} {
		s.happen(s.bob, "product_access_removed", "product="+product)
	}
	for _, lesson := range []string{"introduction", "values-and-variables", "functions", "control-flow"} {
		s.pass(25 * time.Minute)
		s.happen(s.ada, "lesson_completed", "product=go-101", "category=basics", "lesson="+lesson)
	}
	s.happen(s.ada, "category_completed", "product=go-101", "category=basics")
	s.happen(s.ada, "lesson_started", "product=go-101", "category=types", "lesson=structs")
	s.happen(s.ada, "product_completed", "product=design-7")
	s.pass(3 * time.Hour)
	s.set.Menu = []MenuItem{{Label: "Community", App: "courses"}, {Label: "Help", URL: "https://help.acme.test"}}
	return s
}

// phone and laptop are what browsers say of themselves.
const (
	phone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	laptop = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
)

// TestDriveInside goes through the pages after sign-in, in each look, and on a window so narrow as a desktop's at 400 %.
func TestDriveInside(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	for _, look := range append([]string{"narrow-light"}, looks...) {
		s := academy(t)
		for _, agent := range []string{phone, laptop} {
			other := s.browser()
			other.post("/l", map[string][]string{"t": {s.mint(s.ada, engine.LinkRequest{})[3:]}}, "User-Agent", agent)
			s.pass(50 * time.Minute)
		}
		b := c.tab(look)
		b.opens(s.URL+s.mint(s.ada, engine.LinkRequest{}), "in")
		b.presses("form button", "home", "Hello, Ada", "Gold Membership", "4 of 12 lessons", "Continue: Structs", "Start: Commits", "Completed", "Community", "help@acme.test")
		if strings.HasPrefix(look, "desktop") {
			b.aligned(".courses h3 a")
		}
		b.presses(`h3 a[href="/p/go-101"]`, "product", "Go from the Ground Up", "Basics", "Interfaces", "Done")
		b.presses(`h2 a[href$="/c/types"]`, "category", "Types", "0 of 4 lessons", "Open it in the course")
		b.presses(`.lines a[href$="/s/structs"]`, "lesson", "Structs", "Begun 4 hours ago", "Open the lesson", "Next: Slices and Maps")
		b.presses(".name a", "sessions", "Where you are signed in", "This browser", "Firefox on Linux", "Last seen")
		b.opens(s.URL+"/p/sql-201", "missing", "This is not among your courses")
		b.opens(s.URL+"/p/design-7", "bare", "Nothing to list here yet.")
		none := c.tab(look)
		none.opens(s.URL+s.mint(s.bob, engine.LinkRequest{}), "in")
		none.presses("form button", "empty", "Silver Membership", "You have no course yet.", "it can take a minute")
		s.ada.Contact.Locale = "de"
		s.save(s.ada)
		b.opens(s.URL+"/", "home-de", "Hallo, Ada", "4 von 12 Lektionen", "Weiter: Structs")
	}
}

// aligned wants the text of what stands in one row to begin at one height, of however many lines it is.
func (b tab) aligned(selector string) {
	b.Helper()
	tops, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](`[...document.querySelectorAll("`+selector+`")].map(e => {
		const r = document.createRange(); r.selectNodeContents(e); return r.getBoundingClientRect().top })`))
	if err != nil {
		b.Fatal(err)
	}
	if len(tops) < 3 || slices.Max(tops)-slices.Min(tops) > 0.5 {
		b.Errorf("%s, %s begin at %v", b.look, selector, tops)
	}
}

// The pages work by keyboard alone: the first stop leads past the menu, what has focus is seen, and the button of the link page
// needs no mouse.
func TestDriveByKeyboard(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	s := academy(t)
	b := c.tab("desktop-light")
	b.opens(s.URL+s.mint(s.ada, engine.LinkRequest{}), "in")
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent("\t")); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent("\r")); err != nil {
		t.Fatal(err)
	}
	b.says("in", "Hello, Ada")
	focus := func(want string) {
		t.Helper()
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`(e => e.textContent.trim() + (parseFloat(getComputedStyle(e).outlineWidth) >= 2 && e.getBoundingClientRect().left >= 0 ? '' : ' unseen'))(document.activeElement)`))
		if err != nil || !strings.HasSuffix(got, want) { // before the name stands its mark, or a logo
			t.Errorf("focus is on %q, want %q (%v)", got, want, err)
		}
	}
	for _, want := range []string{"Skip to the content", "Acme Academy", "Ada Lovelace", "Sign out", "Courses"} {
		if err := chromedp.Do(b.ctx, chromedp.KeyEvent("\t")); err != nil {
			t.Fatal(err)
		}
		focus(want)
	}
	b.opens(s.URL+"/", "in")
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"), chromedp.KeyEvent("\t")); err != nil {
		t.Fatal(err)
	}
	focus("Design in Seven Evenings") // the first in the content
}

// dressed gives a site the looks of examples/academy, for pictures.
func (s *site) dressed() {
	s.Helper()
	src, err := os.ReadFile("../../examples/academy/logo.svg")
	if err == nil {
		s.loc.Logo, err = Logo(src)
	}
	if err != nil {
		s.Fatal(fmt.Errorf("logo of the example: %w", err))
	}
	s.loc.Brand = "#1f6f54"
}

// smaller writes a picture with the 256 colours that it has most of, and each other as the nearest of them: pages have few.
func smaller(t testing.TB, src []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA) }
	r := img.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	for _, c := range all[:min(len(all), 256)] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	for _, c := range all {
		index[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(r, palette)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
