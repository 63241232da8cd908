package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// check carries out the readiness checks towards a Region, without an incident.
func (c *Commands) check(ctx context.Context, ask Ask, _ Person) Answer {
	text := strings.TrimSpace(ask.On + " " + ask.Text)
	if word, _ := cut(strings.ToLower(text)); word != "" && c.region(word) == "" && word != planned && word != unplanned {
		return *c.answerTo(c.unknownRegion(word, "check"), false)
	}
	w, err := c.typedWish(text)
	if err == nil && w.reason != "" {
		err = refuse("`/failover check` takes a Region and planned or unplanned, not `%s`. For example `/failover check %s unplanned`.",
			plain(w.reason), nonempty(w.target, c.standby("")))
	}
	if err != nil {
		return *c.answerTo(err, false)
	}
	now := c.serving(ctx, 10*time.Second)
	if w.target == "" {
		w.target = c.standby(now.region)
	}
	if w.target == now.region {
		return *refused("%s What can be checked is a Region that would take over: `/failover check %s`.", now.says(), c.standby(now.region))
	}
	w.mode, w.reason = nonempty(w.mode, planned), "readiness check"
	facts, err := c.facts(w, now)
	if err != nil {
		return *c.answerTo(err, false)
	}
	facts.Incident = string(incident.NewID(c.Clock.Now().Year(), 0))
	plan, err := c.Compile(facts)
	if err != nil {
		return *refused("The runbook cannot be carried out like this, so there is nothing to check: %s", faults(err))
	}
	at := c.Clock.Now()
	found := c.Engine.Readiness(ctx, plan)
	return Answer{Text: c.readiness(w, now, found, at)}
}

// checkMax is how long the answer may be; the surface splits it.
const checkMax = 7500

func (c *Commands) readiness(w wish, now serving, found []engine.Finding, at time.Time) string {
	var lines []string
	tally := map[string]int{}
	advice := 0
	for _, f := range found {
		word := verdict(f)
		tally[word]++
		if word != "ok" && f.Step.Gate == runbook.Advice {
			advice++
		}
		lines = append(lines, findingLine(f, word))
	}
	say := fmt.Sprintf("*Readiness of %s* to take over, %s, read at %s: %d ok, %d failed, %d unknown",
		w.target, w.mode, clock(at), tally["ok"], tally["failed"], tally["unknown"])
	if advice > 0 {
		say += fmt.Sprintf(" (%d of them advice)", advice)
	}
	say += "\n" + now.says() + "\n"
	if len(found) == 0 {
		return say + "The plan has no check that could be carried out now."
	}
	return listing(say, lines)
}

// listing is as many lines as fit below a head.
func listing(say string, lines []string) string {
	for i, line := range lines {
		if len(say)+len(line) > checkMax {
			return say + fmt.Sprintf("and %s more", count(len(lines)-i, "check"))
		}
		say += line
	}
	return strings.TrimRight(say, "\n")
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
func findingLine(f engine.Finding, word string) string {
	mark := map[string]string{"ok": "✓", "failed": "✗", "unknown": "?", "running": "▸", "to come": "·", "skipped": "–"}[word]
	says := f.Outcome.Summary
	if f.Err != nil {
		says = bare(f.Err)
	}
	line := fmt.Sprintf("%s `%-7s` %s", mark, word, escaped(f.Step.Title))
	if says != "" {
		line += ": " + quoted(short(says, 300))
	}
	if age := f.Outcome.Evidence["age"]; age != "" {
		line += fmt.Sprintf(" (%s old)", quoted(age))
	}
	if (word == "failed" || word == "unknown") && f.Step.Gate == runbook.Advice {
		line += " (advice)"
	}
	if f.Hint != "" && word != "ok" {
		line += "\n      " + escaped(short(f.Hint, 200))
	}
	return line + "\n"
}
