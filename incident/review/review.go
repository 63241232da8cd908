// Package review turns a timeline into the draft of a post-incident review, with
// the headings of section 10 of the source document.
//
// Everything here is worked out from the events and from the plan that they
// froze: same events, same draft. What the timeline shows is filled in, and each
// duration stands beside the two timestamps it was taken from. What it does not
// show (the first alert, the root cause, what the customers lost) is marked
// "*to fill in: ...*" and counted; nothing is guessed.
//
// The text itself is a text/template that the caller hands over, so that its
// owners may change it. See [Draft] for what it may refer to.
package review

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Options are what a draft needs besides the events.
type Options struct {
	// Template is the text of templates/review/review.md.tmpl. It has to be given.
	Template string
	// Name turns an actor's id into the name people know; nil, or an empty answer,
	// leaves the id as it is.
	Name func(id string) string
}

// Stats counts the values of a draft.
type Stats struct {
	// Measured were taken from the timeline.
	Measured int
	// ToFill are marked for people to fill in.
	ToFill int
}

// String is how the counts are told: "23 measured, 9 to fill in".
func (s Stats) String() string {
	return fmt.Sprintf("%d measured, %d to fill in", s.Measured, s.ToFill)
}

// Value is one value of the draft: measured, or to be filled in by a person.
type Value struct {
	text string
	hint string
}

// Measured says that the timeline showed it.
func (v Value) Measured() bool { return v.text != "" }

func measured(format string, args ...any) Value { return Value{text: fmt.Sprintf(format, args...)} }

func toFill(format string, args ...any) Value { return Value{hint: fmt.Sprintf(format, args...)} }

// Write drafts the review. The template has these functions besides those of
// text/template:
//
//	put VALUE     the value, or its "*to fill in: ...*"; counts either
//	fill "what"   "*to fill in: what*", for what no timeline can show; counts
//	md "text"     text without meaning to Markdown, on one line
//
// An error means that the events are no timeline, or that the template is at
// fault; the template's errors name its line.
func Write(events []incident.Event, o Options) ([]byte, Stats, error) {
	var stats Stats
	draft, err := newDraft(events, named(o.Name))
	if err != nil {
		return nil, stats, err
	}
	if strings.TrimSpace(o.Template) == "" {
		return nil, stats, errors.New("draft the review: the template is empty")
	}
	blank := func(hint string) string {
		stats.ToFill++
		return "*to fill in: " + text.Markdown(hint) + "*"
	}
	t, err := template.New("review.md.tmpl").Option("missingkey=error").Funcs(template.FuncMap{
		"put": func(v Value) string {
			if !v.Measured() {
				return blank(v.hint)
			}
			stats.Measured++
			return text.Markdown(v.text)
		},
		"fill": blank,
		"md":   text.Markdown,
	}).Parse(o.Template)
	if err != nil {
		return nil, stats, fmt.Errorf("read the template of the review: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, draft); err != nil {
		return nil, Stats{}, fmt.Errorf("fill in the template of the review: %w", err)
	}
	return tidy(out.Bytes()), stats, nil
}

var blankLines = regexp.MustCompile(`\n{3,}`)

// tidy drops the empty lines that a template leaves where a part is left out.
func tidy(b []byte) []byte {
	b = blankLines.ReplaceAll(bytes.TrimSpace(b), []byte("\n\n"))
	return append(b, '\n')
}

// Plan is the plan of the newest run of a timeline that is not there to take another one
// back; nil if it has none.
func Plan(events []incident.Event) (*runbook.Plan, error) {
	var plan *runbook.Plan
	for _, e := range events {
		b, ok := e.Body.(incident.RunBegun)
		if !ok || b.Kind == incident.Undo && plan != nil {
			continue
		}
		var err error
		if plan, err = runbook.DecodePlan(b.Plan); err != nil {
			return nil, fmt.Errorf("event %d: %w", e.Seq, err)
		}
	}
	return plan, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
