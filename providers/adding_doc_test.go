package providers_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What docs/adding-an-action.md shows is in the repository: the files of its tables,
// and each line of its code.
func TestThePageOnAddingAnActionShowsWhatIsThere(t *testing.T) {
	page, err := os.ReadFile("../docs/adding-an-action.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"...": true, "": true}
	for _, dir := range []string{".", "../templates", "../deploy"} {
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(filepath.Clean(path))
			for l := range strings.Lines(string(data)) {
				known[strings.TrimSpace(l)] = true
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	lines := 0
	code := false
	for l := range strings.Lines(string(page)) {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, "```"):
			code = !code
		case code:
			if lines++; !known[l] {
				t.Errorf("the page shows a line that is nowhere: %s", l)
			}
		}
	}
	files := regexp.MustCompile("`((?:providers|templates|deploy|docs)/[a-z0-9/_.-]+\\.[a-z]+|go\\.mod|Makefile)`").FindAllStringSubmatch(string(page), -1)
	for _, m := range files {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("the page names %s: %v", m[1], err)
		}
	}
	if lines < 50 || len(files) < 10 {
		t.Errorf("only %d lines and %d files were found on the page", lines, len(files))
	}
	touched := regexp.MustCompile("(?m)^\\| \\d+ \\| `").FindAllString(string(page), -1)
	if n := len(touched); n == 0 || n > 8 {
		t.Errorf("adding a system touches %d files, and should be possible with 8", n)
	}
}
