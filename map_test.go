package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The map in ARCHITECTURE names the folders that there are, and no other.
func TestTheMapShowsTheFoldersThatThereAre(t *testing.T) {
	page, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "## The map\n")
	drawn, _, found := strings.Cut(rest, "\nWho may know whom:")
	if !found {
		t.Fatal("the page has no map")
	}
	// A line is a place when its name begins where no description does; each level is
	// two spaces further in.
	place := regexp.MustCompile(`^ {4}((?:  )*)(\S+)(?: {2,}|$)`)
	const descriptions = 20 // columns from here on are words
	var above, listed []string
	for l := range strings.SplitSeq(drawn, "\n") {
		m := place.FindStringSubmatch(l)
		if m == nil || len(m[1]) >= descriptions {
			continue
		}
		level := len(m[1]) / 2
		if level > len(above) {
			t.Errorf("%q is further in than what is above it", l)
			continue
		}
		at := path.Join(append(slices.Clone(above[:level]), m[2])...)
		above = append(above[:level], m[2])
		if strings.Contains(at, "<system>") {
			continue
		}
		if _, err := os.Stat(filepath.FromSlash(at)); err != nil {
			t.Errorf("the map has %s: %v", at, err)
		}
		listed = append(listed, at)
	}
	if len(listed) < 20 {
		t.Fatalf("only %d places were found: %v", len(listed), listed)
	}
	err = filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir() || p == ".":
			return nil
		case strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "out":
			return fs.SkipDir
		}
		files, err := filepath.Glob(filepath.Join(p, "*.go"))
		if err != nil || len(files) == 0 {
			return err
		}
		dir := filepath.ToSlash(p)
		_, notSystem := os.Stat(filepath.Join(p, "actions.go"))
		system := path.Dir(dir) == "providers" && notSystem == nil
		if !system && !slices.Contains(listed, dir) {
			t.Errorf("the map lacks %s", dir)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
