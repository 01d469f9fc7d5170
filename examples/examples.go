// Package examples holds the example projects, built into the binary: `latchkey demo` runs one of them. It owns no
// code; each folder is a project as its users would write it.
package examples

import "embed"

// Academy is a small course site's project, under the folder "academy", without its pictures.
//
//go:embed academy/*.yaml academy/*.jsonl academy/*.svg academy/workflows academy/templates
var Academy embed.FS
