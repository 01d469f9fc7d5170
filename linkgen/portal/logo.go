package portal

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"strings"
)

// maxLogo is how many bytes a logo may have: it is in every page, and the link page is to stay under 10 KB.
const maxLogo = 2048

// maxLogoSide is how many pixels a PNG's sides may have.
const maxLogoSide = 1024

// Logo returns an SVG or PNG as a data: URI for engine.Location.Logo. An SVG that could run or fetch something is refused,
// although browsers would not let a picture do that.
func Logo(src []byte) (string, error) {
	if len(src) > maxLogo {
		return "", fmt.Errorf("has %d bytes; a logo may have %d, since it is in every page", len(src), maxLogo)
	}
	kind := "image/svg+xml"
	if bytes.HasPrefix(src, []byte("\x89PNG\r\n\x1a\n")) {
		kind = "image/png"
		c, err := png.DecodeConfig(bytes.NewReader(src))
		if err != nil {
			return "", fmt.Errorf("is no readable PNG: %w", err)
		}
		if c.Width > maxLogoSide || c.Height > maxLogoSide {
			return "", fmt.Errorf("is %d by %d pixels; at most %d a side", c.Width, c.Height, maxLogoSide)
		}
	} else if err := checkSVG(src); err != nil {
		return "", err
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(src), nil
}

func checkSVG(src []byte) error {
	d := xml.NewDecoder(bytes.NewReader(src))
	root := true
	for {
		tok, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && !root:
			return nil
		case err != nil:
			return errors.New("is neither a PNG nor an SVG that can be read")
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if root && t.Name.Local != "svg" {
				return errors.New("is neither a PNG nor an SVG")
			}
			root = false
			if err := checkElement(t); err != nil {
				return err
			}
		case xml.Directive:
			return errors.New("has a document type, which a logo has no use for")
		case xml.CharData:
			if fetches(string(t)) {
				return errors.New("fetches something from elsewhere")
			}
		}
	}
}

func checkElement(e xml.StartElement) error {
	switch name := strings.ToLower(e.Name.Local); name {
	case "script", "foreignobject", "iframe", "object", "embed", "handler", "listener":
		return fmt.Errorf("has <%s>, which a logo has no use for", name)
	}
	for _, a := range e.Attr {
		name := strings.ToLower(a.Name.Local)
		switch {
		case a.Name.Space == "xmlns" || name == "xmlns":
		case strings.HasPrefix(name, "on"):
			return fmt.Errorf("has a script in %s", name)
		case name == "href" && !strings.HasPrefix(strings.TrimSpace(a.Value), "#"):
			return errors.New("leads or refers to something elsewhere")
		case fetches(a.Value):
			return errors.New("fetches something from elsewhere")
		}
	}
	return nil
}

// fetches reports whether a text, as CSS, may ask for something outside of the picture.
func fetches(s string) bool {
	s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
	for _, quote := range []string{"", "'", `"`} {
		s = strings.ReplaceAll(s, "url("+quote+"#", "")
	}
	return strings.Contains(s, "url(") || strings.Contains(s, "@import") || strings.Contains(s, "javascript:") || strings.Contains(s, `\`)
}
