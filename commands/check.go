package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// check carries out the readiness checks towards a Region, without an incident.
func (c *Commands) check(ctx context.Context, ask Ask, _ Person) Answer {
	said := strings.TrimSpace(ask.On + " " + ask.Text)
	if word, _ := cut(text.Fold(said)); word != "" && c.region(word) == "" && word != planned && word != unplanned {
		return *c.answerTo(c.unknownRegion(word, "check"), false)
	}
	w, err := c.typedRequest(said)
	if err == nil && w.reason != "" {
		err = refuse("{check} takes a Region and planned or unplanned, not %v. For example {check %s unplanned}.",
			typed(w.reason), nonempty(w.target, c.standby("")))
	}
	if err != nil {
		return *c.answerTo(err, false)
	}
	now := c.serving(ctx, 10*time.Second)
	if w.target == "" {
		w.target = c.standby(now.region)
	}
	if w.target == now.region {
		return *refused("%s What can be checked is a Region that would take over: {check %s}.", now.says(), c.standby(now.region))
	}
	if a := c.wrongWay(w, now); a != nil {
		return *a
	}
	w.mode, w.reason = nonempty(w.mode, planned), "readiness check"
	facts, err := c.facts(w, now)
	if err != nil {
		return *c.answerTo(err, false)
	}
	facts.Incident = string(incident.NewID(c.Clock.Now().Year(), 0, ""))
	plan, err := c.Compile(facts)
	if err != nil {
		return *refused("The runbook cannot be carried out like this, so there is nothing to check: %s", faults(err))
	}
	at := c.Clock.Now()
	found := c.Engine.Readiness(ctx, plan)
	return Answer{Text: text.Lines(c.readiness(w, now, found, at), c.proved(ctx))}
}

// checkMax is how long the answer may be; the surface splits it.
const checkMax = 7500

func (c *Commands) readiness(w request, now serving, found []engine.Finding, at time.Time) text.Text {
	var lines []text.Text
	tally := map[string]int{}
	advice := 0
	causes, found := told(found)
	for _, f := range found {
		word := verdict(f)
		tally[word]++
		if word != "ok" && f.Step.Gate == runbook.Advice {
			advice++
		}
		lines = append(lines, findingLine(f, word))
	}
	lines = append(causes, lines...)
	say := text.Format("%v to take over, %s, read at %v: %d ok, %d failed, %d unknown",
		text.Heading("Readiness of %s", w.target), w.mode, clock(at), tally["ok"], tally["failed"], tally["unknown"])
	if advice > 0 {
		say = say.Add(" (%d of them advice)", advice)
	}
	say = say.Add("\n%v", now.says())
	if len(found) == 0 {
		return say.Add("\nThe plan has no check that could be carried out now.")
	}
	return listing(say, lines)
}

// listing is as many lines as fit below a head.
func listing(say text.Text, lines []text.Text) text.Text {
	length := say.Len()
	for i, line := range lines {
		if length += line.Len() + 1; length > checkMax {
			return say.Add("\nand %s more", text.Count(len(lines)-i, "check"))
		}
		say = text.Lines(say, line)
	}
	return say
}

func verdict(f engine.Finding) string {
	switch {
	case f.Unknown:
		return "unknown"
	case f.OK:
		return "ok"
	}
	return "failed"
}

// findingLine is one check: the word first, so it reads without colour.
func findingLine(f engine.Finding, word string) text.Text {
	mark := map[string]string{"ok": "✓", "failed": "✗", "unknown": "?", "running": "▸", "to come": "·", "skipped": "–"}[word]
	says := f.Outcome.Summary
	if f.Err != nil {
		says = text.Bare(f.Err)
	}
	line := text.Format("%s %v %v", mark, text.ID(fmt.Sprintf("%-7s", word)), text.Passage(f.Step.Title))
	if says != "" {
		line = line.Add(": %v", text.Quote(text.Shorten(says, 300)))
	}
	if age := f.Outcome.Evidence["age"]; age != "" {
		line = line.Add(" (%v old)", text.Quote(age))
	}
	if (word == "failed" || word == "unknown") && f.Step.Gate == runbook.Advice {
		line = line.Add(" (advice)")
	}
	if f.Hint != "" && word != "ok" {
		line = line.Add("\n      %v", text.Passage(text.Shorten(f.Hint, 200)))
	}
	return line
}
