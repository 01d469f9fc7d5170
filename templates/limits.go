package templates

import (
	"errors"
	"fmt"
	"strings"
)

// What bounds one rendering. Lists come from the events of a contact, so their length is a stranger's to choose.
const (
	maxRanges   = 3       // within one another; html/template looks at each twice, so depth costs it twice the time
	maxRounds   = 20_000  // of all ranges of a message
	maxRendered = 4 << 20 // bytes of a part
)

var tooLong = fmt.Sprintf("the message becomes longer than %d MiB", maxRendered>>20)

// checkRanges refuses a range that stands too deep in others.
func (sc *scanner) checkRanges(t *tag) {
	depth := 0
	for _, s := range sc.scopes {
		if s.tag.kind == tagRange {
			depth++
		}
	}
	if depth == maxRanges {
		sc.errs = append(sc.errs, t.fail(fmt.Sprintf("ranges may stand %d deep within one another", maxRanges)))
	}
}

// bounded ends a rendering that becomes too long.
type bounded struct{ *strings.Builder }

func (b bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, errors.New(tooLong)
	}
	return b.Builder.Write(p)
}
