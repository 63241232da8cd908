package commands

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Report is an assessment as a terminal and other programs read it.
type Report struct {
	incident.Assessment
	// Bot is what of the bot itself is not so.
	Bot []incident.Unproved
	// Drift is how the settings differ from what there is; nil where it was not asked for.
	Drift *Drift
}

// Drift is how a settings file differs from what is found in accounts and clusters now.
// It changes nothing of what the report comes to: the checks go by the file.
type Drift struct {
	// Settings are those that differ, the worst first.
	Settings []Drifted `json:"settings"`
	// Same is how many are as found.
	Same int `json:"same"`
	// Unread is what could not be read, each as a sentence.
	Unread []string `json:"unread"`
	// Error is why nothing could be compared; empty where it was.
	Error string `json:"error,omitempty"`
}

// Drifted is a setting that differs: Verdict is changed, gone, new or unknown.
type Drifted struct {
	Setting string `json:"setting"`
	Verdict string `json:"verdict"`
	File    string `json:"file"`
	Found   string `json:"found"`
}

// table writes it below the checks.
func (d Drift) table(b *strings.Builder, row func(verdict, says string), below func(string)) {
	b.WriteString("\nThe settings, compared with what there is now\n")
	if d.Error != "" {
		below("could not be compared: " + d.Error)
		return
	}
	for _, s := range d.Settings {
		row(s.Verdict, s.Setting)
		below("file: " + text.Inline(cmp.Or(s.File, "nothing")))
		below("found: " + text.Inline(s.Found))
	}
	below(fmt.Sprintf("%d as found", d.Same))
	for _, u := range d.Unread {
		below("could not be read: " + text.Inline(u))
	}
}

// Result is what the report comes to: Fail when a required check failed or something of
// the bot itself is not so, Unsure when a required check could not be found out, Pass
// otherwise.
func (r Report) Result() incident.Verdict {
	if len(r.Bot) > 0 {
		return incident.Fail
	}
	return incident.Result(r.Findings)
}

// JSON writes the report as one document. Fields are added to it and never change their
// meaning; docs/operations.md describes it.
func (r Report) JSON(w io.Writer) error {
	type unproved struct {
		Name  string `json:"name"`
		Where string `json:"where,omitempty"`
		Error string `json:"error"`
	}
	out := struct {
		At     time.Time        `json:"at"`
		Result incident.Verdict `json:"result"`
		incident.AssessmentMade
		Bot   []unproved `json:"bot"`
		Drift *Drift     `json:"drift,omitempty"`
	}{Drift: r.Drift, At: r.At, Result: r.Result(), AssessmentMade: r.AssessmentMade, Bot: []unproved{}}
	out.Findings = incident.WorstFirst(r.Findings)
	for _, u := range r.Bot {
		out.Bot = append(out.Bot, unproved{u.Name, u.Where, text.Bare(u.Err)})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// The columns of the table, in characters.
const (
	tableWidth  = 80
	tableIndent = 9
	titleWidth  = 54
)

// Table writes the report for people, at most 80 characters wide: the worst first, each
// check with its gate and how old what it read is, what was found, figures with their
// limits, and of what is not well the evidence and what would help.
func (r Report) Table(w io.Writer) error {
	var b strings.Builder
	row := func(verdict, gate, title, age string) {
		lines := wrapped(title, titleWidth)
		fmt.Fprintf(&b, "%-8s %-8s  %-*s  %s\n", verdict, gate, titleWidth, lines[0], age)
		for _, l := range lines[1:] {
			fmt.Fprintf(&b, "%-19s%s\n", "", l)
		}
	}
	below := func(says string) {
		for _, l := range wrapped(says, tableWidth-tableIndent) {
			fmt.Fprintf(&b, "%*s%s\n", tableIndent, "", l)
		}
	}
	causes, rest := told(r.Findings)
	head := []string{
		fmt.Sprintf("%s to take over from %s, %s, read at %s UTC", r.Target, r.Source, r.Mode, r.At.UTC().Format("2006-01-02 15:04:05")),
		tallied(r.Findings).String(), gated(r.Assessment).String(),
	}
	for _, c := range causes {
		head = append(head, c.String())
	}
	for _, says := range head {
		b.WriteString(strings.Join(wrapped(says, tableWidth), "\n") + "\n")
	}
	b.WriteString("\n")
	row("VERDICT", "GATE", "CHECK", "AGE")
	for _, f := range incident.WorstFirst(rest) {
		row(f.Verdict.Word(), f.Gate, text.Inline(f.Title), age(r.At.Sub(f.Since(r.At))))
		if f.Summary != "" {
			below(text.Inline(f.Summary))
		}
		if l := f.Last; l != nil && f.Verdict == incident.Unsure {
			below(fmt.Sprintf("Last known %s ago: %s, %s", age(r.At.Sub(l.At)), l.Verdict.Word(), text.Inline(l.Summary)))
		}
		var figures []string
		for _, n := range f.Figures {
			figures = append(figures, n.String())
		}
		if len(figures) > 0 {
			below(strings.Join(figures, " · "))
		}
		if f.Well() {
			continue
		}
		if f.Hint != "" {
			below(text.Inline(f.Hint))
		}
		var seen []string
		for _, k := range slices.Sorted(maps.Keys(f.Evidence)) {
			seen = append(seen, k+"="+text.Inline(f.Evidence[k]))
		}
		if len(seen) > 0 {
			below("[" + strings.Join(seen, " ") + "]")
		}
	}
	if len(r.Bot) > 0 {
		b.WriteString("\nThe bot itself\n")
	}
	for _, u := range r.Bot {
		row("failed", "required", u.Name, "0 s")
		below(text.Bare(u.Err))
	}
	if r.Drift != nil {
		r.Drift.table(&b, func(verdict, says string) { fmt.Fprintf(&b, "%-8s %s\n", verdict, says) }, below)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// age is a duration in the width of its column.
func age(d time.Duration) string { return text.Duration(max(d, 0).Truncate(time.Second)) }

// wrapped breaks a sentence between words into lines of at most so many characters. A
// word that is longer has a line of its own: identifiers are copied whole.
func wrapped(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
