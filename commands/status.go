package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// status says where things stand; without an incident, how the last one ended
// and which Region serves.
func (c *Commands) status(ctx context.Context, ask Ask, _ Person) Answer {
	id := ask.Incident
	if id == "" {
		var err error
		if id, err = c.Book.Log().Current(ctx); err != nil {
			return *c.answerTo(fmt.Errorf("find the current incident: %w", err), false)
		}
	}
	var say string
	if id != "" {
		found, aborted := false, false
		err := c.Book.View(ctx, id, func(s *incident.State) {
			found, aborted = s.Seq > 0 && s.ID != "", !s.AbortedAt.IsZero()
		})
		var before map[string]string // what a run that stopped leaves to be taken back
		if err == nil && aborted {
			var events []incident.Event
			events, err = c.Book.Log().Read(ctx, id, 0, 0)
			before = befores(events)
		}
		if err != nil {
			return *c.answerTo(err, false)
		}
		if found || ask.Incident != "" {
			a := c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
				say = c.standingOf(s, p, before)
				return nil
			})
			if a != nil {
				return *a
			}
			return Answer{Text: say}
		}
		say = fmt.Sprintf("%s is being started at this moment.", id)
	} else {
		say = "No incident is open."
	}
	last, a := c.lastOne(ctx)
	if a != nil {
		return *a
	}
	now := c.serving(ctx, 10*time.Second)
	say += " " + now.says() + "\n" + last
	return Answer{Text: say + fmt.Sprintf("\nTo look at the standby: `/failover check %s`. To begin: `/failover start %s`.", c.standby(now.region), c.standby(now.region))}
}

func (c *Commands) lastOne(ctx context.Context) (string, *Answer) {
	ids, err := c.Book.Log().Incidents(ctx)
	if err != nil {
		return "", c.answerTo(fmt.Errorf("list former incidents: %w", err), false)
	}
	if len(ids) == 0 {
		return "There has been no incident before.", nil
	}
	var say string
	err = c.Book.View(ctx, ids[len(ids)-1], func(s *incident.State) {
		d := s.Declared
		say = fmt.Sprintf("The last one: %s, %s -> %s, %s, started %s, %s", s.ID, d.Source, d.Target, d.Mode, c.at(s.DeclaredAt), s.Phase())
		switch {
		case !s.ResolvedAt.IsZero():
			say += fmt.Sprintf(" at %s by %s", c.at(s.ResolvedAt), mention(s.ResolvedBy))
		case !s.AbortedAt.IsZero():
			say += fmt.Sprintf(" at %s by %s", c.at(s.AbortedAt), mention(s.AbortedBy))
		}
		if !s.MitigatedAt.IsZero() {
			say += fmt.Sprintf("; %s has served since %s", d.Target, c.at(s.ServedAt()))
		}
		say += "."
	})
	return say, c.answerTo(err, false)
}

// standingOf is the card in words.
func (c *Commands) standingOf(s *incident.State, p *runbook.Plan, before map[string]string) string {
	d, now := s.Declared, c.Clock.Now()
	var b strings.Builder
	fmt.Fprintf(&b, "*%s* · %s · %s -> %s · %s · %s", s.ID, d.Severity, d.Source, d.Target, d.Mode, c.phase(s, now))
	fmt.Fprintf(&b, "\nReason: %s (%s). Commander: %s. Plan %s.", quoted(d.Reason), mention(s.DeclaredBy), mention(d.Commander), short6(s.Plan.Digest))
	b.WriteString("\n```\n")
	for _, sec := range p.Sections {
		b.WriteString(c.sectionLine(s, p, sec) + "\n")
	}
	b.WriteString("```")
	for _, id := range s.Open {
		if s.Over() {
			break // it is about to be withdrawn
		}
		q := s.Questions[id]
		fmt.Fprintf(&b, "\nWaiting: %s, for %s since %s (%s)", asks(q), c.waiting(s, q), span(now.Sub(q.AskedAt)), clock(q.AskedAt))
		if !q.Expires.IsZero() {
			fmt.Fprintf(&b, ", asked again at %s", clock(q.Expires))
		}
		b.WriteString(".")
	}
	b.WriteString("\n" + c.next(s, p, now, before))
	return b.String()
}

func (c *Commands) phase(s *incident.State, now time.Time) string {
	switch phase := s.Phase(); phase {
	case "resolved":
		return fmt.Sprintf("resolved at %s by %s", c.at(s.ResolvedAt), mention(s.ResolvedBy))
	case "aborted":
		return fmt.Sprintf("aborted at %s by %s: %s", c.at(s.AbortedAt), mention(s.AbortedBy), quoted(s.Aborted.Reason))
	case "mitigated":
		return fmt.Sprintf("mitigated at %s", c.at(s.MitigatedAt))
	case "paused":
		say := "paused by " + mention(s.PausedBy)
		if s.PauseReason != "" {
			say += ": " + quoted(s.PauseReason)
		}
		return say
	case "running":
		return "running " + span(now.Sub(s.GoAt))
	default:
		return phase + " " + span(now.Sub(s.DeclaredAt))
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
	return strings.TrimRight(fmt.Sprintf("%s %-28s %7s  %s", mark, short(sec.Title, 28), fmt.Sprintf("%d/%d", settled, all), strings.Join(words, ", ")), " ")
}

// next is what happens from here.
func (c *Commands) next(s *incident.State, p *runbook.Plan, now time.Time, before map[string]string) string {
	switch {
	case !s.ResolvedAt.IsZero():
		return "Nothing is left to do."
	case !s.AbortedAt.IsZero():
		return then(remains(s, p, before), "Next: `/failover resolve`.")
	case !s.MitigatedAt.IsZero():
		return "Next: the commander resolves it, `/failover resolve`."
	}
	var busy, failed, left []string
	for _, st := range p.Steps {
		switch stand := s.Step(st.ID); {
		case stand.Status == incident.Running:
			busy = append(busy, fmt.Sprintf("%s (%s)", st.Title, span(now.Sub(stand.Started))))
		case stand.Status == incident.Failed:
			failed = append(failed, fmt.Sprintf("%s (`%s`): %s", st.Title, st.ID, quoted(short(stand.Failure.Error, 150))))
		case stand.Status == incident.Pending && s.OpenQuestion(st.ID) == nil:
			left = append(left, st.Title)
		}
	}
	var lines []string
	if len(failed) > 0 {
		lines = append(lines, "Stopped: "+join(failed, "and"))
	}
	if len(busy) > 0 {
		lines = append(lines, "Now: "+join(busy, "and")+".")
	}
	if len(left) > 0 {
		lines = append(lines, "Next: "+left[0]+".")
	}
	if s.Paused {
		lines = append(lines, "Nothing new starts before `/failover resume`.")
	}
	if len(lines) == 0 {
		return "Next: it is verified that " + s.Declared.Target + " serves."
	}
	return strings.Join(lines, "\n")
}
