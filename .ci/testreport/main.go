// Testreport reads what go test -json prints, from any number of runs one after
// another, and tells it in the order a reader of a CI log needs: while the tests
// run a line for each package, in full the output of whatever failed, then what tests
// have measured (lines of theirs that begin with "measured: "), what was not tested and
// why, and last go test's own closing lines.
//
// It ends with 1 if anything failed or if no test ran. A file given as argument
// holds further lines for the list of what was not tested; it may be absent.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

func main() {
	report := newReport(os.Stdout)
	for _, name := range os.Args[1:] {
		if err := report.alsoMissing(name); err != nil {
			fmt.Fprintln(os.Stderr, "testreport:", err)
			os.Exit(1)
		}
	}
	if err := report.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if !report.close() {
		os.Exit(1)
	}
}

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

type report struct {
	out     io.Writer
	output  map[key][]string // until the test or package is over
	failed  map[string]bool  // packages with a failed test
	missing []string         // what was not tested and why
	figures []string         // what was measured
	closing []string         // go test's own closing lines
	slow    []timed
	passed  int
	broken  int
	began   time.Time
}

type key struct{ pkg, test string }

type timed struct {
	name string
	took time.Duration
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[key][]string{}, failed: map[string]bool{}, began: time.Now()}
}

func (r *report) say(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format+"\n", args...) }

func (r *report) alsoMissing(name string) error {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		r.missing = append(r.missing, strings.TrimSpace(line))
	}
	return err
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				r.say("%s", strings.TrimRight(string(line), "\n")) // go's own complaint
			} else {
				r.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events of go test: %w", err)
		}
	}
}

func (r *report) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.output[k] = append(r.output[k], e.Output)
	case "build-output":
		r.say("%s", strings.TrimRight(e.Output, "\n"))
	case "build-fail":
		r.broken++
	case "pass", "skip", "fail":
		if e.Test == "" {
			r.packageOver(e)
			return
		}
		r.testOver(e)
		delete(r.output, k)
	}
}

func (r *report) testOver(e event) {
	name := short(e.Package) + "." + e.Test
	switch e.Action {
	case "fail":
		r.broken++
		r.failed[e.Package] = true
		r.say("\nFAILED %s", name)
		for _, line := range r.output[key{e.Package, e.Test}] {
			_, _ = io.WriteString(r.out, line)
		}
	case "skip":
		r.missing = append(r.missing, name+": "+reason(r.output[key{e.Package, e.Test}]))
	case "pass":
		r.passed++
		for _, line := range r.output[key{e.Package, e.Test}] {
			if m := measured.FindStringSubmatch(line); m != nil {
				r.figures = append(r.figures, name+": "+m[1])
			}
		}
	}
	if !strings.Contains(e.Test, "/") {
		r.slow = append(r.slow, timed{name, time.Duration(e.Elapsed * float64(time.Second))})
	}
}

// packageOver keeps the closing line, which is the last that a package prints.
// Whatever else a failed package printed outside its tests, a panic or a report
// of a race, is shown.
func (r *report) packageOver(e event) {
	lines := r.output[key{e.Package, ""}]
	delete(r.output, key{e.Package, ""})
	if e.Action == "fail" {
		if !r.failed[e.Package] {
			r.broken++
		}
		r.say("\nFAILED %s", e.Package)
		for k, more := range r.output { // a test that a panic or the time limit cut off
			if k.pkg == e.Package {
				r.say("in %s, which did not end:\n%s", k.test, strings.TrimRight(strings.Join(more, ""), "\n"))
				delete(r.output, k)
			}
		}
		_, _ = io.WriteString(r.out, strings.Join(lines, ""))
		if e.FailedBuild != "" {
			r.closing = append(r.closing, "FAIL\t"+e.Package+" [build failed]")
			return
		}
	}
	if i := slices.IndexFunc(lines, isClosing); i >= 0 {
		r.closing = append(r.closing, strings.TrimRight(lines[i], "\n"))
	}
	r.say("%-4s %s in %.1f s", e.Action, short(e.Package), e.Elapsed)
}

func isClosing(line string) bool {
	for _, start := range []string{"ok  \t", "FAIL\t", "?   \t"} {
		if strings.HasPrefix(line, start) {
			return true
		}
	}
	return false
}

// measured is a figure that a test tells: "speed_test.go:62: measured: 12 s".
var measured = regexp.MustCompile(`^\s*[^\s:]+\.go:\d+: measured: (.*)`)

// where is the place of the call that skipped: "redis_test.go:62: ".
var where = regexp.MustCompile(`^\s*[^\s:]+\.go:\d+: `)

// reason is what the test said when it skipped itself.
func reason(lines []string) string {
	var text []string
	for _, line := range lines {
		if strings.HasPrefix(line, "=== ") || strings.HasPrefix(strings.TrimSpace(line), "--- ") {
			continue
		}
		text = append(text, strings.TrimSpace(where.ReplaceAllString(line, "")))
	}
	if len(text) == 0 {
		return "it gives no reason"
	}
	return strings.Join(text, " ")
}

// short is the package's path without the module's.
func short(pkg string) string {
	const module = "github.com/failoverbot/failoverbot"
	if pkg == module {
		return "main"
	}
	return strings.TrimPrefix(pkg, module+"/")
}

// close prints the end and reports whether all is well.
func (r *report) close() bool {
	if len(r.closing) == 0 {
		r.broken++
		r.say("No package was tested.")
	}
	slices.SortStableFunc(r.slow, func(a, b timed) int { return int(b.took - a.took) })
	r.say("\nThe slowest tests:")
	for _, t := range r.slow[:min(8, len(r.slow))] {
		r.say("  %6.1f s  %s", t.took.Seconds(), t.name)
	}
	if len(r.figures) > 0 {
		r.say("\nMeasured:")
	}
	for _, f := range r.figures {
		r.say("  %s", f)
	}
	r.say("\n%d tests passed, %d failed, %d things were not tested, in %s.",
		r.passed, r.broken, len(r.missing), time.Since(r.began).Round(time.Second))
	r.box()
	for _, line := range r.closing {
		r.say("%s", line)
	}
	return r.broken == 0
}

// box shows what was not tested so that nobody overlooks it.
func (r *report) box() {
	if len(r.missing) == 0 {
		r.say("Nothing was left out.\n")
		return
	}
	const width = 100
	rows := []string{"NOT TESTED HERE, AND WHY", ""}
	for _, m := range r.missing {
		rows = append(rows, wrap(m, width)...)
	}
	edge := "+" + strings.Repeat("-", width+2) + "+"
	r.say("%s", edge)
	for _, row := range rows {
		r.say("| %s%s |", row, strings.Repeat(" ", max(0, width-utf8.RuneCountInString(row))))
	}
	r.say("%s\n", edge)
}

func wrap(text string, width int) []string {
	var rows []string
	row := "-"
	for _, word := range strings.Fields(text) {
		if utf8.RuneCountInString(row)+1+utf8.RuneCountInString(word) > width {
			rows = append(rows, row)
			row = " "
		}
		row += " " + word
	}
	return append(rows, row)
}
