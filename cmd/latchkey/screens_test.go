package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each picture of the README is there, each page in its four looks, and each picture of the folder is shown.
func TestReadmePictures(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile(`!\[[^\]]+\]\(([^)]+)\)`).FindAllStringSubmatch(string(readme), -1) {
		shown[m[1]] = true
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Error(err)
		}
	}
	looks := []string{"-desktop-light.png", "-desktop-dark.png", "-phone-light.png", "-phone-dark.png"}
	for picture := range shown {
		for _, look := range looks {
			if name, ok := strings.CutSuffix(picture, look); ok {
				for _, other := range looks {
					if !shown[name+other] {
						t.Errorf("the README has no %s", name+other)
					}
				}
			}
		}
	}
	all, err := filepath.Glob("../../examples/academy/screens/*.png")
	if err != nil {
		t.Fatal(err)
	}
	for _, picture := range all {
		if picture = strings.TrimPrefix(filepath.ToSlash(picture), "../../"); !shown[picture] {
			t.Errorf("the README does not show %s", picture)
		}
	}
	if len(shown) < 180 {
		t.Errorf("the README shows %d pictures", len(shown))
	}
}
