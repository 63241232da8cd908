package commands

import (
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// causeLine tells what stops several steps, once for all of them.
func causeLine(c view.Cause) text.Text {
	var titles []text.Text
	for _, s := range c.Steps {
		titles = append(titles, text.Passage(s.Title))
	}
	line := text.Format("%v stops %v.", text.Quote(text.Sentence(c.Says)), text.Join(titles, "and"))
	if c.Hint != "" {
		line = line.Add(" %v", text.Passage(text.Sentence(text.Shorten(c.Hint, 200))+"."))
	}
	return line
}

// told takes out of findings what is told once for several of them, and tells it.
func told(found []incident.Finding) (causes []text.Text, rest []incident.Finding) {
	var stopped []view.Stopped
	for _, f := range found {
		if f.Cause != nil && !f.Well() {
			stopped = append(stopped, view.Stopped{Step: runbook.Step{ID: f.Step, Title: f.Title}, Cause: f.Cause, Hint: f.Hint})
		}
	}
	shared := view.Causes(stopped)
	for _, c := range shared {
		causes = append(causes, causeLine(c))
	}
	for _, f := range found {
		if _, of := view.CauseOf(shared, f.Step); of {
			f.Hint, f.Summary = "", ""
		}
		rest = append(rest, f)
	}
	return causes, rest
}
