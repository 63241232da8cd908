package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// status says where things stand; without an incident, how the last one ended
// and which Region serves.
func (c *Commands) status(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.current(ctx, ask)
	if a != nil {
		return *a
	}
	if id != "" {
		var say text.Text
		a := c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
			say = c.standingOf(s, p)
			return nil
		})
		if a != nil {
			return *a
		}
		return Answer{Text: say}
	}
	say := text.Format("No incident is open.")
	last, a := c.lastOne(ctx)
	if a != nil {
		return *a
	}
	now := c.serving(ctx, 10*time.Second)
	return Answer{Text: say.Add(" %v\n%v\nTo look at the standby: {check %s}. To begin: {start %s}.", now.says(), last, c.standby(now.region), c.standby(now.region))}
}

func (c *Commands) lastOne(ctx context.Context) (text.Text, *Answer) {
	ids, err := c.Book.Log().Incidents(ctx, 0)
	if err != nil {
		return text.Text{}, c.answerTo(fmt.Errorf("list former incidents: %w", err), false)
	}
	if len(ids) == 0 {
		return text.Format("There has been no incident before."), nil
	}
	var say text.Text
	err = c.Book.View(ctx, ids[len(ids)-1], func(s *incident.State) {
		say = text.Format("The last one: %s, %s -> %s, %s, started %s, %s", s.ID.Name(), s.Source, s.Target, s.Mode, c.at(s.DeclaredAt), s.Phase())
		switch {
		case !s.ResolvedAt.IsZero():
			say = say.Add(" at %s by %s", c.at(s.ResolvedAt), named(s.ResolvedBy))
		case !s.AbortedAt.IsZero():
			say = say.Add(" at %s by %s", c.at(s.AbortedAt), named(s.AbortedBy))
		}
		if !s.MitigatedAt.IsZero() {
			say = say.Add("; %s has served since %s", s.Target, c.at(s.ServedAt()))
		}
		say = say.Add(".")
	})
	return say, c.answerTo(err, false)
}

// standingOf is the card in words.
func (c *Commands) standingOf(s *incident.State, p *runbook.Plan) text.Text {
	d, now := s.Declared, c.Clock.Now()
	if len(s.Runs) == 0 {
		return text.Format("%v · %s · no run has begun\nReason: %s (%s). Commander: %s.", text.Heading("%s", s.ID.Name()), d.Severity, text.Quote(d.Reason), named(s.DeclaredBy), named(d.Commander))
	}
	head := text.Format("%v · %s · %s -> %s · %s · %v", text.Heading("%s", s.ID.Name()), d.Severity, s.Source, s.Target, s.Mode, c.phase(s, now))
	head = head.Add("\nReason: %s (%s). Commander: %s. Plan %s.", text.Quote(d.Reason), named(s.DeclaredBy), named(d.Commander), short6(s.Plan.Digest))
	var sections []string
	for _, sec := range p.Sections {
		sections = append(sections, c.sectionLine(s, p, sec))
	}
	lines := []text.Text{head, text.Aligned(sections...)}
	for _, id := range s.Open {
		if s.Over() {
			break // it is about to be withdrawn
		}
		q := s.Questions[id]
		line := text.Format("Waiting: %s, for %v since %s (%v)", asks(q), c.waiting(s, q), text.Duration(now.Sub(q.AskedAt)), clock(q.AskedAt))
		if !q.Expires.IsZero() {
			line = line.Add(", asked again at %v", clock(q.Expires))
		}
		lines = append(lines, line.Add("."))
	}
	return text.Lines(append(lines, c.next(s, p, now))...)
}

func (c *Commands) phase(s *incident.State, now time.Time) text.Text {
	switch phase := s.Phase(); phase {
	case "resolved":
		return text.Format("resolved at %s by %s", c.at(s.ResolvedAt), named(s.ResolvedBy))
	case "aborted":
		return text.Format("aborted at %s by %s: %s", c.at(s.AbortedAt), named(s.AbortedBy), text.Quote(s.Aborted.Reason))
	case "mitigated":
		return text.Format("mitigated at %s", c.at(s.MitigatedAt))
	case "ended":
		return text.Format("%s ended at %s", string(s.Run.Name), c.at(s.EndedAt))
	case "halted":
		return text.Format("halted, because the record lost %s: {repair go-on REASON} or {repair restore REASON}", text.Count(int(s.Diverged.Held-s.Diverged.Common), "event"))
	case "paused":
		say := text.Format("paused by %v", named(s.PausedBy))
		if s.PauseReason != "" {
			say = say.Add(": %v", text.Quote(s.PauseReason))
		}
		return say
	case "running":
		return text.Format("running %v", now.Sub(s.GoAt))
	default:
		return text.Format("%s %v", phase, now.Sub(s.DeclaredAt))
	}
}

// sectionLine is one section: a word where something is the matter.
func (c *Commands) sectionLine(s *incident.State, p *runbook.Plan, sec runbook.Section) string {
	var all, settled, failed, busy, closing, advised, skipped int
	waits := false
	for _, st := range p.Steps {
		if st.Section != sec.ID {
			continue
		}
		all++
		stand := s.Step(st.ID)
		if stand.Status.Settled() {
			settled++
		}
		switch stand.Status {
		case incident.Failed:
			failed++
		case incident.Running:
			busy++
		case incident.Advised:
			advised++
		case incident.Skipped:
			skipped++
		case incident.Pending, incident.Done:
		}
		waits = waits || (s.OpenQuestion(st.ID) != nil && !s.Over())
		if st.Closing && stand.Status == incident.Running {
			closing++
		}
	}
	mark, words := " ", []string{}
	add := func(n int, word string) {
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, word))
		}
	}
	if s.Over() { // only closing steps are carried out in a run that stopped
		busy -= closing
		add(closing, "under way")
		add(busy, "cut off")
	} else {
		add(busy, "under way")
	}
	add(failed, "failed")
	add(advised, "advice")
	add(skipped, "skipped")
	if waits {
		words = append(words, "waiting for a person")
	}
	switch {
	case failed > 0:
		mark = "x"
	case all > 0 && settled == all:
		mark = "v"
	case busy > 0 || waits || settled > 0:
		mark = ">"
	}
	return strings.TrimRight(fmt.Sprintf("%s %-28s %7s  %s", mark, text.Shorten(sec.Title, 28), fmt.Sprintf("%d/%d", settled, all), strings.Join(words, ", ")), " ")
}

// next is what happens from here.
func (c *Commands) next(s *incident.State, p *runbook.Plan, now time.Time) text.Text {
	switch {
	case !s.ResolvedAt.IsZero():
		return text.Format("Nothing is left to do.")
	case !s.AbortedAt.IsZero():
		return then(c.remains(s, p), text.Format("Next: {resolve}."))
	case !s.EndedAt.IsZero() && s.MitigatedAt.IsZero():
		return text.Format("Next: the commander closes it, {resolve}.")
	case !s.MitigatedAt.IsZero():
		return text.Format("Next: the commander resolves it, {resolve}.")
	}
	var busy, failed []text.Text
	var left []string
	for _, st := range p.Steps {
		switch stand := s.Step(st.ID); {
		case stand.Status == incident.Running:
			busy = append(busy, text.Format("%s (%v)", st.Title, now.Sub(stand.Started)))
		case stand.Status == incident.Failed:
			failed = append(failed, text.Format("%s (%v): %v", st.Title, text.ID(st.ID), text.Quote(text.Shorten(stand.Failure.Error, 150))))
		case stand.Status == incident.Pending && s.OpenQuestion(st.ID) == nil:
			left = append(left, st.Title)
		}
	}
	var lines []text.Text
	if len(failed) > 0 {
		lines = append(lines, text.Format("Stopped: %v", text.Join(failed, "and")))
	}
	if len(busy) > 0 {
		lines = append(lines, text.Format("Now: %v.", text.Join(busy, "and")))
	}
	if len(left) > 0 {
		lines = append(lines, text.Format("Next: %s.", left[0]))
	}
	if s.Paused {
		lines = append(lines, text.Format("Nothing new starts before {resume}."))
	}
	if len(lines) == 0 {
		return text.Format("Next: it is verified that %s serves.", s.Target)
	}
	return text.Lines(lines...)
}
