package portal

import (
	"fmt"
	"math"
	"strconv"

	"latchkey/engine"
)

const defaultBrand = "#3451b2"

// An accent is a location's brand colour, and what is legible on it. As a line or a bar it is darkened on light pages, and
// lightened on dark ones, until it can be told from what is around it.
type accent struct{ fill, text, line, darkLine string }

func (a accent) css() string {
	return fmt.Sprintf(":root{--accent:%s;--on-accent:%s;--accent-line:%s}@media (prefers-color-scheme:dark){:root{--accent-line:%s}}",
		a.fill, a.text, a.line, a.darkLine)
}

// What is next to a line: the empty part of a bar, which is --line on --card of style.css.
const (
	besideLight = "#e0e0e0"
	besideDark  = "#38383b"
)

// brandOf returns the location's accent. A brand that is no colour counts as none.
func brandOf(loc *engine.Location) accent {
	lum, ok := luminance(loc.Brand)
	fill := loc.Brand
	if !ok {
		fill = defaultBrand
		lum, _ = luminance(fill)
	}
	a := accent{fill: fill, text: "#000000", line: until(fill, 0, besideLight), darkLine: until(fill, 0xff, besideDark)}
	// WCAG 2.2 contrast: against white (1+0.05)/(L+0.05). One of the two always reaches 4.5.
	if 1.05/(lum+0.05) >= 4.5 {
		a.text = "#ffffff"
	}
	return a
}

// contrast returns that of two colours, by WCAG 2.2: from 1 to 21.
func contrast(a, b string) float64 {
	la, _ := luminance(a)
	lb, _ := luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// until mixes a colour with black (0) or white (255) in steps until its contrast to another is 3, as WCAG asks of what is no text.
func until(colour string, with uint64, beside string) string {
	n, _ := strconv.ParseUint(colour[1:], 16, 32) // it is a colour
	const steps = 16
	for i := uint64(0); ; i++ {
		mixed := uint64(0)
		for shift := 0; shift < 24; shift += 8 {
			mixed |= ((n>>shift&0xff)*(steps-i) + with*i) / steps << shift
		}
		if c := fmt.Sprintf("#%06x", mixed); i == steps || contrast(c, beside) >= 3 {
			return c
		}
	}
}

// luminance returns the relative luminance (WCAG 2.2) of #rrggbb, and whether it is that.
func luminance(hex string) (float64, bool) {
	if len(hex) != 7 || hex[0] != '#' {
		return 0, false
	}
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		return 0, false
	}
	linear := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n), true
}
