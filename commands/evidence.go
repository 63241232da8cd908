package commands

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident/evidence"
	"github.com/failoverbot/failoverbot/incident/text"
)

// evidenceWithin is how long the evidence of every incident may take to be collected.
const evidenceWithin = time.Minute

// evidence says what the runs and drills on the record prove of the failback control, and
// hands the whole report out as a file.
func (c *Commands) evidence(ctx context.Context, ask Ask, _ Person) Answer {
	if c.Evidence == nil {
		return *refused("No evidence is set up here. {timeline} has the record of an incident.")
	}
	word, rest := cut(strings.TrimSpace(ask.On + " " + ask.Text))
	if text.Fold(word) == "since" {
		word, rest = cut(rest)
	}
	since, err := Since(strings.TrimSpace(word+" "+rest), c.Clock.Now())
	if err != nil {
		return *refused("%s. Nothing was done.", err)
	}
	soon, stop := c.bounded(ctx, evidenceWithin, "collecting the evidence")
	defer stop()
	collected := evidence.New(evidence.Options{Since: since, Made: c.Clock.Now(), Name: c.name})
	if err := collected.AddAll(soon, c.Clock, c.Book.Log()); err != nil {
		return *c.answerTo(err, false)
	}
	report := collected.Report()
	file, err := c.Evidence(report)
	if err != nil {
		return *refused("The evidence could not be written: %s. Nothing on the record is lost.", err)
	}
	return Answer{Text: evidenceText(report), File: &file}
}

// evidenceShown is how many bullets that are not proven are told beside the file.
const evidenceShown = 5

func evidenceText(r *evidence.Report) text.Text {
	broken := 0
	for _, t := range r.Timelines {
		if !t.Whole {
			broken++
		}
	}
	lines := []text.Text{
		text.Format("%v: %d of %d bullets are proven, %d in part, %d not tested, by %s of %s.", text.Heading("The failback control"),
			r.Count(evidence.Proven), len(r.Control), r.Count(evidence.InPart), r.Count(evidence.NotTested),
			text.Count(len(r.Runs), "run"), text.Count(len(r.Timelines), "incident")),
	}
	if broken > 0 {
		lines = append(lines, text.Format("Of %s the record could not be read whole, or its chain is broken: nothing of it was taken for proof.", text.Count(broken, "incident")))
	}
	left := 0
	for _, b := range r.Control {
		if b.Verdict == evidence.Proven {
			continue
		}
		if left++; left <= evidenceShown {
			lines = append(lines, text.Format("%s, %s: %v", b.ID, string(b.Verdict), text.Passage(b.Asks)))
		}
	}
	if left > evidenceShown {
		lines = append(lines, text.Format("and %d more in the file.", left-evidenceShown))
	}
	return text.Lines(lines...)
}

var daysAgo = regexp.MustCompile(`^([1-9][0-9]{0,4})d$`)

// Since reads a day, such as 2026-01-31, or a number of days before now, such as 90d;
// empty is no day. The error is a sentence without its full stop.
func Since(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago := daysAgo.FindStringSubmatch(s); ago != nil {
		if days, err := strconv.Atoi(ago[1]); err == nil {
			return now.AddDate(0, 0, -days), nil
		}
	}
	day, err := time.Parse(time.DateOnly, s)
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("%q is no day: give one such as 2026-01-31, or how long ago, such as 90d", text.Shorten(text.Inline(s), 60))
	case day.After(now):
		return time.Time{}, fmt.Errorf("%s is still to come: nothing was declared since", s)
	}
	return day, nil
}
