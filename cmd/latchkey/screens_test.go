package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each picture of the README is there, and each of a learner's page in its four looks.
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
		if strings.Contains(picture, "/console-") { // what staff see
			continue
		}
		for _, look := range looks {
			if name, ok := strings.CutSuffix(picture, look); ok && !strings.Contains(name, "/console-") {
				for _, other := range looks {
					if !shown[name+other] {
						t.Errorf("the README has no %s", name+other)
					}
				}
			}
		}
	}
	if len(shown) < 100 {
		t.Errorf("the README shows %d pictures", len(shown))
	}
}
