package portal

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"latchkey/engine"
)

const testLogo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 32"><defs><linearGradient id="g"><stop stop-color="#0a7"/></linearGradient></defs>` +
	`<rect width="96" height="32" rx="8" fill="url(#g)"/></svg>`

func pngOf(t *testing.T, side int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.Black, color.White})); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLogo(t *testing.T) {
	t.Parallel()
	svg := func(inside string) string { return `<svg xmlns="http://www.w3.org/2000/svg">` + inside + `</svg>` }
	for src, want := range map[string]string{
		testLogo: "", svg(`<a xlink:href="#x" xmlns:xlink="http://www.w3.org/1999/xlink"/>`): "", `<?xml version="1.0"?>` + svg("<!-- mine -->"): "",
		svg("<script>1</script>"): "<script>", svg(`<g onload="x()"/>`): "script in onload", svg(`<use href="https://evil.test/x.svg#a"/>`): "elsewhere",
		svg(`<image href="data:image/png;base64,AA"/>`): "elsewhere", svg(`<style>@import "x"</style>`): "fetches", svg(`<g style="fill:url( 'https://x')"/>`): "fetches",
		svg(`<foreignObject/>`): "foreignobject", `<!DOCTYPE svg [<!ENTITY a "b">]>` + svg("&a;"): "document type", "<html/>": "nor an SVG", "": "can be read",
		"GIF89a": "can be read", svg("<g>"): "can be read", svg(strings.Repeat("<g/>", 1000)): "bytes", "\x89PNG\r\n\x1a\nxx": "no readable PNG",
	} {
		uri, err := Logo([]byte(src))
		switch {
		case want == "" && (err != nil || !strings.HasPrefix(uri, "data:image/svg+xml;base64,")):
			t.Errorf("%s: %v, %q", src, err, uri)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%.60s: %v, want %q", src, err, want)
		}
	}
}

func TestLogoInPNG(t *testing.T) {
	t.Parallel()
	if uri, err := Logo([]byte(pngOf(t, 64))); err != nil || !strings.HasPrefix(uri, "data:image/png;base64,") {
		t.Errorf("%v, %q", err, uri)
	}
	if _, err := Logo([]byte(pngOf(t, 2000))); err == nil || !strings.Contains(err.Error(), "2000 by 2000 pixels") && !strings.Contains(err.Error(), "bytes") {
		t.Error(err)
	}
}

// A location's logo is in its pages, which still take one request and few bytes.
func TestPagesShowTheLogo(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	big := testLogo[:len(testLogo)-6] + "<!--" + strings.Repeat("x", maxLogo-len(testLogo)-7) + "--></svg>"
	var err error
	if s.loc.Logo, err = Logo([]byte(big)); err != nil {
		t.Fatal(err)
	}
	s.loc.Name = strings.Repeat("Long", 20)
	b, link := s.browser(), s.mint(s.ada, engine.LinkRequest{})
	page := b.get(link)
	b.wants(page, 200, `<img class="logo" src="data:image/svg&#43;xml;base64,`, `alt=""`)
	if n := len(page.body); n > 10<<10 {
		t.Errorf("the link page has %d bytes", n)
	}
	b.press(link)
	b.wants(b.get("/"), 200, `<img class="logo"`)
}
