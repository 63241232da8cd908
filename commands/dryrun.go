package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// DryRun is what a dry run has foreseen, as people and other programs read it.
type DryRun struct {
	*incident.Foreseen
	// By held it, as people know them.
	By string
	// Ended is when the last was read.
	Ended time.Time
}

// What is the run that was foreseen, in words.
func (d DryRun) What() string {
	switch d.Kind { //nolint:exhaustive // the others are of no drill
	case incident.Failback:
		return "failback"
	case incident.MoveServers:
		return "move of the servers"
	case incident.RestoreBackup:
		return "restore of a backup"
	}
	return d.Mode + " failover"
}

// Sums says in a sentence what it comes to: what the record keeps.
func (d DryRun) Sums() string {
	so := len(slices.DeleteFunc(slices.Clone(d.Steps), func(s incident.StepForeseen) bool { return !s.There }))
	return fmt.Sprintf("%s from %s to %s: %s would be made, %d are so already; %s, %s missing; %s failed, %s not read",
		d.What(), d.Source, d.Target, text.Count(len(d.Changes()), "change"), so, text.Count(d.Rights, "right"), none(len(d.Missing)),
		none(len(d.Failed())), none(len(d.Unread())))
}

func none(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

// comes says whether the run could be begun like this, and else why not.
func (d DryRun) comes() string {
	count := map[string]int{}
	for _, m := range d.Missing {
		count["right "+string(m.Verdict)]++
	}
	for _, s := range slices.Concat(d.Failed(), d.Unread()) {
		if s.Gate != incident.GateAdvice {
			count["step "+string(s.Verdict)]++
		}
	}
	var says []string
	for _, one := range []struct{ key, of, is string }{
		{"right fail", "right", "missing"},
		{"step fail", "required step", "failed"},
		{"right unknown", "right", "not known"},
		{"step unknown", "required step", "not read"},
	} {
		if n := count[one.key]; n > 0 {
			says = append(says, text.Count(n, one.of)+" "+one.is)
		}
	}
	if len(says) == 0 {
		return "nothing that could be read would stop it"
	}
	return strings.Join(says, ", ")
}

// head are the lines above all else: what it comes to, and what was foreseen.
func (d DryRun) head() []string {
	long := "how long it takes the runbook does not say"
	if d.Takes > 0 {
		long = "about " + text.Duration(d.Takes) + " of machine time when all goes well"
	}
	return []string{
		fmt.Sprintf("DRILL, dry run of %s from %s to %s: %s. Nothing was changed and nobody was paged.", text.Article(d.What()), d.Source, d.Target, d.comes()),
		fmt.Sprintf("%s, people are asked for Go and %s after it, %s.", text.Count(len(d.Steps), "step"), text.Count(d.Decisions, "time"), long),
		fmt.Sprintf("Held by %s at %s UTC, plan %s, read in %s.", d.By, d.Began.UTC().Format("2006-01-02 15:04:05"), d.Digest[:min(6, len(d.Digest))], text.Duration(d.Ended.Sub(d.Began))),
	}
}

// when is when a step would begin, counted from the beginning of the run.
func when(s incident.StepForeseen) string { return "+" + text.Duration(s.After) }

// stops are what would keep the run from going on, each as a word and a sentence; advice
// stops nothing and is told behind it.
func (d DryRun) stops() (rows [][2]string) {
	type reason struct {
		verdict             incident.Verdict
		system, region, why string
	}
	var reasons []reason
	of := map[reason][]incident.RightMissing{}
	for _, m := range d.Missing { // what is missing for one reason is told once
		r := reason{m.Verdict, m.System, m.Region, m.Why}
		if of[r] == nil {
			reasons = append(reasons, r)
		}
		of[r] = append(of[r], m)
	}
	for _, r := range reasons {
		var rights, steps []string
		for _, m := range of[r] {
			rights, steps = append(rights, m.Right), append(steps, m.Steps...)
		}
		slices.Sort(steps)
		word := map[incident.Verdict]string{incident.Unsure: "unknown"}[r.verdict]
		where := " of " + r.system
		if r.region != "" {
			where += " in " + r.region
		}
		rows = append(rows, [2]string{nonempty(word, "missing"), fmt.Sprintf("%s%s (%s), for %s: %s",
			text.Count(len(rights), "right"), where, text.Some(rights, 3), text.Some(slices.Compact(steps), 3), r.why)})
	}
	var findings []incident.Finding
	for _, s := range slices.Concat(d.Failed(), d.Unread()) {
		findings = append(findings, incident.Finding{
			Step: s.Step, Title: s.Title, Gate: s.Gate, Summary: s.Says, Hint: s.Hint, Cause: s.Cause, Measured: incident.Measured{Verdict: s.Verdict},
		})
	}
	causes, rest := told(findings)
	for _, c := range causes {
		rows = append(rows, [2]string{"unknown", c.String()})
	}
	for _, f := range incident.WorstFirst(rest) {
		says := f.Title
		if f.Summary != "" {
			says += ": " + f.Summary
		}
		if f.Gate == incident.GateAdvice {
			says += " (advice)"
		}
		if f.Hint != "" {
			says += " (" + f.Hint + ")"
		}
		rows = append(rows, [2]string{f.Verdict.Word(), says})
	}
	return rows
}

// doing is what a change would do, with who is asked before it.
func doing(s incident.StepForeseen) string {
	says := s.Says
	if s.Effect != nil && s.Effect.Lost != "" {
		says += "; may be lost: " + s.Effect.Lost
	}
	if s.Asks != "" {
		says += " (asks " + text.Article(s.Asks) + ")"
	}
	return says
}

// word is how a step stands, in the width of its column.
func word(s incident.StepForeseen) string {
	switch {
	case s.There:
		return "so already"
	case s.Later:
		return "later"
	case s.Would():
		return "change"
	case s.Verdict != "":
		return s.Verdict.Word()
	case s.Asks != "":
		return "asks"
	}
	return s.Kind
}

// Table writes [DryRun.Page].
func (d DryRun) Table(w io.Writer) error {
	_, err := io.WriteString(w, d.Page())
	return err
}

// Page is it for people, at most 80 characters wide: what would stop it first, then every
// step in its order.
func (d DryRun) Page() string {
	var b strings.Builder
	wrap := func(says string, indent int) {
		for _, l := range wrapped(text.Inline(says), tableWidth-indent) {
			fmt.Fprintf(&b, "%*s%s\n", indent, "", l)
		}
	}
	for _, says := range d.head() {
		wrap(says, 0)
	}
	if rows := d.stops(); len(rows) > 0 {
		b.WriteString("\nWould stop it, or could not be found out\n")
		for _, r := range rows {
			fmt.Fprintf(&b, "%s\n", r[0])
			wrap(r[1], tableIndent)
		}
	}
	fmt.Fprintf(&b, "\n%-11s %-11s %s\n", "WHEN", "WHAT", "STEP")
	for _, s := range d.Steps {
		lines := wrapped(text.Inline(s.Title), tableWidth-24)
		fmt.Fprintf(&b, "%-11s %-11s %s\n", when(s), word(s), lines[0])
		for _, l := range lines[1:] {
			fmt.Fprintf(&b, "%-24s%s\n", "", l)
		}
		wrap(doing(s), 24)
	}
	return b.String()
}

// JSON writes it as one document. Fields are added to it and never change their meaning;
// times are in seconds.
func (d DryRun) JSON(w io.Writer) error {
	type step struct {
		incident.StepForeseen
		After float64 `json:"after_seconds"`
		Takes float64 `json:"takes_seconds"`
	}
	out := struct {
		Drill     string                  `json:"drill"`
		Result    incident.Verdict        `json:"result"`
		By        string                  `json:"by"`
		Kind      incident.RunKind        `json:"kind"`
		Mode      string                  `json:"mode"`
		Source    string                  `json:"source"`
		Target    string                  `json:"target"`
		Digest    string                  `json:"digest"`
		Began     time.Time               `json:"began"`
		Ended     time.Time               `json:"ended"`
		Takes     float64                 `json:"takes_seconds"`
		Decisions int                     `json:"decisions"`
		Rights    int                     `json:"rights"`
		Missing   []incident.RightMissing `json:"missing"`
		Steps     []step                  `json:"steps"`
	}{
		Drill: incident.ScopeDryRun, Result: d.Result(), By: d.By, Kind: d.Kind, Mode: d.Mode, Source: d.Source, Target: d.Target, Digest: d.Digest,
		Began: d.Began, Ended: d.Ended, Takes: d.Takes.Seconds(), Decisions: d.Decisions, Rights: d.Rights,
		Missing: append([]incident.RightMissing{}, d.Missing...), Steps: make([]step, len(d.Steps)),
	}
	for i, s := range d.Steps {
		out.Steps[i] = step{s, s.After.Seconds(), s.Takes.Seconds()}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// Held is what the record keeps of it.
func (d DryRun) Held() incident.DrillHeld {
	return incident.DrillHeld{Scope: incident.ScopeDryRun, Result: d.Sums(), Foreseen: d.Foreseen}
}
