package portal

import (
	"fmt"
	"math"
	"strconv"

	"latchkey/engine"
)

const defaultBrand = "#3451b2"

// An accent is a location's brand colour, and what is legible on it.
type accent struct{ fill, text string }

func (a accent) css() string { return fmt.Sprintf(":root{--accent:%s;--on-accent:%s}", a.fill, a.text) }

// brandOf returns the location's accent. A brand that is no colour counts as none.
func brandOf(loc *engine.Location) accent {
	lum, ok := luminance(loc.Brand)
	fill := loc.Brand
	if !ok {
		fill = defaultBrand
		lum, _ = luminance(fill)
	}
	// WCAG 2.2 contrast: against white (1+0.05)/(L+0.05). One of the two always reaches 4.5.
	if 1.05/(lum+0.05) >= 4.5 {
		return accent{fill, "#ffffff"}
	}
	return accent{fill, "#000000"}
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
