package engine

import (
	"maps"
	"slices"
)

// maxCustom is how many bytes, roughly, the custom fields of one contact take. They are stored again with every event of
// the contact, so without a bound each event could make all that follow dearer.
const maxCustom = 256 << 10

// mergeCustom returns the fields of both, the given ones' values first; a given null forgets a field. What would go beyond
// maxCustom stays as it was.
func mergeCustom(have, given Custom) Custom {
	merged := make(Custom, len(have)+len(given))
	maps.Copy(merged, have)
	size := have.Size()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		v, was := given[name], 0
		if old, ok := merged[name]; ok {
			was = len(name) + customSize(old)
		}
		if v == nil {
			delete(merged, name)
			size -= was
			continue
		}
		if grown := size - was + len(name) + customSize(v); grown <= maxCustom || grown <= size {
			merged[name], size = v, grown
		}
	}
	return merged
}

// Size returns how many bytes, roughly, the fields take.
func (c Custom) Size() int { return customSize(map[string]any(c)) }

func customSize(v any) int {
	n := 16
	switch v := v.(type) {
	case string:
		n += len(v)
	case map[string]any:
		for k, e := range v {
			n += len(k) + customSize(e)
		}
	case []any:
		for _, e := range v {
			n += customSize(e)
		}
	}
	return n
}
